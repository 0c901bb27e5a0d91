//! `probabilistic_sampler`: keep a fixed share of traces, chosen by their ids.
//!
//! Every span of a trace gets the same number, its randomness, and stays when that is not below a threshold. In
//! mode `hash_seed` it comes from a hash of the trace id, of which 14 bits decide, as they always did in the Go
//! collector. In the other modes it is what the tracestate says, or the end of the trace id, and what samplers before this
//! one did counts: `proportional` keeps a share of what arrives, `equalizing` a share of what there was. The numbers are
//! written as fractions of 2^56, so that later samplers can go on with them.
//! <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>

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
    #[serde(default)]
    pub mode: SamplerMode,
    /// Hex digits of a threshold that say something, in modes that write probabilities of their own.
    #[serde(default = "four")]
    pub sampling_precision: u32,
    /// Whether spans go whose number cannot be told.
    #[serde(default = "yes")]
    pub fail_closed: bool,
}

/// How it is decided.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SamplerMode {
    #[default]
    HashSeed,
    Proportional,
    Equalizing,
}

fn yes() -> bool {
    true
}

fn four() -> u32 {
    4
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
    /// A share of what arrives stays.
    Proportional { share: f64, precision: u32 },
    /// What was sampled less strictly before is sampled as strictly.
    Equalizing { threshold: u64 },
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
        let precision = settings.sampling_precision;
        if !(1..=14).contains(&precision) {
            return Err(OptionError::new(
                "sampling_precision",
                format!("must be from 1 to 14 hex digits, got {precision}"),
            ));
        }
        let probability = f64::from(share.min(100.0)) / 100.0;
        let mode = match settings.mode {
            SamplerMode::HashSeed => hashing(share, settings.hash_seed),
            _ if probability == 0.0 => Mode::Never,
            SamplerMode::Proportional => Mode::Proportional { share: probability, precision },
            SamplerMode::Equalizing => Mode::Equalizing { threshold: threshold_of(probability, precision) },
        };
        Ok(Self { mode, fail_closed: settings.fail_closed })
    }

    /// The span's number and where it is from, the tracestate to write if the span stays, and the threshold.
    ///
    /// Without a threshold the number cannot be trusted; without a tracestate the span keeps the one it has.
    fn judge<'s>(&self, span: &'s SpanView<'_>) -> (u64, Policy, Option<TraceState<'s>>, Option<u64>) {
        let parsed = TraceState::parse(span.trace_state());
        let has_id = span.trace_id().iter().any(|byte| *byte != 0);
        let wanted = match self.mode {
            Mode::HashSeed { state, threshold } => {
                let (randomness, policy) = match has_id {
                    true => (randomness_of(fnv1a(state, span.trace_id())), Policy::TraceIdHash),
                    false => (NEVER - 1, Policy::MissingRandomness),
                };
                return match parsed {
                    // Somebody sampled by other numbers before, which a hash cannot continue.
                    Err(_) | Ok(TraceState { randomness: Some(_), .. } | TraceState { threshold: Some(_), .. }) => {
                        (randomness, policy, None, None)
                    }
                    Ok(mut tracestate) => {
                        tracestate.randomness = Some(randomness);
                        (randomness, policy, Some(tracestate), has_id.then_some(threshold))
                    }
                };
            }
            mode => mode,
        };
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
        let arrived = tracestate.threshold.unwrap_or(0);
        let threshold = match wanted {
            Mode::Proportional { share, precision } => threshold_of(probability_of(arrived) * share, precision),
            Mode::Equalizing { threshold } => threshold.max(arrived),
            Mode::Never | Mode::HashSeed { .. } => NEVER,
        };
        let trusted = policy != Policy::MissingRandomness && !contradicts;
        (randomness, policy, Some(tracestate), trusted.then_some(threshold))
    }
}

