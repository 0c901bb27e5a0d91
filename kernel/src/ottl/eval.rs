//! Compiled conditions and expressions, and what they come to for one subject.
//!
//! Trees are no deeper than the parser lets them be, so evaluation may recurse.

use super::arithmetic::{calculate, negate};
use super::ast::{Comparison, Operator};
use super::compare::compare;
use super::context::Subject;
use super::datum::{Datum, Failure, Held};
use super::functions::{Argument, Arguments, Function};
use super::path::{Entry, header, read_member};
use crate::view::{Map, Value};

#[derive(Debug)]
pub(super) enum Check {
    Constant(bool),
    Or(Vec<Check>),
    And(Vec<Check>),
    Not(Box<Check>),
    Compare { left: Expression, operator: Comparison, right: Expression },
    Call(Expression),
}

impl Check {
    /// From left to right; a part that fails makes the whole fail, and what is behind it is not looked at.
    pub(super) fn test<'v>(&'v self, subject: &Subject<'v>) -> Result<bool, Failure> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::Or(terms) => {
                for term in terms {
                    if term.test(subject)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(factors) => {
                for factor in factors {
                    if !factor.test(subject)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(inner) => Ok(!inner.test(subject)?),
            Self::Compare { left, operator, right } => {
                let left = left.evaluate(subject)?;
                match right {
                    Expression::Constant(right) => Ok(compare(&left, *operator, right)),
                    right => Ok(compare(&left, *operator, &right.evaluate(subject)?)),
                }
            }
            Self::Call(expression) => match expression.evaluate(subject)? {
                Datum::Bool(value) => Ok(value),
                other => Err(Failure::new(format!(
                    "value returned from Converter in constant expression must be bool but got {}",
                    other.type_name()
                ))),
            },
        }
    }
}

pub(super) enum Expression {
    Constant(Datum<'static>),
    Path(&'static Entry),
    /// A path to a map, with what leads on from there.
    Member {
        map: &'static Entry,
        keys: Vec<Key>,
    },
    TraceState {
        path: &'static Entry,
        key: Box<Expression>,
    },
    /// A header of the request, with what leads on from its values.
    Header {
        path: &'static Entry,
        keys: Vec<Key>,
    },
    List(Vec<Expression>),
    Map(Vec<(Vec<u8>, Expression)>),
    Negative(Box<Expression>),
    Chain {
        first: Box<Expression>,
        rest: Vec<(Operator, Expression)>,
    },
    Call {
        function: &'static Function,
        arguments: Vec<Argument>,
        keys: Vec<Key>,
    },
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value:?}"),
            Self::Path(path) | Self::TraceState { path, .. } | Self::Header { path, .. } => f.write_str(path.name),
            Self::Member { map, keys } => write!(f, "{}{keys:?}", map.name),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Map(entries) => write!(f, "{entries:?}"),
            Self::Negative(inner) => write!(f, "-{inner:?}"),
            Self::Chain { first, rest } => write!(f, "{first:?} {rest:?}"),
            Self::Call { function, arguments, .. } => write!(f, "{}{arguments:?}", function.name),
        }
    }
}

/// What stands in brackets.
#[derive(Debug)]
pub(super) enum Key {
    Text(Vec<u8>),
    Int(i64),
    Dynamic(Expression),
}

impl Key {
    /// The key as text, where nothing else will do.
    pub(super) fn text<'v>(&'v self, subject: &Subject<'v>) -> Result<std::borrow::Cow<'v, [u8]>, Failure> {
        text_key(self, subject)
    }
}

impl Expression {
    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    #[inline]
    pub(super) fn evaluate<'v>(&'v self, subject: &Subject<'v>) -> Result<Datum<'v>, Failure> {
        match self {
            Self::Constant(value) => Ok(value.borrow()),
            Self::Path(path) => (path.read)(subject),
            Self::Member { map, keys } => match (path_map(map, subject)?, keys.as_slice()) {
                // By far the most common of all expressions.
                (map, [Key::Text(key)]) => Ok(map.get(key).map_or(Datum::Nil, Datum::of)),
                (map, keys) => member(map, keys, subject),
            },
            other => other.evaluate_rest(subject),
        }
    }

    #[inline(never)]
    fn evaluate_rest<'v>(&'v self, subject: &Subject<'v>) -> Result<Datum<'v>, Failure> {
        match self {
            Self::Constant(_) | Self::Path(_) | Self::Member { .. } => self.evaluate(subject),
            Self::TraceState { path, key } => match ((path.read)(subject)?, key.evaluate(subject)?) {
                (Datum::Text(std::borrow::Cow::Borrowed(state)), Datum::Text(key)) => Ok(read_member(state, &key)),
                _ => Err(Failure::new("trace_state indexing type must be a string")),
            },
            Self::Header { path, keys } => {
                let Some((name, rest)) = keys.split_first() else { return (path.read)(subject) };
                let mut value = header(path, &name.text(subject)?, subject);
                for key in rest {
                    value = if matches!(value, Datum::Nil) { value } else { index(value, key, subject)? };
                }
                Ok(value)
            }
            Self::List(items) => {
                let items = items.iter().map(|item| item.evaluate(subject)).collect::<Result<_, _>>()?;
                Ok(Datum::List(Held::Owned(Box::new(items))))
            }
            Self::Map(entries) => {
                let mut map = Map::default();
                for (key, value) in entries {
                    map.upsert(key, value.evaluate(subject)?.into_value()?);
                }
                Ok(Datum::Nested(Held::Owned(Box::new(Value::Map(map)))))
            }
            Self::Negative(inner) => negate(&inner.evaluate(subject)?),
            Self::Chain { first, rest } => {
                let mut left = first.evaluate(subject)?;
                for (operator, right) in rest {
                    left = calculate(&left, *operator, &right.evaluate(subject)?)?;
                }
                Ok(left)
            }
            Self::Call { function, arguments, keys } => {
                let mut value = (function.call)(&Arguments { given: arguments, subject })?;
                for key in keys {
                    value = index(value, key, subject)?;
                }
                Ok(value)
            }
        }
    }
}

