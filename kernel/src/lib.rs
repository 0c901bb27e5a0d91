//! What Spanmill does per span, on the bytes of OTLP trace requests.
//!
//! A request comes in as bytes, is checked once ([`scan`]) and brought to a normal form where it is not in
//! it already ([`normalize`]). From then on every part may rely on that form: [`view`] borrows resources,
//! scopes, spans and values from the bytes, [`program`] walks them once for a whole run of [`ops`], and
//! writes back what changed. [`batch`] gathers and splits, [`route`] tells backends apart, [`plan`] does all of that to a
//! request in one go, [`json`] reads and prints. [`traces`] groups spans by trace, and [`tail`] decides about whole traces.
//! [`metrics`] counts and measures spans. [`journal`] keeps batches on disk. [`detect`] knows addresses, numbers and secrets
//! in values, and [`truncate`] makes values smaller.
//!
//! Nothing here knows of Python but the `py` module, the glue behind `collector._kernel`.

#![deny(unsafe_code)]

pub mod base64;
pub mod batch;
pub mod camel;
#[cfg(feature = "net")]
pub mod compress;
pub mod detect;
pub mod error;
pub mod glob;
pub mod guess;
pub mod hex;
pub mod journal;
pub mod json;
pub mod load;
pub mod merge;
pub mod metrics;
#[cfg(feature = "net")]
pub mod net;
pub mod normalize;
pub mod number;
pub mod ops;
pub mod origin;
pub mod ottl;
pub mod pattern;
pub mod plan;
pub mod program;
pub mod rope;
pub mod route;
#[cfg(test)]
pub mod samples;
pub mod scan;
pub mod setting;
pub mod shape;
pub mod split;
pub mod tail;
pub mod tape;
pub mod text;
pub mod traces;
pub mod tracestate;
pub mod truncate;

pub mod view;
pub mod wire;

// What PyO3's macros expand to is the only unsafe code.
#[cfg(feature = "python")]
#[allow(unsafe_code)]
mod py;
