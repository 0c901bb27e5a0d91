//! `AnyValue`: what an attribute holds.

use std::borrow::Cow;

use super::map::Map;
use crate::wire::{self, WireType, fields};

/// An attribute value. Lists and maps stay wire bytes until somebody looks inside.
///
/// Arrival refuses values nested deeper than [`crate::scan::MAX_DEPTH`], so walks over values may recurse.
#[derive(Clone, Debug, Default)]
pub enum Value<'a> {
    /// Present, but without content.
    #[default]
    Empty,
    /// UTF-8.
    Str(Cow<'a, [u8]>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
    Map(Map<'a>),
    /// The body of an `ArrayValue` nobody has looked into.
    RawList(&'a [u8]),
    /// The body of a `KeyValueList` nobody has looked into.
    RawMap(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A string value that owns its text.
    pub fn text(text: Vec<u8>) -> Value<'static> {
        Value::Str(Cow::Owned(text))
    }

    /// Reads the body of an `AnyValue`, not looking into lists and maps.
    pub fn decode(body: &'a [u8]) -> Self {
        let Some(field) = fields(body).find(|field| (1..=7).contains(&field.number)) else {
            return Self::Empty;
        };
        match field.number {
            1 => Self::Str(Cow::Borrowed(field.bytes)),
            2 => Self::Bool(field.scalar != 0),
            3 => Self::Int(field.scalar as i64),
            4 => Self::Double(f64::from_bits(field.scalar)),
            5 => Self::RawList(field.bytes),
            6 => Self::RawMap(field.bytes),
            _ => Self::Bytes(Cow::Borrowed(field.bytes)),
        }
    }

    /// Opens a list or map one level; other values stay as they are.
    #[must_use]
    pub fn unfold(self) -> Self {
        match self {
            Self::RawList(body) => Self::List(list_items(body).collect()),
            Self::RawMap(body) => Self::Map(Map::decode(body)),
            other => other,
        }
    }

    /// Opens a list or map one level, in place, so that it can be changed.
    pub fn unfold_mut(&mut self) -> &mut Self {
        if matches!(self, Self::RawList(_) | Self::RawMap(_)) {
            *self = std::mem::take(self).unfold();
        }
        self
    }

    /// The items, if this is a list. They are decoded for the caller when nobody did before.
    pub fn as_list(&self) -> Option<Cow<'_, [Value<'a>]>> {
        match self {
            Self::List(items) => Some(Cow::Borrowed(items)),
            Self::RawList(body) => Some(Cow::Owned(list_items(body).collect())),
            _ => None,
        }
    }

    /// The entries, if this is a map. They are decoded for the caller when nobody did before.
    pub fn as_map(&self) -> Option<Cow<'_, Map<'a>>> {
        match self {
            Self::Map(map) => Some(Cow::Borrowed(map)),
            Self::RawMap(body) => Some(Cow::Owned(Map::decode(body))),
            _ => None,
        }
    }

    /// What the type is called in messages: users know these names from the Go collector.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Str(_) => "Str",
            Self::Bool(_) => "Bool",
            Self::Int(_) => "Int",
            Self::Double(_) => "Double",
            Self::Bytes(_) => "Bytes",
            Self::List(_) | Self::RawList(_) => "Slice",
            Self::Map(_) | Self::RawMap(_) => "Map",
        }
    }

    pub fn as_text(&self) -> Option<&[u8]> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The same value, which borrows its text from this one.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Str(text) => Value::Str(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            other => other.clone(),
        }
    }

    /// The same value, free of the bytes it was read from.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Empty => Value::Empty,
            Self::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Self::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Self::Map(map) => Value::Map(map.into_owned()),
            raw @ (Self::RawList(_) | Self::RawMap(_)) => raw.unfold().into_owned(),
        }
    }

    /// Appends the body of the `AnyValue`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => {}
            Self::Str(text) => wire::put_bytes(out, 1, text),
            Self::Bool(value) => wire::put_varint_field(out, 2, u64::from(*value)),
            Self::Int(value) => wire::put_varint_field(out, 3, *value as u64),
            Self::Double(value) => wire::put_fixed64(out, 4, value.to_bits()),
            Self::RawList(body) => wire::put_bytes(out, 5, body),
            Self::RawMap(body) => wire::put_bytes(out, 6, body),
            Self::Bytes(bytes) => wire::put_bytes(out, 7, bytes),
            Self::List(items) => wire::put_message(out, 5, |out| {
                for item in items {
                    wire::put_message(out, 1, |out| item.encode(out));
                }
            }),
            Self::Map(map) => wire::put_message(out, 6, |out| map.encode(1, out)),
        }
    }
}

/// Equal in type and content; the order of a map's keys does not matter. Doubles compare as IEEE 754 does.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Str(a), Self::Str(b)) | (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a == b,
            (Self::List(_) | Self::RawList(_), Self::List(_) | Self::RawList(_)) => self.as_list() == other.as_list(),
            (Self::Map(_) | Self::RawMap(_), Self::Map(_) | Self::RawMap(_)) => self.as_map() == other.as_map(),
            _ => false,
        }
    }
}

fn list_items(body: &[u8]) -> impl Iterator<Item = Value<'_>> {
    fields(body)
        .filter(|field| field.number == 1 && field.wire_type == WireType::Len)
        .map(|field| Value::decode(field.bytes))
}
