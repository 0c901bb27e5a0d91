//! How much there is of something: what a queue holds, or may hold.

use crate::rope::SpanBatch;

/// An amount of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub requests: u64,
    pub spans: u64,
    /// On the wire.
    pub bytes: u64,
}

impl Load {
    pub fn of(batch: &SpanBatch) -> Self {
        Self { requests: 1, spans: batch.len() as u64, bytes: batch.size() as u64 }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            spans: self.spans + other.spans,
            bytes: self.bytes + other.bytes,
        }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests - other.requests,
            spans: self.spans - other.spans,
            bytes: self.bytes - other.bytes,
        }
    }

    pub fn within(self, most: Self) -> bool {
        self.requests <= most.requests && self.spans <= most.spans && self.bytes <= most.bytes
    }
}
