//! Paths that editors write to.

use std::borrow::Cow;

use super::datum::{Datum, Failure, Held, repaired};
use super::eval::{Expression, Key, member, out_of_bounds};
use super::item::Item;
use super::path::{Entry, Keys, read_member, write_member};
use crate::scan::MAX_DEPTH;
use crate::view::{Map, Value};

/// Messages that may nest inside the attribute of an event, so that strict parsers still take the request.
const MAX_MESSAGES: usize = crate::scan::MAX_MESSAGES - 6;

#[derive(Debug)]
pub(super) struct Target {
    pub entry: &'static Entry,
    pub keys: Vec<Key>,
}

/// A key whose value is known.
enum Step<'a> {
    Name(Cow<'a, [u8]>),
    Index(i64),
}

impl Target {
    /// Whether this is the same path, as far as paths without keys go.
    pub(super) fn is(&self, expression: &Expression) -> bool {
        self.keys.is_empty() && matches!(expression, Expression::Path(entry) if std::ptr::eq(*entry, self.entry))
    }

    /// What stands there now.
    pub(super) fn read<'i>(&'i self, item: &'i Item<'_, '_>) -> Result<Datum<'i>, Failure> {
        let subject = item.subject();
        match ((self.entry.read)(&subject)?, self.keys.as_slice()) {
            (value, []) => Ok(value),
            (Datum::Attributes(map), keys) => member(map, keys, &subject),
            (Datum::Text(Cow::Borrowed(state)), [key]) if self.entry.keys == Keys::TraceState => {
                Ok(read_member(state, &key.text(&subject)?))
            }
            (other, _) => Err(Failure::new(format!("{} is no map but {}", self.entry.name, other.type_name()))),
        }
    }

    /// Puts a value there. What leads to it is made where it is missing.
    pub(super) fn write<'a>(&'a self, item: &mut Item<'_, 'a>, value: Datum<'a>) -> Result<(), Failure> {
        match self.keys.as_slice() {
            [] => (self.entry.write)(item, value),
            // By far the most common of all targets.
            [Key::Text(key)] if self.entry.keys == Keys::Map => {
                let map = (self.entry.map)(item)?;
                match storable(value, 1, map.get(key)) {
                    Ok(value) => {
                        map.upsert(key, value);
                        Ok(())
                    }
                    Err(failure) => {
                        if !map.contains(key) {
                            map.push(key, Value::Empty);
                        }
                        Err(failure)
                    }
                }
            }
            [key] if self.entry.keys == Keys::TraceState => {
                let key = key.text(&item.subject())?.into_owned();
                write_trace_state(item, &key, value)
            }
            keys => {
                let steps = resolve(keys, item)?;
                let depth = steps.len();
                let place = place((self.entry.map)(item)?, steps)?;
                *place = storable(value, depth, Some(place))?;
                Ok(())
            }
        }
    }

    /// Hands the map that stands there to `work`; fails if that is no map.
    pub(super) fn with_map<'a, T>(
        &'a self,
        item: &mut Item<'_, 'a>,
        work: impl FnOnce(&mut Map<'a>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let found = self.read(item)?;
        if !found.is_map() {
            return Err(Failure::new(format!("expected pcommon.Map but got {}", found.type_name())));
        }
        if self.keys.is_empty() {
            return work((self.entry.map)(item)?);
        }
        let steps = resolve(&self.keys, item)?;
        match place((self.entry.map)(item)?, steps)?.unfold_mut() {
            Value::Map(map) => work(map),
            _ => Err(Failure::new("expected pcommon.Map")),
        }
    }

    /// Puts there what stands for nothing: the zero of the type, and an empty value where there is nothing.
    pub(super) fn clear<'a>(&'a self, item: &mut Item<'_, 'a>) -> Result<(), Failure> {
        let nested = |value: Value<'static>| Datum::Nested(Held::Owned(Box::new(value)));
        let found = self.read(item)?;
        let zero = match &found {
            found if found.is_map() => nested(Value::Map(Map::default())),
            Datum::Nested(_) => nested(Value::List(Vec::new())),
            Datum::Nil => Datum::Nil,
            Datum::Bool(_) => Datum::Bool(false),
            Datum::Double(_) => Datum::Double(0.0),
            Datum::Text(_) => Datum::Text(Cow::Borrowed(b"")),
            Datum::Bytes(_) => Datum::Bytes(Cow::Borrowed(b"")),
            Datum::Events(_) => return item.span().map(|span| span.clear_events()),
            Datum::Links(_) => return item.span().map(|span| span.clear_links()),
            // Nothing happens in the Go collector either.
            Datum::Status(_) => return Ok(()),
            Datum::Time(_) => Datum::Time(0),
            Datum::TraceId(_) => Datum::TraceId([0; 16]),
            Datum::SpanId(_) => Datum::SpanId([0; 8]),
            _ => Datum::Int(0),
        };
        self.write(item, zero)
    }
}

