//! `k1=v1 k2="v 2"`: read and written.

use std::borrow::Cow;

use super::{Argument, Complaint, Function, Kind, literal_text, needed, optional};
use crate::ottl::datum::{Datum, Failure, Held};
use crate::text;
use crate::view::{Map, Upserts, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        check: check_delimiters,
        ..Function::new(
            "ParseKeyValue",
            &[
                needed("target", Kind::Text),
                optional("delimiter", Kind::LiteralText),
                optional("pair_delimiter", Kind::LiteralText),
            ],
            |args| {
                let target = args.text(0)?;
                if target.is_empty() {
                    return Err(Failure::new("cannot parse from empty target"));
                }
                let (delimiter, pairs) = (args.text_or(1, b"=")?, args.text_or(2, b" ")?);
                let mut map = Map::default();
                let mut entries = Upserts::new(&mut map);
                let mut wrong = Vec::new();
                for pair in split(&target, &pairs)? {
                    match memchr::memmem::find(&pair, &delimiter) {
                        Some(at) => {
                            let key = pair[..at].trim_ascii().to_vec();
                            let value = pair[at + delimiter.len()..].trim_ascii().to_vec();
                            entries.upsert(Cow::Owned(key), Value::text(value));
                        }
                        None => wrong.push(format!(
                            "cannot split {:?} into 2 items, got 1 item(s)",
                            String::from_utf8_lossy(&pair)
                        )),
                    }
                }
                if let Some(first) = wrong.first() {
                    return Err(Failure::new(format!("failed to split pairs into key-values: {first}")));
                }
                Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(map)))))
            },
        )
    },
    Function {
        check: check_delimiters,
        ..Function::new(
            "ToKeyValueString",
            &[
                needed("target", Kind::Map),
                optional("delimiter", Kind::LiteralText),
                optional("pair_delimiter", Kind::LiteralText),
                optional("sort_output", Kind::Bool),
            ],
            |args| {
                let (delimiter, pairs) = (args.text_or(1, b"=")?, args.text_or(2, b" ")?);
                let sorted = args.bool_or(3, false)?;
                let out = args.with_map(0, |map| {
                    let mut entries: Vec<_> = map.entries().iter().collect();
                    if sorted {
                        entries.sort_by(|a, b| a.key.cmp(&b.key));
                    }
                    let written = entries.into_iter().map(|entry| {
                        let key = quoted(&entry.key, &delimiter, &pairs);
                        [&key, &*delimiter, &quoted(&text::text(entry.value()), &delimiter, &pairs)].concat()
                    });
                    written.collect::<Vec<_>>().join(&*pairs)
                })?;
                Ok(Datum::Text(Cow::Owned(out)))
            },
        )
    },
];

fn check_delimiters(arguments: &[Argument]) -> Result<(), Complaint> {
    for index in [1, 2] {
        if literal_text(arguments, index).is_some_and(<[u8]>::is_empty) {
            return Err(Complaint { index, text: "must not be empty".to_owned() });
        }
    }
    let (delimiter, pairs) = (literal_text(arguments, 1).unwrap_or(b"="), literal_text(arguments, 2).unwrap_or(b" "));
    if delimiter == pairs {
        let index = if arguments.get(2).is_some_and(|given| !matches!(given, Argument::Absent)) { 2 } else { 1 };
        let text = format!("pair delimiter {0:?} cannot be equal to delimiter {0:?}", String::from_utf8_lossy(pairs));
        return Err(Complaint { index, text });
    }
    Ok(())
}

/// Cuts at delimiters that stand outside of quotes. Runs of them count once, and quotes go.
fn split(text: &[u8], delimiter: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let (mut quote, mut escaped) = (None, false);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if quote.is_none() && text[at..].starts_with(delimiter) {
            if !part.is_empty() {
                parts.push(std::mem::take(&mut part));
            }
            at += delimiter.len();
            continue;
        }
        at += 1;
        if escaped {
            escaped = false;
        } else if quote.is_none() && matches!(byte, b'"' | b'\'') {
            quote = Some(byte);
            continue;
        } else if quote == Some(byte) {
            quote = None;
            continue;
        } else {
            escaped = byte == b'\\';
        }
        part.push(byte);
    }
    if quote.is_some() {
        let text = String::from_utf8_lossy(text).into_owned();
        return Err(Failure::new(format!(
            "splitting source {text:?} into pairs failed: never reached the end of a quoted value"
        )));
    }
    if !part.is_empty() {
        parts.push(part);
    }
    Ok(parts)
}

/// The text with its quotes escaped, and in quotes itself if it holds a delimiter.
fn quoted(text: &[u8], delimiter: &[u8], pairs: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    for byte in text {
        if *byte == b'"' {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    let holds = |part: &[u8]| memchr::memmem::find(&out, part).is_some();
    if holds(delimiter) || holds(pairs) {
        out.insert(0, b'"');
        out.push(b'"');
    }
    out
}
