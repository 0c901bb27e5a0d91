//! Traces by their ids: those that wait for a decision, and what was decided about others.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::TraceId;
use super::ages::Ages;
use super::ordered::{Ordered, Slot};
use super::surroundings::Surroundings;
use super::trace::{Piece, Trace, write};
use crate::rope::Chunk;

/// Seconds of a tick: traces that are due within one are due together.
pub const TICK: f64 = 0.1;

/// Bytes of memory for a trace besides its pieces: itself, its place, its entry in the index, and in the list of what is
/// due.
const TRACE: usize = 320;

/// Bytes of memory for a decision that is remembered: its place, and its entry in the index.
const DECISION: usize = 104;

/// What was decided about a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    pub sampled: bool,
    /// Which policy decided.
    pub policy: Option<u16>,
    /// How many traces it stands for.
    pub weight: f32,
    /// How old the trace was then.
    pub age: f32,
    pub at: f64,
}

/// How a decision is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Not at all: the next span begins a new trace.
    None,
    /// As long as there is room beside the traces that wait.
    Beside,
    /// In a cache of its own, from which what was not asked for goes first.
    Sampled,
    NotSampled,
}

const WAITING: usize = 0;
const BESIDE: usize = 1;
const SAMPLED: usize = 2;
const NOT_SAMPLED: usize = 3;

#[derive(Debug)]
struct Known<F> {
    id: TraceId,
    state: State<F>,
}

#[derive(Debug)]
enum State<F> {
    Waiting(Box<Trace<F>>),
    Decided(Decided),
}

/// What is known of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    Waiting(Slot),
    Decided(Decided, Memory),
    Unknown,
}

#[derive(Debug)]
pub struct Store<F> {
    index: HashMap<TraceId, Slot>,
    known: Ordered<Known<F>, 4>,
    /// By tick. A trace that has become due at another one, or was decided, may still stand here.
    due: BTreeMap<u64, VecDeque<Slot>>,
    pub around: Surroundings,
    spans: usize,
    bytes: usize,
    /// The most decisions in each of the caches.
    caches: [usize; 2],
    /// How old traces were when they left memory, which is later than their decision if that was remembered.
    pub removal_ages: Ages,
}

impl<F: Default> Store<F> {
    /// `sampled` and `not_sampled` are the most decisions that the caches keep.
    pub fn new(sampled: usize, not_sampled: usize) -> Self {
        Self {
            index: HashMap::new(),
            known: Ordered::default(),
            due: BTreeMap::new(),
            around: Surroundings::default(),
            spans: 0,
            bytes: 0,
            caches: [sampled, not_sampled],
            removal_ages: Ages::default(),
        }
    }

    /// Looks a trace up. One that was decided counts as asked for.
    pub fn find(&mut self, id: &TraceId) -> Found {
        let Some(&slot) = self.index.get(id) else { return Found::Unknown };
        match self.known.get(slot).map(|known| &known.state) {
            Some(State::Waiting(_)) => Found::Waiting(slot),
            Some(State::Decided(decided)) => {
                let decided = *decided;
                Found::Decided(decided, self.memory_of(slot))
            }
            None => Found::Unknown,
        }
    }

    pub fn contains(&self, id: &TraceId) -> bool {
        self.index.contains_key(id)
    }

    fn memory_of(&mut self, slot: Slot) -> Memory {
        match self.known.list(slot) {
            SAMPLED => {
                self.known.move_to(SAMPLED, slot);
                Memory::Sampled
            }
            NOT_SAMPLED => {
                self.known.move_to(NOT_SAMPLED, slot);
                Memory::NotSampled
            }
            _ => Memory::Beside,
        }
    }

    /// Begins a trace that is not known.
    pub fn begin(&mut self, id: TraceId, now: f64) -> Slot {
        let trace = Box::new(Trace { first: now, last: now, ..Trace::default() });
        let slot = self.known.push(WAITING, Known { id, state: State::Waiting(trace) });
        self.index.insert(id, slot);
        self.bytes += TRACE;
        slot
    }

