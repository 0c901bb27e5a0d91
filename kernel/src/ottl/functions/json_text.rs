//! `ParseJSON`: a text in JSON as a map or a list. All its numbers are doubles, as Go's decoder makes them.
//!
//! It is as lenient as the Go collector's: leading zeros and raw control characters pass, and half a surrogate pair is
//! U+FFFD.

use std::borrow::Cow;

use super::{Function, Kind, needed};
use crate::number;
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::{Map, Upserts, Value};

/// How deep lists and objects may nest: what an attribute can hold.
const MAX_DEPTH: usize = 30;

pub(super) static FUNCTIONS: &[Function] = &[Function::new("ParseJSON", &[needed("target", Kind::Text)], |args| {
    let text = args.text(0)?;
    let mut reader = Reader { text: &text, at: 0 };
    let value = reader.value(0)?;
    match reader.peek() {
        Some(_) => return Err(reader.unexpected("after top-level value")),
        None if matches!(value, Value::Map(_) | Value::List(_)) => {}
        None => {
            let name = Datum::of(&value).type_name();
            return Err(Failure::new(format!("could not convert parsed value of type {name} to JSON object")));
        }
    }
    Ok(Datum::Nested(Held::Owned(Box::new(value))))
})];

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn unexpected(&self, place: &str) -> Failure {
        let rest = String::from_utf8_lossy(&self.text[self.at.min(self.text.len())..]);
        Failure::new(format!("invalid character '{}' {place}", rest.chars().next().unwrap_or('\0')))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'static>, Failure> {
        if depth > MAX_DEPTH {
            return Err(Failure::new(format!("JSON is nested deeper than {MAX_DEPTH} levels")));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Value::Str(Cow::Owned(self.string()?.into_bytes()))),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in
                    [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Empty)]
                {
                    if self.text[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unexpected("looking for beginning of value"))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'static>, Failure> {
        self.at += 1;
        let mut map = Map::default();
        let mut entries = Upserts::new(&mut map);
        if self.takes(b'}') {
            return Ok(Value::Map(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of value"));
            }
            let key = self.string()?;
            if !self.takes(b':') {
                return Err(self.unexpected("after object key"));
            }
            let value = self.value(depth + 1)?;
            entries.upsert(Cow::Owned(key.into_bytes()), value);
            if self.takes(b'}') {
                return Ok(Value::Map(map));
            }
            if !self.takes(b',') {
                return Err(self.unexpected("after object key:value pair"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'static>, Failure> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Ok(Value::List(items));
            }
            if !self.takes(b',') {
                return Err(self.unexpected("after array element"));
            }
        }
    }

    fn number(&mut self) -> Result<Value<'static>, Failure> {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let digits = &rest[..length];
        self.at += length;
        number::parse_double(digits).map(Value::Double).map_err(|why| {
            Failure::new(format!("strconv.ParseFloat: parsing {:?}: {why}", String::from_utf8_lossy(digits)))
        })
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<String, Failure> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(plain) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(Failure::new("unexpected end of JSON input"));
            };
            out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                return Ok(match String::from_utf8(out) {
                    Ok(text) => text,
                    Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                });
            }
            let c = match self.text.get(self.at) {
                Some(b'n') => '\n',
                Some(b't') => '\t',
                Some(b'r') => '\r',
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(c @ (b'"' | b'\\' | b'/')) => char::from(*c),
                Some(b'u') => {
                    self.at += 1;
                    let c = self.code()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                _ => return Err(self.unexpected("in string escape code")),
            };
            self.at += 1;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// What stands behind `\u`, and behind another one if it is half a pair.
    fn code(&mut self) -> Result<char, Failure> {
        let high = self.unit()?;
        if let 0xd800..0xdc00 = high
            && self.text[self.at..].starts_with(b"\\u")
        {
            let mark = self.at;
            self.at += 2;
            let low = self.unit()?;
            if let 0xdc00..0xe000 = low {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = mark;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn unit(&mut self) -> Result<u32, Failure> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = unit.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.unexpected("in \\u hexadecimal character escape"))?;
        self.at += 4;
        Ok(unit)
    }
}
