//! The check at arrival: one walk that counts spans and finds every malformation.
//!
//! It also tells whether the request is in the *normal form* that the views rely on:
//!
//! - strings are UTF-8, and varints no longer than strict parsers take them;
//! - a field that is not repeated stands at most once in its message, and of a oneof at most one member;
//! - the occurrences of a repeated field stand together;
//! - a resource stands before its scopes, a scope before its spans, and a schema URL behind them.
//!
//! Every SDK writes requests in this form. Others go through [`crate::normalize`].

use crate::error::Malformed;
use crate::shape::{Check, KEY_VALUE, REQUEST, Rule, SPAN, Shape};
use crate::wire::{Cursor, fields};

/// How deep an `AnyValue` may nest. The value of an attribute is the first level, what a list or map holds is
/// one level deeper. Strict receivers refuse a whole request for lists nested 49 deep.
pub const MAX_DEPTH: usize = 40;

/// How deep messages may nest below the request: protobuf's parsers refuse more. Maps get there at the 33rd
/// level, for each takes three messages, where a list takes two.
pub const MAX_MESSAGES: usize = 100;

/// The longest varint that strict parsers take for a tag or a length.
const SHORT: usize = 5;

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
    let mut found = Found { normal: true, ..Found::default() };
    match found.message(&REQUEST, request, Depth::default()) {
        Ok(()) => Ok(found),
        Err(mut fault) => {
            fault.way.reverse();
            Err(Malformed { what: fault.what, place: fault.way.join("."), offset: fault.offset.unwrap_or_default() })
        }
    }
}

/// How far down the walk is.
#[derive(Clone, Copy, Default)]
pub struct Depth {
    messages: usize,
    values: usize,
}

impl Depth {
    /// One message further down, if that may be.
    pub fn below(self, inner: &'static Shape) -> Result<Self, &'static str> {
        let values = self.values + usize::from(inner.oneof != 0);
        let messages = self.messages + 1;
        if values > MAX_DEPTH {
            return Err("value nested deeper than 40");
        }
        if messages > MAX_MESSAGES {
            return Err("message nested deeper than 100");
        }
        Ok(Self { messages, values })
    }

    /// Whether a pair and a value in it go no deeper than allowed.
    fn takes_pair(self) -> bool {
        self.messages + 2 <= MAX_MESSAGES && self.values < MAX_DEPTH
    }
}

/// What is wrong, where it begins in the message at hand, and the way down to it, innermost field first.
struct Fault {
    what: String,
    offset: Option<usize>,
    way: Vec<String>,
}

impl From<String> for Box<Fault> {
    #[cold]
    fn from(what: String) -> Self {
        Self::new(Fault { what, offset: None, way: Vec::new() })
    }
}

impl From<&'static str> for Box<Fault> {
    #[cold]
    fn from(what: &'static str) -> Self {
        what.to_owned().into()
    }
}

impl Fault {
    /// The same fault, seen from the message that has the faulty one at `base`.
    #[cold]
    fn below(mut self: Box<Self>, base: usize) -> Box<Self> {
        self.offset = self.offset.map(|offset| base + offset);
        self
    }

    /// The same fault, of the field that begins at `start` of `body`.
    #[cold]
    fn inside(mut self: Box<Self>, shape: &'static Shape, body: &[u8], start: usize) -> Box<Self> {
        self.offset = self.offset.or(Some(start));
        let number = |tag: u64| (tag >> 3) as u32;
        if let Some(field) = Cursor::new(&body[start..]).varint().ok().and_then(|tag| shape.field(number(tag))) {
            let before = fields(&body[..start]).filter(|other| other.number == field.number).count();
            self.way.push(if field.repeated { format!("{}[{before}]", field.name) } else { field.name.to_owned() });
        }
        self
    }
}

impl Found {
    fn message(&mut self, shape: &'static Shape, body: &[u8], depth: Depth) -> Result<(), Box<Fault>> {
        let (mut seen, mut last) = (0, 0);
        let mut at = 0;
        while at < body.len() {
            let start = at;
            match self.field(shape, body, &mut at, depth) {
                Ok(rule) => {
                    if seen & rule.forbids != 0 && !(rule.repeated && last == rule.bit) {
                        self.normal = false;
                    }
                    seen |= rule.bit;
                    last = rule.bit;
                }
                Err(fault) => return Err(fault.inside(shape, body, start)),
            }
        }
        Ok(())
    }

