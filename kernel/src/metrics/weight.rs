//! How many spans one stands for: the adjusted count of consistent sampling, from `ot=th` of its tracestate, and what an
//! attribute says, such as `sampling.weight` of `tail_sampling`.
//!
//! A threshold of T lets 2^56 - T of 2^56 pass, so a span stands for 2^56 / (2^56 - T). Histograms count whole spans: what is
//! left of the division is rounded up as often as it says, so that sums are right in the long run.

use crate::tracestate::{NEVER, TraceState};
use crate::view::Value;

/// The most that an attribute can make of a span. What is more is a mistake.
const MOST: f64 = 1e9;

/// What a span counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    pub spans: u64,
    /// Whether the tracestate or an attribute says so. Otherwise the span stands for itself.
    pub is_adjusted: bool,
}

const ITSELF: Weight = Weight { spans: 1, is_adjusted: false };

/// Reads tracestates, and remembers the last one: spans of a trace have the same, and come together.
#[derive(Debug)]
pub struct Weights {
    last: Vec<u8>,
    /// How many of 2^56 pass, by the last tracestate.
    passing: Option<u64>,
    random: u64,
}

impl Weights {
    pub fn new(seed: u64) -> Self {
        Self { last: Vec::new(), passing: None, random: seed }
    }

    #[inline]
    pub fn of(&mut self, trace_state: &[u8]) -> Weight {
        if trace_state.is_empty() {
            return ITSELF;
        }
        if self.last != trace_state {
            self.last.clear();
            self.last.extend_from_slice(trace_state);
            self.passing = passing(trace_state);
        }
        match self.passing {
            Some(passing) => Weight { spans: self.divide(passing), is_adjusted: true },
            None => ITSELF,
        }
    }

    /// The same for a span that stands for several more, if this is the number of how many: that of a stage that samples by
    /// rules of its own.
    pub fn times(&mut self, weight: Weight, several: Option<&Value<'_>>) -> Weight {
        let several = match several {
            Some(Value::Double(value)) => *value,
            Some(Value::Int(value)) => *value as f64,
            _ => return weight,
        };
        if !(1.0..=MOST).contains(&several) {
            return weight;
        }
        let exact = weight.spans as f64 * several;
        let rest = (exact.fract() * NEVER as f64) as u64;
        let spans = exact as u64 + u64::from(rest > 0 && self.below(NEVER) < rest);
        Weight { spans, is_adjusted: weight.is_adjusted || several > 1.0 }
    }

    /// 2^56 / `passing`, rounded at random.
    fn divide(&mut self, passing: u64) -> u64 {
        let (whole, rest) = (NEVER / passing, NEVER % passing);
        whole + u64::from(rest > 0 && self.below(passing) < rest)
    }

    /// A random number below `bound`, by SplitMix64. <https://prng.di.unimi.it/splitmix64.c>
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
    }
}

fn passing(trace_state: &[u8]) -> Option<u64> {
    memchr::memmem::find(trace_state, b"ot=")?;
    // A threshold is below 2^56, so somebody passes.
    TraceState::parse(trace_state).ok()?.threshold.map(|threshold| NEVER - threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_multiplies_what_the_tracestate_says() {
        let mut weights = Weights::new(1);
        let mut times = |state: &str, value| {
            let weight = weights.of(state.as_bytes());
            weights.times(weight, Some(&value))
        };
        assert_eq!(times("", Value::Double(20.0)), Weight { spans: 20, is_adjusted: true });
        assert_eq!(times("ot=th:c", Value::Int(3)), Weight { spans: 12, is_adjusted: true });
        assert_eq!(times("", Value::Double(1.0)), ITSELF);
        for odd in [Value::Double(f64::NAN), Value::Double(-1.0), Value::Int(0), Value::Double(1e10), Value::Bool(true)]
        {
            assert_eq!(times("", odd), ITSELF);
        }
        let sum: u64 = (0..10_000).map(|_| times("", Value::Double(2.25)).spans).sum();
        // The variance of each is 3/16: five standard deviations are 217.
        assert!(sum.abs_diff(22_500) < 217, "{sum}");
    }

    #[test]
    fn a_threshold_says_how_many() {
        let mut weights = Weights::new(1);
        for (trace_state, spans, is_adjusted) in [
            ("", 1, false),
            ("vendor=1", 1, false),
            ("ot=rv:9b8233f7e3a151", 1, false),
            ("ot=th:zz", 1, false),
            ("ot=th:0", 1, true),
            ("ot=th:8", 2, true),
            ("vendor=1,ot=th:c;rv:ffffffffffffff", 4, true),
            ("ot=th:ffffffffffffff", NEVER, true),
        ] {
            assert_eq!(weights.of(trace_state.as_bytes()), Weight { spans, is_adjusted }, "{trace_state}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_right_on_average() {
        let mut weights = Weights::new(7);
        // A third is dropped: a span stands for one and a half.
        let sum: u64 = (0..10_000).map(|_| weights.of(b"ot=th:55555555555555").spans).sum();
        assert!((14_800..15_200).contains(&sum), "{sum}");
    }
}
