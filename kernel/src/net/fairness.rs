//! Who gets what there is room for, when there is not enough of it for all.
//!
//! While the pipeline takes everything, nobody is measured. From its first refusal on, what each client offers and what is
//! taken is counted in short windows. Room is then shared out as water fills a vessel: who asks for less than an equal part gets all
//! of it, and what is left goes in equal parts to the others, who are refused the rest before it takes anything away from
//! anybody. How much there is is found as TCP finds it: a little more from window to window, and less when the pipeline refuses
//! somebody who kept to his part.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::listener::Peer;
use crate::rope::SpanBatch;
use crate::view::ResourceView;
use crate::wire;

/// Seconds in which is counted.
const WINDOW: f64 = 0.1;
/// How much the last window weighs in what a client asks for.
const WEIGHT: f64 = 0.3;
/// How much less is shared out after a window in which somebody was refused who kept to his part, and the least of it, relative to
/// the most that was taken lately. What is held shrinks then for a while, and so there is room for those who ask for little.
const LESS: f64 = 0.9;
const LOWEST: f64 = 0.8;
/// What is left of the most that was taken, from window to window.
const FADING: f64 = 0.97;
/// How much more is shared out after a window without that, and after how many in a row it is twice as much.
const MORE: f64 = 0.01;
const DOUBLES: i32 = 5;
/// Windows without any refusal after which nobody is measured any more.
const CALM: u32 = 10;
/// Bytes of a window that are shared out at least: something has to try whether there is room again.
const LEAST: f64 = 65_536.0;
/// Clients that are told apart. All others share one part.
const MOST_CLIENTS: usize = 10_000;
/// Seconds after which a client may come back, at least and at most.
const WAITS: (f64, f64) = (WINDOW, 5.0);

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum By {
    #[serde(rename = "connection")]
    Connection,
    /// All connections of a host.
    #[serde(rename = "address")]
    Address,
    /// Whoever says that he is this service, in the first resource of a request.
    #[serde(rename = "service.name")]
    Service,
}

/// Shares the room of one receiver.
pub struct Fairness {
    by: By,
    hasher: RandomState,
    measuring: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clients: HashMap<u64, Client>,
    /// When the window ends.
    ends: f64,
    /// Bytes that the pipeline took in this window.
    taken: f64,
    /// Whether it refused somebody in this window who kept to his part.
    refused: bool,
    /// Whether somebody was refused who did not.
    throttled: bool,
    /// The most that it took lately in a window.
    peak: f64,
    /// Bytes of a window that are shared out.
    room: f64,
    /// Windows in a row in which the pipeline refused nobody.
    growing: i32,
    /// Windows in a row in which nobody was refused at all.
    calm: u32,
    /// The part of each client in a window.
    part: f64,
}

#[derive(Debug, Default)]
struct Client {
    /// Bytes of this window.
    offered: f64,
    /// Bytes that it asks for in a window.
    demand: f64,
    /// Bytes that it may still have, as of a time; below 0 it had too much already.
    left: f64,
    since: f64,
    /// Bytes of its last request.
    last: f64,
}

/// A request that was let in, until the pipeline has said what it does with it.
#[derive(Debug)]
pub struct Claim {
    key: u64,
    bytes: f64,
}

/// Seconds after which a client may come back that has had its part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HadEnough(pub f64);

