//! Lanes: one leads to an address, or to the first of several that works.

use std::hash::{BuildHasher, RandomState};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use tokio::time::Instant;

use super::super::connection::seconds;
use super::link::Link;
use super::target::Address;

/// What waits grow by, and how far they stray, so that clients do not march in step.
const GROWTH: f64 = 1.6;
const JITTER: f64 = 0.2;

/// A way to a server.
pub struct Lane {
    pub id: u64,
    pub addresses: Vec<Address>,
    pub links: Vec<Rc<Link>>,
    /// Attempts to make another that are under way.
    pub dialing: usize,
    pub retry: Retry,
}

/// When the next attempt is due, after some that failed.
#[derive(Default)]
pub struct Retry {
    failed: i32,
    pub at: Option<Instant>,
}

impl Retry {
    pub fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    pub fn put_off(&mut self, backoff: (f64, f64), now: Instant) {
        let wait = (backoff.0 * GROWTH.powi(self.failed)).min(backoff.1);
        let random = RandomState::new().hash_one(self.failed) as f64 / u64::MAX as f64;
        self.failed += 1;
        self.at = seconds(wait * (1.0 + JITTER * (2.0 * random - 1.0))).map(|wait| now + wait);
    }
}

impl Lane {
    pub fn has_room(&self) -> bool {
        self.links.iter().any(|link| link.has_room())
    }

    pub fn roomiest(&self) -> Option<&Rc<Link>> {
        self.links.iter().filter(|link| link.has_room()).min_by_key(|link| link.active())
    }
}

/// All lanes of a client, each with a number of its own.
#[derive(Default)]
pub struct Lanes {
    all: Vec<Lane>,
    ever: u64,
}

impl Deref for Lanes {
    type Target = Vec<Lane>;

    fn deref(&self) -> &Vec<Lane> {
        &self.all
    }
}

impl DerefMut for Lanes {
    fn deref_mut(&mut self) -> &mut Vec<Lane> {
        &mut self.all
    }
}

impl Lanes {
    /// Makes lanes for new addresses, and keeps those there are for the others. Calls on those that go may end.
    pub fn lead_to(&mut self, ways: Vec<Vec<Address>>) {
        let mut before = std::mem::take(&mut self.all);
        for addresses in ways {
            // Name servers like to change the order.
            let same = |lane: &Lane| {
                lane.addresses.len() == addresses.len() && addresses.iter().all(|it| lane.addresses.contains(it))
            };
            let lane = match before.iter().position(same) {
                Some(index) => Lane { addresses, ..before.swap_remove(index) },
                None => {
                    self.ever += 1;
                    Lane { id: self.ever, addresses, links: Vec::new(), dialing: 0, retry: Retry::default() }
                }
            };
            self.all.push(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(port: u16) -> Address {
        Address::Tcp(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn waits_grow_within_their_bound() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        assert!(retry.is_due(now));
        for wait in [0.5, 0.8, 1.28, 2.048, 3.2768, 5.0, 5.0] {
            retry.put_off((0.5, 5.0), now);
            assert!(!retry.is_due(now + Duration::from_secs_f64(0.79 * wait)));
            assert!(retry.is_due(now + Duration::from_secs_f64(1.21 * wait)));
        }
        let mut never = Retry::default();
        never.put_off((0.0, 0.0), now);
        assert!(never.is_due(now));
    }

    #[test]
    fn a_lane_stays_while_its_addresses_do() {
        let mut lanes = Lanes::default();
        lanes.lead_to(vec![vec![address(1)], vec![address(2), address(3)]]);
        lanes.lead_to(vec![vec![address(3), address(2)], vec![address(4)]]);

        let found: Vec<_> = lanes.iter().map(|lane| (lane.id, lane.addresses.clone())).collect();
        assert_eq!(found, [(2, vec![address(3), address(2)]), (3, vec![address(4)])]);
    }
}
