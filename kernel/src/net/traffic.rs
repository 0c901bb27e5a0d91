//! What happens on a connection: what its client has said so far, and when.
//!
//! HTTP libraries know how long a header has been under way, but not how long a connection has been idle, nor the
//! difference between the two.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::pings::{Patience, Pings};

/// What every client of HTTP/2 sends first: RFC 9113, section 3.4. No request of HTTP/1.1 begins like that.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How a client has introduced itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// So many bytes are those of the preface.
    Unknown(usize),
    Http1,
    Http2,
}

pub struct Traffic {
    dialect: Cell<Dialect>,
    /// Notified when the dialect is known.
    introduced: Notify,
    /// Requests that are under way.
    running: Cell<usize>,
    /// Since when there is none.
    since: Cell<Instant>,
    /// Since when the beginning of a request is there, and the rest of its head is not.
    begun: Cell<Option<Instant>>,
    /// Whether the last request was refused. Its client may still be sending.
    refused: Cell<bool>,
    /// Where there is a bound to them.
    pings: Option<Pings>,
}

impl Traffic {
    /// A connection that was opened just now. Its client is expected to say something.
    pub fn new(pings: Option<Patience>) -> Self {
        let now = Instant::now();
        Self {
            dialect: Cell::new(Dialect::Unknown(0)),
            introduced: Notify::new(),
            running: Cell::new(0),
            since: Cell::new(now),
            begun: Cell::new(Some(now)),
            refused: Cell::new(false),
            pings: pings.map(Pings::new),
        }
    }

    /// Notes bytes that have come.
    pub fn heard(&self, bytes: &[u8]) {
        let mut frames = if self.dialect.get() == Dialect::Http2 { bytes } else { &[] };
        if let Dialect::Unknown(before) = self.dialect.get() {
            let expected = &PREFACE[before..];
            let length = bytes.len().min(expected.len());
            let dialect = match bytes[..length] == expected[..length] {
                false => Dialect::Http1,
                true if length == expected.len() => Dialect::Http2,
                true => Dialect::Unknown(before + length),
            };
            self.dialect.set(dialect);
            if !matches!(dialect, Dialect::Unknown(_)) {
                self.introduced.notify_one();
            }
            if dialect == Dialect::Http2 {
                self.begun.set(None);
                frames = &bytes[length..];
            }
        }
        if let Some(pings) = &self.pings {
            pings.heard(frames, self.running.get() > 0);
        }
        // Between requests HTTP/2 has pings and settings, and the library waits for heads that come in parts.
        let is_head = self.running.get() == 0 && self.dialect.get() == Dialect::Http1;
        if is_head && self.begun.get().is_none() && !bytes.is_empty() {
            self.begun.set(Some(Instant::now()));
        }
    }

    /// Notes that a request has begun, until what is returned is dropped.
    pub fn request(self: &Rc<Self>) -> Running {
        self.running.set(self.running.get() + 1);
        self.begun.set(None);
        Running(self.clone())
    }

    /// Waits until it is known what the client speaks.
    pub async fn introduced(&self) {
        if matches!(self.dialect.get(), Dialect::Unknown(_)) {
            self.introduced.notified().await;
        }
    }

    /// Whether its last request was refused.
    pub fn was_refused(&self) -> bool {
        self.refused.get()
    }

    /// Counts the silence from now on.
    pub fn restart(&self) {
        self.since.set(Instant::now());
    }

    /// Waits until there has been no request for so long. The pause may change while it lasts.
    pub async fn quiet_for(&self, pause: impl Fn() -> Duration) {
        loop {
            let now = Instant::now();
            let since = if self.running.get() > 0 { now } else { self.since.get() };
            let pause = pause();
            if now >= since + pause {
                return;
            }
            sleep_until((since + pause).min(now + LOOK_AGAIN)).await;
        }
    }

    /// Waits until the client has pinged too often.
    pub async fn pinged_too_often(&self) {
        match &self.pings {
            Some(pings) => pings.too_many().await,
            None => pending().await,
        }
    }

    /// Waits until the head of a request has taken too long.
    pub async fn dawdled(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let due = self.begun.get().unwrap_or(now) + limit;
            if now >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// How soon a change of what is too long is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A request that is under way.
pub struct Running(Rc<Traffic>);

impl Running {
    /// Says how it ended.
    pub fn answered(self, refused: bool) {
        self.0.refused.set(refused);
        if let Some(pings) = &self.0.pings {
            pings.answered();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(parts: &[&[u8]]) -> Traffic {
        let traffic = Traffic::new(None);
        parts.iter().for_each(|part| traffic.heard(part));
        traffic
    }

    #[test]
    fn knows_the_dialect_from_the_first_bytes() {
        assert_eq!(heard(&[b"PRI * HTT"]).dialect.get(), Dialect::Unknown(9));
        assert_eq!(heard(&[b"P", b"OST / HTTP/1.1\r\n"]).dialect.get(), Dialect::Http1);
        assert_eq!(heard(&[&PREFACE[..10], &PREFACE[10..], b"more"]).dialect.get(), Dialect::Http2);
        assert_eq!(heard(&[b"\x16\x03\x01"]).dialect.get(), Dialect::Http1);
    }

    #[test]
    fn a_head_has_begun_from_its_first_byte_until_it_is_whole() {
        let traffic = Rc::new(heard(&[b"GET "]));
        assert!(traffic.begun.get().is_some(), "the first one, when the connection was opened");
        let running = traffic.request();
        traffic.heard(b"the body");
        assert!(traffic.begun.get().is_none());
        running.answered(true);
        assert!(traffic.begun.get().is_none() && traffic.was_refused());
        traffic.heard(b"G");
        assert!(traffic.begun.get().is_some());
    }

    #[test]
    fn frames_between_requests_of_http_2_are_no_heads() {
        let traffic = heard(&[PREFACE, b"a ping"]);
        assert!(traffic.begun.get().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_dawdles_from_its_first_byte() {
        let limit = Duration::from_secs(60);
        let traffic = Rc::new(heard(&[b"GET / HTTP/1.1\r\n\r\n"]));
        traffic.request().answered(false);
        tokio::time::advance(limit * 10).await;
        traffic.heard(b"G");
        let began = Instant::now();
        traffic.dawdled(limit).await;
        assert!((limit..limit + Duration::from_secs(1)).contains(&began.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_may_get_shorter_while_it_lasts() {
        let pause = Cell::new(Duration::from_secs(3600));
        let (traffic, began) = (Traffic::new(None), Instant::now());
        let shortened = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            pause.set(Duration::from_secs(10));
        };
        tokio::join!(traffic.quiet_for(|| pause.get()), shortened);
        assert!((100..=106).contains(&began.elapsed().as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_no_silence_while_a_request_runs() {
        let traffic = Rc::new(Traffic::new(None));
        let began = Instant::now();
        let request = async {
            let running = traffic.request();
            tokio::time::sleep(Duration::from_secs(100)).await;
            running.answered(false);
        };
        tokio::join!(request, traffic.quiet_for(|| Duration::from_secs(10)));
        assert_eq!(began.elapsed().as_secs(), 110);
    }
}
