//! Functions that look through lists, order them, or make maps of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Arguments, Complaint, Function, Kind, literal_text, needed, optional};
use crate::ottl::compare::equal;
use crate::ottl::datum::{Datum, Failure, Held};
use crate::text;
use crate::view::{Map, Upserts, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("ContainsValue", &[needed("target", Kind::List), needed("item", Kind::Any)], |args| {
        let list = args.value(0)?;
        let Some(items) = list.items() else {
            return Err(Failure::new(format!("expected pcommon.Slice but got {}", list.type_name())));
        };
        let wanted = args.value(1)?;
        Ok(Datum::Bool(items.iter().any(|item| equal(item, &wanted))))
    }),
    Function::new("Index", &[needed("target", Kind::Any), needed("value", Kind::Any)], |args| {
        let (target, wanted) = (args.value(0)?, args.value(1)?);
        let found = match (&target, &wanted) {
            (Datum::Text(text), Datum::Text(part)) => memchr::memmem::find(text, part),
            (Datum::Text(_), _) => {
                return Err(Failure::new("invalid value type for Index function, value must be a string"));
            }
            (list, wanted) => {
                let Some(items) = list.items() else {
                    return Err(Failure::new(format!("expected pcommon.Slice but got {}", list.type_name())));
                };
                items.iter().position(|item| equal(item, wanted))
            }
        };
        Ok(Datum::Int(found.map_or(-1, |at| at as i64)))
    }),
    Function {
        check: |arguments| match literal_text(arguments, 1) {
            Some(order) if !matches!(order, b"asc" | b"desc") => {
                Err(Complaint { index: 1, text: "must be \"asc\" or \"desc\"".to_owned() })
            }
            _ => Ok(()),
        },
        ..Function::new("Sort", &[needed("target", Kind::Any), optional("order", Kind::LiteralText)], |args| {
            let target = args.value(0)?;
            let descending = &*args.text_or(1, b"asc")? == b"desc";
            if target.items().is_none() {
                let name = if matches!(target, Datum::Nil) { "<nil>" } else { target.type_name() };
                return Err(Failure::new(format!("sort with unsupported type: '{name}'. Target is not a list")));
            }
            let Value::List(mut items) = target.into_value()?.unfold() else {
                return Err(Failure::new("sort with unsupported type"));
            };
            sort(&mut items, descending);
            Ok(Datum::Nested(Held::Owned(Box::new(Value::List(items)))))
        })
    },
    Function::new(
        "SliceToMap",
        &[needed("target", Kind::List), optional("key_path", Kind::Texts), optional("value_path", Kind::Texts)],
        slice_to_map,
    ),
];

/// Integers by number, with doubles among them as doubles, and where texts or bools are among them all by their text.
/// What holds lists, maps or bytes stays as it is.
fn sort(items: &mut [Value<'_>], descending: bool) {
    let is_text = |value: &Value<'_>| matches!(value, Value::Str(_) | Value::Bool(_) | Value::Empty);
    let is_number = |value: &Value<'_>| matches!(value, Value::Int(_) | Value::Double(_));
    if !items.iter().all(|value| is_text(value) || is_number(value)) {
        return;
    }
    let by_text = items.iter().any(is_text);
    let all_integers = items.iter().all(|value| matches!(value, Value::Int(_)));
    let double = |value: &Value<'_>| match value {
        Value::Int(value) => *value as f64,
        Value::Double(value) => *value,
        _ => 0.0,
    };
    items.sort_by(|a, b| {
        let order = match (a, b) {
            _ if by_text => text::text(a).cmp(&text::text(b)),
            (Value::Int(a), Value::Int(b)) if all_integers => a.cmp(b),
            // NaN is less than any other number.
            (a, b) => {
                double(a).partial_cmp(&double(b)).unwrap_or_else(|| match (double(a).is_nan(), double(b).is_nan()) {
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    _ => Ordering::Equal,
                })
            }
        };
        if descending { order.reverse() } else { order }
    });
}

fn slice_to_map<'v>(args: &Arguments<'_, 'v>) -> Result<Datum<'v>, Failure> {
    let target = args.value(0)?;
    let name = target.type_name();
    let list = if target.items().is_some() { target.into_value()?.unfold() } else { Value::Empty };
    let Value::List(items) = list else {
        return Err(Failure::new(format!("expected pcommon.Slice but got {name}")));
    };
    let path = |index: usize| -> Result<Option<Vec<Cow<'v, [u8]>>>, Failure> {
        if !args.is_given(index) {
            return Ok(None);
        }
        let text = |item: Result<Datum<'v>, Failure>| match item? {
            Datum::Text(text) => Ok(text),
            other => Err(Failure::new(format!("expected string but got {}", other.type_name()))),
        };
        args.items(index).map(text).collect::<Result<_, _>>().map(Some)
    };
    let (keys, values) = (path(1)?, path(2)?);
    let mut map = Map::default();
    let mut entries = Upserts::new(&mut map);
    for (index, item) in items.into_iter().enumerate() {
        if (keys.is_some() || values.is_some()) && item.as_map().is_none() {
            return Err(Failure::new(format!(
                "slice elements must be maps when using `key_path` or `value_path`, but could not cast element of type \
                 `{}` to a map",
                item.type_name()
            )));
        }
        let key = match &keys {
            None => index.to_string().into_bytes(),
            Some(path) => match follow(&item, path) {
                Some(Value::Str(key)) => key.into_owned(),
                Some(other) => {
                    return Err(Failure::new(format!(
                        "element {index}: extracted key attribute is not of type string, got {:?}",
                        other.type_name()
                    )));
                }
                None => return Err(missing("key", index, path)),
            },
        };
        let value = match &values {
            None => item,
            Some(path) => follow(&item, path).ok_or_else(|| missing("value", index, path))?,
        };
        entries.upsert(Cow::Owned(key), value);
    }
    Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(map)))))
}

/// The value that the names lead to, map by map.
fn follow<'v>(value: &Value<'v>, path: &[Cow<'_, [u8]>]) -> Option<Value<'v>> {
    let (first, rest) = path.split_first()?;
    let value = value.as_map()?.get(first)?.clone();
    if rest.is_empty() { Some(value) } else { follow(&value, rest) }
}

fn missing(what: &str, index: usize, path: &[Cow<'_, [u8]>]) -> Failure {
    let path: Vec<_> = path.iter().map(|name| String::from_utf8_lossy(name)).collect();
    Failure::new(format!(
        "could not extract {what} from element {index}: provided object does not contain the path [{}]",
        path.join(" ")
    ))
}
