//! How much there is of something: what a queue holds, or may hold.

use std::fmt;

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

    /// Whether there is room for this where so much is held already.
    pub fn room(self, held: Self, most: Self) -> Result<(), Refused> {
        if !self.within(most) {
            return Err(Refused::TooLarge);
        }
        if !held.plus(self).within(most) {
            return Err(Refused::Full("sending queue"));
        }
        Ok(())
    }
}

/// Why a queue does not take a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room for it now.
    Full(&'static str),
    /// It would not fit if there were nothing else.
    TooLarge,
    Closed,
    /// The disk did not take it.
    Failed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(what) => write!(f, "{what} is full"),
            Self::TooLarge => f.write_str("the batch is larger than the sending queue takes"),
            Self::Closed => f.write_str("the exporter is shutting down"),
            Self::Failed(why) => write!(f, "the sending queue cannot write: {why}"),
        }
    }
}

/// Which batches are taken out of a queue at once: the first one, and others behind it within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    /// What all of them may have, if there is more than one.
    spans: u64,
    bytes: u64,
    /// Whether those that somebody made on purpose may be joined as well.
    all: bool,
    sum: Load,
    /// Whether the last one may be joined.
    loose: bool,
}

impl Together {
    pub fn new(spans: u64, bytes: u64, all: bool) -> Self {
        Self { spans, bytes, all, sum: Load::default(), loose: true }
    }

    /// Whether the next batch goes along. It is `loose` if nobody made it on purpose.
    pub fn admits(&mut self, next: Load, loose: bool) -> bool {
        let sum = self.sum.plus(next);
        let joins = self.all || self.loose && loose;
        let admits = sum.requests == 1 || joins && sum.spans <= self.spans && sum.bytes <= self.bytes;
        (self.sum, self.loose) = (sum, loose);
        admits
    }
}
