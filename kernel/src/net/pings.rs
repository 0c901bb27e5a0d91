//! Whether a client of HTTP/2 pings more often than it may, by the rules of gRPC's servers in Go.
//!
//! A ping comes too soon when the one before it is less than `min_time` ago, or, where a client may not ping without a
//! request under way and there is none, less than two hours. The third one is one too many, and answers in between
//! forgive all.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a server puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub min_time: Duration,
    pub without_stream: bool,
}

/// How long a client without requests waits that may not ping then.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// Pings that may come too soon.
const STRIKES: u32 = 2;

const HEADER: usize = 9;
const PING: u8 = 6;
const ACK: u8 = 1;

/// Finds frames in bytes that come in pieces: RFC 9113, section 4.1.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
}

impl Frames {
    /// Counts the pings in the next bytes.
    fn pings(&mut self, mut bytes: &[u8]) -> u32 {
        let mut pings = 0;
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.filled).min(bytes.len());
            if self.left > 0 || taken == 0 {
                continue;
            }
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER {
                let [a, b, c, kind, flags, ..] = self.header;
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                self.filled = 0;
                pings += u32::from(kind == PING && flags & ACK == 0);
            }
        }
        pings
    }
}

/// Follows the pings of a connection.
pub struct Pings {
    patience: Patience,
    frames: RefCell<Frames>,
    last: Cell<Option<Instant>>,
    strikes: Cell<u32>,
    too_many: Notify,
}

impl Pings {
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            frames: RefCell::default(),
            last: Cell::new(None),
            strikes: Cell::new(0),
            too_many: Notify::new(),
        }
    }

    /// Notes bytes behind the preface. `busy` is whether a request is under way.
    pub fn heard(&self, bytes: &[u8], busy: bool) {
        for _ in 0..self.frames.borrow_mut().pings(bytes) {
            let now = Instant::now();
            let least = if busy || self.patience.without_stream { self.patience.min_time } else { IDLE };
            let soon = self.last.replace(Some(now)).is_some_and(|last| now - last < least);
            self.strikes.set(self.strikes.get() + u32::from(soon));
            if self.strikes.get() > STRIKES {
                self.too_many.notify_one();
            }
        }
    }

    /// Notes that something was answered.
    pub fn answered(&self) {
        self.strikes.set(0);
        self.last.set(None);
    }

    /// Waits until there was one too many.
    pub async fn too_many(&self) {
        self.too_many.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; HEADER + 8] = [0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    fn pings(without_stream: bool) -> Pings {
        Pings::new(Patience { min_time: Duration::from_secs(10), without_stream })
    }

    async fn is_too_many(pings: &Pings) -> bool {
        tokio::time::timeout(Duration::from_millis(1), pings.too_many()).await.is_ok()
    }

    #[test]
    fn finds_pings_however_they_are_cut() {
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 0, PING, 0, 0, 0];
        let mut acknowledged = FRAME;
        acknowledged[4] = ACK;
        let all = [&settings[..], &FRAME, &acknowledged, &[0, 0, 0, PING, 0, 0, 0, 0, 0], &FRAME].concat();
        for size in 1..=all.len() {
            let mut frames = Frames::default();
            assert_eq!(all.chunks(size).map(|part| frames.pings(part)).sum::<u32>(), 3, "in parts of {size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_that_comes_too_soon_is_one_too_many() {
        let pings = pings(true);
        for _ in 0..10 {
            pings.heard(&FRAME, false);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert!(!is_too_many(&pings).await);
        for expected in [false, false, true] {
            pings.heard(&FRAME, false);
            tokio::time::advance(Duration::from_secs(9)).await;
            pings.heard(&FRAME, false);
            assert_eq!(is_too_many(&pings).await, expected);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_nothing_pings_every_two_hours_at_most() {
        let (idle, busy) = (pings(false), pings(false));
        for _ in 0..4 {
            idle.heard(&FRAME, false);
            busy.heard(&FRAME, true);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!(is_too_many(&idle).await);
        assert!(!is_too_many(&busy).await);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_forgive() {
        let pings = pings(true);
        for _ in 0..20 {
            pings.heard(&FRAME, true);
            pings.answered();
        }
        assert!(!is_too_many(&pings).await);
    }
}
