//! Changing the type of a value in place.

use crate::error::OptionError;
use crate::number;
use crate::text;
use crate::view::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Int,
    Double,
    Text,
}

impl Target {
    pub(super) fn named(name: &str) -> Result<Self, OptionError> {
        match name {
            "int" => Ok(Self::Int),
            "double" => Ok(Self::Double),
            "string" => Ok(Self::Text),
            other => Err(OptionError::new("converted_type", format!("must be int, double or string, got {other:?}"))),
        }
    }
}

/// The converted value, or `None` where the value stays as it is.
pub(super) fn convert(value: &Value<'_>, to: Target) -> Option<Value<'static>> {
    match (to, value) {
        (Target::Int, Value::Str(text)) => number::parse_int(text).ok().map(Value::Int),
        (Target::Int, Value::Double(value)) => Some(Value::Int(number::truncate(*value))),
        (Target::Int, Value::Bool(value)) => Some(Value::Int(i64::from(*value))),
        (Target::Double, Value::Str(text)) => number::parse_double(text).ok().map(Value::Double),
        (Target::Double, Value::Int(value)) => Some(Value::Double(*value as f64)),
        (Target::Double, Value::Bool(value)) => Some(Value::Double(f64::from(u8::from(*value)))),
        (Target::Text, Value::Str(_)) => None,
        (Target::Text, Value::Bool(value)) => Some(Value::text(value.to_string().into_bytes())),
        (Target::Text, Value::Int(value)) => Some(Value::text(value.to_string().into_bytes())),
        (Target::Text, value) => Some(Value::text(text::text(value).into_owned())),
        _ => None,
    }
}
