//! What an expression evaluates to: borrowed from the views wherever that is possible.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::view::{EventView, Map, Status, Value};

/// Why an expression has no value for this span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Cow<'static, str>);

impl Failure {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Borrowed or owned. Unlike a `Cow` it may be shortened to a smaller lifetime together with what it holds.
#[derive(Clone, Debug)]
pub enum Held<'v, T> {
    Borrowed(&'v T),
    Owned(Box<T>),
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }
}

/// A value while it is calculated with.
#[derive(Clone, Debug)]
pub enum Datum<'v> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'v, [u8]>),
    Bytes(Cow<'v, [u8]>),
    /// Nanoseconds since 1970.
    Time(i128),
    /// Nanoseconds.
    Duration(i64),
    TraceId([u8; 16]),
    SpanId([u8; 8]),
    /// All attributes of a span, event, resource or scope.
    Attributes(&'v Map<'v>),
    /// A list or map as attributes hold them; never anything else.
    Nested(Held<'v, Value<'v>>),
    /// A list literal. Its items may be what no attribute can hold.
    List(Held<'v, Vec<Datum<'v>>>),
    /// What `Split` makes. It is equal to its like only, not to a list literal, as in the Go collector.
    Texts(Vec<Cow<'v, [u8]>>),
    Status(&'v Status<'v>),
    Events(&'v [EventView<'v>]),
    /// How many links the span has.
    Links(usize),
}

