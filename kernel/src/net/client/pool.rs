//! The connections of a client: who gets which, and when another is made.
//!
//! A *lane* leads to one address, or to the first of several that works. Calls are spread over the lanes in turn, and
//! within one go to the connection with the fewest of them. Connections are made when calls need them: at first, when
//! one was lost, and while all of them are full. Names are asked for anew after every loss.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::connection::{FOREVER, seconds};
use super::super::crowd::Crowd;
use super::dial::{Io, dial};
use super::link::Link;
use super::outbox::Outbox;
use super::security::Security;
use super::settings::{Protocol, Settings};
use super::target::{Address, resolve};
use super::tunnel;

/// What waits grow by, and how far they stray, so that clients do not march in step.
const GROWTH: f64 = 1.6;
const JITTER: f64 = 0.2;

pub struct Pool {
    settings: Settings,
    security: Option<Security>,
    outbox: Arc<Outbox>,
    state: RefCell<State>,
    changed: Notify,
    crowd: Rc<Crowd>,
}

#[derive(Default)]
struct State {
    lanes: Vec<Lane>,
    /// Which lane is next.
    turn: usize,
    /// Whether addresses are known, and nothing suggests that they have changed.
    fresh: bool,
    resolving: bool,
    retry: Retry,
    /// Calls that wait for a connection.
    waiting: usize,
    /// Attempts to connect that failed, ever, and what was wrong with the last one.
    failures: u64,
    error: String,
    lanes_ever: u64,
}

struct Lane {
    id: u64,
    addresses: Vec<Address>,
    links: Vec<Rc<Link>>,
    dialing: usize,
    retry: Retry,
}

/// When the next attempt is due, after some that failed.
#[derive(Default)]
struct Retry {
    failed: i32,
    at: Option<Instant>,
}

impl Retry {
    fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    fn put_off(&mut self, backoff: (f64, f64), now: Instant) {
        let wait = (backoff.0 * GROWTH.powi(self.failed)).min(backoff.1);
        let random = RandomState::new().hash_one(self.failed) as f64 / u64::MAX as f64;
        self.failed += 1;
        self.at = seconds(wait * (1.0 + JITTER * (2.0 * random - 1.0))).map(|wait| now + wait);
    }
}

impl Lane {
    fn has_room(&self) -> bool {
        self.links.iter().any(|link| link.has_room())
    }

    fn roomiest(&self) -> Option<&Rc<Link>> {
        self.links.iter().filter(|link| link.has_room()).min_by_key(|link| link.active())
    }
}

impl Pool {
    pub fn new(settings: Settings, security: Option<Security>, outbox: Arc<Outbox>) -> Rc<Self> {
        let pool = Rc::new(Self {
            settings,
            security,
            outbox,
            state: RefCell::default(),
            changed: Notify::new(),
            crowd: Crowd::new(usize::MAX),
        });
        if let Some(limit) = seconds(pool.settings.idle_timeout) {
            spawn_local(pool.clone().close_idle(limit));
        }
        pool
    }

