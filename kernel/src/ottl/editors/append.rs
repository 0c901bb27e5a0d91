//! Editors on lists.

use super::Editor;
use crate::ottl::datum::{Datum, Failure, Held};
use crate::ottl::functions::{Argument, Complaint, Kind, needed, optional};
use crate::view::Value;

pub(super) static EDITORS: &[Editor] = &[
    Editor {
        check: |arguments| match (arguments.get(1), arguments.get(2)) {
            (None | Some(Argument::Absent), None | Some(Argument::Absent)) => {
                Err(Complaint { index: 0, text: "append needs a value, or values".to_owned() })
            }
            _ => Ok(()),
        },
        ..Editor::new(
            "append",
            &[needed("target", Kind::Target), optional("value", Kind::Any), optional("values", Kind::Texts)],
            |given, item| {
                let target = given.target(0)?;
                let mut more = Vec::new();
                if given.is_given(1) {
                    more.push(given.value(1, item)?);
                }
                more.extend(given.items(2, item)?);
                let mut list = match target.read(item)?.into_static() {
                    Some(Datum::Nil) => Vec::new(),
                    Some(value) if value.is_map() => {
                        return Err(Failure::new("append cannot add to a pcommon.Map"));
                    }
                    Some(value) => match value.into_value()?.unfold() {
                        Value::List(items) => items,
                        scalar => vec![scalar],
                    },
                    None => return Err(Failure::new("append cannot add to this target")),
                };
                for value in more {
                    let name = value.type_name();
                    match value.into_value()? {
                        Value::List(_) | Value::RawList(_) | Value::Map(_) | Value::RawMap(_) => {
                            return Err(Failure::new(format!("<Invalid value type {name}>")));
                        }
                        scalar => list.push(scalar),
                    }
                }
                let list = Datum::Nested(Held::Owned(Box::new(Value::List(list))));
                target.write(item, list).map(|()| true)
            },
        )
    },
    Editor::new(
        "delete_index",
        &[needed("target", Kind::Target), needed("start_index", Kind::Int), optional("end_index", Kind::Int)],
        |given, item| {
            let target = given.target(0)?;
            let start = given.int(1, item)?;
            let end = if given.is_given(2) { given.int(2, item)? } else { start.saturating_add(1) };
            let found = target.read(item)?;
            let name = found.type_name();
            let list = found.into_static().and_then(|value| value.into_value().ok()).map(Value::unfold);
            let Some(Value::List(mut list)) = list else {
                return Err(Failure::new(format!("expected pcommon.Slice but got {name}")));
            };
            let length = list.len();
            let index = |index: i64| usize::try_from(index).ok().filter(|index| *index <= length);
            if start >= 0 && end < start {
                return Err(Failure::new(format!("endIndex {end} cannot be less than startIndex {start}")));
            }
            let (Some(first), Some(behind)) = (index(start), index(end)) else {
                return Err(if index(start).is_none_or(|start| start == length) {
                    Failure::new(format!("startIndex {start} out of bounds for slice of length {length}"))
                } else {
                    Failure::new(format!("deletion range [{start}:{end}] out of bounds for slice of length {length}"))
                });
            };
            if first == behind {
                return Ok(false);
            }
            list.drain(first..behind);
            target.write(item, Datum::Nested(Held::Owned(Box::new(Value::List(list))))).map(|()| true)
        },
    ),
];
