//! The traces that wait, and the rules by which they are decided about. All of it is told the time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::annotate::annotate;
use super::counts::{Counts, Early};
use super::decision::{Decision, Outcome, Policies};
use super::facts::Facts;
use super::policy::Subject;
use super::probes::Probes;
use super::sampler::Settings;
use super::saved;
use super::snapshot::{Totals, Writer};
use super::stress::Stress;
use crate::plan::NotTaken;
use crate::rope::{Chunk, SpanBatch};
use crate::split::field_len;
use crate::traces::TraceId;
use crate::traces::arrivals::{Arrivals, Run};
use crate::traces::ordered::Slot;
use crate::traces::store::{Decided, Found, Memory, Store, TICK};
use crate::traces::surroundings::ScopeId;
use crate::traces::trace::Piece;

/// The most of a batch that leaves: what a gRPC server takes in one message.
const LEAVING_SPANS: usize = 8192;
const LEAVING_BYTES: usize = 3584 << 10;

/// The part of the bound that decisions are remembered in where there is no room for more.
const REMEMBERED_SHARE: usize = 8;

/// Stands for the policy of what was decided about under stress.
const UNDER_STRESS: u16 = u16::MAX;

const UNWANTED: Decision = Decision { outcome: Outcome::NotSampled, policy: None };

/// A trace that moves to another place.
pub struct Moving {
    pub first: f64,
    pub last: f64,
    pub batch: SpanBatch,
}

/// Decisions that move to another place, with the names of their policies.
pub type Decisions = Vec<(TraceId, Decided, Memory, String)>;

