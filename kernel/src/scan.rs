//! The check at arrival: one walk that counts spans and finds every malformation.

use crate::error::Malformed;
use crate::wire::{Cursor, WireError};

/// How deep an `AnyValue` may nest. Strict receivers refuse a request for a value nested 48 deep or more.
pub const MAX_DEPTH: usize = 40;

/// What the check found in a request that is well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub spans: usize,
    /// Strings that are not UTF-8.
    pub bad_strings: u64,
    /// Whether the request is in the normal form that all views rely on.
    pub normal: bool,
}

/// Checks a whole `ExportTraceServiceRequest`.
pub fn scan(request: &[u8]) -> Result<Found, Malformed> {
    // SKELETON: counts spans only.
    let mut found = Found { normal: true, ..Found::default() };
    let fail = |error: WireError| Malformed { what: error.what.to_owned(), place: String::new(), offset: error.offset };
    let mut cursor = Cursor::new(request);
    while let Some(resource_spans) = cursor.next_field().map_err(fail)? {
        let mut cursor = Cursor::new(resource_spans.bytes);
        while let Some(scope_spans) = cursor.next_field().map_err(fail)? {
            if scope_spans.number != 2 {
                continue;
            }
            let mut cursor = Cursor::new(scope_spans.bytes);
            while let Some(span) = cursor.next_field().map_err(fail)? {
                found.spans += usize::from(span.number == 2);
            }
        }
    }
    Ok(found)
}
