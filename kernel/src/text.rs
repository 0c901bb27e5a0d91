//! The text form of an attribute value: what the Go collector calls its string.
//!
//! Lists and maps become JSON, compact and with sorted keys. It differs from the JSON that OTTL makes: `<`, `>`
//! and `&` stay as they are, and exponents have no leading zero.

use std::borrow::Cow;
use std::convert::Infallible;

use crate::view::{Map, Value};
use crate::{base64, number};

/// The text form of a value. Bytes become base64, an empty value the empty text.
pub fn text<'v>(value: &'v Value<'_>) -> Cow<'v, [u8]> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Empty => Cow::Borrowed(b""),
        Value::Bytes(bytes) => Cow::Owned(base64::encode(bytes).into_bytes()),
        Value::Double(value) => Cow::Owned(double(*value).into_bytes()),
        other => {
            let mut out = Vec::new();
            let Ok(()) = put(other, &mut out);
            Cow::Owned(out)
        }
    }
}

/// Whether a character begins at this byte, or the text ends.
pub fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

fn double(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        number::shortest(value, 1)
    }
}

/// Recurses as deep as values nest, which arrival bounds.
fn put(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Infallible> {
    if let Some(items) = value.as_list() {
        return put_array(&items, out, put);
    }
    if let Some(map) = value.as_map() {
        return put_object(&map, out, put_text, put);
    }
    match value {
        Value::Str(text) => put_text(text, out),
        Value::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Double(value) if value.is_finite() => out.extend_from_slice(double(*value).as_bytes()),
        Value::Double(value) => put_text(double(*value).as_bytes(), out),
        Value::Bytes(bytes) => put_text(base64::encode(bytes).as_bytes(), out),
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_quoted(text, out, |_| false);
}

/// A map as a JSON object, keys sorted; of a key that stands more than once, the first one counts.
pub(crate) fn put_object<E>(
    map: &Map<'_>,
    out: &mut Vec<u8>,
    quote: impl Fn(&[u8], &mut Vec<u8>),
    put: impl Fn(&Value<'_>, &mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let mut entries: Vec<_> = map.entries().iter().collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries.dedup_by(|b, a| a.key == b.key);
    out.push(b'{');
    for (index, entry) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quote(&entry.key, out);
        out.push(b':');
        put(entry.value(), out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Items as a JSON array.
pub(crate) fn put_array<T, E>(
    items: &[T],
    out: &mut Vec<u8>,
    put: impl Fn(&T, &mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put(item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Text in quotes. What JSON cannot hold is escaped, and so are the characters that `escaped` names.
pub(crate) fn put_quoted(text: &[u8], out: &mut Vec<u8>, escaped: impl Fn(char) -> bool) {
    out.push(b'"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c < ' ' || escaped(c) => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
