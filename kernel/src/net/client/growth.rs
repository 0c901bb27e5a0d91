//! How a pool gets its connections: names are resolved, anew after every loss, and addresses are dialled.

use std::rc::Rc;

use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::super::connection::{FOREVER, seconds};
use super::super::stream::Duplex;
use super::dial::dial;
use super::lane::{Lane, Retry};
use super::link::Link;
use super::pool::{Pool, State};
use super::settings::Protocol;
use super::target::{Address, resolve};
use super::tunnel;

impl Pool {
    /// Begins to make connections that are needed.
    pub fn grow(self: &Rc<Self>, now: Instant) {
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
        for lane in lanes.iter_mut() {
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
                state.lanes.lead_to(ways);
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

    async fn open(&self, mut io: Box<dyn Duplex>) -> Result<Link, String> {
        if let Some(tunnel) = &self.settings.tunnel {
            tunnel::open(&mut *io, tunnel).await?;
        }
        // A handshake that is under way keeps what it began with.
        let security = self.security.borrow().clone();
        let (io, http2) = match security {
            Some(security) => security.secure(io).await?,
            None => (io, self.expects_http2()),
        };
        Link::open(io, http2, &self.settings, &self.crowd).await
    }
}
