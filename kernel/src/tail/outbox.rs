//! Spans that leave: sampled, and not yet taken over by the next stage.

use std::collections::VecDeque;

use crate::rope::{Chunk, SpanBatch};

/// The most of a batch that leaves: what a gRPC server takes in one message.
const MOST_SPANS: usize = 8192;
const MOST_BYTES: usize = 3584 << 10;

#[derive(Debug, Default)]
pub struct Outbox {
    chunks: VecDeque<Chunk>,
    spans: usize,
    bytes: usize,
    /// Bytes of batches that were taken out and that nobody else has taken over yet.
    outside: usize,
}

impl Outbox {
    /// Lets spans leave, and says how many they are.
    pub fn put(&mut self, chunks: Vec<Chunk>) -> u64 {
        let before = self.spans;
        for chunk in chunks {
            self.spans += chunk.spans;
            self.bytes += chunk.pinned;
            self.chunks.push_back(chunk);
        }
        (self.spans - before) as u64
    }

    /// Takes out as much as goes well together. Its bytes count until [`Outbox::leaving`] takes them off.
    pub fn take(&mut self) -> Option<SpanBatch> {
        let (mut taken, mut spans, mut bytes) = (Vec::new(), 0, 0);
        while let Some(chunk) = self.chunks.front() {
            (spans, bytes) = (spans + chunk.spans, bytes + chunk.data.len());
            if !taken.is_empty() && (spans > MOST_SPANS || bytes > MOST_BYTES) {
                break;
            }
            taken.extend(self.chunks.pop_front());
        }
        if taken.is_empty() {
            return None;
        }
        let batch = SpanBatch::from_chunks(taken);
        self.spans -= batch.len();
        self.bytes -= batch.pinned();
        self.outside += batch.pinned();
        Some(batch)
    }

    /// Bytes of what has left count less, or more where a batch was taken apart.
    pub fn leaving(&mut self, bytes: isize) {
        self.outside = self.outside.saturating_add_signed(bytes);
    }

    /// Whether nothing waits to be taken out.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Spans that were not taken out.
    pub fn spans(&self) -> usize {
        self.spans
    }

    /// Bytes of memory, of what was taken out as well.
    pub fn bytes(&self) -> usize {
        self.bytes + self.outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_as_large_as_one_message_and_count_until_they_are_taken_over() {
        let mut outbox = Outbox::default();
        let chunk = |spans, bytes| Chunk::new(vec![0; bytes], spans);
        assert_eq!(outbox.put(vec![chunk(8000, 10), chunk(192, 10), chunk(1, 10), chunk(1, MOST_BYTES + 1)]), 8194);
        let sizes: Vec<usize> = std::iter::from_fn(|| outbox.take()).map(|batch| batch.len()).collect();
        assert_eq!(sizes, [8192, 1, 1]);
        assert_eq!((outbox.spans(), outbox.bytes()), (0, MOST_BYTES + 31));
        outbox.leaving(-31);
        assert_eq!(outbox.bytes(), MOST_BYTES);
    }
}
