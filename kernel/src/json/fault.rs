//! What is wrong with a text in JSON, and where.

use std::fmt;

/// A text that is no `ExportTraceServiceRequest` in JSON.
///
/// `line` and `column` count from 1, the column in characters; `place` is the path of members that leads there, such as
/// `resourceSpans[0].scopeSpans[0].spans[3].traceId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub what: String,
    pub place: String,
    pub line: usize,
    pub column: usize,
}

impl JsonError {
    /// Something is wrong with the text as a whole.
    pub(super) fn of_document(what: String) -> Self {
        Self { what, place: String::new(), line: 1, column: 1 }
    }

    #[cold]
    pub(super) fn new(fault: Fault, json: &[u8]) -> Self {
        let before = &json[..fault.offset.min(json.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
        // The bytes that follow the first of a character are no characters, also if the text is not UTF-8.
        let characters = before[line_start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        let mut place = String::new();
        for step in fault.way.iter().rev() {
            if !place.is_empty() && !step.starts_with('[') {
                place.push('.');
            }
            place.push_str(step);
        }
        Self {
            what: fault.what,
            place,
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + characters,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid JSON at line {} column {}", self.line, self.column)?;
        if !self.place.is_empty() {
            write!(f, " in {}", self.place)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for JsonError {}

/// The same on its way up: the offset in the text, and the way down to the value, innermost step first.
#[derive(Debug)]
pub struct Fault {
    what: String,
    offset: usize,
    way: Vec<String>,
}

/// A result on the hot path: one word if nothing is wrong.
pub type Checked<T> = Result<T, Box<Fault>>;

impl Fault {
    #[cold]
    pub fn new(what: impl Into<String>, offset: usize) -> Box<Self> {
        Box::new(Self { what: what.into(), offset, way: Vec::new() })
    }

    /// The same fault, of a member of this name or an item at `[this]` place.
    #[cold]
    pub fn inside(mut self: Box<Self>, step: String) -> Box<Self> {
        self.way.push(step);
        self
    }
}

/// Part of a text, for a message.
#[cold]
pub fn quoted(text: &[u8]) -> String {
    const SHOWN: usize = 48;
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_and_what() {
        let fault = Fault::new("must be x", 9).inside("[3]".into()).inside("spans".into()).inside("scopeSpans".into());
        let error = JsonError::new(*fault, "{\n\n\"äöü\":1}".as_bytes());
        assert_eq!(error.to_string(), "invalid JSON at line 3 column 5 in scopeSpans.spans[3]: must be x");
        assert_eq!(JsonError::new(*Fault::new("no", 99), b"").to_string(), "invalid JSON at line 1 column 1: no");
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(quoted(b"a\"b"), "\"a\\\"b\"");
        assert_eq!(quoted("ä".repeat(50).as_bytes()), format!("\"{}\"…", "ä".repeat(48)));
    }
}
