//! `probabilistic_sampler`: keep a fixed share of traces, chosen by their ids.
//!
//! Every span of a trace gets the same number, its randomness, and stays when that is not below a threshold. In
//! mode `hash_seed` it comes from a hash of the trace id, of which 14 bits decide, as they always did in the Go
//! collector; the numbers are written as fractions of 2^56, so that later samplers can go on with them.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Counts, Levels, Op, Place, Prune, Verdict};
use crate::error::OptionError;
use crate::number;
use crate::tracestate::{NEVER, TraceState};
use crate::view::{Needs, SpanView, Value};

const BUCKETS: u32 = 1 << 14;
/// The weight of the 14 bits that decide.
const BUCKET_SHIFT: u32 = 42;
const FNV_PRIME: u32 = 0x0100_0193;
const FNV_OFFSET: u32 = 0x811c_9dc5;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplerSettings {
    /// In percent; 100 or more keeps all.
    pub sampling_percentage: f32,
    #[serde(default)]
    pub hash_seed: u32,
    /// Whether spans go whose number cannot be told.
    #[serde(default = "yes")]
    pub fail_closed: bool,
}

fn yes() -> bool {
    true
}

/// Why a span was judged as it was: the `policy` of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    TraceIdHash,
    TraceIdW3c,
    SamplingRandomness,
    SamplingPriority,
    MissingRandomness,
}

/// By policy and, within it, kept and dropped.
const TALLIES: &[&str] = &[
    "true/trace_id_hash",
    "false/trace_id_hash",
    "true/trace_id_w3c",
    "false/trace_id_w3c",
    "true/sampling_randomness",
    "false/sampling_randomness",
    "true/sampling_priority",
    "false/sampling_priority",
    "true/missing_randomness",
    "false/missing_randomness",
];

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// The share is too small for any trace.
    Never,
    /// The randomness is a hash that begins with this state.
    HashSeed { state: u32, threshold: u64 },
}

/// Keeps spans whose trace falls below a threshold.
#[derive(Debug)]
pub struct SamplerOp {
    mode: Mode,
    fail_closed: bool,
}

impl SamplerOp {
    pub fn new(settings: &SamplerSettings) -> Result<Self, OptionError> {
        let share = settings.sampling_percentage;
        if share.is_nan() || share < 0.0 {
            return Err(OptionError::new("sampling_percentage", format!("must be a percentage from 0, got {share}")));
        }
        // In single precision and rounded down: collectors that share a seed must agree to the bucket.
        let scale = BUCKETS as f32 / 100.0;
        let limit = (share.min(100.0) * scale) as u32;
        let mode = match limit {
            0 => Mode::Never,
            _ => Mode::HashSeed {
                state: fnv1a(FNV_OFFSET, &settings.hash_seed.to_le_bytes()),
                threshold: u64::from(BUCKETS - limit.min(BUCKETS)) << BUCKET_SHIFT,
            },
        };
        Ok(Self { mode, fail_closed: settings.fail_closed })
    }

