//! A memory limit, as requests meet it: open or closed.
//!
//! Whoever holds the gate measures, gives memory back, and decides. Between his looks the gate only notices when more
//! came in than the limit has room for. Then it measures once itself and closes until he has looked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{NotTaken, Wake};

pub struct Gate {
    settings: Settings,
    closed: AtomicBool,
    /// Bytes that were let through since memory was looked at.
    unseen: AtomicUsize,
    measure: Box<dyn Fn() -> usize + Send + Sync>,
    wake: Wake,
}

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of resident memory above which the gate is closed.
    pub soft: usize,
    /// Bytes that may come in between two looks.
    pub spike: usize,
    /// Seconds after which a refused client may come back.
    pub retry_after: f64,
}

impl Gate {
    /// An open gate. `measure` gives the resident bytes of the process, `wake` calls whoever holds the gate.
    pub fn new(settings: Settings, measure: impl Fn() -> usize + Send + Sync + 'static, wake: Wake) -> Self {
        Self { settings, closed: AtomicBool::new(false), unseen: AtomicUsize::new(0), measure: Box::new(measure), wake }
    }

    /// Lets a batch of so many bytes through, or not.
    pub fn pass(&self, bytes: usize) -> Result<(), NotTaken> {
        if self.is_due() {
            self.unseen.store(0, Ordering::Relaxed);
            if (self.measure)() > self.settings.soft && !self.closed.swap(true, Ordering::Relaxed) {
                (self.wake)();
            }
        }
        if self.is_closed() {
            let retry_after = Some(self.settings.retry_after);
            return Err(NotTaken { retry_after, ..NotTaken::now("data refused due to high memory usage") });
        }
        self.let_through(bytes);
        Ok(())
    }

    /// Whether so much came in that memory must be looked at now.
    pub fn is_due(&self) -> bool {
        self.unseen.load(Ordering::Relaxed) > self.settings.spike
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub fn let_through(&self, bytes: usize) {
        self.unseen.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Hears what a look at memory has led to.
    pub fn looked(&self, closed: bool) {
        self.unseen.store(0, Ordering::Relaxed);
        self.closed.store(closed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn gate(used: &Arc<AtomicUsize>) -> (Gate, Arc<AtomicUsize>) {
        let (used, woken) = (used.clone(), Arc::new(AtomicUsize::new(0)));
        let count = woken.clone();
        let settings = Settings { soft: 1000, spike: 100, retry_after: 2.0 };
        let wake = Box::new(move || _ = count.fetch_add(1, Ordering::SeqCst));
        (Gate::new(settings, move || used.load(Ordering::SeqCst), wake), woken)
    }

    #[test]
    fn looks_by_itself_when_more_than_a_spike_came_in() {
        let used = Arc::new(AtomicUsize::new(500));
        let (gate, woken) = gate(&used);
        (0..10).for_each(|_| gate.pass(60).unwrap());
        gate.looked(false);
        used.store(1001, Ordering::SeqCst);
        gate.pass(101).unwrap();

        let refused = gate.pass(1).unwrap_err();

        assert_eq!(refused.retry_after, Some(2.0));
        assert!(gate.pass(1).is_err());
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn opens_when_whoever_holds_it_says_so() {
        let used = Arc::new(AtomicUsize::new(2000));
        let (gate, _) = gate(&used);
        gate.looked(true);
        assert!(gate.pass(1).is_err());
        gate.looked(false);
        assert!(gate.pass(1).is_ok());
    }
}
