//! OTTL, the OpenTelemetry Transformation Language: conditions over spans and what encloses them.
//!
//! A source text is cut into tokens, parsed into a tree ([`ast`]), and compiled for a [`Context`]: paths and
//! functions are looked up, literals checked, constants settled, regular expressions compiled. The
//! outcome is evaluated over borrowed views; a condition on an attribute allocates nothing.
//!
//! A function is one entry in a table under `functions`, a path one line in `path`.

mod arithmetic;
pub mod ast;
mod coerce;
mod compare;
mod compile;
mod context;
mod datum;
mod editors;
mod eval;
mod functions;
mod inference;
mod item;
mod json;
mod key_set;
mod lexer;
mod parser;
mod path;
mod predicate;
mod problem;
#[cfg(test)]
mod recorded;
mod statement;
mod target;
mod time;

pub use context::{Context, Subject};
pub use datum::Failure;
pub use inference::{Place, infer};
pub use item::Item;
pub use parser::{parse_condition, parse_statement};
pub use predicate::Predicate;
pub use problem::Problem;
pub use statement::Statement;
