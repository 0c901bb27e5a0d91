//! What becomes of a value where a function wants a string, a number, a bool or bytes.
//!
//! Only parameters that say so convert. `None` stands for nil, which converts to nil.

use std::borrow::Cow;

use super::datum::{Datum, Failure};
use super::json;
use super::time;
use crate::{hex, number};

fn unsupported(value: &Datum<'_>) -> Failure {
    Failure::new(format!("unsupported type: {}", value.type_name()))
}

pub(super) fn text<'v>(value: Datum<'v>) -> Result<Option<Cow<'v, [u8]>>, Failure> {
    let owned = |text: String| Ok(Some(Cow::Owned(text.into_bytes())));
    match value {
        Datum::Nil => Ok(None),
        Datum::Text(text) => Ok(Some(text)),
        Datum::Int(value) => owned(value.to_string()),
        Datum::Double(number) if !number.is_finite() => Err(unsupported(&value)),
        Datum::Double(value) => owned(json::number(value)),
        Datum::Bool(value) => owned(value.to_string()),
        Datum::Bytes(bytes) => Ok(Some(Cow::Owned(hex::encode(&bytes)))),
        other => json::datum(&other).map(|text| Some(Cow::Owned(text))),
    }
}

pub(super) fn int(value: &Datum<'_>) -> Result<Option<i64>, Failure> {
    match value {
        Datum::Nil => Ok(None),
        Datum::Int(value) => Ok(Some(*value)),
        Datum::Double(value) => Ok(Some(number::truncate(*value))),
        Datum::Bool(value) => Ok(Some(i64::from(*value))),
        Datum::Text(text) => parse_int(text).map(Some),
        other => Err(unsupported(other)),
    }
}

pub(super) fn double(value: &Datum<'_>) -> Result<Option<f64>, Failure> {
    match value {
        Datum::Nil => Ok(None),
        Datum::Int(value) => Ok(Some(*value as f64)),
        Datum::Double(value) => Ok(Some(*value)),
        Datum::Bool(value) => Ok(Some(f64::from(u8::from(*value)))),
        Datum::Text(text) => parse_double(text).map(Some),
        other => Err(unsupported(other)),
    }
}

pub(super) fn bool(value: &Datum<'_>) -> Result<Option<bool>, Failure> {
    match value {
        Datum::Nil => Ok(None),
        Datum::Bool(value) => Ok(Some(*value)),
        Datum::Int(value) => Ok(Some(*value != 0)),
        Datum::Double(value) => Ok(Some(*value != 0.0)),
        Datum::Text(text) => match &**text {
            b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(Some(true)),
            b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(Some(false)),
            _ => Err(unparsable("Bool", text, "invalid syntax")),
        },
        other => Err(unsupported(other)),
    }
}

pub(super) fn bytes<'v>(value: Datum<'v>) -> Result<Option<Cow<'v, [u8]>>, Failure> {
    match value {
        Datum::Nil => Ok(None),
        Datum::Text(bytes) | Datum::Bytes(bytes) => Ok(Some(bytes)),
        Datum::Int(value) => Ok(Some(Cow::Owned(value.to_be_bytes().to_vec()))),
        Datum::Double(value) => Ok(Some(Cow::Owned(value.to_be_bytes().to_vec()))),
        Datum::Bool(value) => Ok(Some(Cow::Owned(vec![u8::from(value)]))),
        other => Err(unsupported(&other)),
    }
}

fn unparsable(kind: &str, text: &[u8], why: &str) -> Failure {
    Failure::new(format!("strconv.Parse{kind}: parsing {:?}: {why}", String::from_utf8_lossy(text)))
}

fn parse_int(text: &[u8]) -> Result<i64, Failure> {
    number::parse_int(text).map_err(|why| unparsable("Int", text, why))
}

fn parse_double(text: &[u8]) -> Result<f64, Failure> {
    number::parse_double(text).map_err(|why| unparsable("Float", text, why))
}

/// How a message shows a value.
pub(super) fn shown(value: &Datum<'_>) -> String {
    match value {
        Datum::Nil => "<nil>".to_owned(),
        Datum::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Datum::Bytes(bytes) => format!("{bytes:?}").replace(',', ""),
        Datum::Int(value) => value.to_string(),
        Datum::Bool(value) => value.to_string(),
        Datum::Double(value) if value.is_nan() => "NaN".to_owned(),
        Datum::Double(value) if value.is_infinite() => if *value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        Datum::Double(value) => json::number(*value),
        Datum::Time(value) => time::plain(*value),
        Datum::Duration(value) => time::format_duration(*value),
        Datum::TraceId(id) => String::from_utf8_lossy(&hex::encode(id)).into_owned(),
        Datum::SpanId(id) => String::from_utf8_lossy(&hex::encode(id)).into_owned(),
        other => json::datum(other)
            .map_or_else(|_| other.type_name().to_owned(), |text| String::from_utf8_lossy(&text).into_owned()),
    }
}