fn path_map<'v>(path: &Entry, subject: &Subject<'v>) -> Result<&'v Map<'v>, Failure> {
    match (path.read)(subject)? {
        Datum::Attributes(map) => Ok(map),
        other => Err(Failure::new(format!("{} is no map but {}", path.name, other.type_name()))),
    }
}

/// What keys lead to inside a map. A missing key gives nil, a wrong kind of key fails.
pub(super) fn member<'v>(map: &'v Map<'v>, keys: &'v [Key], subject: &Subject<'v>) -> Result<Datum<'v>, Failure> {
    let Some((first, rest)) = keys.split_first() else { return Ok(Datum::Attributes(map)) };
    let key = text_key(first, subject).map_err(|failure| Failure::new(format!("cannot get map value: {failure}")))?;
    let Some(value) = map.get(&key) else { return Ok(Datum::Nil) };
    let mut at = Held::Borrowed(value);
    for key in rest {
        let next = match &*at {
            Value::Map(_) | Value::RawMap(_) => {
                let key = text_key(key, subject)?;
                let found = at.as_map().and_then(|map| map.get(&key).cloned());
                match found {
                    Some(value) => value,
                    None => return Ok(Datum::Nil),
                }
            }
            Value::List(_) | Value::RawList(_) => {
                let index = int_key(key, subject)?;
                let items = at.as_list().unwrap_or_default();
                item(&items, index)?.clone()
            }
            other => {
                return Err(Failure::new(format!("type {} does not support string indexing", other.type_name())));
            }
        };
        at = Held::Owned(Box::new(next));
    }
    Ok(match at {
        Held::Borrowed(value) => Datum::of(value),
        Held::Owned(value) => Datum::owning(*value),
    })
}

fn item<T>(items: &[T], index: i64) -> Result<&T, Failure> {
    let found = usize::try_from(index).ok().and_then(|index| items.get(index));
    found.ok_or_else(|| out_of_bounds(index))
}

pub(super) fn out_of_bounds(index: i64) -> Failure {
    Failure::new(format!("index {index} out of bounds"))
}

fn text_key<'v>(key: &'v Key, subject: &Subject<'v>) -> Result<std::borrow::Cow<'v, [u8]>, Failure> {
    let failure = match key {
        Key::Text(text) => return Ok(std::borrow::Cow::Borrowed(text)),
        Key::Int(_) => Failure::new("invalid key type"),
        Key::Dynamic(expression) => match expression.evaluate(subject)? {
            Datum::Text(text) => return Ok(text),
            other => unresolved("string", &other),
        },
    };
    Err(Failure::new(format!("unable to resolve a string index in map: {failure}")))
}

fn int_key<'v>(key: &'v Key, subject: &Subject<'v>) -> Result<i64, Failure> {
    let failure = match key {
        Key::Int(index) => return Ok(*index),
        Key::Text(_) => Failure::new("invalid key type"),
        Key::Dynamic(expression) => match expression.evaluate(subject)? {
            Datum::Int(index) => return Ok(index),
            other => unresolved("int64", &other),
        },
    };
    Err(Failure::new(format!("unable to resolve an integer index in slice: {failure}")))
}

pub(super) fn unresolved(wanted: &str, found: &Datum<'_>) -> Failure {
    let found = if matches!(found, Datum::Nil) { "<nil>" } else { found.type_name() };
    Failure::new(format!("could not resolve key for map/slice, expecting '{wanted}' but got '{found}'"))
}

/// One key behind a function. Unlike in a path, a key that is missing fails.
fn index<'v>(value: Datum<'v>, key: &'v Key, subject: &Subject<'v>) -> Result<Datum<'v>, Failure> {
    let key = match key {
        Key::Text(text) => Datum::Text(std::borrow::Cow::Borrowed(text)),
        Key::Int(index) => Datum::Int(*index),
        Key::Dynamic(expression) => expression.evaluate(subject)?,
    };
    match key {
        Datum::Text(key) => {
            let Some(map) = value.as_map() else {
                return Err(Failure::new(format!("type {} does not support string indexing", value.type_name())));
            };
            map.get(&key).cloned().map(Datum::owning).ok_or_else(|| Failure::new("key not found in map"))
        }
        Datum::Int(index) => match value {
            Datum::Texts(items) => item(&items, index).cloned().map(Datum::Text),
            Datum::List(items) => item(&items, index).cloned(),
            Datum::Nested(value) if value.as_list().is_some() => {
                let items = value.as_list().unwrap_or_default();
                item(&items, index).cloned().map(Datum::owning)
            }
            other => Err(Failure::new(format!("type {} does not support int indexing", other.type_name()))),
        },
        other => Err(unresolved("string", &other)),
    }
}
