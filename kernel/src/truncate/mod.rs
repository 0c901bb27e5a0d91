//! Values that are larger than they may be, made smaller so that they still say what matters.
//!
//! A text is cut at a character. A text in JSON stays JSON: of a conversation the oldest messages go, then the longest strings
//! are shortened, then lists lose items from the front. Lists and maps of attribute values are treated likewise, by the size
//! of what they are on the wire. [`plan`] decides, on the tokens of either; what is n log n in it is sorting strings by
//! their length.

mod json;
mod plan;
#[cfg(test)]
mod tests;
mod wire;

use crate::view::Value;

/// What stands in a string where the rest was cut off: U+2026.
const MARKER: &[u8] = "…".as_bytes();

/// Makes values fit.
#[derive(Clone, Copy, Debug)]
pub struct Truncation {
    max_bytes: usize,
}

/// A value that was too large, as it fits now.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncated<T> {
    pub value: T,
    pub original_bytes: usize,
}

impl Truncation {
    /// Values of at most `max_bytes` stay as they are: texts and bytes as long as they are, lists and maps as encoded.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes }
    }

    /// The text as it fits, or `None` if it does already.
    pub fn text(&self, text: &[u8]) -> Option<Truncated<Vec<u8>>> {
        if text.len() <= self.max_bytes {
            return None;
        }
        let value = json::shorten(text, self.max_bytes).unwrap_or_else(|| cut(text, self.max_bytes));
        debug_assert!(value.len() <= self.max_bytes);
        Some(Truncated { value, original_bytes: text.len() })
    }

    /// The value as it fits, or `None` if it does already.
    pub fn value(&self, value: &Value<'_>) -> Option<Truncated<Value<'static>>> {
        match value {
            Value::Str(text) => {
                let Truncated { value, original_bytes } = self.text(text)?;
                Some(Truncated { value: Value::text(value), original_bytes })
            }
            Value::Bytes(bytes) if bytes.len() > self.max_bytes => Some(Truncated {
                value: Value::Bytes(bytes[..self.max_bytes].to_vec().into()),
                original_bytes: bytes.len(),
            }),
            Value::RawList(body) | Value::RawMap(body) if body.len() + 11 <= self.max_bytes => None,
            Value::List(_) | Value::Map(_) | Value::RawList(_) | Value::RawMap(_) => {
                let mut encoded = Vec::new();
                value.encode(&mut encoded);
                if encoded.len() <= self.max_bytes {
                    return None;
                }
                Some(Truncated {
                    value: wire::shorten(value.clone().into_owned(), self.max_bytes),
                    original_bytes: encoded.len(),
                })
            }
            _ => None,
        }
    }
}

/// The beginning of a text, with the marker behind it if there is room for both.
fn cut(text: &[u8], max_bytes: usize) -> Vec<u8> {
    let has_room = max_bytes > MARKER.len();
    let end = boundary(text, if has_room { max_bytes - MARKER.len() } else { max_bytes });
    let mut out = text[..end].to_vec();
    if has_room {
        out.extend_from_slice(MARKER);
    }
    out
}

/// The last place up to `at` where a character of UTF-8 begins; of what is none, at most three bytes are given up.
fn boundary(text: &[u8], at: usize) -> usize {
    let at = at.min(text.len());
    let starts = |at: usize| text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(|at| starts(*at)).unwrap_or(at)
}