    pub fn trace(&mut self, slot: Slot) -> Option<&mut Trace<F>> {
        match self.known.get_mut(slot).map(|known| &mut known.state) {
            Some(State::Waiting(trace)) => Some(trace),
            _ => None,
        }
    }

    pub fn id(&self, slot: Slot) -> Option<TraceId> {
        self.known.get(slot).map(|known| known.id)
    }

    /// Adds spans to a trace that waits. The scope of the piece must be entered for it.
    pub fn append(&mut self, slot: Slot, piece: Piece) -> Option<&mut Trace<F>> {
        let Some(State::Waiting(trace)) = self.known.get_mut(slot).map(|known| &mut known.state) else { return None };
        let before = trace.held();
        self.spans += piece.spans as usize;
        trace.add(piece);
        self.bytes += trace.held() - before;
        Some(trace)
    }

    /// Has a trace be due at a time, in place of the one before.
    pub fn schedule(&mut self, slot: Slot, at: f64) {
        // 0 stands for a trace that is in nobody's turn. What is saved and restored may be older than the clock.
        let tick = (at / TICK).ceil().max(1.0) as u64;
        if let Some(trace) = self.trace(slot)
            && trace.due != tick
        {
            trace.due = tick;
            self.due.entry(tick).or_default().push_back(slot);
        }
    }

    /// When the next traces are due, at the earliest.
    pub fn next_due(&self) -> Option<f64> {
        self.due.first_key_value().map(|(tick, _)| *tick as f64 * TICK)
    }

    /// A trace that is due by now. It has to be decided or scheduled anew.
    pub fn pop_due(&mut self, now: f64) -> Option<Slot> {
        loop {
            let mut entry = self.due.first_entry()?;
            let tick = *entry.key();
            if tick as f64 * TICK > now {
                return None;
            }
            let Some(slot) = entry.get_mut().pop_front() else {
                entry.remove();
                continue;
            };
            if let Some(trace) = self.trace(slot)
                && trace.due == tick
            {
                trace.due = 0;
                return Some(slot);
            }
        }
    }

    /// The trace that has waited for longest.
    pub fn oldest(&self) -> Option<Slot> {
        self.known.first(WAITING)
    }

    /// Ends the wait of a trace, and remembers what was decided about it.
    pub fn decide(&mut self, slot: Slot, decided: Decided, memory: Memory) -> Option<Trace<F>> {
        let known = self.known.get_mut(slot)?;
        if !matches!(known.state, State::Waiting(_)) {
            return None;
        }
        let State::Waiting(trace) = std::mem::replace(&mut known.state, State::Decided(decided)) else { return None };
        self.spans -= trace.spans;
        self.bytes -= trace.held() + TRACE;
        if memory != Memory::Beside {
            self.removal_ages.observe(f64::from(decided.age));
        }
        self.remember(slot, memory);
        Some(*trace)
    }

    /// Remembers what was decided about a trace that is not known.
    pub fn note(&mut self, id: TraceId, decided: Decided, memory: Memory) {
        if memory != Memory::None && !self.contains(&id) {
            let slot = self.known.push(BESIDE, Known { id, state: State::Decided(decided) });
            self.index.insert(id, slot);
            self.remember(slot, memory);
        }
    }

    fn remember(&mut self, slot: Slot, memory: Memory) {
        let list = match memory {
            Memory::None => return self.forget(slot),
            Memory::Beside => BESIDE,
            Memory::Sampled => SAMPLED,
            Memory::NotSampled => NOT_SAMPLED,
        };
        self.known.move_to(list, slot);
        if list != BESIDE && self.known.len(list) > self.caches[list - SAMPLED] {
            self.forget_first(list);
        }
    }