    /// Checks the field that begins at `at`, and moves `at` behind it.
    #[inline(always)]
    fn field(
        &mut self,
        shape: &'static Shape,
        body: &[u8],
        at: &mut usize,
        depth: Depth,
    ) -> Result<&'static Rule, Box<Fault>> {
        let tag = self.varint(body, at, SHORT)?;
        let rule = shape.rule(tag)?;
        match rule.check {
            Check::Varint => {
                self.varint(body, at, 10)?;
            }
            Check::Fixed64 => skip(body, at, 8)?,
            Check::Fixed32 => skip(body, at, 4)?,
            Check::Bytes => {
                self.bytes(body, at)?;
            }
            Check::Text => {
                let text = self.bytes(body, at)?;
                if !is_utf8(text) {
                    self.bad_strings += 1;
                    self.normal = false;
                }
            }
            Check::Id(length) => {
                let id = self.bytes(body, at)?;
                if !id.is_empty() && id.len() != usize::from(length) {
                    return Err(format!("{} bytes instead of {length}", id.len()).into());
                }
            }
            Check::Message(inner) => {
                let message = self.bytes(body, at)?;
                let base = *at - message.len();
                self.spans += usize::from(std::ptr::eq(inner, &SPAN));
                self.message(inner, message, depth.below(inner)?).map_err(|fault| fault.below(base))?;
            }
            Check::Pair => {
                let pair = self.bytes(body, at)?;
                if !(depth.takes_pair() && is_plain_pair(pair)) {
                    let base = *at - pair.len();
                    self.message(&KEY_VALUE, pair, depth.below(&KEY_VALUE)?).map_err(|fault| fault.below(base))?;
                }
            }
            Check::Nothing(what) => return Err(what.into()),
        }
        Ok(rule)
    }

    /// Reads a varint. One that is longer than `longest` bytes, or carries more than 64 bits, is not normal.
    #[inline(always)]
    fn varint(&mut self, body: &[u8], at: &mut usize, longest: usize) -> Result<u64, &'static str> {
        match body.get(*at) {
            Some(&byte) if byte < 0x80 => {
                *at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(body, at, longest),
        }
    }

    fn long_varint(&mut self, body: &[u8], at: &mut usize, longest: usize) -> Result<u64, &'static str> {
        let mut cursor = Cursor::new(&body[*at..]);
        let value = cursor.varint().map_err(|error| error.what)?;
        let length = cursor.position();
        *at += length;
        if length > longest || (length == 10 && body[*at - 1] > 1) {
            self.normal = false;
        }
        Ok(value)
    }

    /// Reads a length and what it announces.
    #[inline(always)]
    fn bytes<'b>(&mut self, body: &'b [u8], at: &mut usize) -> Result<&'b [u8], &'static str> {
        let length = self.varint(body, at, SHORT)?;
        let rest = &body[*at..];
        let Some(bytes) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
            return Err("length runs past the end of the message");
        };
        *at += bytes.len();
        Ok(bytes)
    }
}

#[inline(always)]
fn skip(body: &[u8], at: &mut usize, width: usize) -> Result<(), &'static str> {
    if body.len() - *at < width {
        return Err("truncated fixed-width value");
    }
    *at += width;
    Ok(())
}

/// Whether this is a key with a string or an integer, one field each, all lengths below 0x80 and all text
/// ASCII. Nearly every attribute is, and one look at all its bytes tells it.
#[inline(always)]
fn is_plain_pair(pair: &[u8]) -> bool {
    let [0x0a, key_length, rest @ ..] = pair else { return false };
    let Some((key, [0x12, value_length, value @ ..])) = rest.split_at_checked(usize::from(*key_length)) else {
        return false;
    };
    if value.len() != usize::from(*value_length) {
        return false;
    }
    match value {
        [0x0a, length, text @ ..] => text.len() == usize::from(*length) && is_ascii(pair),
        // Nine bytes of a varint cannot carry too many bits.
        [0x18, number @ .., last] if number.len() < 9 => {
            pair.len() < 0x80 && *last < 0x80 && number.iter().all(|byte| *byte >= 0x80) && is_ascii(key)
        }
        _ => false,
    }
}

#[inline(always)]
fn is_utf8(text: &[u8]) -> bool {
    is_ascii(text) || simdutf8::basic::from_utf8(text).is_ok()
}

