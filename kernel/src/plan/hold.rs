//! Where spans are held until a batch is due. Several threads may offer; one takes the batches that leave.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{NotTaken, Wake};
use crate::batch::{Accumulator, Settings};
use crate::rope::SpanBatch;

pub struct Hold {
    state: Mutex<State>,
    /// The most memory that is held, unless a single batch needs more.
    max_bytes: usize,
    wake: Wake,
}

struct State {
    accumulator: Accumulator,
    /// Batches that are cut.
    ready: VecDeque<SpanBatch>,
    ready_spans: usize,
    ready_bytes: usize,
    /// Bytes of batches that were taken out and that nobody else has taken over yet.
    leaving_bytes: usize,
    /// Whether the one who takes will look again by himself, or has been rung for.
    watched: bool,
    closed: bool,
    cut_by_size: u64,
}

impl Hold {
    /// `wake` is called by [`Hold::ring`].
    pub fn new(settings: Settings, max_bytes: usize, wake: Wake) -> Self {
        let state = State {
            accumulator: Accumulator::new(settings),
            ready: VecDeque::new(),
            ready_spans: 0,
            ready_bytes: 0,
            leaving_bytes: 0,
            watched: false,
            closed: false,
            cut_by_size: 0,
        };
        Self { state: Mutex::new(state), max_bytes, wake }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole before anything can panic, but for a batch that is being cut: it is lost with
        // the panic, and shows as a ledger that does not balance.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch, and says whether the one who takes has to be rung for: a batch became due, or a timer must be set.
    pub fn offer(&self, batch: SpanBatch, now: f64) -> Result<bool, NotTaken> {
        let mut state = self.state();
        if state.closed {
            return Err(NotTaken::now("the batch processor is shutting down"));
        }
        let held = state.pinned();
        if held > 0 && held + batch.pinned() > self.max_bytes {
            return Err(NotTaken::now("the batch processor holds max_held_bytes already"));
        }
        Ok(state.add(batch, now))
    }

    /// Takes a batch from another hold, however much is here: somebody has answered for it already.
    pub fn take_over(&self, batch: SpanBatch, now: f64) {
        self.state().add(batch, now);
    }

    pub fn ring(&self) {
        (self.wake)();
    }

    /// Cuts what is due by its age, and says how many batches that makes.
    pub fn cut(&self, now: f64) -> u64 {
        self.state().cut(now)
    }

    /// Refuses from now on, cuts everything that is held, and says how many batches that makes.
    pub fn close(&self) -> u64 {
        let mut state = self.state();
        state.closed = true;
        let mut batches = 0;
        while let Some(batch) = state.accumulator.flush() {
            state.make_ready(batch);
            batches += 1;
        }
        batches
    }

    /// When to look again. `None` when nothing grows old here: then the next offer rings.
    pub fn watch(&self) -> Option<f64> {
        let mut state = self.state();
        let due_at = state.accumulator.due_at();
        state.watched = due_at.is_some();
        due_at
    }

    /// The next batch that is cut. It counts as held until [`Hold::leaving`] takes its bytes off.
    pub fn next(&self) -> Option<SpanBatch> {
        let mut state = self.state();
        let batch = state.ready.pop_front()?;
        state.ready_spans -= batch.len();
        state.ready_bytes -= batch.pinned();
        state.leaving_bytes += batch.pinned();
        Some(batch)
    }

    /// Bytes of batches that have left count less, or more where one was taken apart.
    pub fn leaving(&self, bytes: isize) {
        let mut state = self.state();
        state.leaving_bytes = state.leaving_bytes.saturating_add_signed(bytes);
    }

    /// Batches that left because of their size, ever.
    pub fn cut_by_size(&self) -> u64 {
        self.state().cut_by_size
    }

    /// Spans that were not taken out yet.
    pub fn spans(&self) -> usize {
        let state = self.state();
        state.accumulator.spans() + state.ready_spans
    }

    /// Bytes of memory that are kept alive, those of leaving batches included.
    pub fn pinned(&self) -> usize {
        self.state().pinned()
    }
}

impl State {
    fn pinned(&self) -> usize {
        self.accumulator.pinned() + self.ready_bytes + self.leaving_bytes
    }

    fn add(&mut self, batch: SpanBatch, now: f64) -> bool {
        self.accumulator.add(batch, now);
        let had = self.ready.len();
        let cut = self.cut(now);
        self.cut_by_size += cut;
        let wants_attention = (had == 0 && cut > 0) || !self.watched;
        self.watched = true;
        wants_attention
    }

    fn cut(&mut self, now: f64) -> u64 {
        let mut batches = 0;
        while let Some(batch) = self.accumulator.take(now) {
            self.make_ready(batch);
            batches += 1;
        }
        batches
    }

    fn make_ready(&mut self, batch: SpanBatch) {
        self.ready_spans += batch.len();
        self.ready_bytes += batch.pinned();
        self.ready.push_back(batch);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::samples::{resource_spans, span};
    use crate::split::Bounds;

    fn hold(due_size: usize, max_bytes: usize) -> Hold {
        let settings = Settings { due_size, max: Bounds::new(0, 0), timeout: 1.0 };
        Hold::new(settings, max_bytes, Box::new(|| ()))
    }

    fn batch() -> SpanBatch {
        SpanBatch::decode(Bytes::from(resource_spans("a", &[&[span("b", &[]), span("c", &[])]])), None).unwrap()
    }

    #[test]
    fn rings_for_a_timer_once_and_for_each_batch() {
        let hold = hold(4, 1 << 20);
        assert_eq!(hold.offer(batch(), 0.0), Ok(true), "nobody watches yet");
        assert_eq!(hold.watch(), Some(1.0));
        assert_eq!(hold.offer(batch(), 0.5), Ok(true), "a batch is due");
        assert_eq!(hold.offer(batch(), 0.6), Ok(false), "who takes has a timer, and was rung for the batch");
        assert_eq!(hold.next().map(|batch| batch.len()), Some(4));
        assert_eq!(hold.offer(batch(), 0.7), Ok(true), "the next batch");
        assert!(hold.next().is_some() && hold.next().is_none());
        assert_eq!((hold.watch(), hold.offer(batch(), 0.8)), (None, Ok(true)));
        assert_eq!(hold.cut_by_size(), 2);
    }

    #[test]
    fn what_has_left_counts_until_it_is_taken_over() {
        let size = batch().pinned();
        let hold = hold(2, 2 * size);
        hold.offer(batch(), 0.0).unwrap();
        hold.offer(batch(), 0.0).unwrap();
        assert!(hold.offer(batch(), 0.0).is_err());
        hold.next().unwrap();
        assert!(hold.offer(batch(), 0.0).is_err());
        hold.leaving(-(size as isize));
        assert!(hold.offer(batch(), 0.0).is_ok());
        assert_eq!((hold.spans(), hold.pinned()), (4, 2 * size));
    }

    #[test]
    fn a_closed_hold_refuses_and_gives_all() {
        let hold = hold(100, 1 << 20);
        hold.offer(batch(), 0.0).unwrap();
        assert_eq!(hold.close(), 1);
        assert!(hold.offer(batch(), 0.0).is_err());
        assert_eq!(hold.next().map(|batch| batch.len()), Some(2));
    }

    #[test]
    fn cuts_by_age() {
        let hold = hold(100, 1 << 20);
        hold.offer(batch(), 0.0).unwrap();
        assert_eq!((hold.cut(0.9), hold.cut(1.0)), (0, 1));
        assert_eq!(hold.cut_by_size(), 0);
    }
}
