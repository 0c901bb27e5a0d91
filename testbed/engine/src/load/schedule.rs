//! When requests are due.
//!
//! An open loop has a schedule that waits for nobody. Latencies count from the moment a request was due, so a subject
//! that stalls is charged for all requests that became due meanwhile, not just for those on the way (the trap is
//! known as coordinated omission). In a closed loop a request is due when there is room for it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::{Semaphore, watch};

/// A stretch of load.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub seconds: f64,
    /// Requests a second; none is a closed loop.
    pub rate: Option<f64>,
}

/// Timers have a grain of half of this, so waking more often gains nothing.
const GRAIN: Duration = Duration::from_micros(100);

const LAST_CALL: Duration = Duration::from_millis(20);

pub struct Schedule {
    begin: Instant,
    /// For each step, the first request in it, when it begins and the seconds between requests.
    steps: Vec<(u64, f64, f64)>,
    seconds: f64,
    total: u64,
    taken: Cell<u64>,
    shared: Arc<Shared>,
    over: watch::Receiver<bool>,
}

struct Shared {
    due: Semaphore,
    released: AtomicU64,
    over: watch::Sender<bool>,
}

impl Schedule {
    /// Starts at once.
    pub fn start(steps: &[Step]) -> Result<Self, &'static str> {
        let (over, watched) = watch::channel(false);
        let shared = Arc::new(Shared { due: Semaphore::new(0), released: AtomicU64::new(0), over });
        let (mut total, mut seconds, mut planned) = (0, 0.0, Vec::new());
        match steps {
            [Step { seconds: length, rate: None }] => {
                seconds = *length;
                shared.due.add_permits(Semaphore::MAX_PERMITS);
            }
            _ => {
                for step in steps {
                    let rate = step.rate.ok_or("a closed loop has one step only")?;
                    if rate > 0.0 {
                        planned.push((total, seconds, 1.0 / rate));
                        total += (rate * step.seconds).round() as u64;
                    }
                    seconds += step.seconds;
                }
            }
        }
        let begin = Instant::now();
        let schedule = Self { begin, steps: planned, seconds, total, taken: Cell::new(0), shared, over: watched };
        schedule.pace();
        Ok(schedule)
    }

    /// A thread that sleeps until the next request is due: the timers of an event loop are a millisecond coarse.
    fn pace(&self) {
        let (shared, begin, steps, total) = (self.shared.clone(), self.begin, self.steps.clone(), self.total);
        let end = self.end();
        thread::spawn(move || {
            let mut released = 0;
            while released < total {
                let now = Instant::now();
                let mut ready = 0;
                while released + ready < total && begin + due(&steps, released + ready) <= now {
                    ready += 1;
                }
                if ready > 0 {
                    released += ready;
                    shared.released.store(released, Ordering::Relaxed);
                    shared.due.add_permits(ready as usize);
                }
                if released < total {
                    let next = (begin + due(&steps, released)).max(now + GRAIN);
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
            thread::sleep(end.saturating_duration_since(Instant::now()));
            // What became due in the last moment is still taken where there is room for it.
            let last = end + LAST_CALL;
            while total > 0 && shared.due.available_permits() > 0 && Instant::now() < last {
                thread::sleep(GRAIN);
            }
            shared.due.close();
            shared.over.send_replace(true);
        });
    }

    pub fn end(&self) -> Instant {
        self.begin + Duration::from_secs_f64(self.seconds)
    }

    pub fn is_closed_loop(&self) -> bool {
        self.total == 0 && self.steps.is_empty() && self.seconds > 0.0
    }

    /// Waits for a request to be due, and gives when it was. Nothing once the schedule is over.
    pub async fn next(&self) -> Option<Instant> {
        self.shared.due.acquire().await.ok()?.forget();
        let now = Instant::now();
        if self.is_closed_loop() && now >= self.end() {
            return None;
        }
        let number = self.taken.replace(self.taken.get() + 1);
        Some(if self.is_closed_loop() { now } else { self.begin + due(&self.steps, number) })
    }

    /// Waits for the end.
    pub async fn over(&self) {
        let _ = self.over.clone().wait_for(|&over| over).await;
    }

    /// Requests that are due by now.
    pub fn offered(&self) -> u64 {
        if self.is_closed_loop() { self.taken.get() } else { self.shared.released.load(Ordering::Relaxed) }
    }

    /// Requests that were due and that nobody has taken.
    pub fn left(&self) -> u64 {
        if self.is_closed_loop() { 0 } else { self.offered() - self.taken.get() }
    }
}

/// When a request is due, from the beginning.
fn due(steps: &[(u64, f64, f64)], number: u64) -> Duration {
    let (first, begin, pause) = steps[steps.partition_point(|&(first, ..)| first <= number).saturating_sub(1)];
    Duration::from_secs_f64(begin + (number - first) as f64 * pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(steps: &[(f64, f64)]) -> Schedule {
        let steps: Vec<_> = steps.iter().map(|&(seconds, rate)| Step { seconds, rate: Some(rate) }).collect();
        Schedule::start(&steps).unwrap()
    }

    #[test]
    fn requests_are_due_at_the_rate_of_their_step() {
        let schedule = open(&[(1.0, 10.0), (1.0, 0.0), (0.5, 100.0)]);
        assert_eq!(schedule.total, 60);
        let at = |number| due(&schedule.steps, number).as_millis();
        assert_eq!([at(0), at(1), at(9), at(10), at(11), at(59)], [0, 100, 900, 2000, 2010, 2490]);
    }

    #[tokio::test]
    async fn a_schedule_waits_for_nobody() {
        let schedule = open(&[(0.2, 100.0)]);
        schedule.over().await;
        assert_eq!((schedule.offered(), schedule.left()), (20, 20));
        assert!(schedule.next().await.is_none(), "and it is over when it is over");
    }

    #[tokio::test]
    async fn a_closed_loop_is_due_at_once_until_its_end() {
        let schedule = Schedule::start(&[Step { seconds: 0.05, rate: None }]).unwrap();
        let due = schedule.next().await.unwrap();
        assert!(due.elapsed() < Duration::from_millis(40));
        schedule.over().await;
        assert!(schedule.next().await.is_none());
        assert_eq!(schedule.left(), 0);
    }
}
