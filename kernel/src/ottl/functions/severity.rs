//! `ParseSeverity`: a level out of a text or a number, by a map of what means which.

use super::{Argument, Complaint, Function, Kind, needed};
use crate::ottl::coerce;
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::eval::Expression;
use crate::view::Value;

pub(super) static FUNCTIONS: &[Function] = &[Function {
    check: |arguments| match arguments.get(1) {
        Some(Argument::Value(Expression::Constant(mapping))) => {
            check(mapping).map_err(|text| Complaint { index: 1, text: text.to_owned() })
        }
        _ => Err(Complaint { index: 1, text: "severity mapping must be a map literal".to_owned() }),
    },
    ..Function::new("ParseSeverity", &[needed("target", Kind::Any), needed("mapping", Kind::Map)], |args| {
        let target = args.value(0)?;
        if !matches!(target, Datum::Text(_) | Datum::Int(_)) {
            let name = target.type_name();
            return Err(Failure::new(format!("could not map log level: unsupported value type: {name}")));
        }
        let level = args.with_map(1, |mapping| {
            let entries = mapping.entries().iter();
            let mut matching = entries.filter(|entry| {
                let criteria = entry.value().as_list().unwrap_or_default();
                criteria.iter().any(|criterion| means(criterion, &target))
            });
            matching.next().map(|entry| entry.key.to_vec())
        })?;
        level.map(|level| Datum::Text(level.into())).ok_or_else(|| {
            let shown = coerce::shown(&target);
            Failure::new(format!("could not map log level: no matching log level found for value '{shown}'"))
        })
    })
}];

/// Whether a criterion is about this value: `{"equals": ["warn"]}`, `{"range": {"min": 400, "max": 499}}` or
/// `{"range": "4xx"}`.
fn means(criterion: &Value<'_>, target: &Datum<'_>) -> bool {
    let Some(criterion) = criterion.as_map() else { return false };
    match target {
        Datum::Text(text) => {
            let equals = criterion.get(b"equals").and_then(Value::as_list).unwrap_or_default();
            equals.iter().any(|word| word.as_text() == Some(&**text))
        }
        Datum::Int(number) => {
            criterion.get(b"range").and_then(range).is_some_and(|(min, max)| (min..=max).contains(number))
        }
        _ => false,
    }
}

fn range(value: &Value<'_>) -> Option<(i64, i64)> {
    if let Some(name) = value.as_text() {
        return match name {
            b"2xx" => Some((200, 299)),
            b"3xx" => Some((300, 399)),
            b"4xx" => Some((400, 499)),
            b"5xx" => Some((500, 599)),
            _ => None,
        };
    }
    let bounds = value.as_map()?;
    match (bounds.get(b"min")?, bounds.get(b"max")?) {
        (Value::Int(min), Value::Int(max)) => Some((*min, *max)),
        _ => None,
    }
}

fn check(mapping: &Datum<'_>) -> Result<(), &'static str> {
    let mapping = mapping.as_map().ok_or("must be a map")?;
    for entry in mapping.entries() {
        let criteria = entry.value().as_list().ok_or("the criteria of a level must be a list")?;
        for criterion in criteria.iter() {
            let criterion = criterion.as_map().ok_or("a criterion must be a map")?;
            if let Some(equals) = criterion.get(b"equals") {
                let words = equals.as_list().ok_or("equals must be a list")?;
                if words.iter().any(|word| word.as_text().is_none()) {
                    return Err("equals must hold strings");
                }
            }
            if criterion.get(b"range").is_some_and(|given| range(given).is_none()) {
                return Err("range must have an integer min and max, or be one of 2xx, 3xx, 4xx and 5xx");
            }
        }
    }
    Ok(())
}
