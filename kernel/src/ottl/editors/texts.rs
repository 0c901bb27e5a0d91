//! `truncate_all`: cut what is too long.

use std::borrow::Cow;

use super::Editor;
use crate::ottl::datum::Datum;
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Complaint, Kind, needed, optional};
use crate::text::is_boundary;
use crate::view::Value;

pub(super) static EDITORS: &[Editor] = &[Editor {
    check: |arguments| {
        let Some(Argument::Value(Expression::Constant(Datum::Int(limit)))) = arguments.get(1) else { return Ok(()) };
        if *limit < 0 {
            return Err(Complaint {
                index: 1,
                text: format!("invalid limit for truncate_all function, {limit} cannot be negative"),
            });
        }
        match arguments.get(3) {
            Some(Argument::Value(Expression::Constant(Datum::Text(marker)))) if marker.len() as i64 > *limit => {
                Err(Complaint {
                    index: 3,
                    text: format!("a marker of {} bytes does not fit the limit of {limit}", marker.len()),
                })
            }
            _ => Ok(()),
        }
    },
    ..Editor::new(
        "truncate_all",
        &[
            needed("target", Kind::Target),
            needed("limit", Kind::LiteralInt),
            optional("utf8_safe", Kind::Bool),
            optional("truncation_marker", Kind::Text),
        ],
        |given, item| {
            let limit = given.int(1, item)? as usize;
            // Broken characters go out of the Go collector when it is told to make them. Here a cut is always between two.
            let _utf8_safe = given.bool_or(2, true, item)?;
            let marker = given.text_or(3, b"", item)?;
            given.target(0)?.with_map(item, |map| {
                let mut changed = false;
                for index in 0..map.len() {
                    if let Value::Str(text) = map.entries()[index].value()
                        && text.len() > limit
                    {
                        let room = limit.saturating_sub(marker.len());
                        let end = (0..=room).rev().find(|end| is_boundary(text, *end)).unwrap_or(0);
                        let cut = match text {
                            Cow::Borrowed(text) if marker.is_empty() => Cow::Borrowed(&text[..end]),
                            text => Cow::Owned([&text[..end], &marker].concat()),
                        };
                        map.set_at(index, Value::Str(cut));
                        changed = true;
                    }
                }
                Ok(changed)
            })
        },
    )
}];
