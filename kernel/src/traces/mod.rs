//! Spans grouped by trace, until somebody decides what becomes of them.
//!
//! Spans are kept as compact copies, since a slice would keep its whole request alive, and what stands around them once
//! ([`surroundings`]). A batch is sorted by trace before anything is locked ([`arrivals`]); a [`store`] knows each trace
//! by its id, when it is due, and how much memory all of them take.

pub mod ages;
pub mod arrivals;
pub mod ordered;
pub mod store;
pub mod surroundings;
pub mod trace;

/// 16 bytes, zeros where a span has none.
pub type TraceId = [u8; 16];
