//! Functions on lists and maps.

use std::borrow::Cow;

use super::{Arguments, Function, Kind, needed};
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("Len", &[needed("target", Kind::Any)], len),
    Function::new("Coalesce", &[needed("values", Kind::Items)], |args| {
        for item in args.items(0) {
            match item? {
                Datum::Nil => {}
                value => return Ok(value),
            }
        }
        Ok(Datum::Nil)
    }),
    Function::new("Keys", &[needed("target", Kind::Map)], |args| {
        let keys = args.with_map(0, |map| {
            map.entries().iter().map(|entry| Datum::Text(Cow::Owned(entry.key.to_vec()))).collect()
        })?;
        Ok(Datum::List(Held::Owned(Box::new(keys))))
    }),
    Function::new("Values", &[needed("target", Kind::Map)], |args| {
        let values =
            args.with_map(0, |map| map.entries().iter().map(|entry| entry.value().clone().into_owned()).collect())?;
        Ok(Datum::Nested(Held::Owned(Box::new(Value::List(values)))))
    }),
];

fn len<'v>(args: &Arguments<'_, 'v>) -> Result<Datum<'v>, Failure> {
    let target = args.value(0)?;
    let length = match &target {
        Datum::Text(bytes) | Datum::Bytes(bytes) => bytes.len(),
        Datum::Attributes(map) => map.len(),
        Datum::Nested(value) => {
            value.as_list().map(|items| items.len()).or_else(|| value.as_map().map(|map| map.len())).unwrap_or_default()
        }
        Datum::List(items) => items.len(),
        Datum::Texts(items) => items.len(),
        Datum::Events(events) => events.len(),
        Datum::Links(count) => *count,
        other => {
            let name = if matches!(other, Datum::Nil) { "<nil>" } else { other.type_name() };
            return Err(Failure::new(format!(
                "Len: unsupported target type {name}. target arg must be of type string, bytes, list, map, events or links"
            )));
        }
    };
    Ok(Datum::Int(length as i64))
}
