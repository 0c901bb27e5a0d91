//! The connections of a server, within a bound.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::watch;

/// Counts connections. Beyond the bound new ones wait in the backlog of the listener.
pub struct Crowd {
    bound: usize,
    open: Cell<usize>,
    left: watch::Sender<()>,
}

impl Crowd {
    pub fn new(bound: usize) -> Rc<Self> {
        Rc::new(Self { bound, open: Cell::new(0), left: watch::channel(()).0 })
    }

    pub fn is_full(&self) -> bool {
        self.open.get() >= self.bound
    }

    /// Counts a connection until what is returned is dropped.
    pub fn join(self: &Rc<Self>) -> Member {
        self.open.set(self.open.get() + 1);
        Member(self.clone())
    }

    /// Waits until there is room for one more.
    pub async fn room(&self) {
        let mut left = self.left.subscribe();
        while self.is_full() {
            // The sender is our own: it is there.
            let _ = left.changed().await;
        }
    }

    /// Waits until all have left.
    pub async fn gone(&self) {
        let mut left = self.left.subscribe();
        while self.open.get() > 0 {
            let _ = left.changed().await;
        }
    }
}

/// A connection that is counted.
pub struct Member(Rc<Crowd>);

impl Drop for Member {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.left.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_room_up_to_the_bound_and_again_when_somebody_leaves() {
        let crowd = Crowd::new(2);
        crowd.room().await;
        let first = crowd.join();
        let second = crowd.join();
        assert!(crowd.is_full());
        drop(first);
        crowd.room().await;
        drop(second);
        crowd.gone().await;
    }
}
