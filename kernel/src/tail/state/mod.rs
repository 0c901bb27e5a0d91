//! The traces that wait, and the rules by which they are decided about. All of it is told the time.

mod deciding;
mod moving;
mod receiving;

use std::collections::HashSet;
use std::sync::Arc;

pub use self::moving::Decisions;
use super::counts::Counts;
use super::decision::{Decision, Outcome, Policies};
use super::facts::Facts;
use super::outbox::Outbox;
use super::probes::Probes;
use super::sampler::Settings;
use super::stress::Stress;
use crate::plan::NotTaken;
use crate::traces::TraceId;
use crate::traces::arrivals::Arrivals;
use crate::traces::store::{Store, TICK};

/// Stands for the policy of what was decided about under stress.
const UNDER_STRESS: u16 = u16::MAX;

const UNWANTED: Decision = Decision { outcome: Outcome::NotSampled, policy: None };

pub struct State {
    settings: Settings,
    pub policies: Policies,
    probes: Arc<Probes>,
    stress: Option<Stress>,
    pub store: Store<Facts>,
    pub counts: Counts,
    pub outbox: Outbox,
    /// When the one who takes will look again by himself; infinite if he has been rung for, and will look now.
    looks_at: f64,
    closed: bool,
    now: f64,
    arrivals: u64,
}

impl State {
    pub fn new(settings: Settings, policies: Policies, probes: Arc<Probes>, stress: Option<Stress>) -> Self {
        Self {
            store: Store::new(settings.sampled_cache_size, settings.non_sampled_cache_size),
            settings,
            policies,
            probes,
            stress,
            counts: Counts::default(),
            outbox: Outbox::default(),
            looks_at: f64::INFINITY,
            closed: false,
            now: 0.0,
            arrivals: 0,
        }
    }

    /// A clock that jumps back stands still here.
    pub(super) fn passes(&mut self, now: f64) -> f64 {
        self.now = self.now.max(now);
        self.now
    }

    /// Whether there is room. What waits can be decided about to make some, unless the next stage does not take it.
    pub fn admit(&self, arrivals: &Arrivals<'_, Facts>) -> Result<(), NotTaken> {
        if self.closed {
            return Err(NotTaken::now("the processor is shutting down"));
        }
        if self.outbox.bytes() * 2 > self.settings.max_bytes {
            return Err(NotTaken::now(
                "the next stage does not take what was decided, and half of max_bytes waits for it",
            ));
        }
        if self.settings.block_on_overflow {
            let new: HashSet<&TraceId> =
                arrivals.runs.iter().map(|run| &run.id).filter(|id| !self.store.contains(id)).collect();
            let held = self.store.waiting();
            if held > 0 && !new.is_empty() && held + new.len() > self.settings.num_traces {
                return Err(NotTaken::now("num_traces wait already"));
            }
        }
        Ok(())
    }

    pub fn is_stressed(&self) -> bool {
        self.stress.as_ref().is_some_and(Stress::is_on)
    }

    pub fn close(&mut self) {
        self.closed = true;
    }

    /// When to look again.
    pub fn watch(&mut self) -> Option<f64> {
        if !self.outbox.is_empty() {
            return Some(self.now);
        }
        let mut due = self.store.next_due();
        if self.is_full() {
            // Nobody tells when the next stage takes something again.
            due = due.map(|due| due.max(self.now + TICK));
        }
        self.looks_at = due.unwrap_or(f64::INFINITY);
        due
    }

    /// Whether the one who takes must look before he would.
    pub fn wants_attention(&mut self) -> bool {
        let due = self.store.next_due().unwrap_or(f64::INFINITY);
        let wants = !self.outbox.is_empty() || due < self.looks_at;
        let rung = wants && self.looks_at > f64::NEG_INFINITY;
        if rung {
            self.looks_at = f64::NEG_INFINITY;
        }
        rung
    }

    pub fn spans(&self) -> usize {
        self.store.spans() + self.outbox.spans()
    }

    pub fn bytes(&self) -> usize {
        self.store.bytes() + self.outbox.bytes()
    }
}
