//! Gathering batches until they are worth sending.

use std::collections::VecDeque;

use crate::rope::SpanBatch;
use crate::split::Bounds;

/// When a batch is due, and how large it may get.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Spans that make a batch due; 0 makes every arrival due.
    pub due_size: usize,
    pub max: Bounds,
    /// Seconds after which a batch is due; 0 makes every arrival due.
    pub timeout: f64,
}

/// Holds batches, in the order they came, until they are due by spans, by bytes or by age.
///
/// It has no clock: whoever holds it tells the time, in seconds of any steady clock.
#[derive(Debug)]
pub struct Accumulator {
    settings: Settings,
    /// Each with the time it arrived.
    held: VecDeque<(f64, SpanBatch)>,
    spans: usize,
    bytes: usize,
    pinned: usize,
}

impl Accumulator {
    pub fn new(settings: Settings) -> Self {
        Self { settings, held: VecDeque::new(), spans: 0, bytes: 0, pinned: 0 }
    }

    /// Takes a batch over. One without spans leaves no trace.
    pub fn add(&mut self, batch: SpanBatch, now: f64) {
        if !batch.is_empty() {
            self.count(&batch);
            self.held.push_back((now, batch));
        }
    }

    /// The next batch, if it is due. To be called until there is none.
    pub fn take(&mut self, now: f64) -> Option<SpanBatch> {
        let due = self.spans >= self.settings.due_size
            || self.bytes >= self.settings.max.bytes
            || self.due_at().is_some_and(|due_at| due_at <= now);
        if due { self.flush() } else { None }
    }

    /// The next batch, due or not, with equal resources merged where that is worth it.
    pub fn flush(&mut self) -> Option<SpanBatch> {
        let mut taken: Vec<SpanBatch> = Vec::new();
        let mut room = self.settings.max;
        while let Some((arrival, batch)) = self.held.pop_front() {
            self.discount(&batch);
            if room.fit(batch.len(), batch.size()) {
                room = room.minus(batch.len(), batch.size());
                taken.push(batch);
                continue;
            }
            let mut parts = batch.split_after(room, self.settings.max);
            let rest = parts.split_off(1.min(parts.len()));
            taken.extend(parts);
            for part in rest.into_iter().rev() {
                self.count(&part);
                self.held.push_front((arrival, part));
            }
            break;
        }
        (!taken.is_empty()).then(|| SpanBatch::join(&taken).merged())
    }

    /// When the oldest of what is held gets too old. `None` when nothing is held.
    pub fn due_at(&self) -> Option<f64> {
        self.held.front().map(|(arrival, _)| arrival + self.settings.timeout)
    }

    pub fn spans(&self) -> usize {
        self.spans
    }

    /// Bytes of memory that are kept alive.
    pub fn pinned(&self) -> usize {
        self.pinned
    }

    fn count(&mut self, batch: &SpanBatch) {
        self.spans += batch.len();
        self.bytes += batch.size();
        self.pinned += batch.pinned();
    }

    fn discount(&mut self, batch: &SpanBatch) {
        self.spans -= batch.len();
        self.bytes -= batch.size();
        self.pinned -= batch.pinned();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire;

    fn batch(spans: usize) -> SpanBatch {
        let mut request = Vec::new();
        wire::put_message(&mut request, 1, |out| {
            wire::put_message(out, 2, |out| (0..spans).for_each(|_| wire::put_bytes(out, 2, &[0x2a, 1, b'n'])));
        });
        SpanBatch::decode(Bytes::from(request), None).unwrap()
    }

    fn accumulator(due_size: usize, max_spans: usize, max_bytes: usize, timeout: f64) -> Accumulator {
        Accumulator::new(Settings { due_size, max: Bounds::new(max_spans, max_bytes), timeout })
    }

    fn sizes(accumulator: &mut Accumulator, now: f64) -> Vec<usize> {
        std::iter::from_fn(|| accumulator.take(now)).map(|batch| batch.len()).collect()
    }

    #[test]
    fn is_due_by_spans() {
        let mut held = accumulator(8, 0, 0, 1.0);
        held.add(batch(7), 0.0);
        assert!(sizes(&mut held, 0.5).is_empty());
        held.add(batch(7), 0.5);
        assert_eq!(sizes(&mut held, 0.5), [14]);
        assert_eq!((held.spans(), held.pinned(), held.due_at()), (0, 0, None));
    }

    #[test]
    fn is_due_by_bytes_and_stays_within_them() {
        let mut held = accumulator(1000, 0, 50, 1.0);
        held.add(batch(4), 0.0);
        assert!(sizes(&mut held, 0.0).is_empty());
        held.add(batch(12), 0.0);
        let taken = held.take(0.0).unwrap();
        assert!(taken.size() <= 50 && taken.len() > 4);
        assert_eq!(taken.len() + held.spans(), 16);
    }

    #[test]
    fn is_due_by_the_age_of_the_oldest() {
        let mut held = accumulator(8, 0, 0, 1.0);
        held.add(batch(1), 10.0);
        held.add(batch(1), 10.9);
        assert_eq!(held.due_at(), Some(11.0));
        assert!(sizes(&mut held, 10.99).is_empty());
        assert_eq!(sizes(&mut held, 11.0), [2]);
    }

    #[test]
    fn batches_that_leave_are_full_but_the_last() {
        let mut held = accumulator(4, 4, 0, 1.0);
        held.add(batch(3), 0.0);
        held.add(batch(7), 0.0);
        assert_eq!(sizes(&mut held, 0.0), [4, 4]);
        assert_eq!(held.flush().map(|batch| batch.len()), Some(2));
        assert!(held.flush().is_none());
    }

    #[test]
    fn without_size_or_timeout_every_arrival_is_due() {
        for (due_size, timeout) in [(0, 1.0), (8, 0.0)] {
            let mut held = accumulator(due_size, 2, 0, timeout);
            held.add(batch(3), 5.0);
            assert_eq!(sizes(&mut held, 5.0), [2, 1]);
        }
    }
}