/// Whether all bytes are below 0x80. Strings of spans are short: words that overlap at the end beat a loop
/// over the last bytes.
#[inline(always)]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = text.last_chunk::<8>() else { return text.iter().fold(0, |all, byte| all | byte) < 0x80 };
    let words = text.as_chunks::<8>().0.iter().chain([last]);
    words.fold(0, |all, word| all | u64::from_ne_bytes(*word)) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn message(number: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, number, body);
        out
    }

    fn with_span(body: &[u8]) -> Vec<u8> {
        message(1, &message(2, &message(2, body)))
    }

    /// An attribute of a span whose value nests `depth` levels, each made by `level` around the one below.
    fn nested(depth: usize, level: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let value = (1..depth).fold(Vec::new(), |value, _| level(&value));
        with_span(&message(9, &message(2, &value)))
    }

    fn list(value: &[u8]) -> Vec<u8> {
        message(5, &message(1, value))
    }

    fn map(value: &[u8]) -> Vec<u8> {
        message(6, &message(1, &message(2, value)))
    }

    #[test]
    fn counts_spans() {
        let scope = message(2, &[message(2, &[]), message(2, &message(5, b"name"))].concat());
        let request = message(1, &[scope.clone(), scope].concat());
        assert_eq!(scan(&request), Ok(Found { spans: 4, bad_strings: 0, normal: true }));
        assert_eq!(scan(&[]), Ok(Found { spans: 0, bad_strings: 0, normal: true }));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let good = message(2, &message(1, &[7; 16]));
        let bad = message(2, &message(1, &[7; 15]));
        let request = message(1, &message(2, &[good, bad].concat()));
        let error = scan(&request).unwrap_err();
        assert_eq!(
            error.to_string(),
            "15 bytes instead of 16 in resource_spans[0].scope_spans[0].spans[1].trace_id at byte 26"
        );
        assert_eq!(request[error.offset], 0x0a);
    }

    #[test]
    fn lists_nest_forty_deep_and_no_deeper() {
        assert!(scan(&nested(40, list)).unwrap().normal);
        assert_eq!(scan(&nested(41, list)).unwrap_err().what, "value nested deeper than 40");
        assert!(scan(&nested(20_000, list)).is_err());
    }

    #[test]
    fn maps_nest_as_deep_as_parsers_of_protobuf_go() {
        assert!(scan(&nested(32, map)).unwrap().normal);
        assert_eq!(scan(&nested(33, map)).unwrap_err().what, "message nested deeper than 100");
    }

    #[test]
    fn broken_text_is_counted() {
        for text in [&b"\xff"[..], b"long enough for a word \xc3\x28", b"cut \xe2\x82"] {
            let request = with_span(&[message(5, text), message(9, &message(1, text))].concat());
            assert_eq!(scan(&request), Ok(Found { spans: 1, bad_strings: 2, normal: false }));
        }
    }

    #[test]
    fn what_the_views_could_not_read_is_not_normal() {
        let normal = |span: &[&[u8]]| scan(&with_span(&span.concat())).unwrap().normal;
        let (name, attribute) = (message(5, b"n"), message(9, &message(1, b"k")));
        assert!(normal(&[&attribute, &attribute, &name, &message(77, b"?")]));
        assert!(!normal(&[&name, &name]));
        assert!(!normal(&[&attribute, &name, &attribute]));
        assert!(!normal(&[&attribute, &message(77, b"?"), &attribute]));
        assert!(!normal(&[&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03]]));
        assert!(!normal(&[&message(9, &message(2, &[message(1, b"a"), message(7, b"b")].concat()))]));
    }

    #[test]
    fn a_plain_pair_is_only_what_the_whole_check_passes_too() {
        let pair = |value: &[u8]| [message(1, b"key"), message(2, value)].concat();
        let number = |varint: &[u8]| pair(&[&[0x18], varint].concat());
        assert!(is_plain_pair(&pair(&message(1, b"text"))));
        assert!(is_plain_pair(&pair(&message(1, b""))));
        assert!(is_plain_pair(&number(&[5])));
        assert!(is_plain_pair(&number(&[0x80, 0x01])));
        assert!(!is_plain_pair(&number(&[])));
        assert!(!is_plain_pair(&number(&[0x80])));
        assert!(!is_plain_pair(&number(&[5, 5])));
        assert!(!is_plain_pair(&pair(&message(1, b"\xff"))));
        assert!(!is_plain_pair(&pair(&[message(1, b"a"), message(1, b"b")].concat())));
        assert!(!is_plain_pair(&[message(1, b"\xff"), message(2, &[0x18, 5])].concat()));
    }
}