    /// Forgets the oldest decision that is remembered beside the traces that wait, if there is one.
    pub fn forget_beside(&mut self, now: f64) -> bool {
        let first = self.known.first(BESIDE).and_then(|slot| self.known.get(slot));
        if let Some(State::Decided(decided)) = first.map(|known| &known.state) {
            self.removal_ages.observe(now - decided.at + f64::from(decided.age));
        }
        self.forget_first(BESIDE)
    }

    fn forget_first(&mut self, list: usize) -> bool {
        let first = self.known.first(list);
        first.inspect(|slot| self.forget(*slot)).is_some()
    }

    fn forget(&mut self, slot: Slot) {
        if let Some(known) = self.known.remove(slot) {
            self.index.remove(&known.id);
            if self.index.is_empty() {
                self.index = HashMap::new();
            }
        }
    }

    /// Gives up pieces, written.
    pub fn write(&mut self, pieces: Vec<Piece>) -> Vec<Chunk> {
        let scopes: Vec<_> = pieces.iter().map(|piece| piece.scope).collect();
        let chunks = write(pieces, &self.around);
        scopes.into_iter().for_each(|scope| self.around.leave(scope));
        chunks
    }

    /// Pieces, written, which stay.
    pub fn copy(&self, pieces: &[Piece]) -> Vec<Chunk> {
        let again = |piece: &Piece| Piece { scope: piece.scope, spans: piece.spans, bytes: piece.bytes.clone() };
        write(pieces.iter().map(again).collect(), &self.around)
    }

    /// Gives up pieces.
    pub fn discard(&mut self, pieces: Vec<Piece>) {
        pieces.into_iter().for_each(|piece| self.around.leave(piece.scope));
    }

    /// Traces that wait.
    pub fn waiting(&self) -> usize {
        self.known.len(WAITING)
    }

    /// Decisions that are remembered beside them.
    pub fn beside(&self) -> usize {
        self.known.len(BESIDE)
    }

    /// Decisions in the caches: of traces that were sampled, and of others.
    pub fn cached(&self) -> (usize, usize) {
        (self.known.len(SAMPLED), self.known.len(NOT_SAMPLED))
    }