/// In single precision and rounded down: collectors that share a seed must agree to the bucket.
fn hashing(percentage: f32, seed: u32) -> Mode {
    let limit = (percentage.min(100.0) * (BUCKETS as f32 / 100.0)) as u32;
    match limit {
        0 => Mode::Never,
        _ => Mode::HashSeed {
            state: fnv1a(FNV_OFFSET, &seed.to_le_bytes()),
            threshold: u64::from(BUCKETS - limit.min(BUCKETS)) << BUCKET_SHIFT,
        },
    }
}

/// The threshold that this share of all numbers is not below, with so many hex digits that say something: those in front that
/// are all `f` or all `0` do not count. A share that 56 bits cannot express is none.
fn threshold_of(probability: f64, precision: u32) -> u64 {
    const DIGITS: i32 = 14;
    if probability >= 1.0 {
        return 0;
    }
    if probability < 1.0 / NEVER as f64 {
        return NEVER;
    }
    let digits = |part: f64| precision as i32 + exponent(part) / -4;
    let digits = DIGITS.min(digits(probability).max(digits(1.0 - probability)));
    let exact = NEVER - (probability * NEVER as f64).round() as u64;
    match 4 * (DIGITS - digits) {
        0 => exact,
        shift => (exact + (1 << (shift - 1))) >> shift << shift,
    }
}

/// The share of all numbers that are not below a threshold.
fn probability_of(threshold: u64) -> f64 {
    (NEVER - threshold) as f64 / NEVER as f64
}

/// The `e` with which a number in (0, 1) is a fraction from a half to one, times 2^e.
fn exponent(value: f64) -> i32 {
    (value.to_bits() >> 52 & 0x7ff) as i32 - 1022
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
        let (mode, sampling_precision) = (SamplerMode::HashSeed, 4);
        let settings = SamplerSettings { sampling_percentage, hash_seed, mode, sampling_precision, fail_closed: true };
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
                other => panic!("{other:?} is none of the modes of this test"),
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

    #[test]
    fn a_threshold_has_the_digits_that_say_something() {
        let written = |probability, precision| {
            let mut state = TraceState::default();
            state.threshold = Some(threshold_of(probability, precision));
            let mut out = Vec::new();
            state.write(&mut out);
            String::from_utf8(out).unwrap().split_off("ot=th:".len())
        };
        for (probability, expected) in [
            (0.999, ["00419", "004189", "0041893", "004189374bc6a8"]),
            (0.99, ["028f", "028f6", "028f5c", "028f5c28f5c29"]),
            (0.9, ["19a", "199a", "1999a", "19999999999998"]),
            (0.75, ["4"; 4]),
            (2.0 / 3.0, ["555", "5555", "55555", "55555555555558"]),
            (0.5, ["8"; 4]),
            (1.0 / 3.0, ["aab", "aaab", "aaaab", "aaaaaaaaaaaaac"]),
            (0.25, ["c"; 4]),
            (0.1, ["e66", "e666", "e6666", "e6666666666666"]),
            (0.01, ["fd71", "fd70a", "fd70a4", "fd70a3d70a3d71"]),
            (0.0001, ["fff972", "fff9724", "fff97247", "fff972474538ef"]),
        ] {
            for (precision, expected) in [3, 4, 5, 14].into_iter().zip(expected) {
                assert_eq!(written(probability, precision), expected, "{probability} in {precision} digits");
            }
        }
        assert_eq!((threshold_of(1.0, 4), threshold_of(1e-17, 4)), (0, NEVER));
        assert_eq!(threshold_of(1.0 / NEVER as f64, 1), NEVER - 1);
    }

    #[test]
    fn probabilities_are_fractions_of_what_there_was() {
        assert_eq!(probability_of(0), 1.0);
        assert_eq!(probability_of(NEVER / 2), 0.5);
        assert!((1.0 / probability_of(0xfd_70a0_0000_0000) - 99.9977).abs() < 1e-4);
    }
}
