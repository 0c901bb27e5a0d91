//! Spans that come: to traces that wait, to new ones, and to those that were decided about.

use std::collections::HashMap;

use super::{State, UNDER_STRESS, UNWANTED};
use crate::rope::Chunk;
use crate::split::field_len;
use crate::tail::counts::Early;
use crate::tail::facts::Facts;
use crate::tail::policy::Subject;
use crate::traces::TraceId;
use crate::traces::arrivals::{Arrivals, Run};
use crate::traces::ordered::Slot;
use crate::traces::store::{Decided, Found, Memory, TICK};
use crate::traces::surroundings::ScopeId;
use crate::traces::trace::Piece;

impl State {
    /// Takes what arrived. `times` is when the first and the last span of these traces came, if that was before.
    pub fn receive(&mut self, arrivals: Arrivals<'_, Facts>, now: f64, times: Option<(f64, f64)>) {
        let now = self.passes(now);
        self.arrivals += 1;
        let around = &mut self.store.around;
        let resources: Vec<u32> = arrivals.resources.iter().map(|resource| around.enter_resource(*resource)).collect();
        let scopes: Vec<(ScopeId, usize, usize)> = arrivals
            .scopes
            .iter()
            .map(|(resource, scope)| (around.enter(resources[*resource], *scope), scope.overhead(), *resource))
            .collect();
        let mut alone = if self.settings.span_ingest { self.alone(&arrivals) } else { Vec::new() };
        for (number, run) in arrivals.runs.into_iter().enumerate() {
            let (scope, overhead, resource) = scopes[run.scope];
            // As the Go collector counts: with the resource and the scope of each arrival.
            let size = field_len(overhead + run.bytes.len());
            let arrival = Arrival {
                key: self.arrivals << 32 | resource as u64,
                resource: arrivals.resources[resource].overhead(),
                size,
                times,
                alone: alone.get_mut(number).and_then(Option::take),
            };
            self.run(run, scope, arrival, now);
        }
        let around = &mut self.store.around;
        scopes.into_iter().for_each(|(scope, ..)| around.leave(scope));
        resources.into_iter().for_each(|resource| around.leave_resource(resource));
        self.make_room(now);
    }

    /// For the last run of each resource and trace, what is known of its spans in that resource alone.
    fn alone(&self, arrivals: &Arrivals<'_, Facts>) -> Vec<Option<Facts>> {
        let mut last: HashMap<(usize, TraceId), usize> = HashMap::new();
        let mut found: Vec<Option<Facts>> = Vec::with_capacity(arrivals.runs.len());
        for (number, run) in arrivals.runs.iter().enumerate() {
            let (resource, _) = arrivals.scopes[run.scope];
            let before = last.insert((resource, run.id), number).and_then(|before| found[before].take());
            let mut facts = before.unwrap_or_default();
            facts.add(run.facts.clone(), &self.probes);
            found.push(Some(facts));
        }
        found
    }

    fn run(&mut self, run: Run<Facts>, scope: ScopeId, arrival: Arrival, now: f64) {
        let slot = match self.store.find(&run.id) {
            Found::Waiting(slot) => slot,
            Found::Decided(decided, memory) => return self.late(run, scope, decided, memory, now),
            Found::Unknown if self.lasts_stress(now) => return self.decide_by_chance(run, scope, now),
            Found::Unknown => self.begin(run.id, &arrival, now),
        };
        self.store.around.using(scope);
        let Run { id, spans, bytes, has_root, facts, .. } = run;
        let piece = Piece { scope, spans: spans as u32, bytes };
        let Some(trace) = self.store.append(slot, piece) else { return };
        if trace.arrival != arrival.key {
            trace.arrival = arrival.key;
            trace.size += arrival.resource;
        }
        trace.size += arrival.size;
        trace.last = arrival.times.map_or(now, |(_, last)| last);
        trace.facts.add(facts, &self.probes);
        let (size, spans) = (trace.size, trace.spans);
        let due = trace.due as f64 * TICK;
        let largest = self.settings.maximum_trace_size_bytes;
        if largest > 0 && size > largest {
            self.counts.too_large += 1;
            self.finish(slot, UNWANTED, now);
            return;
        }
        if self.settings.span_ingest {
            if let Some(alone) = arrival.alone
                && let Some(decision) = self.policies.ingest(&id, spans, size, &alone, now)
            {
                self.finish(slot, decision, now);
            }
            return;
        }
        let after_root = self.settings.decision_wait_after_root_received;
        if has_root && after_root > 0.0 {
            // Of a trace that moved here it is known that the root did not come later than the last span.
            let since = arrival.times.map_or(now, |(_, last)| last);
            if since + after_root < due {
                self.store.schedule(slot, since + after_root);
            }
        }
        if self.settings.decide_early
            && let Some(trace) = self.store.trace(slot)
        {
            let subject = Subject { id: &id, spans: trace.spans, size: trace.size, facts: &trace.facts };
            if let Some(decision) = self.policies.foresee(&subject) {
                self.counts.early[Early::Certain as usize] += 1;
                self.finish(slot, decision, now);
            }
        }
    }

