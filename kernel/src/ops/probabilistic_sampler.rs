//! `probabilistic_sampler`: keep a fixed share of traces, by a hash of the trace id.
//!
//! The decision depends on the trace id and the seed alone, so all spans of a trace share its fate, in every
//! collector that has the same seed. A span that stays carries its threshold and randomness in its tracestate,
//! which later stages and backends count with.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Counts, Levels, Op, Place, Prune, Verdict};
use crate::error::OptionError;
use crate::number;
use crate::tracestate::{TraceState, Unreadable};
use crate::view::{Needs, SpanView, Value};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplerSettings {
    /// Percent of traces to keep.
    pub sampling_percentage: f64,
    #[serde(default)]
    pub hash_seed: u32,
    /// What happens to spans that cannot be decided about: true drops them.
    #[serde(default = "yes")]
    pub fail_closed: bool,
}

fn yes() -> bool {
    true
}

/// Traces fall into this many buckets.
const BUCKETS: u32 = 1 << 14;
/// A threshold above every randomness.
const NEVER: u64 = 1 << 56;
const MAX_RANDOMNESS: u64 = NEVER - 1;

/// Names of the counters: whether a span stayed, and what decided.
const TALLIES: [&str; 6] = [
    "true/trace_id_hash",
    "false/trace_id_hash",
    "true/sampling_priority",
    "false/sampling_priority",
    "true/missing_randomness",
    "false/missing_randomness",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecidedBy {
    Hash = 0,
    Priority = 2,
    NoRandomness = 4,
}

#[derive(Clone, Debug)]
pub struct SamplerOp {
    /// FNV-1a after the seed: the part of the hash that all traces share.
    seeded: u32,
    /// Kept are the traces whose randomness is at least this.
    threshold: u64,
    fail_closed: bool,
}

impl SamplerOp {
    pub fn new(settings: &SamplerSettings) -> Result<Self, OptionError> {
        let percentage = settings.sampling_percentage;
        if percentage.is_nan() || percentage < 0.0 {
            let message = format!("must be a percentage from 0, got {percentage}");
            return Err(OptionError::new("sampling_percentage", message));
        }
        // In single precision and truncated: collectors must agree on the last bucket.
        let kept = (percentage as f32 * (BUCKETS as f32 / 100.0)).min(BUCKETS as f32) as u32;
        Ok(Self {
            seeded: fnv1a(0x811c_9dc5, &settings.hash_seed.to_le_bytes()),
            threshold: if kept == 0 { NEVER } else { u64::from(BUCKETS - kept) << 42 },
            fail_closed: settings.fail_closed,
        })
    }

    /// 56 bits whose upper 14 are the bucket, counted from the top: comparing them with the threshold gives
    /// the same decision as comparing the bucket.
    fn randomness(&self, trace_id: &[u8]) -> u64 {
        let hash = fnv1a(self.seeded, trace_id);
        let bucket = u64::from(hash & (BUCKETS - 1));
        let upper = u64::from(hash >> 18);
        (u64::from(BUCKETS - 1) - bucket) << 42 | (upper ^ upper << 10) << 14 | bucket
    }
}

fn fnv1a(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl Op for SamplerOp {
    fn needs(&self) -> Needs {
        Needs { attributes: true, ..Needs::default() }
    }

    fn levels(&self) -> Levels {
        Levels { span: true, ..Levels::default() }
    }

    fn prunes(&self) -> Prune {
        Prune { scopes: true, resources: true }
    }

    fn tallies(&self) -> &'static [&'static str] {
        &TALLIES
    }

    fn span(&self, span: &mut SpanView<'_>, _place: &Place<'_, '_>, counts: &mut Counts) -> Verdict {
        let has_id = span.trace_id().iter().any(|byte| *byte != 0);
        let randomness = if has_id { self.randomness(span.trace_id()) } else { MAX_RANDOMNESS };
        let state = if span.trace_state().is_empty() {
            Ok(TraceState::default())
        } else {
            TraceState::parse(span.trace_state())
        };
        // Who sampled before us decided with another randomness than ours: nothing that we write would be true.
        let is_sampled = state.as_ref().is_ok_and(|state| state.randomness.is_some() || state.threshold.is_some());
        let mut threshold = self.threshold;
        // A sampler that keeps nothing looks at nothing.
        if (!has_id || is_sampled || state.is_err()) && threshold != NEVER {
            threshold = if self.fail_closed { NEVER } else { 0 };
        }
        let mut decided_by = if has_id { DecidedBy::Hash } else { DecidedBy::NoRandomness };
        match priority(span) {
            Some(true) => (threshold, decided_by) = (0, DecidedBy::Priority),
            Some(false) => (threshold, decided_by) = (NEVER, DecidedBy::Priority),
            None => {}
        }
        let kept = threshold <= randomness;
        if let Some(tally) = counts.tallies.get_mut(decided_by as usize + usize::from(!kept)) {
            *tally += 1;
        }
        if !kept {
            return Verdict::Drop;
        }
        match self.stamp(state, is_sampled, randomness, threshold) {
            Some(header) => {
                span.set_trace_state(Cow::Owned(header));
                Verdict::Changed
            }
            None => Verdict::Keep,
        }
    }
}

impl SamplerOp {
    /// The tracestate of a span that stays, or `None` where it stays as it came.
    fn stamp(
        &self,
        state: Result<TraceState<'_>, Unreadable>,
        is_sampled: bool,
        randomness: u64,
        threshold: u64,
    ) -> Option<Vec<u8>> {
        let mut state = state.ok().filter(|_| !is_sampled)?;
        // A sampler that never decides has no randomness to show.
        state.randomness = (self.threshold != NEVER).then_some(randomness);
        state.threshold = Some(threshold);
        Some(state.write())
    }
}

/// What the `sampling.priority` attribute demands: positive numbers keep, zero drops, all else has no opinion.
fn priority(span: &SpanView<'_>) -> Option<bool> {
    let number = match span.attributes().get(b"sampling.priority")? {
        Value::Int(value) => *value as f64,
        Value::Double(value) => *value,
        Value::Str(text) => number::parse_double(text).ok()?,
        _ => return None,
    };
    if number > 0.0 {
        Some(true)
    } else if number == 0.0 {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling_percentage: f64, hash_seed: u32) -> SamplerOp {
        SamplerOp::new(&SamplerSettings { sampling_percentage, hash_seed, fail_closed: true }).unwrap()
    }

    #[test]
    fn percentages_become_whole_buckets() {
        for (percentage, threshold) in [
            (0.0, NEVER),
            (0.005, NEVER),
            (0.006_103_515_625, 0x00ff_fc00_0000_0000),
            (0.1, 0x00ff_c000_0000_0000),
            (1.0, 0x00fd_7400_0000_0000),
            (10.0, 0x00e6_6800_0000_0000),
            (33.333, 0x00aa_ac00_0000_0000),
            (99.99, 0x0000_0800_0000_0000),
            (100.0, 0),
            (250.0, 0),
        ] {
            assert_eq!(sampler(percentage, 0).threshold, threshold, "{percentage}");
        }
    }

    #[test]
    fn the_randomness_of_a_trace_depends_on_the_seed() {
        let trace_id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        assert_eq!(sampler(50.0, 0).randomness(&trace_id), 0x00fd_c80d_0b42_008d);
        assert_eq!(sampler(50.0, 22).randomness(&trace_id), 0x003e_5015_8161_306b);
        assert_eq!(sampler(50.0, 1234).randomness(&trace_id), 0x0065_f00b_bcef_a683);
    }
}
