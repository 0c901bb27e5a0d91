//! What was found out about a trace so far: enough to decide about it without its spans.

use super::probes::Probes;

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    first: u64,
    /// For numbers of 64 and more.
    rest: Option<Box<[u64]>>,
}

impl Bits {
    #[inline]
    pub fn has(&self, number: usize) -> bool {
        match number / 64 {
            0 => self.first >> number & 1 == 1,
            word => self
                .rest
                .as_ref()
                .and_then(|rest| rest.get(word - 1))
                .is_some_and(|word| word >> (number % 64) & 1 == 1),
        }
    }

    pub fn add(&mut self, number: usize) {
        match number / 64 {
            0 => self.first |= 1 << number,
            word => {
                let mut rest = self.rest.take().unwrap_or_default().into_vec();
                rest.resize(rest.len().max(word), 0);
                rest[word - 1] |= 1 << (number % 64);
                self.rest = Some(rest.into_boxed_slice());
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.first == 0 && self.rest.is_none()
    }
}

/// What the values of an attribute come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// How many spans have it as a number.
    pub count: u64,
    pub sum: f64,
    pub max: f64,
}

impl Default for Total {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, max: f64::NEG_INFINITY }
    }
}

/// What is known of a trace, or of some of its spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Probes that found what they look for.
    pub found: Bits,
    /// Probes that could not be done, before they found anything.
    pub failed: Bits,
    /// Of the spans that were not added to a trace yet: when they began and ended, in nanoseconds.
    pub times: Vec<(u64, u64)>,
    /// When the first span began and the last one ended, 0 if that is not known.
    pub start: u64,
    pub end: u64,
    /// One for each attribute that is added up.
    pub totals: Box<[Total]>,
}

impl Facts {
    /// Adds what was found out about spans that came later.
    pub fn add(&mut self, later: Self, probes: &Probes) {
        for (start, end) in &later.times {
            self.pass(*start, *end);
            probes.durations(self);
        }
        if self.found.is_empty() && self.failed.is_empty() {
            (self.found, self.failed) = (later.found, later.failed);
        } else {
            for probe in 0..probes.count() {
                // What came first counts.
                if !self.found.has(probe) && !self.failed.has(probe) {
                    if later.found.has(probe) {
                        self.found.add(probe);
                    } else if later.failed.has(probe) {
                        self.failed.add(probe);
                    }
                }
            }
        }
        if self.totals.is_empty() {
            self.totals = later.totals;
        } else {
            for (total, more) in self.totals.iter_mut().zip(later.totals) {
                total.count += more.count;
                total.sum += more.sum;
                total.max = total.max.max(more.max);
            }
        }
    }

    fn pass(&mut self, start: u64, end: u64) {
        if self.start == 0 || start < self.start {
            self.start = start;
        }
        if self.end == 0 || end > self.end {
            self.end = end;
        }
    }

    /// From the earliest start to the latest end, in whole milliseconds.
    pub fn duration_ms(&self) -> i64 {
        (self.end as i64).saturating_sub(self.start as i64) / 1_000_000
    }
}
