//! What the kernel refuses, and why.

use std::fmt;

/// A request that is not a well-formed `ExportTraceServiceRequest`.
///
/// `offset` counts bytes from the start of the request; `place` is the path of fields that leads there,
/// outermost first, such as `resource_spans[3].scope_spans[0].spans[7].trace_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub what: String,
    pub place: String,
    pub offset: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if !self.place.is_empty() {
            write!(f, " in {}", self.place)?;
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for Malformed {}

/// A setting that an op cannot work with. `path` leads to the option inside the component's configuration,
/// in the notation of the reports: `trace_conditions[0]::context`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError {
    pub path: String,
    pub message: String,
}

impl OptionError {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same error, seen from the section that holds the option.
    pub fn within(mut self, outer: &str) -> Self {
        self.path = match (outer.is_empty(), self.path.is_empty()) {
            (true, _) => self.path,
            (false, true) => outer.to_owned(),
            // An item of the section itself: `detectors[1]`.
            (false, false) if self.path.starts_with('[') => format!("{outer}{}", self.path),
            (false, false) => format!("{outer}::{}", self.path),
        };
        self
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for OptionError {}