pub struct State {
    settings: Settings,
    pub policies: Policies,
    probes: Arc<Probes>,
    stress: Option<Stress>,
    pub store: Store<Facts>,
    pub counts: Counts,
    /// Spans that leave.
    ready: VecDeque<Chunk>,
    ready_spans: usize,
    ready_bytes: usize,
    /// Bytes of batches that were taken out and that nobody else has taken over yet.
    leaving_bytes: usize,
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
            ready: VecDeque::new(),
            ready_spans: 0,
            ready_bytes: 0,
            leaving_bytes: 0,
            looks_at: f64::INFINITY,
            closed: false,
            now: 0.0,
            arrivals: 0,
        }
    }

    /// A clock that jumps back stands still here.
    fn passes(&mut self, now: f64) -> f64 {
        self.now = self.now.max(now);
        self.now
    }

    /// Whether there is room. What waits can be decided about to make some, unless the next stage does not take it.
    pub fn admit(&self, arrivals: &Arrivals<'_, Facts>) -> Result<(), NotTaken> {
        if self.closed {
            return Err(NotTaken::now("the processor is shutting down"));
        }
        if (self.ready_bytes + self.leaving_bytes) * 2 > self.settings.max_bytes {
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
            left = self.leave(chunks);
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

    pub fn is_stressed(&self) -> bool {
        self.stress.as_ref().is_some_and(Stress::is_on)
    }

    /// Decides about a trace of which nothing is known, by its id.
    fn decide_by_chance(&mut self, run: Run<Facts>, scope: ScopeId, now: f64) {
        let (id, spans) = (run.id, run.spans as u64);
        let decided = Decided { sampled: true, policy: Some(UNDER_STRESS), weight: 1.0, age: 0.0, at: now };
        let chunks = self.write_run(run, scope);
        let chunks = self.marked(chunks, decided);
        let left = self.leave(chunks);
        let sampled = left > 0;
        self.counts.new_traces += 1;
        self.counts.stressed += 1;
        *(if sampled { &mut self.counts.sampled } else { &mut self.counts.not_sampled }) += 1;
        self.counts.spans_dropped += spans - left;
        while self.store.waiting() + self.store.beside() >= self.settings.num_traces && self.store.forget_beside(now) {}
        let memory = self.memory_for(sampled);
        self.store.note(id, Decided { sampled, ..decided }, memory);
    }

    /// The spans of a sampled trace with what shall be written on them.
    fn marked(&mut self, chunks: Vec<Chunk>, decided: Decided) -> Vec<Chunk> {
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

    fn memory_for(&self, sampled: bool) -> Memory {
        match (sampled, self.settings.remember) {
            (true, _) if self.settings.sampled_cache_size > 0 => Memory::Sampled,
            (false, _) if self.settings.non_sampled_cache_size > 0 => Memory::NotSampled,
            (_, true) if self.store.waiting() + self.store.beside() < self.settings.num_traces => Memory::Beside,
            _ => Memory::None,
        }
    }

    /// Forgets decisions, or decides about the oldest traces, until the bound is kept.
    fn make_room(&mut self, now: f64) {
        while self.bytes() + self.store.bytes_beside() > self.settings.max_bytes {
            let forgets = self.store.bytes_beside() > self.settings.max_bytes / REMEMBERED_SHARE;
            if !(forgets && self.store.forget_beside(now)) && !self.decide_oldest(Early::Bytes, now) {
                break;
            }
        }
    }

    fn decide_oldest(&mut self, early: Early, now: f64) -> bool {
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

    fn is_full(&self) -> bool {
        !self.closed && (self.ready_bytes + self.leaving_bytes) * 2 > self.settings.max_bytes
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
    fn judge(&mut self, slot: Slot, now: f64) {
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

    fn finish(&mut self, slot: Slot, decision: Decision, now: f64) {
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
            self.leave(chunks);
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

    /// Lets spans leave, and says how many they are.
    fn leave(&mut self, chunks: Vec<Chunk>) -> u64 {
        let before = self.ready_spans;
        for chunk in chunks {
            self.ready_spans += chunk.spans;
            self.ready_bytes += chunk.pinned;
            self.ready.push_back(chunk);
        }
        (self.ready_spans - before) as u64
    }

    pub fn next(&mut self) -> Option<SpanBatch> {
        let (mut taken, mut spans, mut bytes) = (Vec::new(), 0, 0);
        while let Some(chunk) = self.ready.front() {
            let fits = spans + chunk.spans <= LEAVING_SPANS && bytes + chunk.data.len() <= LEAVING_BYTES;
            if !fits && !taken.is_empty() {
                break;
            }
            (spans, bytes) = (spans + chunk.spans, bytes + chunk.data.len());
            taken.extend(self.ready.pop_front());
        }
        if taken.is_empty() {
            return None;
        }
        let batch = SpanBatch::from_chunks(taken);
        self.ready_spans -= batch.len();
        self.ready_bytes -= batch.pinned();
        self.leaving_bytes += batch.pinned();
        Some(batch)
    }

    pub fn leaving(&mut self, bytes: isize) {
        self.leaving_bytes = self.leaving_bytes.saturating_add_signed(bytes);
    }

    pub fn close(&mut self) {
        self.closed = true;
    }

    /// When to look again.
    pub fn watch(&mut self) -> Option<f64> {
        if !self.ready.is_empty() {
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
        let wants = !self.ready.is_empty() || due < self.looks_at;
        let rung = wants && self.looks_at > f64::NEG_INFINITY;
        if rung {
            self.looks_at = f64::NEG_INFINITY;
        }
        rung
    }

    pub fn spans(&self) -> usize {
        self.store.spans() + self.ready_spans
    }

    pub fn bytes(&self) -> usize {
        self.store.bytes() + self.ready_bytes + self.leaving_bytes
    }

    /// Some of the traces that wait, which are not here any more.
    pub fn give_up(&mut self, most: usize) -> Vec<Moving> {
        let decided = Decided { sampled: false, policy: None, weight: 1.0, age: 0.0, at: self.now };
        let mut given = Vec::new();
        for _ in 0..most {
            let Some(slot) = self.store.oldest() else { break };
            let Some(trace) = self.store.decide(slot, decided, Memory::None) else { break };
            let batch = SpanBatch::from_chunks(self.store.write(trace.pieces));
            given.push(Moving { first: trace.first, last: trace.last, batch });
        }
        given
    }

    /// Writes what waits and what is remembered into a file.
    pub fn save(&self, path: &Path) -> io::Result<Totals> {
        let totals = Totals { traces: self.store.waiting() as u64, spans: self.store.spans() as u64 };
        let mut file = Writer::create(path, totals)?;
        for (_, trace) in self.store.iter() {
            let batch = SpanBatch::from_chunks(self.store.copy(&trace.pieces));
            file.trace(trace.spans, &saved::trace((self.now - trace.first, self.now - trace.last), &batch))?;
        }
        for decisions in self.decisions().chunks(saved::DECISIONS) {
            file.decisions(&saved::decisions(decisions, self.now))?;
        }
        file.finish()?;
        Ok(totals)
    }

    /// What is remembered.
    pub fn decisions(&self) -> Decisions {
        let named =
            |policy: Option<u16>| policy.map_or_else(String::new, |policy| self.policies.name(policy).to_owned());
        self.store.decisions().map(|(id, decided, memory)| (*id, decided, memory, named(decided.policy))).collect()
    }

    /// Remembers what was decided elsewhere, as far as this one remembers.
    pub fn remember(&mut self, decisions: Decisions) {
        for (id, decided, _, policy) in decisions {
            let memory = self.memory_for(decided.sampled);
            self.store.note(id, Decided { policy: self.policies.position(&policy), ..decided }, memory);
        }
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
