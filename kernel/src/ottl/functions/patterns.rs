//! `ExtractPatterns`: the named groups of a regular expression.

use std::borrow::Cow;

use crate::pattern::Pattern;

use super::{Argument, Complaint, Function, Kind, needed};
use crate::ottl::datum::{Datum, Failure, Held};
use crate::view::{Map, Value};

const NO_GROUP: &str = "at least 1 named capture group must be supplied in the given regex";

pub(super) static FUNCTIONS: &[Function] = &[Function {
    check: |arguments| match arguments.get(1) {
        Some(Argument::Pattern(pattern)) if pattern.regex().capture_names().flatten().next().is_none() => {
            Err(Complaint { index: 1, text: NO_GROUP.to_owned() })
        }
        _ => Ok(()),
    },
    ..Function::new("ExtractPatterns", &[needed("target", Kind::Text), needed("pattern", Kind::Pattern)], |args| {
        let (target, pattern) = (args.text(0)?, args.pattern(1)?);
        if pattern.regex().capture_names().flatten().next().is_none() {
            return Err(Failure::new(NO_GROUP));
        }
        Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(groups(&pattern, &target))))))
    })
}];

/// What the named groups hold: nothing without a match, and empty text for a group that took no part in it.
pub(super) fn groups(pattern: &Pattern, text: &[u8]) -> Map<'static> {
    let mut map = Map::default();
    if let Some(captures) = pattern.regex().captures(text) {
        for (index, name) in pattern.regex().capture_names().enumerate() {
            let Some(name) = name else { continue };
            let value = captures.get(index).map_or(&[][..], |group| group.as_bytes());
            map.upsert(Cow::Owned(name.as_bytes().to_vec()), Value::text(value.to_vec()));
        }
    }
    map
}
