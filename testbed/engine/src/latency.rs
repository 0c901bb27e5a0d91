//! Latencies in a histogram: three significant digits, from a microsecond to minutes.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Where the curve of a plot is read off, in percent.
const CURVE: [f64; 16] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999, 100.0];

pub struct Latencies(Histogram<u64>);

/// A distribution, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    pub curve: Vec<(f64, f64)>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(3).expect("3 digits are allowed"))
    }
}

impl Latencies {
    pub fn record(&mut self, latency: Duration) {
        // The histogram grows by itself and takes all of u64.
        let _ = self.0.record(latency.as_micros().max(1) as u64);
    }

    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The distribution, or nothing where there is none.
    pub fn summary(&self) -> Option<Summary> {
        let at = |percent: f64| self.0.value_at_percentile(percent) as f64 / 1000.0;
        (!self.0.is_empty()).then(|| Summary {
            count: self.0.len(),
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: self.0.max() as f64 / 1000.0,
            curve: CURVE.iter().map(|&percent| (percent, at(percent))).collect(),
        })
    }
}