    /// The span's number and where it is from, the tracestate to write if the span stays, and the threshold.
    ///
    /// Without a threshold the number cannot be trusted; without a tracestate the span keeps the one it has.
    fn judge<'s>(&self, span: &'s SpanView<'_>) -> (u64, Policy, Option<TraceState<'s>>, Option<u64>) {
        let parsed = TraceState::parse(span.trace_state());
        let has_id = span.trace_id().iter().any(|byte| *byte != 0);
        match self.mode {
            Mode::HashSeed { state, threshold } => {
                let (randomness, policy) = match has_id {
                    true => (randomness_of(fnv1a(state, span.trace_id())), Policy::TraceIdHash),
                    false => (NEVER - 1, Policy::MissingRandomness),
                };
                match parsed {
                    // Somebody sampled by other numbers before, which a hash cannot continue.
                    Err(_) | Ok(TraceState { randomness: Some(_), .. } | TraceState { threshold: Some(_), .. }) => {
                        (randomness, policy, None, None)
                    }
                    Ok(mut tracestate) => {
                        tracestate.randomness = Some(randomness);
                        (randomness, policy, Some(tracestate), has_id.then_some(threshold))
                    }
                }
            }
            Mode::Never => {
                let Ok(mut tracestate) = parsed else { return (NEVER - 1, Policy::MissingRandomness, None, None) };
                let (randomness, policy) = match tracestate.randomness {
                    Some(randomness) => (randomness, Policy::SamplingRandomness),
                    None if has_id => (id_randomness(span.trace_id()), Policy::TraceIdW3c),
                    None => (NEVER - 1, Policy::MissingRandomness),
                };
                // With such a number nobody can have kept the span at this threshold.
                let contradicts = tracestate.threshold.is_some_and(|threshold| randomness < threshold);
                if contradicts {
                    tracestate.threshold = None;
                }
                let trusted = policy != Policy::MissingRandomness && !contradicts;
                (randomness, policy, Some(tracestate), trusted.then_some(NEVER))
            }
        }
    }
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

    fn tallies(&self) -> Vec<String> {
        TALLIES.iter().map(|name| (*name).to_owned()).collect()
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, _: &mut Place<'_, 'a>, counts: &mut Counts) -> Verdict {
        let (randomness, mut policy, tracestate, threshold) = self.judge(span);
        let failed = if self.fail_closed { NEVER } else { 0 };
        let mut threshold = threshold.unwrap_or(failed);
        if let Some(wanted) = priority(span) {
            threshold = if wanted { 0 } else { NEVER };
            policy = Policy::SamplingPriority;
        }
        let kept = threshold <= randomness;
        counts.tallies[2 * policy as usize + usize::from(!kept)] += 1;
        if !kept {
            return Verdict::Drop;
        }
        let Some(mut tracestate) = tracestate else { return Verdict::Keep };
        // A threshold is never lowered: that would claim a probability the span was not kept with.
        tracestate.threshold = Some(tracestate.threshold.map_or(threshold, |arrived| arrived.max(threshold)));
        let mut header = Vec::with_capacity(40);
        tracestate.write(&mut header);
        span.set_trace_state(Cow::Owned(header));
        Verdict::Changed
    }
}

/// What the attribute `sampling.priority` wants, if it has an opinion.
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

/// FNV-1a of 32 bits. <https://datatracker.ietf.org/doc/html/rfc9923>
#[inline]
fn fnv1a(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, byte| (state ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// A number below 2^56 of which the upper 14 bits decide as `bucket < limit` does, with the rest of the hash behind
/// them.
fn randomness_of(hash: u32) -> u64 {
    let bucket = u64::from(hash & (BUCKETS - 1));
    let rest = u64::from(hash >> 18);
    (u64::from(BUCKETS - 1) - bucket) << BUCKET_SHIFT | (rest ^ rest << 10) << 14 | bucket
}

/// The last 56 bits of a trace id, which are random.
fn id_randomness(trace_id: &[u8]) -> u64 {
    trace_id.iter().fold(0, |number, byte| (number << 8 | u64::from(*byte)) & (NEVER - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling_percentage: f32, hash_seed: u32) -> SamplerOp {
        let settings = SamplerSettings { sampling_percentage, hash_seed, fail_closed: true };
        SamplerOp::new(&settings).unwrap()
    }

    #[test]
    fn a_share_is_a_whole_number_of_buckets() {
        for (percentage, buckets) in [
            (0.0, 0),
            (0.0061, 0),
            (0.006_103_515_6, 1),
            (0.1, 16),
            (1.0, 163),
            (10.0, 1638),
            (33.333, 5461),
            (50.0, 8192),
            (99.99, 16382),
            (100.0, 16384),
            (1e30, 16384),
        ] {
            let kept = match sampler(percentage, 0).mode {
                Mode::Never => 0,
                Mode::HashSeed { threshold, .. } => BUCKETS - (threshold >> BUCKET_SHIFT) as u32,
            };
            assert_eq!(kept, buckets, "{percentage} %");
        }
    }

    #[test]
    fn the_randomness_of_an_id_depends_on_the_seed() {
        let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736u128.to_be_bytes();
        for (seed, randomness) in [(0, 0xfd_c80d_0b42_008d), (22, 0x3e_5015_8161_306b), (1234, 0x65_f00b_bcef_a683)] {
            let Mode::HashSeed { state, .. } = sampler(50.0, seed).mode else { panic!("50 % is not never") };
            assert_eq!(randomness_of(fnv1a(state, &id)), randomness, "seed {seed}");
        }
        assert_eq!(id_randomness(&id), 0xce_929d_0e0e_4736);
    }
}
