//! What happened to traces and spans since the start.

/// The upper bounds of ages, in seconds, as the Go collector has them.
pub const AGES: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// How many were how old.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ages {
    /// One for each bound, and one for what is older.
    pub counts: [u64; AGES.len() + 1],
    pub sum: f64,
}

impl Ages {
    pub fn observe(&mut self, seconds: f64) {
        let age = seconds.max(0.0).trunc();
        self.counts[AGES.partition_point(|bound| *bound < age)] += 1;
        self.sum += age;
    }
}

/// Why a trace was decided about before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// Too many traces waited.
    Traces,
    /// They took too much memory.
    Bytes,
    /// Nothing could change the decision.
    Certain,
    /// The collector stopped.
    Shutdown,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    pub new_traces: u64,
    pub sampled: u64,
    pub not_sampled: u64,
    pub dropped: u64,
    /// By [`Early`].
    pub early: [u64; 4],
    /// Traces that grew too large.
    pub too_large: u64,
    /// Spans of traces that were not sampled, late ones among them.
    pub spans_dropped: u64,
    /// Spans whose trace was in a decision cache.
    pub cached_sampled: u64,
    pub cached_not_sampled: u64,
    /// Spans that came after the decision.
    pub late: u64,
    pub late_ages: Ages,
    pub removal_ages: Ages,
    /// Traces that were decided about by probability alone, since the bound was near.
    pub stressed: u64,
}
