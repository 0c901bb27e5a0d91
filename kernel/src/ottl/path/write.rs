//! What a value that an editor writes must be, by the kind of field.

use std::borrow::Cow;

use crate::hex;
use crate::ottl::datum::{Datum, Failure};
use crate::view::{Map, Value};

/// The complaint about a value that a field cannot hold.
pub(super) fn unsupported(wanted: &str, found: &Datum<'_>) -> Failure {
    Failure::new(format!("expects {wanted} but got {}", found.type_name()))
}

pub(super) fn text_of<'a>(value: Datum<'a>) -> Result<Cow<'a, [u8]>, Failure> {
    match value {
        Datum::Text(text) => Ok(text),
        other => Err(unsupported("string", &other)),
    }
}

pub(super) fn int_of(value: &Datum<'_>) -> Result<i64, Failure> {
    match value {
        Datum::Int(value) => Ok(*value),
        other => Err(unsupported("int64", other)),
    }
}

/// The low 32 bits count.
pub(super) fn count_of(value: &Datum<'_>) -> Result<u32, Failure> {
    int_of(value).map(|value| value as u32)
}

/// A number that must fit 32 bits.
pub(super) fn unsigned_of(value: &Datum<'_>) -> Result<u32, Failure> {
    let value = int_of(value)?;
    u32::try_from(value).map_err(|_| Failure::new(format!("value {value} is out of range for uint32")))
}

/// Nanoseconds since 1970, in 64 bits as they stand on the wire.
pub(super) fn time_of(value: &Datum<'_>) -> Result<u64, Failure> {
    match value {
        Datum::Time(value) => Ok(*value as u64),
        other => Err(unsupported("time.Time", other)),
    }
}

/// An id as it stands on the wire: one of zeros is none.
pub(super) fn id_bytes<'a>(id: &[u8]) -> Cow<'a, [u8]> {
    Cow::Owned(if id.iter().all(|byte| *byte == 0) { Vec::new() } else { id.to_vec() })
}

/// An id, from its digits.
pub(super) fn id_of<'a, const N: usize>(value: Datum<'a>, what: &str) -> Result<Cow<'a, [u8]>, Failure> {
    let text = text_of(value)?;
    let mut id = Vec::with_capacity(N);
    if text.len() == 2 * N && hex::decode(&text, &mut id) {
        Ok(id_bytes(&id))
    } else {
        Err(Failure::new(format!("{what} must be {} hex characters", 2 * N)))
    }
}

/// A kind, from its name.
pub(super) fn kind_of(value: Datum<'_>, names: &[&str], what: &str) -> Result<i32, Failure> {
    let text = text_of(value)?;
    let kind = names.iter().position(|name| name.as_bytes() == &*text);
    kind.map(|kind| kind as i32)
        .ok_or_else(|| Failure::new(format!("unknown span {what}, {}", String::from_utf8_lossy(&text))))
}

pub(super) fn map_of<'a>(value: Datum<'a>) -> Result<Map<'a>, Failure> {
    let name = value.type_name();
    match value.into_value().map(Value::unfold) {
        Ok(Value::Map(map)) => Ok(map),
        _ => Err(Failure::new(format!("unsupported type provided for setting a pcommon.Map: {name}"))),
    }
}
