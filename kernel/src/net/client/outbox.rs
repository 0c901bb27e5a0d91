//! Where outcomes of calls gather until somebody takes them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::inbox::Wake;

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// gRPC's status, or that of HTTP. 0 over HTTP: there was no answer, and `message` says why.
    pub status: u16,
    /// What the server says to its status, or the client to one of its own.
    pub message: String,
    /// A `google.rpc.Status`, as it came.
    pub details: Bytes,
    /// The message, or the body.
    pub body: Bytes,
    /// Headers of HTTP; empty if they were not there.
    pub content_type: String,
    pub retry_after: String,
    pub location: String,
}

/// gRPC's INTERNAL, and no status of HTTP.
const BUG: u16 = 13;

impl Outcome {
    /// A bug in the client ended the call.
    pub fn bug() -> Self {
        Self { status: BUG, message: "internal error".to_owned(), ..Self::default() }
    }
}

/// What became of connections, ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were made.
    pub connected: u64,
    /// Attempts that failed.
    pub unconnected: u64,
    /// Connections there are.
    pub open: u64,
    /// Requests that were sent again, since the server had surely not seen them.
    pub resent: u64,
}

pub struct Outbox {
    state: Mutex<State>,
    wake: Wake,
}

#[derive(Default)]
struct State {
    ended: Vec<(u64, Outcome)>,
    counts: Counts,
}

impl Outbox {
    pub fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), wake })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an outcome in. The first one since the last look wakes.
    pub fn put(&self, call: u64, outcome: Outcome) {
        let mut state = self.state();
        state.ended.push((call, outcome));
        let first = state.ended.len() == 1;
        drop(state);
        if first {
            self.ring();
        }
    }

    /// Takes all outcomes there are, in order.
    pub fn take(&self) -> Vec<(u64, Outcome)> {
        std::mem::take(&mut self.state().ended)
    }

    /// Wakes the taker.
    pub fn ring(&self) {
        (self.wake)();
    }

    pub fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state().counts);
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_wake_up_takes_all() {
        let rung = Arc::new(AtomicUsize::new(0));
        let count = rung.clone();
        let outbox = Outbox::new(Box::new(move || _ = count.fetch_add(1, Ordering::SeqCst)));
        outbox.put(1, Outcome::default());
        outbox.put(2, Outcome::default());

        let numbers: Vec<u64> = outbox.take().into_iter().map(|(call, _)| call).collect();
        assert_eq!((numbers, rung.load(Ordering::SeqCst)), (vec![1, 2], 1));

        outbox.put(3, Outcome::default());
        assert_eq!(rung.load(Ordering::SeqCst), 2);
    }
}
