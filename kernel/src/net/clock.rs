//! The clock of whoever holds spans: seconds, steady, and the same one that Python's event loop goes by.

use rustix::time::{ClockId, clock_gettime};

pub fn now() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
