//! `set` and `clear`.

use super::Editor;
use crate::ottl::datum::Datum;
use crate::ottl::functions::{Kind, needed};

pub(super) static EDITORS: &[Editor] = &[
    Editor::new("set", &[needed("target", Kind::Target), needed("value", Kind::Any)], |given, item| {
        let target = given.target(0)?;
        // Status, events and links can be set from themselves only.
        if given.expression(1).is_some_and(|value| target.is(value)) {
            return Ok(false);
        }
        match given.value(1, item)? {
            Datum::Nil => Ok(false),
            value => target.write(item, value).map(|()| true),
        }
    }),
    Editor::new("clear", &[needed("target", Kind::Target)], |given, item| given.target(0)?.clear(item).map(|()| true)),
];
