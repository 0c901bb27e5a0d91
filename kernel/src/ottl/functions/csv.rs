//! `ParseCSV`: one row of comma-separated values (RFC 4180), as a map.

use std::borrow::Cow;

use super::{Complaint, Function, Kind, literal_text, needed, optional};
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::{Map, Upserts, Value};

pub(super) static FUNCTIONS: &[Function] = &[Function {
    check: |arguments| {
        for index in [2, 3] {
            let text = literal_text(arguments, index).map(String::from_utf8_lossy);
            if text.is_some_and(|text| text.chars().count() != 1) {
                return Err(Complaint { index, text: "must be a single character".to_owned() });
            }
        }
        match literal_text(arguments, 4) {
            Some(mode) if Mode::named(mode).is_none() => {
                let text = "must be \"strict\", \"lazyQuotes\" or \"ignoreQuotes\"".to_owned();
                Err(Complaint { index: 4, text })
            }
            _ => Ok(()),
        }
    },
    ..Function::new(
        "ParseCSV",
        &[
            needed("target", Kind::Text),
            needed("header", Kind::Text),
            optional("delimiter", Kind::LiteralText),
            optional("header_delimiter", Kind::LiteralText),
            optional("mode", Kind::LiteralText),
        ],
        |args| {
            let (row, header) = (args.text(0)?, args.text(1)?);
            let delimiter = args.text_or(2, b",")?;
            let header_delimiter = if args.is_given(3) { args.text(3)? } else { delimiter.clone() };
            let mode = Mode::named(&args.text_or(4, b"strict")?).unwrap_or(Mode::Strict);
            if header.is_empty() {
                return Err(Failure::new("headers must not be an empty string"));
            }
            let names = pieces(&header, &header_delimiter);
            let values = match mode {
                Mode::IgnoreQuotes => pieces(&row, &delimiter),
                mode => read(&row, &delimiter, mode)?,
            };
            if names.len() != values.len() {
                return Err(Failure::new(format!(
                    "map csv headers: wrong number of fields: expected {}, found {}",
                    names.len(),
                    values.len()
                )));
            }
            let mut map = Map::default();
            let mut entries = Upserts::new(&mut map);
            for (name, value) in names.into_iter().zip(values) {
                entries.upsert(Cow::Owned(name), Value::text(value));
            }
            Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(map)))))
        },
    )
}];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    /// Quotes may stand inside of values.
    LazyQuotes,
    /// Quotes mean nothing.
    IgnoreQuotes,
}

impl Mode {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"strict" => Self::Strict,
            b"lazyQuotes" => Self::LazyQuotes,
            b"ignoreQuotes" => Self::IgnoreQuotes,
            _ => return None,
        })
    }
}

fn pieces(text: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(text, delimiter) {
        out.push(text[start..at].to_vec());
        start = at + delimiter.len();
    }
    out.push(text[start..].to_vec());
    out
}

/// The values of a row. Where the text has several lines, the next one goes on with the last value; empty ones do not count.
fn read(row: &[u8], delimiter: &[u8], mode: Mode) -> Result<Vec<Vec<u8>>, Failure> {
    let mut values: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    while at < row.len() {
        if row[at..].starts_with(b"\n") || row[at..].starts_with(b"\r\n") {
            at += 1;
            continue;
        }
        let mut goes_on = !values.is_empty();
        loop {
            let (value, behind) = field(row, at, delimiter, mode)?;
            match values.last_mut() {
                Some(last) if goes_on => {
                    last.push(b'\n');
                    last.extend_from_slice(&value);
                }
                _ => values.push(value),
            }
            goes_on = false;
            at = behind;
            if !row[at..].starts_with(delimiter) {
                break;
            }
            at += delimiter.len();
        }
    }
    if values.is_empty() { Err(Failure::new("no csv lines found")) } else { Ok(values) }
}

/// The field that begins at `at`, and where it ends: at a delimiter, the end of a line, or the end.
fn field(row: &[u8], at: usize, delimiter: &[u8], mode: Mode) -> Result<(Vec<u8>, usize), Failure> {
    let wrong = |what: &str| Failure::new(format!("read csv line: parse error on line 1: {what}"));
    let ends = |at: usize| {
        let rest = &row[at..];
        rest.is_empty() || rest.starts_with(delimiter) || rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    };
    if row.get(at) != Some(&b'"') {
        let end = (at..row.len()).find(|at| ends(*at)).unwrap_or(row.len());
        if mode == Mode::Strict && row[at..end].contains(&b'"') {
            return Err(wrong("bare \" in non-quoted-field"));
        }
        return Ok((row[at..end].to_vec(), end));
    }
    let mut value = Vec::new();
    let mut at = at + 1;
    loop {
        match row.get(at) {
            Some(b'"') if row.get(at + 1) == Some(&b'"') => {
                value.push(b'"');
                at += 2;
            }
            Some(b'"') if ends(at + 1) => return Ok((value, at + 1)),
            Some(b'"') if mode == Mode::Strict => return Err(wrong("extraneous or missing \" in quoted-field")),
            Some(byte) => {
                value.push(*byte);
                at += 1;
            }
            None if mode == Mode::Strict => return Err(wrong("extraneous or missing \" in quoted-field")),
            None => return Ok((value, at)),
        }
    }
}
