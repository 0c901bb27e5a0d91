//! A sending queue in memory. Several threads may offer; one takes out what is sent, and says when it is finished.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Wake;
use crate::load::{Load, Refused, Together};
use crate::rope::SpanBatch;

pub struct Queue {
    state: Mutex<State>,
    wake: Wake,
}

/// A batch that was taken out.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: u64,
    pub batch: SpanBatch,
    /// Whether it may be sent together with its neighbours: nobody made a batch of it yet.
    loose: bool,
}

struct State {
    /// The most that is held, until it is finished.
    most: Load,
    /// The most memory that it keeps alive.
    max_pinned: usize,
    ready: VecDeque<Item>,
    /// What was taken out and is not finished.
    begun: HashMap<u64, (Load, usize)>,
    held: Load,
    pinned: usize,
    next_id: u64,
    /// Whether the one who takes has seen that there is nothing, and has to be rung for.
    armed: bool,
    closed: bool,
}

impl Queue {
    /// `wake` is called by [`Queue::ring`].
    pub fn new(most: Load, max_pinned: usize, wake: Wake) -> Self {
        let state = State {
            most,
            max_pinned,
            ready: VecDeque::new(),
            begun: HashMap::new(),
            held: Load::default(),
            pinned: 0,
            next_id: 0,
            armed: true,
            closed: false,
        };
        Self { state: Mutex::new(state), wake }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds itself to other bounds from now on. What is there already stays.
    pub fn limit(&self, most: Load, max_pinned: usize) {
        let mut state = self.state();
        (state.most, state.max_pinned) = (most, max_pinned);
    }

    /// Whether there is room for a batch now.
    pub fn has_room(&self, batch: &SpanBatch) -> Result<(), Refused> {
        self.state().room(batch)
    }

    /// Takes a batch, `loose` if nobody made it on purpose, and says whether the one who takes out has to be rung for.
    pub fn offer(&self, batch: SpanBatch, loose: bool) -> Result<bool, Refused> {
        let mut state = self.state();
        state.room(&batch)?;
        state.held = state.held.plus(Load::of(&batch));
        state.pinned += batch.pinned();
        let id = state.next_id;
        state.next_id += 1;
        state.ready.push_back(Item { id, batch, loose });
        Ok(std::mem::take(&mut state.armed))
    }

    pub fn ring(&self) {
        (self.wake)();
    }

    /// How many batches can be taken out. With none, the next offer rings.
    pub fn ready(&self) -> usize {
        let mut state = self.state();
        state.armed |= state.ready.is_empty();
        state.ready.len()
    }

    /// Takes the oldest batch out, and what goes together with it. They count until they are finished.
    pub fn take(&self, mut together: Together) -> Vec<Item> {
        let mut taken = Vec::new();
        let mut guard = self.state();
        let state = &mut *guard;
        while state.ready.front().is_some_and(|next| together.admits(Load::of(&next.batch), next.loose))
            && let Some(item) = state.ready.pop_front()
        {
            state.begun.insert(item.id, (Load::of(&item.batch), item.batch.pinned()));
            taken.push(item);
        }
        state.armed |= state.ready.is_empty();
        taken
    }

    /// Batches that were taken out need not be held any longer.
    pub fn finish(&self, ids: impl IntoIterator<Item = u64>) {
        let mut guard = self.state();
        let state = &mut *guard;
        for id in ids {
            if let Some((load, pinned)) = state.begun.remove(&id) {
                state.held = state.held.minus(load);
                state.pinned -= pinned;
            }
        }
    }

    /// Refuses from now on.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// What is held and not finished.
    pub fn held(&self) -> Load {
        self.state().held
    }

    /// Bytes of memory that are kept alive.
    pub fn pinned(&self) -> usize {
        self.state().pinned
    }
}

impl State {
    fn room(&self, batch: &SpanBatch) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        if batch.pinned() > self.max_pinned {
            return Err(Refused::TooLarge);
        }
        Load::of(batch).room(self.held, self.most)?;
        if self.pinned + batch.pinned() > self.max_pinned {
            return Err(Refused::Full("sending queue"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::samples::{resource_spans, span};

    fn batch(spans: usize) -> SpanBatch {
        let spans: Vec<Vec<u8>> = (0..spans).map(|_| span("a", &[])).collect();
        SpanBatch::decode(Bytes::from(resource_spans("a", &[&spans])), None).unwrap()
    }

    fn queue(requests: u64, spans: u64) -> Queue {
        Queue::new(Load { requests, spans, bytes: u64::MAX }, usize::MAX, Box::new(|| ()))
    }

    #[test]
    fn what_is_under_way_counts_until_it_is_finished() {
        let queue = queue(2, u64::MAX);
        assert!(queue.offer(batch(1), true).is_ok() && queue.offer(batch(2), true).is_ok());
        assert_eq!(queue.offer(batch(1), true).unwrap_err(), Refused::Full("sending queue"));
        let taken = queue.take(Together::new(0, 0, false));
        assert_eq!((taken.len(), queue.ready(), queue.held().spans), (1, 1, 3));
        assert!(queue.offer(batch(1), true).is_err());
        queue.finish([taken[0].id, taken[0].id]);
        assert!(queue.offer(batch(1), true).is_ok());
        assert_eq!((queue.held().requests, queue.held().spans), (2, 3));
    }

    #[test]
    fn what_would_never_fit_is_refused_for_good() {
        assert_eq!(queue(10, 3).offer(batch(4), true), Err(Refused::TooLarge));
        let small = Queue::new(Load { requests: 1, spans: 9, bytes: u64::MAX }, 10, Box::new(|| ()));
        assert_eq!(small.offer(batch(1), true), Err(Refused::TooLarge));
    }

    #[test]
    fn several_are_taken_together_within_bounds() {
        let queue = queue(10, u64::MAX);
        (0..5).for_each(|_| _ = queue.offer(batch(2), true));
        let size = batch(2).size() as u64;
        assert_eq!(
            (queue.take(Together::new(5, u64::MAX, false)).len(), queue.take(Together::new(100, size, false)).len()),
            (2, 1)
        );
        assert_eq!(
            (queue.take(Together::new(100, u64::MAX, false)).len(), queue.take(Together::new(1, 1, false)).len()),
            (2, 0)
        );
    }

    #[test]
    fn what_somebody_made_stays_as_it_is_unless_all_are_gathered() {
        let queue = queue(10, u64::MAX);
        [true, true, false, true].iter().for_each(|loose| _ = queue.offer(batch(1), *loose));
        let taken: Vec<usize> = (0..3).map(|_| queue.take(Together::new(9, u64::MAX, false)).len()).collect();
        assert_eq!(taken, [2, 1, 1]);
        [true, false, false].iter().for_each(|loose| _ = queue.offer(batch(1), *loose));
        assert_eq!(queue.take(Together::new(9, u64::MAX, true)).len(), 3);
    }

    #[test]
    fn rings_for_the_first_one_behind_nothing() {
        let queue = queue(10, u64::MAX);
        assert_eq!((queue.offer(batch(1), true), queue.offer(batch(1), true)), (Ok(true), Ok(false)));
        queue.take(Together::new(0, 0, false));
        assert_eq!(queue.offer(batch(1), true), Ok(false), "something is left, and who takes knows");
        queue.take(Together::new(9, u64::MAX, false));
        assert_eq!(queue.offer(batch(1), true), Ok(true), "nothing was left");
    }

    #[test]
    fn a_closed_queue_refuses_and_gives_what_it_has() {
        let queue = queue(10, u64::MAX);
        queue.offer(batch(1), true).unwrap();
        queue.close();
        assert!(queue.offer(batch(1), true).is_err());
        assert_eq!(queue.take(Together::new(0, 0, false)).len(), 1);
    }
}
