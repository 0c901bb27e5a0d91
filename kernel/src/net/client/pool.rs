//! The connections of a client: who gets which, and when another is made.
//!
//! A *lane* leads to one address, or to the first of several that works. Calls are spread over the lanes in turn, and
//! within one go to the connection with the fewest of them. Connections are made when calls need them: at first, when
//! one was lost, and while all of them are full: that is [`super::growth`].

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::connection::{FOREVER, seconds};
use super::super::crowd::Crowd;
use super::lane::{Lanes, Retry};
use super::link::Link;
use super::outbox::Outbox;
use super::security::Security;
use super::settings::Settings;

pub struct Pool {
    pub settings: Settings,
    pub security: RefCell<Option<Security>>,
    pub outbox: Arc<Outbox>,
    pub state: RefCell<State>,
    pub changed: Notify,
    pub crowd: Rc<Crowd>,
}

/// What is known of a server, and who wants to know.
#[derive(Default)]
pub struct State {
    pub lanes: Lanes,
    /// Which lane is next.
    pub turn: usize,
    /// Whether addresses are known, and nothing suggests that they have changed.
    pub fresh: bool,
    pub resolving: bool,
    pub retry: Retry,
    /// Calls that wait for a connection.
    pub waiting: usize,
    /// Attempts to connect that failed, ever, and what was wrong with the last one.
    pub failures: u64,
    pub error: String,
}

impl Pool {
    pub fn new(settings: Settings, security: Option<Security>, outbox: Arc<Outbox>) -> Rc<Self> {
        let pool = Rc::new(Self {
            settings,
            security: RefCell::new(security),
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
        for lane in lanes.iter_mut() {
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

    async fn close_idle(self: Rc<Self>, limit: Duration) {
        loop {
            sleep(limit / 4).await;
            let now = Instant::now();
            for lane in self.state.borrow_mut().lanes.iter_mut() {
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
            for lane in state.lanes.iter_mut() {
                lane.links.retain(|other| !Rc::ptr_eq(link, other));
            }
            self.count(&state);
        }
        if state.waiting > 0 {
            self.changed.notify_waiters();
        }
    }

    pub fn count(&self, state: &State) {
        let open = state.lanes.iter().map(|lane| lane.links.len() as u64).sum();
        self.outbox.count(|counts| counts.open = open);
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
