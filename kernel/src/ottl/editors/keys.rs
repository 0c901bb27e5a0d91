//! Editors that decide by the key which entries of a map stay.

use super::Editor;
use crate::ottl::datum::Datum;
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Complaint, Kind, needed};

pub(super) static EDITORS: &[Editor] = &[
    Editor::new("delete_key", &[needed("target", Kind::Target), needed("key", Kind::Text)], |given, item| {
        let key = given.text(1, item)?;
        given.target(0)?.with_map(item, |map| Ok(map.remove(&key)))
    }),
    Editor::new(
        "delete_matching_keys",
        &[needed("target", Kind::Target), needed("pattern", Kind::Pattern)],
        |given, item| {
            let pattern = given.pattern(1, item)?;
            given.target(0)?.with_map(item, |map| Ok(map.retain(|key, _| !pattern.is_match(key)) > 0))
        },
    ),
    Editor::new("keep_keys", &[needed("target", Kind::Target), needed("keys", Kind::Keys)], |given, item| {
        let keys = given.keys(1, item)?;
        given.target(0)?.with_map(item, |map| Ok(map.retain(|key, _| keys.contains(key)) > 0))
    }),
    Editor::new(
        "keep_matching_keys",
        &[needed("target", Kind::Target), needed("pattern", Kind::Pattern)],
        |given, item| {
            let pattern = given.pattern(1, item)?;
            given.target(0)?.with_map(item, |map| Ok(map.retain(|key, _| pattern.is_match(key)) > 0))
        },
    ),
    Editor {
        check: check_limit,
        ..Editor::new(
            "limit",
            &[needed("target", Kind::Target), needed("limit", Kind::LiteralInt), needed("priority_keys", Kind::Texts)],
            |given, item| {
                let (limit, first) = (given.int(1, item)? as usize, given.texts(2, item)?);
                given.target(0)?.with_map(item, |map| {
                    if map.len() <= limit {
                        return Ok(false);
                    }
                    let is_first = |key: &[u8]| first.iter().any(|name| **name == *key);
                    let preferred = map.entries().iter().filter(|entry| is_first(&entry.key)).count();
                    let mut others = limit.saturating_sub(preferred);
                    Ok(map.retain(|key, _| is_first(key) || others.checked_sub(1).map(|left| others = left).is_some())
                        > 0)
                })
            },
        )
    },
];

fn check_limit(arguments: &[Argument]) -> Result<(), Complaint> {
    let Some(Argument::Value(Expression::Constant(Datum::Int(limit)))) = arguments.get(1) else { return Ok(()) };
    if *limit < 0 {
        return Err(Complaint {
            index: 1,
            text: format!("invalid limit for limit function, {limit} cannot be negative"),
        });
    }
    match arguments.get(2) {
        Some(Argument::Items(keys)) if keys.len() as i64 > *limit => Err(Complaint {
            index: 1,
            text: format!(
                "invalid limit for limit function, {limit} cannot be less than number of priority attributes {}",
                keys.len()
            ),
        }),
        _ => Ok(()),
    }
}