    /// Traces that wait, with their ids, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&TraceId, &Trace<F>)> {
        self.known.iter(WAITING).filter_map(|known| match &known.state {
            State::Waiting(trace) => Some((&known.id, &**trace)),
            State::Decided(_) => None,
        })
    }

    /// What is remembered, the oldest first, with how it is.
    pub fn decisions(&self) -> impl Iterator<Item = (&TraceId, Decided, Memory)> {
        [(BESIDE, Memory::Beside), (SAMPLED, Memory::Sampled), (NOT_SAMPLED, Memory::NotSampled)]
            .into_iter()
            .flat_map(|(list, memory)| self.known.iter(list).map(move |known| (known, memory)))
            .filter_map(|(known, memory)| match known.state {
                State::Decided(decided) => Some((&known.id, decided, memory)),
                State::Waiting(_) => None,
            })
    }

    /// Spans of traces that wait.
    pub fn spans(&self) -> usize {
        self.spans
    }

    /// Bytes of memory for the traces that wait.
    pub fn bytes(&self) -> usize {
        self.bytes + self.around.bytes()
    }

    /// Bytes of memory for what is remembered beside the traces that wait.
    pub fn bytes_beside(&self) -> usize {
        self.known.len(BESIDE) * DECISION
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Envelope;
    use crate::traces::trace::PIECE;

    fn store() -> Store<()> {
        Store::new(2, 0)
    }

    fn id(number: u8) -> TraceId {
        [number; 16]
    }

    fn decided(sampled: bool) -> Decided {
        Decided { sampled, policy: None, weight: 1.0, age: 0.0, at: 0.0 }
    }

    fn hold(store: &mut Store<()>, number: u8, bytes: usize) -> Slot {
        let slot = store.begin(id(number), f64::from(number));
        let envelope = Envelope { before: b"r", inner: b"", after: b"" };
        let resource = store.around.enter_resource(envelope);
        let scope = store.around.enter(resource, envelope);
        store.around.leave_resource(resource);
        store.append(slot, Piece { scope, spans: 1, bytes: vec![0; bytes].into_boxed_slice() });
        slot
    }

    #[test]
    fn what_is_held_is_counted_to_the_byte() {
        let mut store = store();
        assert_eq!(store.bytes(), 0);
        let slots: Vec<Slot> = (1..=50).map(|number| hold(&mut store, number, usize::from(number) * 10)).collect();
        assert_eq!((store.spans(), store.waiting()), (50, 50));
        let around = store.around.bytes();
        assert_eq!(store.bytes(), 12_750 + 50 * (PIECE + TRACE) + around);
        for (number, slot) in slots.into_iter().enumerate() {
            let trace = store.decide(slot, decided(number % 2 == 0), Memory::None).unwrap();
            if number % 2 == 0 {
                store.write(trace.pieces);
            } else {
                store.discard(trace.pieces);
            }
        }
        assert_eq!((store.bytes(), store.spans(), store.waiting()), (0, 0, 0));
        assert_eq!(store.find(&id(1)), Found::Unknown);
    }

    #[test]
    fn traces_are_due_in_turn_and_may_be_due_anew() {
        let mut store = store();
        let slots: Vec<Slot> = (1..=3).map(|number| hold(&mut store, number, 10)).collect();
        store.schedule(slots[0], 10.0);
        store.schedule(slots[1], 9.05);
        store.schedule(slots[2], 10.0);
        store.schedule(slots[2], 5.0);
        assert!((store.next_due().unwrap() - 5.0).abs() < 1e-9);
        assert_eq!(store.pop_due(4.9), None);
        assert_eq!(store.pop_due(5.0), Some(slots[2]));
        store.schedule(slots[2], 10.0);
        assert_eq!(store.pop_due(9.06), None);
        assert_eq!(store.pop_due(9.2), Some(slots[1]));
        let last: Vec<Slot> = std::iter::from_fn(|| store.pop_due(f64::INFINITY)).collect();
        assert_eq!(last, [slots[0], slots[2]], "each once, although one stands there twice");
        assert_eq!(store.next_due(), None);
    }

    #[test]
    fn a_trace_that_is_older_than_the_clock_is_due_all_the_same() {
        for at in [-1e9, -0.05, 0.0] {
            let mut store = store();
            let slot = hold(&mut store, 1, 10);
            store.schedule(slot, at);
            assert_eq!((store.pop_due(0.2), store.pop_due(0.2)), (Some(slot), None), "{at}");
        }
    }

    #[test]
    fn a_cache_forgets_what_was_not_asked_for_longest() {
        let mut store = store();
        for number in 1..=2 {
            store.note(id(number), decided(true), Memory::Sampled);
        }
        assert!(matches!(store.find(&id(1)), Found::Decided(Decided { sampled: true, .. }, Memory::Sampled)));
        store.note(id(3), decided(true), Memory::Sampled);
        assert_eq!(store.find(&id(2)), Found::Unknown);
        assert!(store.contains(&id(1)) && store.contains(&id(3)));
        assert_eq!(store.cached(), (2, 0));
    }

    #[test]
    fn decisions_beside_the_traces_go_when_there_is_no_room() {
        let mut store = store();
        let slots: Vec<Slot> = (1..=3).map(|number| hold(&mut store, number, 10)).collect();
        for slot in &slots[..2] {
            let trace = store.decide(*slot, decided(false), Memory::Beside).unwrap();
            store.discard(trace.pieces);
        }
        assert_eq!((store.waiting(), store.beside()), (1, 2));
        assert!(store.forget_beside(5.0));
        assert!(!store.contains(&id(1)) && store.contains(&id(2)));
        assert!(store.forget_beside(7.0) && !store.forget_beside(9.0));
        assert!((store.removal_ages.sum - 12.0).abs() < 1e-9);
        assert!(matches!(store.find(&id(3)), Found::Waiting(_)));
    }
}
