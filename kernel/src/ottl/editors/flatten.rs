//! `flatten`: one level of attributes out of many.

use std::borrow::Cow;

use super::Editor;
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Complaint, Kind, needed, optional};
use crate::view::{Map, Upserts, Value};

/// Bytes of keys that may come out. Each repeats the way down to its value, so a long key above many values makes much
/// of little.
const MAX_KEYS: usize = 16 << 20;

pub(super) static EDITORS: &[Editor] = &[Editor {
    check: |arguments| match arguments.get(2) {
        Some(Argument::Value(Expression::Constant(Datum::Int(depth)))) if *depth < 1 => {
            Err(Complaint { index: 2, text: format!("invalid depth for flatten function, {depth} must be 1 or more") })
        }
        _ => Ok(()),
    },
    ..Editor::new(
        "flatten",
        &[
            needed("target", Kind::Target),
            optional("prefix", Kind::Text),
            optional("depth", Kind::LiteralInt),
            optional("resolve_conflicts", Kind::Bool),
        ],
        |given, item| {
            let prefix = given.text_or(1, b"", item)?;
            let depth = if given.is_given(2) { given.int(2, item)? } else { i64::MAX };
            let resolve = given.bool_or(3, false, item)?;
            given.target(0)?.with_map(item, |map| {
                let is_flat = |value: &Value<'_>| {
                    !matches!(value, Value::List(_) | Value::RawList(_) | Value::Map(_) | Value::RawMap(_))
                };
                if prefix.is_empty() && map.entries().iter().all(|entry| is_flat(entry.value())) {
                    return Ok(false);
                }
                let mut flat = Map::default();
                let mut flattening = Flattening { out: Upserts::new(&mut flat), depth, resolve, keys: 0 };
                flattening.map(map, &prefix, 0)?;
                map.replace(flat);
                Ok(true)
            })
        },
    )
}];

struct Flattening<'m, 'a> {
    out: Upserts<'m, 'a>,
    depth: i64,
    resolve: bool,
    keys: usize,
}

impl<'a> Flattening<'_, 'a> {
    fn map(&mut self, map: &Map<'a>, prefix: &[u8], depth: i64) -> Result<(), Failure> {
        for entry in map.entries() {
            let key = if prefix.is_empty() { entry.key.to_vec() } else { [prefix, b".", &entry.key].concat() };
            let value = entry.value();
            if depth < self.depth {
                if let Some(inner) = value.as_map() {
                    self.map(&inner, &key, depth + 1)?;
                    continue;
                }
                if let Some(items) = value.as_list() {
                    self.list(&items, &key, depth + 1)?;
                    continue;
                }
            }
            self.put(key, value.clone())?;
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value<'a>], key: &[u8], depth: i64) -> Result<(), Failure> {
        for (index, item) in items.iter().enumerate() {
            let numbered = || [key, b".", index.to_string().as_bytes()].concat();
            match item.as_map() {
                Some(inner) if depth < self.depth => self.map(&inner, &numbered(), depth + 1)?,
                _ if self.resolve => self.put(key.to_vec(), item.clone())?,
                _ => self.put(numbered(), item.clone())?,
            }
        }
        Ok(())
    }

    fn put(&mut self, mut key: Vec<u8>, value: Value<'a>) -> Result<(), Failure> {
        if self.resolve && self.out.contains(&key) {
            let taken = key.clone();
            let mut number = 0_usize;
            while self.out.contains(&key) {
                key = [&taken, &b"."[..], number.to_string().as_bytes()].concat();
                number += 1;
            }
        }
        self.keys += key.len();
        if self.keys > MAX_KEYS {
            return Err(Failure::new(format!("flatten would make more than {MAX_KEYS} bytes of keys")));
        }
        self.out.upsert(Cow::Owned(key), value);
        Ok(())
    }
}