    /// Waits for a connection. Fails with the attempt to make one, unless calls are told to wait.
    pub async fn link(self: &Rc<Self>) -> Result<Lease, String> {
        let seen = self.state.borrow().failures;
        let _waiting = Waiting::new(self);
        loop {
            let changed = self.changed.notified();
            let now = Instant::now();
            self.clean(now);
            if let Some(link) = self.pick(now) {
                // Other lanes may lack what this call has found.
                self.grow(now);
                link.begin();
                return Ok(Lease { link, pool: self.clone() });
            }
            if !self.settings.wait_for_ready
                && let Some(error) = self.despair(seen)
            {
                return Err(error);
            }
            self.grow(now);
            let due = self.next_attempt().unwrap_or(now + FOREVER);
            tokio::select! {
                () = changed => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// Closes all connections, and waits until they are.
    pub async fn close(&self) {
        self.state.borrow_mut().lanes.clear();
        self.crowd.gone().await;
    }

    /// Forgets connections that have ended. A server that ends them at once is one that cannot be reached.
    fn clean(&self, now: Instant) {
        let mut state = self.state.borrow_mut();
        let State { lanes, fresh, failures, error, .. } = &mut *state;
        for lane in lanes {
            let before = lane.links.len();
            let mut vain = false;
            lane.links.retain(|link| {
                let is_open = link.is_open();
                vain |= !is_open && link.was_vain();
                is_open
            });
            *fresh &= lane.links.len() == before;
            if vain {
                lane.retry.put_off(self.settings.backoff, now);
                *failures += 1;
                "the server closes connections at once".clone_into(error);
            }
        }
        self.count(&state);
    }

    fn pick(&self, now: Instant) -> Option<Rc<Link>> {
        let mut state = self.state.borrow_mut();
        let count = state.lanes.len();
        for step in 0..count {
            let index = (state.turn + step) % count;
            if let Some(link) = state.lanes[index].roomiest() {
                let link = link.clone();
                state.turn = index + 1;
                return Some(link);
            }
        }
        let may_grow = state.lanes.iter().any(|lane| {
            lane.dialing > 0 || (lane.links.len() < self.settings.max_connections && lane.retry.is_due(now))
        });
        if may_grow {
            return None;
        }
        // The library keeps it until the peer takes it.
        let links = state.lanes.iter().flat_map(|lane| &lane.links).filter(|link| link.is_http2());
        links.min_by_key(|link| link.active()).cloned()
    }

    /// Begins to make connections that are needed.
    fn grow(self: &Rc<Self>, now: Instant) {
        let mut state = self.state.borrow_mut();
        let full = !state.lanes.iter().any(Lane::has_room);
        let lacking = full || state.lanes.iter().any(|lane| lane.links.is_empty() && lane.retry.is_due(now));
        if !lacking || state.resolving {
            return;
        }
        if !state.fresh && state.retry.is_due(now) && state.lanes.iter().all(|lane| lane.dialing == 0) {
            state.resolving = true;
            spawn_local(self.clone().look_up());
            return;
        }
        let State { lanes, waiting, .. } = &mut *state;
        for lane in lanes {
            let empty = lane.links.is_empty();
            let shared = lane.links.first().map_or(self.expects_http2(), |link| link.is_http2());
            let wanted = if shared { 1 } else { *waiting };
            while (empty || full)
                && lane.dialing < wanted
                && lane.links.len() + lane.dialing < self.settings.max_connections
                && lane.retry.is_due(now)
            {
                lane.dialing += 1;
                spawn_local(self.clone().connect(lane.id, lane.addresses.clone()));
            }
        }
    }

    /// The error of the last attempt, if there is no other way to a connection for a call that began after `seen`.
    fn despair(&self, seen: u64) -> Option<String> {
        let state = self.state.borrow();
        let trying = state.resolving || state.lanes.iter().any(|lane| lane.dialing > 0);
        let busy = state.lanes.iter().any(|lane| !lane.links.is_empty());
        let failed = state.failures > seen || (!busy && state.failures > 0 && self.next_attempt().is_some());
        (!trying && failed).then(|| state.error.clone())
    }

    /// When the first of the attempts is due that are put off.
    fn next_attempt(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let lanes = state.lanes.iter().filter(|lane| lane.dialing == 0).map(|lane| &lane.retry);
        let now = Instant::now();
        lanes.chain([&state.retry]).filter_map(|retry| retry.at).filter(|at| *at > now).min()
    }

    fn expects_http2(&self) -> bool {
        // Over TLS it turns out with the first connection.
        self.settings.protocol == Protocol::Grpc
            || self.settings.tls.as_ref().is_some_and(|tls| tls.settings.alpn.iter().any(|name| name == "h2"))
    }

    async fn look_up(self: Rc<Self>) {
        let found = resolve(&self.settings.target).await;
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        state.resolving = false;
        match found {
            Ok(addresses) => {
                state.retry = Retry::default();
                state.fresh = true;
                let ways = match self.settings.spread {
                    true => addresses.into_iter().map(|address| vec![address]).collect(),
                    false => vec![addresses],
                };
                state.lead_to(ways);
            }
            Err(error) => {
                state.failures += 1;
                state.error = error;
                state.retry.put_off(self.settings.backoff, now);
                // Addresses that were known are better than none.
                state.fresh = !state.lanes.is_empty();
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn connect(self: Rc<Self>, lane: u64, addresses: Vec<Address>) {
        let patience = seconds(self.settings.connect_timeout).unwrap_or(FOREVER);
        let link = match dial(&addresses, patience).await {
            Ok(io) => {
                let opened = timeout(patience, self.open(io)).await;
                opened.unwrap_or_else(|_| Err("the server says nothing".to_owned()))
            }
            Err(error) => Err(error),
        };
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        let State { lanes, fresh, failures, error, .. } = &mut *state;
        // A lane that has gone meanwhile needs no connection.
        if let Some(lane) = lanes.iter_mut().find(|other| other.id == lane) {
            lane.dialing -= 1;
            match link {
                Ok(link) => {
                    lane.links.push(Rc::new(link));
                    lane.retry = Retry::default();
                    self.outbox.count(|counts| counts.connected += 1);
                }
                Err(failed) => {
                    lane.retry.put_off(self.settings.backoff, now);
                    *fresh = false;
                    *failures += 1;
                    *error = failed;
                    self.outbox.count(|counts| counts.unconnected += 1);
                }
            }
        }
        self.count(&state);
        drop(state);
        self.changed.notify_waiters();
    }

    async fn open(&self, mut io: Box<dyn Io>) -> Result<Link, String> {
        if let Some(tunnel) = &self.settings.tunnel {
            tunnel::open(&mut *io, tunnel).await?;
        }
        let (io, http2) = match &self.security {
            Some(security) => security.secure(io).await?,
            None => (io, self.expects_http2()),
        };
        Link::open(io, http2, &self.settings, &self.crowd).await
    }

    async fn close_idle(self: Rc<Self>, limit: Duration) {
        loop {
            sleep(limit / 4).await;
            let now = Instant::now();
            for lane in &mut self.state.borrow_mut().lanes {
                lane.links.retain(|link| link.idle_since().is_none_or(|since| now - since < limit));
            }
            self.count(&self.state.borrow());
        }
    }

    /// A call has ended.
    fn released(&self, link: &Rc<Link>) {
        let mut state = self.state.borrow_mut();
        let links = state.lanes.iter().flat_map(|lane| &lane.links);
        if links.filter(|link| link.active() == 0).count() > self.settings.max_idle_connections {
            for lane in &mut state.lanes {
                lane.links.retain(|other| !Rc::ptr_eq(link, other));
            }
            self.count(&state);
        }
        if state.waiting > 0 {
            self.changed.notify_waiters();
        }
    }

    fn count(&self, state: &State) {
        let open = state.lanes.iter().map(|lane| lane.links.len() as u64).sum();
        self.outbox.count(|counts| counts.open = open);
    }
}

impl State {
    /// Makes lanes for new addresses, and keeps those there are for the others. Calls on those that go may end.
    fn lead_to(&mut self, ways: Vec<Vec<Address>>) {
        let mut before = std::mem::take(&mut self.lanes);
        for addresses in ways {
            // Name servers like to change the order.
            let same = |lane: &Lane| {
                lane.addresses.len() == addresses.len() && addresses.iter().all(|it| lane.addresses.contains(it))
            };
            let lane = match before.iter().position(same) {
                Some(index) => Lane { addresses, ..before.swap_remove(index) },
                None => {
                    self.lanes_ever += 1;
                    Lane { id: self.lanes_ever, addresses, links: Vec::new(), dialing: 0, retry: Retry::default() }
                }
            };
            self.lanes.push(lane);
        }
    }
}

/// A connection that a call uses.
pub struct Lease {
    pub link: Rc<Link>,
    pool: Rc<Pool>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.link.end();
        self.pool.released(&self.link);
    }
}

/// A call that waits for a connection.
struct Waiting<'p>(&'p Pool);

impl<'p> Waiting<'p> {
    fn new(pool: &'p Pool) -> Self {
        pool.state.borrow_mut().waiting += 1;
        Self(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.borrow_mut().waiting -= 1;
    }
}