    /// Begins a trace, for which others may have to make room.
    fn begin(&mut self, id: TraceId, arrival: &Arrival, now: f64) -> Slot {
        while self.store.waiting() + self.store.beside() >= self.settings.num_traces {
            if !self.store.forget_beside(now) && !self.decide_oldest(Early::Traces, now) {
                break;
            }
        }
        self.counts.new_traces += u64::from(arrival.times.is_none());
        let first = arrival.times.map_or(now, |(first, _)| first);
        let slot = self.store.begin(id, first);
        self.store.schedule(slot, first + self.settings.decision_wait);
        slot
    }

    /// Spans of a trace that was decided about go its way.
    fn late(&mut self, run: Run<Facts>, scope: ScopeId, decided: Decided, memory: Memory, now: f64) {
        let spans = run.spans as u64;
        match (memory, decided.sampled) {
            (Memory::Sampled, _) => self.counts.cached_sampled += spans,
            (Memory::NotSampled, _) => self.counts.cached_not_sampled += spans,
            _ => {
                self.counts.late += spans;
                self.counts.late_ages.observe(now - decided.at);
            }
        }
        let mut left = 0;
        if decided.sampled {
            let chunks = self.write_run(run, scope);
            let chunks = self.marked(chunks, decided);
            left = self.outbox.put(chunks);
        }
        self.counts.spans_dropped += spans - left;
    }

    fn write_run(&mut self, run: Run<Facts>, scope: ScopeId) -> Vec<Chunk> {
        self.store.around.using(scope);
        self.store.write(vec![Piece { scope, spans: run.spans as u32, bytes: run.bytes }])
    }

    fn lasts_stress(&mut self, now: f64) -> bool {
        let bytes = self.bytes();
        self.stress.as_mut().is_some_and(|stress| stress.lasts(bytes, now))
    }

    /// Decides about a trace of which nothing is known, by its id.
    fn decide_by_chance(&mut self, run: Run<Facts>, scope: ScopeId, now: f64) {
        let (id, spans) = (run.id, run.spans as u64);
        let decided = Decided { sampled: true, policy: Some(UNDER_STRESS), weight: 1.0, age: 0.0, at: now };
        let chunks = self.write_run(run, scope);
        let chunks = self.marked(chunks, decided);
        let left = self.outbox.put(chunks);
        let sampled = left > 0;
        self.counts.new_traces += 1;
        self.counts.stressed += 1;
        *(if sampled { &mut self.counts.sampled } else { &mut self.counts.not_sampled }) += 1;
        self.counts.spans_dropped += spans - left;
        while self.store.waiting() + self.store.beside() >= self.settings.num_traces && self.store.forget_beside(now) {}
        let memory = self.memory_for(sampled);
        self.store.note(id, Decided { sampled, ..decided }, memory);
    }
}

/// What is known of a run besides its spans.
struct Arrival {
    /// Names the batch and the resource.
    key: u64,
    /// Bytes of the resource.
    resource: usize,
    /// Bytes of the scope and the spans.
    size: usize,
    times: Option<(f64, f64)>,
    /// Of the last run of a resource and trace, what is known of its spans in that resource alone.
    alone: Option<Facts>,
}
