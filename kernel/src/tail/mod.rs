//! Sampling by the whole trace.
//!
//! What policies ask of spans ([`probes`]) is answered when a span arrives, and the answers add up to what is known of a
//! trace ([`facts`]). So a decision ([`decision`]) looks at a few numbers and at no span, and can be made as soon as
//! nothing can change it any more. Spans wait for it in a store ([`crate::traces`]), which [`sampler`] guards.

pub mod annotate;
pub mod bucket;
pub mod compile;
pub mod counts;
pub mod decision;
pub mod facts;
mod outbox;
pub mod policy;
pub mod probes;
pub mod sampler;
mod saved;
pub mod settings;
pub mod share;
pub mod snapshot;
mod state;
pub mod stress;
#[cfg(test)]
mod tests;
pub mod weight;
