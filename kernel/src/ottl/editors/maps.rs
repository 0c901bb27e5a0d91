//! Editors on whole maps.

use super::Editor;
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Complaint, Kind, needed};
use crate::text;
use crate::view::Value;

pub(super) static EDITORS: &[Editor] = &[
    Editor {
        check: |arguments| match arguments.get(2) {
            Some(Argument::Value(Expression::Constant(Datum::Text(strategy)))) if strategy_of(strategy).is_none() => {
                Err(Complaint { index: 2, text: "must be \"insert\", \"update\" or \"upsert\"".to_owned() })
            }
            _ => Ok(()),
        },
        ..Editor::new(
            "merge_maps",
            &[needed("target", Kind::Target), needed("source", Kind::Map), needed("strategy", Kind::LiteralText)],
            |given, item| {
                let source = given.value(1, item)?;
                let name = source.type_name();
                let Ok(Value::Map(source)) = source.into_value().map(Value::unfold) else {
                    return Err(Failure::new(format!("expected pcommon.Map but got {name}")));
                };
                let strategy = strategy_of(&given.text(2, item)?);
                given.target(0)?.with_map(item, |map| Ok(map.merge(source, strategy.unwrap_or_default())))
            },
        )
    },
    Editor::new("stringify_all", &[needed("target", Kind::Target)], |given, item| {
        given.target(0)?.with_map(item, |map| {
            let mut changed = false;
            for index in 0..map.len() {
                let value = map.entries()[index].value();
                if !matches!(value, Value::Str(_)) {
                    let text = text::text(value).into_owned();
                    map.set_at(index, Value::text(text));
                    changed = true;
                }
            }
            Ok(changed)
        })
    }),
];

fn strategy_of(name: &[u8]) -> Option<crate::view::Merge> {
    use crate::view::Merge;
    match name {
        b"insert" => Some(Merge::Insert),
        b"update" => Some(Merge::Update),
        b"upsert" => Some(Merge::Upsert),
        _ => None,
    }
}
