//! The JSON that lists, maps and the like become where a function wants a string: compact, keys sorted, and
//! `<`, `>`, `&` escaped, as Go's encoder does it.

use std::borrow::Cow;

use super::datum::{Datum, Failure};
use super::time;
use crate::view::{Map, Value};
use crate::{base64, number, text};

/// The JSON text of a value.
pub(super) fn datum(value: &Datum<'_>) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    put_datum(value, &mut out)?;
    Ok(out)
}

/// The shortest digits that give the number back. Go's encoder writes exponents of two digits here.
pub(super) fn number(value: f64) -> String {
    number::shortest(value, 2)
}

fn put_datum(value: &Datum<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    match value {
        Datum::Nil => out.extend_from_slice(b"null"),
        Datum::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Datum::Int(value) | Datum::Duration(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Datum::Double(value) => put_double(*value, out)?,
        Datum::Text(text) => put_text(text, out),
        Datum::Bytes(bytes) => put_text(base64::encode(bytes).as_bytes(), out),
        Datum::Time(value) => put_text(time::rfc3339(*value).as_bytes(), out),
        Datum::TraceId(id) => text::put_array(id, out, |byte, out| put_datum(&Datum::Int(i64::from(*byte)), out))?,
        Datum::SpanId(id) => text::put_array(id, out, |byte, out| put_datum(&Datum::Int(i64::from(*byte)), out))?,
        Datum::Attributes(map) => put_map(map, out)?,
        Datum::Nested(value) => put_value(value, out)?,
        Datum::List(items) => text::put_array(items, out, put_datum)?,
        Datum::Texts(items) => text::put_array(items, out, |text: &Cow<'_, [u8]>, out| {
            put_text(text, out);
            Ok(())
        })?,
        Datum::Status(_) | Datum::Events(_) | Datum::Links(_) => out.extend_from_slice(b"{}"),
    }
    Ok(())
}

/// Recurses as deep as values nest, which arrival and the parser both bound.
fn put_value(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    if let Some(items) = value.as_list() {
        return text::put_array(&items, out, put_value);
    }
    match value.as_map() {
        Some(map) => put_map(&map, out),
        None => put_datum(&Datum::of(value), out),
    }
}

fn put_map(map: &Map<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    text::put_object(map, out, put_text, put_value)
}

fn put_double(value: f64, out: &mut Vec<u8>) -> Result<(), Failure> {
    if !value.is_finite() {
        return Err(Failure::new("unsupported value: not a finite number"));
    }
    out.extend_from_slice(number(value).as_bytes());
    Ok(())
}

fn put_text(plain: &[u8], out: &mut Vec<u8>) {
    text::put_quoted(plain, out, |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_go() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (-0.0, "-0"),
            (1e21, "1e+21"),
            (1e-7, "1e-07"),
            (1e-6, "0.000001"),
            (1.5e300, "1.5e+300"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn text_is_escaped() {
        let mut out = Vec::new();
        put_text("<a&\"\\\n\u{1}é>".as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), r#""\u003ca\u0026\"\\\n\u0001é\u003e""#);
    }
}
