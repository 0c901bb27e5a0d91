//! What happened to traces and spans since the start.

use crate::traces::ages::Ages;

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