/// The keys with what they come to for this item.
fn resolve<'a>(keys: &'a [Key], item: &Item<'_, 'a>) -> Result<Vec<Step<'a>>, Failure> {
    let subject = item.subject();
    keys.iter()
        .map(|key| match key {
            Key::Text(text) => Ok(Step::Name(Cow::Borrowed(text.as_slice()))),
            Key::Int(index) => Ok(Step::Index(*index)),
            Key::Dynamic(expression) => match expression.evaluate(&subject)? {
                Datum::Text(text) => Ok(Step::Name(Cow::Owned(repaired(text).into_owned()))),
                Datum::Int(index) => Ok(Step::Index(index)),
                other => Err(super::eval::unresolved("string", &other)),
            },
        })
        .collect()
}

/// The value that the steps lead to. Missing parts of the way are made: maps for names, lists for indexes.
fn place<'m, 'a>(map: &'m mut Map<'a>, steps: Vec<Step<'a>>) -> Result<&'m mut Value<'a>, Failure> {
    if steps.len() > MAX_DEPTH {
        return Err(too_deep());
    }
    let mut steps = steps.into_iter();
    let Some(Step::Name(name)) = steps.next() else {
        return Err(Failure::new("unable to resolve a string index in map: invalid key type"));
    };
    let mut at = entry(map, name);
    for step in steps {
        if matches!(at, Value::Empty) {
            *at = match step {
                Step::Name(_) => Value::Map(Map::default()),
                Step::Index(index) => Value::List(padded(index)?),
            };
        }
        at = match (at.unfold_mut(), step) {
            (Value::Map(map), Step::Name(name)) => entry(map, name),
            (Value::List(items), Step::Index(index)) => {
                let found = usize::try_from(index).ok().and_then(|index| items.get_mut(index));
                found.ok_or_else(|| out_of_bounds(index))?.unfold_mut()
            }
            (Value::Map(_), Step::Index(_)) => {
                return Err(Failure::new("unable to resolve a string index in map: invalid key type"));
            }
            (Value::List(_), Step::Name(_)) => {
                return Err(Failure::new("unable to resolve an integer index in slice: invalid key type"));
            }
            (other, _) => {
                return Err(Failure::new(format!("type {} does not support string indexing", other.type_name())));
            }
        };
    }
    Ok(at)
}

/// The value under a key, which is made if it is missing.
fn entry<'m, 'a>(map: &'m mut Map<'a>, key: Cow<'a, [u8]>) -> &'m mut Value<'a> {
    let index = map.position(&key).unwrap_or_else(|| {
        map.push(key, Value::Empty);
        map.len() - 1
    });
    map.value_mut(index)
}

/// Empty values up to and including the index.
fn padded(index: i64) -> Result<Vec<Value<'static>>, Failure> {
    // Whoever writes a larger one did not mean it: each of these is a value in every span.
    const MOST: usize = 10_000;
    match usize::try_from(index) {
        Ok(index) if index < MOST => Ok(vec![Value::Empty; index + 1]),
        _ => Err(out_of_bounds(index)),
    }
}

/// The attribute value, for a place this deep inside attributes, at which `current` stands.
fn storable<'a>(value: Datum<'a>, depth: usize, current: Option<&Value<'_>>) -> Result<Value<'a>, Failure> {
    let name = value.type_name();
    let Ok(value) = value.into_value() else {
        let current = current.map_or("Empty", Value::type_name);
        return Err(Failure::new(format!(
            "unsupported type {name} for set operation; current value type is {current}"
        )));
    };
    if matches!(value, Value::List(_) | Value::RawList(_) | Value::Map(_) | Value::RawMap(_)) {
        let (levels, messages) = nesting(&value);
        if levels + depth > MAX_DEPTH || messages + 3 * (depth - 1) > MAX_MESSAGES {
            return Err(too_deep());
        }
    }
    Ok(value)
}

fn too_deep() -> Failure {
    Failure::new(format!("the value would be nested deeper than {MAX_DEPTH} levels"))
}

/// How many levels lie below a value, and how many messages they take on the wire.
fn nesting(value: &Value<'_>) -> (usize, usize) {
    let deepest = |inner: &mut dyn Iterator<Item = (usize, usize)>, step: usize| {
        let (levels, messages) = inner.fold((0, 0), |(a, b), (c, d)| (a.max(c), b.max(d)));
        (levels + 1, messages + step)
    };
    if let Some(items) = value.as_list() {
        deepest(&mut items.iter().map(nesting), 2)
    } else if let Some(map) = value.as_map() {
        deepest(&mut map.entries().iter().map(|entry| nesting(entry.value())), 3)
    } else {
        (0, 0)
    }
}

fn write_trace_state(item: &mut Item<'_, '_>, key: &[u8], value: Datum<'_>) -> Result<(), Failure> {
    let span = item.span()?;
    match value {
        Datum::Nil => {}
        Datum::Text(text) => {
            if let Some(state) = write_member(span.trace_state(), key, &text) {
                span.set_trace_state(Cow::Owned(state));
            }
        }
        other => return Err(Failure::new(format!("expects string but got {}", other.type_name()))),
    }
    Ok(())
}
