//! Borrowed views of what stands in a request, with copy-on-write.
//!
//! A view is loaded from the body of one message and reads like a struct. What is changed through it is
//! remembered; [`crate::program`] writes that and leaves every other byte as it came, unknown fields
//! included. Views rely on the normal form that arrival establishes ([`crate::normalize`]): singular
//! fields stand once, repeated ones stand together, strings are UTF-8.
//!
//! Strings are byte slices: arrival has validated them, and proving it again per span would cost more than
//! the work on them.

mod edits;
mod event;
mod link;
mod map;
mod resource;
mod scope;
mod slots;
mod span;
mod status;
mod value;

pub use edits::{Edits, Mark};
pub use event::EventView;
pub use link::LinkView;
pub use map::{Entry, Map, Merge, Rename, Upserts};
pub use resource::ResourceView;
pub use scope::ScopeView;
pub use slots::Needs;
pub use span::SpanView;
pub use status::Status;
pub use value::Value;
