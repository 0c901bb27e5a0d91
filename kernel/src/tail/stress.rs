//! What happens when traces nearly fill their bound: new ones are decided about by probability alone, without waiting.
//!
//! The decision is the one of `probabilistic_sampler` in mode `equalizing`: it depends on the trace id or on what the
//! tracestate says, so collectors and stages agree, and the tracestate of what stays says with which probability it did.

use std::sync::Arc;

use serde::Deserialize;

use crate::error::OptionError;
use crate::ops::{SamplerMode, SamplerOp, SamplerSettings};
use crate::program::Program;
use crate::rope::{Chunk, SpanBatch};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StressSettings {
    /// The share of traces that stays, in percent.
    pub sampling_percentage: f32,
    /// Shares of the bound, in percent, at which it begins, and below which it ends.
    pub activation_percentage: f64,
    pub deactivation_percentage: f64,
    /// Seconds that it lasts at least.
    pub minimum_duration: f64,
}

pub struct Stress {
    program: Program,
    begin_at: usize,
    end_below: usize,
    minimum: f64,
    since: Option<f64>,
}

impl Stress {
    /// `bound` is the most memory for spans.
    pub fn new(settings: &StressSettings, bound: usize) -> Result<Self, OptionError> {
        let sampler = SamplerSettings {
            sampling_percentage: settings.sampling_percentage,
            hash_seed: 0,
            mode: SamplerMode::Equalizing,
            sampling_precision: 4,
            fail_closed: false,
        };
        let op = SamplerOp::new(&sampler)?;
        let share = |percentage: f64| (bound as f64 * percentage / 100.0) as usize;
        Ok(Self {
            program: Program::new(vec![Arc::new(op)]),
            begin_at: share(settings.activation_percentage),
            end_below: share(settings.deactivation_percentage),
            minimum: settings.minimum_duration,
            since: None,
        })
    }

    /// Hears how many bytes are held, and says whether it lasts.
    pub fn lasts(&mut self, bytes: usize, now: f64) -> bool {
        match self.since {
            None if bytes >= self.begin_at => self.since = Some(now),
            Some(since) if bytes < self.end_below && now - since >= self.minimum => self.since = None,
            _ => {}
        }
        self.since.is_some()
    }

    /// Whether it has begun and not ended.
    pub fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// What stays of spans of one trace: all of them, or none.
    pub fn sample(&self, chunks: Vec<Chunk>) -> Vec<Chunk> {
        self.program.run(&SpanBatch::from_chunks(chunks)).batch.chunks().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_near_the_bound_and_ends_well_below_it_and_not_at_once() {
        let settings = StressSettings {
            sampling_percentage: 10.0,
            activation_percentage: 90.0,
            deactivation_percentage: 75.0,
            minimum_duration: 10.0,
        };
        let mut stress = Stress::new(&settings, 1000).unwrap();
        assert!(!stress.lasts(899, 0.0));
        assert!(stress.lasts(900, 1.0));
        assert!(stress.lasts(100, 10.9), "not long enough");
        assert!(stress.lasts(750, 12.0), "still too much");
        assert!(!stress.lasts(749, 12.0));
        assert!(!stress.lasts(899, 13.0) && stress.lasts(950, 14.0));
    }
}