impl<'v> Datum<'v> {
    /// The same value, borrowing what can be borrowed.
    #[inline]
    pub(super) fn borrow(&'v self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Self::Nested(value) => Self::Nested(Held::Borrowed(value)),
            Self::List(items) => Self::List(Held::Borrowed(items)),
            other => other.clone(),
        }
    }

    /// An attribute value, borrowed.
    #[inline]
    pub(super) fn of(value: &'v Value<'v>) -> Self {
        match value {
            Value::Empty => Self::Nil,
            Value::Str(text) => Self::Text(Cow::Borrowed(text)),
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Double(value) => Self::Double(*value),
            Value::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Value::List(_) | Value::RawList(_) | Value::Map(_) | Value::RawMap(_) => {
                Self::Nested(Held::Borrowed(value))
            }
        }
    }

    /// An attribute value that nobody else holds.
    pub(super) fn owning(value: Value<'v>) -> Self {
        match value {
            Value::Empty => Self::Nil,
            Value::Str(text) => Self::Text(text),
            Value::Bool(value) => Self::Bool(value),
            Value::Int(value) => Self::Int(value),
            Value::Double(value) => Self::Double(value),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            nested => Self::Nested(Held::Owned(Box::new(nested))),
        }
    }

    /// The attribute value it stands for, if attributes can hold such a thing.
    pub(super) fn into_value(self) -> Result<Value<'v>, Failure> {
        Ok(match self {
            Self::Nil => Value::Empty,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Text(text) => Value::Str(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Attributes(map) => Value::Map(map.clone()),
            Self::Nested(Held::Borrowed(value)) => value.clone(),
            Self::Nested(Held::Owned(value)) => *value,
            Self::List(items) => {
                Value::List(items.iter().cloned().map(Self::into_value).collect::<Result<_, Failure>>()?)
            }
            Self::Texts(items) => Value::List(items.into_iter().map(Value::Str).collect()),
            other => return Err(Failure::new(format!("<Invalid value type {}>", other.type_name()))),
        })
    }

    /// The same value, free of the span it was read from; `None` if it is a part of one.
    pub(super) fn into_static(self) -> Option<Datum<'static>> {
        Some(match self {
            Self::Nil => Datum::Nil,
            Self::Bool(value) => Datum::Bool(value),
            Self::Int(value) => Datum::Int(value),
            Self::Double(value) => Datum::Double(value),
            Self::Text(text) => Datum::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Datum::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Time(value) => Datum::Time(value),
            Self::Duration(value) => Datum::Duration(value),
            Self::TraceId(id) => Datum::TraceId(id),
            Self::SpanId(id) => Datum::SpanId(id),
            Self::Nested(value) => Datum::Nested(Held::Owned(Box::new(value.deref().clone().into_owned()))),
            Self::List(items) => {
                let items = items.iter().cloned().map(Self::into_static).collect::<Option<_>>()?;
                Datum::List(Held::Owned(Box::new(items)))
            }
            Self::Texts(items) => Datum::Texts(items.into_iter().map(|text| Cow::Owned(text.into_owned())).collect()),
            Self::Attributes(_) | Self::Status(_) | Self::Events(_) | Self::Links(_) => return None,
        })
    }

    /// The same value, with U+FFFD where texts are no UTF-8: strict parsers refuse a whole request for one of them.
    pub(super) fn repaired(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(repaired(text)),
            Self::Texts(items) => Self::Texts(items.into_iter().map(repaired).collect()),
            Self::List(Held::Owned(items)) => {
                Self::List(Held::Owned(Box::new(items.into_iter().map(Self::repaired).collect())))
            }
            Self::Nested(Held::Owned(value)) => Self::Nested(Held::Owned(Box::new(repaired_value(*value)))),
            other => other,
        }
    }

    /// The items, if this is any kind of list that has values in it.
    pub(super) fn items(&self) -> Option<Vec<Datum<'_>>> {
        match self {
            Self::Nested(value) => Some(value.as_list()?.into_owned().into_iter().map(Datum::owning).collect()),
            Self::List(items) => Some(items.iter().map(Datum::borrow).collect()),
            Self::Texts(items) => Some(items.iter().map(|text| Datum::Text(Cow::Borrowed(text))).collect()),
            _ => None,
        }
    }

    /// The entries, if this is a map.
    pub(super) fn as_map(&self) -> Option<Cow<'_, Map<'v>>> {
        match self {
            Self::Attributes(map) => Some(Cow::Borrowed(map)),
            Self::Nested(value) => value.as_map(),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::Nested(value) => matches!(**value, Value::List(_) | Value::RawList(_)),
            Self::List(_) | Self::Texts(_) | Self::Events(_) | Self::Links(_) => true,
            _ => false,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        match self {
            Self::Nested(value) => matches!(**value, Value::Map(_) | Value::RawMap(_)),
            Self::Attributes(_) => true,
            _ => false,
        }
    }

    /// What the type is called in messages: users know these names from the Go collector.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Double(_) => "float64",
            Self::Text(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::TraceId(_) => "pcommon.TraceID",
            Self::SpanId(_) => "pcommon.SpanID",
            Self::Attributes(_) => "pcommon.Map",
            Self::Nested(_) if self.is_map() => "pcommon.Map",
            Self::Nested(_) => "pcommon.Slice",
            Self::List(_) => "[]interface {}",
            Self::Texts(_) => "[]string",
            Self::Status(_) => "ptrace.Status",
            Self::Events(_) => "ptrace.SpanEventSlice",
            Self::Links(_) => "ptrace.SpanLinkSlice",
        }
    }
}

/// The text with U+FFFD where it is no UTF-8.
pub(super) fn repaired(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match simdutf8::basic::from_utf8(&text) {
        Ok(_) => text,
        Err(_) => Cow::Owned(String::from_utf8_lossy(&text).into_owned().into_bytes()),
    }
}

/// Recurses as deep as values nest, which the parser and arrival bound.
fn repaired_value(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Str(text) => Value::Str(repaired(text)),
        Value::List(items) => Value::List(items.into_iter().map(repaired_value).collect()),
        Value::Map(mut map) => {
            for index in 0..map.len() {
                let entry = &map.entries()[index];
                let (key, value) = (repaired(entry.key.clone()), repaired_value(entry.value().clone()));
                if key != entry.key {
                    map.rename_at(index, key);
                }
                if value != *map.entries()[index].value() {
                    map.set_at(index, value);
                }
            }
            Value::Map(map)
        }
        other => other,
    }
}
