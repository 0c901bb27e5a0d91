//! Bytes of requests that are on their way through a server, all connections together, within a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// A share of nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// What one request takes of the budget, until it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Takes more, and says whether there was room. A request alone may exceed any budget: else it could never pass.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        let others = before + bytes - self.bytes;
        others == 0 || before + bytes <= self.budget.limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_up_to_the_limit_and_again_when_a_share_ends() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(first.grow(60));
        assert!(!second.grow(50));
        drop(first);
        assert_eq!(budget.used(), 50);
        assert!(budget.share().grow(50));
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn one_request_alone_always_has_room() {
        let budget = Budget::new(10);
        assert!(budget.share().grow(50));
    }
}