impl Fairness {
    pub fn new(by: By) -> Arc<Self> {
        let (hasher, measuring, state) = (RandomState::new(), AtomicBool::new(false), Mutex::default());
        Arc::new(Self { by, hasher, measuring, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody is measured at all. Otherwise nobody has to be asked.
    pub fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    /// Whether a client has had its part already, before anybody reads what it sends.
    pub fn check(&self, peer: &Peer, now: f64) -> Result<(), HadEnough> {
        if !self.is_measuring() || self.by == By::Service {
            return Ok(());
        }
        let key = self.key(peer, None);
        let mut state = self.state();
        state.advance(now);
        let last = state.client(key, now).last;
        if last > 0.0 && state.has_had_enough(key, now) { Err(state.turn_away(key, last, now)) } else { Ok(()) }
    }

    /// Lets a request in, or not. What becomes of it has to be settled.
    pub fn claim(&self, peer: &Peer, batch: &SpanBatch, now: f64) -> Result<Claim, HadEnough> {
        self.let_in(self.key(peer, Some(batch)), batch.size() as f64, now)
    }

    fn let_in(&self, key: u64, bytes: f64, now: f64) -> Result<Claim, HadEnough> {
        if self.is_measuring() {
            let mut state = self.state();
            state.advance(now);
            if state.calm >= CALM {
                self.measuring.store(false, Ordering::Relaxed);
            }
            if state.has_had_enough(key, now) {
                return Err(state.turn_away(key, bytes, now));
            }
            let client = state.client(key, now);
            client.offered += bytes;
            client.left -= bytes;
            client.last = bytes;
        }
        Ok(Claim { key, bytes })
    }

    /// Hears that the pipeline took a request.
    pub fn taken(&self, claim: &Claim) {
        self.state().taken += claim.bytes;
    }

    /// Hears that the pipeline had no room for a request, for which nothing was claimed if nobody was measured yet.
    pub fn refused(&self, claim: Option<&Claim>, now: f64) {
        let mut state = self.state();
        if !self.measuring.swap(true, Ordering::Relaxed) {
            *state = State { ends: now + WINDOW, room: f64::INFINITY, part: f64::INFINITY, ..State::default() };
        }
        state.advance(now);
        if !state.refused {
            state.refused = true;
            state.brake(now);
        }
        if let Some(claim) = claim
            && let Some(client) = state.clients.get_mut(&claim.key)
        {
            client.left += claim.bytes;
        }
    }

    fn key(&self, peer: &Peer, batch: Option<&SpanBatch>) -> u64 {
        match self.by {
            By::Connection => peer.number,
            By::Address => self.hasher.hash_one(peer.host()),
            By::Service => self.hasher.hash_one(batch.and_then(service).unwrap_or_default()),
        }
    }
}

/// What the first resource of a batch calls itself.
fn service(batch: &SpanBatch) -> Option<Vec<u8>> {
    let group = wire::fields(&batch.chunks().first()?.data).find(|field| field.number == 1)?;
    let resource = wire::fields(group.bytes).find(|field| field.number == 1)?;
    let resource = ResourceView::decode(resource.bytes, b"");
    resource.attributes().get(b"service.name")?.as_text().map(<[u8]>::to_vec)
}

impl State {
    /// Ends the windows that are over.
    fn advance(&mut self, now: f64) {
        // After a long pause all windows but the last few were empty.
        self.ends = self.ends.max(now - 20.0 * WINDOW);
        while now >= self.ends {
            self.end_window();
            self.ends += WINDOW;
        }
    }

    fn end_window(&mut self) {
        self.peak = self.taken.max(FADING * self.peak);
        if self.refused {
            self.room = (LESS * self.room).clamp(LOWEST * self.peak, self.peak).max(LEAST);
            self.growing = 0;
        } else {
            self.room *= 1.0 + (MORE * f64::from(self.growing / DOUBLES).exp2()).min(1.0);
            self.growing += 1;
        }
        self.calm = if self.refused || self.throttled { 0 } else { self.calm + 1 };
        for client in self.clients.values_mut() {
            client.fill(self.part, self.ends);
            client.demand = if client.demand == 0.0 { client.offered } else { average(client.demand, client.offered) };
            client.offered = 0.0;
        }
        self.clients.retain(|_, client| client.demand >= 1.0);
        let demands = self.clients.values().map(|client| client.demand).collect();
        self.part = part(demands, self.room);
        (self.taken, self.refused, self.throttled) = (0.0, false, false);
    }

    /// Leaves the rest of the window to those who ask for little.
    fn brake(&mut self, now: f64) {
        let back = self.ends;
        for client in self.clients.values_mut().filter(|client| client.demand > self.part) {
            client.fill(self.part, now);
            (client.left, client.since) = (client.left.min(0.0), back);
        }
    }

    fn client(&mut self, key: u64, now: f64) -> &mut Client {
        let key = if self.clients.len() < MOST_CLIENTS || self.clients.contains_key(&key) { key } else { 0 };
        let part = self.part;
        let client = self.clients.entry(key).or_insert_with(|| Client { left: part, since: now, ..Client::default() });
        client.fill(part, now);
        client
    }

    /// Whether a client must leave what there is to the others, if there are any.
    fn has_had_enough(&mut self, key: u64, now: f64) -> bool {
        self.client(key, now).left <= 0.0 && self.clients.len() > 1
    }

    fn turn_away(&mut self, key: u64, bytes: f64, now: f64) -> HadEnough {
        self.throttled = true;
        let part = self.part;
        let client = self.client(key, now);
        client.offered += bytes;
        let windows = (-client.left / part).floor() + 1.0;
        HadEnough((windows * WINDOW).clamp(WAITS.0, WAITS.1))
    }
}

impl Client {
    /// Gives it what has become its own since the last time. What it did not ask for it can have a little later.
    fn fill(&mut self, part: f64, now: f64) {
        if now > self.since {
            self.left = (self.left + part * (now - self.since) / WINDOW).min(2.0 * part);
            self.since = now;
        }
    }
}

fn average(before: f64, now: f64) -> f64 {
    before + WEIGHT * (now - before)
}

/// The most that anybody gets when those who ask for less get all of it, and there is so much for all together.
fn part(mut demands: Vec<f64>, mut room: f64) -> f64 {
    demands.sort_by(f64::total_cmp);
    let count = demands.len();
    for (nth, demand) in demands.into_iter().enumerate() {
        let part = room / (count - nth) as f64;
        if demand > part {
            return part;
        }
        room -= demand;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::samples::{resource_spans, span};

    const REQUEST: f64 = 10_000.0;

    /// A pipeline that passes on so many bytes a second, and holds some.
    struct Pipeline {
        rate: f64,
        holds: f64,
        most: f64,
    }

    impl Pipeline {
        fn new(rate: f64) -> Self {
            Self { rate, holds: 0.0, most: 0.5 * rate }
        }

        fn takes(&mut self, bytes: f64) -> bool {
            let takes = self.holds + bytes <= self.most;
            self.holds += if takes { bytes } else { 0.0 };
            takes
        }
    }

    /// What became of what a client offered, in bytes.
    #[derive(Clone, Copy, Debug, Default)]
    struct Outcome {
        taken: f64,
        refused: f64,
    }

    impl Outcome {
        fn share(self) -> f64 {
            self.taken / (self.taken + self.refused)
        }
    }

    /// Lets clients offer so many bytes a second each, from `start` to `end`.
    fn offer(fairness: &Fairness, pipeline: &mut Pipeline, rates: &[f64], start: f64, end: f64) -> Vec<Outcome> {
        const STEP: f64 = 0.001;
        let mut outcomes = vec![Outcome::default(); rates.len()];
        // Their requests do not come all at the same time.
        let mut due: Vec<f64> = (0..rates.len()).map(|client| REQUEST * (client as f64 * 0.618).fract()).collect();
        for step in 0..((end - start) / STEP) as usize {
            let now = start + step as f64 * STEP;
            pipeline.holds = (pipeline.holds - pipeline.rate * STEP).max(0.0);
            for nth in 0..rates.len() {
                // Nobody is always the first.
                let client = (nth + step) % rates.len();
                due[client] += rates[client] * STEP;
                while due[client] >= REQUEST {
                    due[client] -= REQUEST;
                    let Ok(claim) = fairness.let_in(client as u64 + 1, REQUEST, now) else {
                        outcomes[client].refused += REQUEST;
                        continue;
                    };
                    if pipeline.takes(REQUEST) {
                        fairness.taken(&claim);
                        outcomes[client].taken += REQUEST;
                    } else {
                        fairness.refused(Some(&claim), now);
                        outcomes[client].refused += REQUEST;
                    }
                }
            }
        }
        outcomes
    }

    fn taken(outcomes: &[Outcome]) -> f64 {
        outcomes.iter().map(|outcome| outcome.taken).sum()
    }

    #[test]
    fn who_asks_for_little_gets_it_beside_who_asks_for_more_than_there_is() {
        let (fairness, mut pipeline) = (Fairness::new(By::Connection), Pipeline::new(1e6));
        let rates = [20e6, 0.2e6, 0.3e6];
        offer(&fairness, &mut pipeline, &rates, 0.0, 2.0);
        let outcomes = offer(&fairness, &mut pipeline, &rates, 2.0, 22.0);
        assert!(outcomes[1].share() > 0.95 && outcomes[2].share() > 0.95, "{outcomes:?}");
        assert!(taken(&outcomes) > 0.97 * 20e6, "and nothing is wasted: {outcomes:?}");
    }

    #[test]
    fn as_long_as_there_is_room_nobody_is_measured() {
        let (fairness, mut pipeline) = (Fairness::new(By::Connection), Pipeline::new(1e6));
        let outcomes = offer(&fairness, &mut pipeline, &[0.8e6, 0.1e6], 0.0, 5.0);
        assert!(outcomes.iter().all(|outcome| outcome.refused == 0.0));
        assert!(!fairness.measuring.load(Ordering::Relaxed) && fairness.state().clients.is_empty());
    }

    #[test]
    fn equal_clients_get_equal_parts_of_all_there_is() {
        let (fairness, mut pipeline) = (Fairness::new(By::Connection), Pipeline::new(1e6));
        let rates = [0.2e6; 10];
        offer(&fairness, &mut pipeline, &rates, 0.0, 2.0);
        let outcomes = offer(&fairness, &mut pipeline, &rates, 2.0, 22.0);
        assert!(taken(&outcomes) > 0.97 * 20e6, "{outcomes:?}");
        for outcome in outcomes {
            assert!((1.5e6..2.5e6).contains(&outcome.taken), "{outcome:?}");
        }
    }

    #[test]
    fn many_who_want_too_much_leave_the_others_alone() {
        let (fairness, mut pipeline) = (Fairness::new(By::Connection), Pipeline::new(10e6));
        let mut rates = [1e6; 60];
        rates[..20].fill(0.05e6);
        offer(&fairness, &mut pipeline, &rates, 0.0, 2.0);
        let outcomes = offer(&fairness, &mut pipeline, &rates, 2.0, 12.0);
        let modest: f64 = outcomes[..20].iter().map(|outcome| outcome.share()).sum::<f64>() / 20.0;
        assert!(modest > 0.95, "{modest}");
        assert!(taken(&outcomes) > 0.97 * 100e6);
    }

    #[test]
    fn more_room_is_found_within_seconds_and_nobody_is_measured_when_there_is_enough() {
        let (fairness, mut pipeline) = (Fairness::new(By::Connection), Pipeline::new(1e5));
        let rates = [2e6, 1e6];
        offer(&fairness, &mut pipeline, &rates, 0.0, 5.0);
        assert!(fairness.measuring.load(Ordering::Relaxed));
        pipeline = Pipeline::new(10e6);
        offer(&fairness, &mut pipeline, &rates, 5.0, 9.0);
        let outcomes = offer(&fairness, &mut pipeline, &rates, 9.0, 12.0);
        assert!(outcomes.iter().all(|outcome| outcome.refused == 0.0), "{outcomes:?}");
        assert!(!fairness.measuring.load(Ordering::Relaxed));
    }

    #[test]
    fn a_client_alone_has_all_there_is() {
        let (fairness, mut pipeline) = (Fairness::new(By::Connection), Pipeline::new(1e6));
        let outcomes = offer(&fairness, &mut pipeline, &[5e6], 0.0, 5.0);
        assert!(outcomes[0].taken > 5e6, "{outcomes:?}");
    }

    #[test]
    fn who_had_enough_is_told_when_to_come_back_and_is_not_read_until_then() {
        let fairness = Fairness::new(By::Connection);
        let (noisy, quiet) = (peer("127.0.0.1:1", 1), peer("127.0.0.1:2", 2));
        assert_eq!(fairness.check(&noisy, 0.0), Ok(()));
        offer(&fairness, &mut Pipeline::new(1e6), &[20e6, 0.2e6], 0.0, 3.0);
        assert!(matches!(fairness.check(&noisy, 3.0), Err(HadEnough(wait)) if (0.1..=5.0).contains(&wait)));
        assert_eq!(fairness.check(&quiet, 3.0), Ok(()));
        assert_eq!(fairness.check(&noisy, 60.0), Ok(()));
    }

    #[test]
    fn clients_are_told_apart_as_it_is_asked_for() {
        let batch =
            |service| SpanBatch::decode(Bytes::from(resource_spans(service, &[&[span("a", &[])]])), None).unwrap();
        let (one, other) = (peer("[::1]:1", 1), peer("[::1]:2", 2));
        let key = |by, peer, service| Fairness::new(by).key(peer, Some(&batch(service)));
        assert_ne!(key(By::Connection, &one, "a"), key(By::Connection, &other, "a"));
        for (by, same, another) in
            [(By::Address, (&other, "b"), (&peer("[::2]:1", 3), "a")), (By::Service, (&other, "a"), (&one, "b"))]
        {
            let fairness = Fairness::new(by);
            let key = |peer, service| fairness.key(peer, Some(&batch(service)));
            assert_eq!(key(&one, "a"), key(same.0, same.1), "{by:?}");
            assert_ne!(key(&one, "a"), key(another.0, another.1), "{by:?}");
        }
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let fairness = Fairness::new(By::Service);
        fairness.refused(None, 0.0);
        for key in 0..2 * MOST_CLIENTS as u64 {
            let _ = fairness.let_in(key, 100.0, 0.01);
        }
        assert!(fairness.state().clients.len() <= MOST_CLIENTS + 1);
        let _ = fairness.let_in(1, 100.0, 60.0);
        assert!(fairness.state().clients.len() <= 2, "those who are gone are forgotten");
    }

    fn peer(address: &str, number: u64) -> Peer {
        Peer { address: address.to_owned(), number }
    }
}
