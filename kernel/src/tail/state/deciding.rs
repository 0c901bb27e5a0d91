//! Decisions about traces: when they are due, when there is no room, and at the end.

use super::{State, UNDER_STRESS, UNWANTED};
use crate::rope::Chunk;
use crate::tail::annotate::annotate;
use crate::tail::counts::Early;
use crate::tail::decision::{Decision, Outcome};
use crate::tail::policy::Subject;
use crate::traces::ordered::Slot;
use crate::traces::store::{Decided, Memory};

/// The part of the bound that decisions are remembered in where there is no room for more.
const REMEMBERED_SHARE: usize = 8;

impl State {
    /// Forgets decisions, or decides about the oldest traces, until the bound is kept.
    pub(super) fn make_room(&mut self, now: f64) {
        while self.bytes() + self.store.bytes_beside() > self.settings.max_bytes {
            let forgets = self.store.bytes_beside() > self.settings.max_bytes / REMEMBERED_SHARE;
            let made_some = forgets && self.store.forget_beside(now) || self.decide_oldest(Early::Bytes, now);
            if !made_some {
                break;
            }
        }
    }

    pub(super) fn decide_oldest(&mut self, early: Early, now: f64) -> bool {
        let Some(slot) = self.store.oldest() else { return false };
        self.counts.early[early as usize] += 1;
        self.judge(slot, now);
        true
    }

    /// Decides about some of the traces that are due, and says whether there are more.
    pub fn decide(&mut self, now: f64, most: usize) -> bool {
        let now = self.passes(now);
        for _ in 0..most {
            if self.is_full() {
                // What would be sampled has nowhere to go.
                return false;
            }
            let Some(slot) = self.store.pop_due(now) else { return false };
            match self.grows_until(slot, now) {
                Some(until) => self.store.schedule(slot, until),
                None => self.judge(slot, now),
            }
        }
        true
    }

    pub(super) fn is_full(&self) -> bool {
        !self.closed && self.outbox.bytes() * 2 > self.settings.max_bytes
    }

    /// Until when a trace that is due may wait, since it still grows.
    fn grows_until(&mut self, slot: Slot, now: f64) -> Option<f64> {
        let quiet = self.settings.decision_wait_after_last_span;
        let trace = self.store.trace(slot).filter(|_| quiet > 0.0)?;
        let until = (trace.last + quiet).min(trace.first + self.settings.max_decision_wait);
        (until > now).then_some(until)
    }

    /// Decides about some of the traces that wait, and says whether there are more.
    pub fn decide_all(&mut self, now: f64, most: usize) -> bool {
        let now = self.passes(now);
        (0..most).all(|_| self.decide_oldest(Early::Shutdown, now))
    }

    /// Gives up some of the traces that wait, and says how many spans that were.
    pub fn discard(&mut self, most: usize) -> u64 {
        let decided = Decided { sampled: false, policy: None, weight: 1.0, age: 0.0, at: self.now };
        let mut spans = 0;
        for _ in 0..most {
            let Some(slot) = self.store.oldest() else { break };
            if let Some(trace) = self.store.decide(slot, decided, Memory::None) {
                spans += trace.spans as u64;
                self.store.discard(trace.pieces);
            }
        }
        spans
    }

    /// Has the policies decide about a trace.
    pub(super) fn judge(&mut self, slot: Slot, now: f64) {
        let Some(id) = self.store.id(slot) else { return };
        let Some(trace) = self.store.trace(slot) else { return };
        let decision = if self.settings.span_ingest {
            UNWANTED
        } else {
            let subject = Subject { id: &id, spans: trace.spans, size: trace.size, facts: &trace.facts };
            self.policies.decide(&subject, now)
        };
        self.finish(slot, decision, now);
    }

    pub(super) fn finish(&mut self, slot: Slot, decision: Decision, now: f64) {
        let sampled = decision.outcome == Outcome::Sampled;
        *match decision.outcome {
            Outcome::Sampled => &mut self.counts.sampled,
            Outcome::NotSampled => &mut self.counts.not_sampled,
            Outcome::Dropped => &mut self.counts.dropped,
        } += 1;
        let memory = match self.memory_for(sampled) {
            // As in the Go collector: arrivals that nobody wanted say nothing about later ones.
            Memory::Beside if self.settings.span_ingest && decision == UNWANTED => Memory::None,
            // Whoever waited is remembered in the room that he had.
            Memory::None if self.settings.remember => Memory::Beside,
            memory => memory,
        };
        let weight = if sampled && self.settings.record_policy { self.weigh(slot) } else { 1.0 };
        let age = self.store.trace(slot).map_or(0.0, |trace| now - trace.first);
        let decided = Decided { sampled, policy: decision.policy, weight: weight as f32, age: age as f32, at: now };
        let Some(trace) = self.store.decide(slot, decided, memory) else { return };
        if sampled {
            let chunks = self.store.write(trace.pieces);
            let chunks = self.marked(chunks, decided);
            self.outbox.put(chunks);
        } else {
            self.counts.spans_dropped += trace.spans as u64;
            self.store.discard(trace.pieces);
        }
    }

    fn weigh(&mut self, slot: Slot) -> f64 {
        let Some(id) = self.store.id(slot) else { return 1.0 };
        let Some(trace) = self.store.trace(slot) else { return 1.0 };
        self.policies.weight(&Subject { id: &id, spans: trace.spans, size: trace.size, facts: &trace.facts })
    }

    /// The spans of a sampled trace with what shall be written on them.
    pub(super) fn marked(&mut self, chunks: Vec<Chunk>, decided: Decided) -> Vec<Chunk> {
        if decided.policy == Some(UNDER_STRESS) {
            let Some(stress) = &self.stress else { return chunks };
            return stress.sample(chunks);
        }
        match decided.policy {
            Some(policy) if self.settings.record_policy => {
                annotate(chunks, self.policies.name(policy), f64::from(decided.weight))
            }
            _ => chunks,
        }
    }

    pub(super) fn memory_for(&self, sampled: bool) -> Memory {
        match (sampled, self.settings.remember) {
            (true, _) if self.settings.sampled_cache_size > 0 => Memory::Sampled,
            (false, _) if self.settings.non_sampled_cache_size > 0 => Memory::NotSampled,
            (_, true) if self.store.waiting() + self.store.beside() < self.settings.num_traces => Memory::Beside,
            _ => Memory::None,
        }
    }
}
