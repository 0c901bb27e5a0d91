//! What a function was given.

use std::borrow::Cow;

use crate::pattern::Pattern;

use super::xml::XPath;
use super::{Function, Kind};
use crate::ottl::coerce;
use crate::ottl::context::Subject;
use crate::ottl::datum::{Datum, Failure, Held};
use crate::ottl::eval::Expression;
use crate::ottl::key_set::KeySet;
use crate::ottl::target::Target;
use crate::pattern;
use crate::view::Map;

/// An argument as it was compiled.
#[derive(Debug)]
pub(in crate::ottl) enum Argument {
    Absent,
    Value(Expression),
    /// A list literal, where a parameter wants one.
    Items(Vec<Expression>),
    /// A list literal of keys, all of them written there.
    Keys(KeySet),
    Pattern(Pattern),
    XPath(XPath),
    Target(Target),
    Function(&'static Function),
}

impl Argument {
    /// Whether its value is known already.
    pub(in crate::ottl) fn is_constant(&self) -> bool {
        match self {
            Self::Absent | Self::Pattern(_) | Self::XPath(_) | Self::Function(_) | Self::Keys(_) => true,
            Self::Target(_) => false,
            Self::Value(value) => value.is_constant(),
            Self::Items(items) => items.iter().all(Expression::is_constant),
        }
    }
}

/// The arguments of a call, for one subject. Asked for by position.
pub(in crate::ottl) struct Arguments<'c, 'v> {
    pub given: &'v [Argument],
    pub subject: &'c Subject<'v>,
}

/// The complaint about a type.
fn expected(type_name: &str, found: &Datum<'_>) -> Failure {
    Failure::new(format!("expected {type_name} but got {}", found.type_name()))
}

/// Complains if a literal cannot be what a parameter takes.
pub(in crate::ottl) fn check(kind: Kind, literal: Datum<'_>) -> Result<(), Failure> {
    match (kind, &literal) {
        (
            Kind::Any
            | Kind::Items
            | Kind::Texts
            | Kind::Keys
            | Kind::Glob
            | Kind::XPath
            | Kind::Target
            | Kind::Function,
            _,
        ) => Ok(()),
        (Kind::Text | Kind::LiteralText | Kind::Pattern, Datum::Text(_))
        | (Kind::Int | Kind::LiteralInt, Datum::Int(_))
        | (Kind::Double, Datum::Double(_))
        | (Kind::Bool, Datum::Bool(_)) => Ok(()),
        (Kind::Map, literal) if literal.is_map() => Ok(()),
        (Kind::List, literal) if literal.is_list() => Ok(()),
        (Kind::Text | Kind::LiteralText | Kind::Pattern, other) => Err(expected("string", other)),
        (Kind::Int | Kind::LiteralInt, other) => Err(expected("int64", other)),
        (Kind::Double, other) => Err(expected("float64", other)),
        (Kind::Bool, other) => Err(expected("bool", other)),
        (Kind::Time, other) => Err(expected("time.Time", other)),
        (Kind::Duration, other) => Err(expected("time.Duration", other)),
        (Kind::Map, other) => Err(expected("pcommon.Map", other)),
        (Kind::List, other) => Err(expected("pcommon.Slice", other)),
        (Kind::TextLike, _) => coerce::text(literal).map(drop),
        (Kind::IntLike, _) => coerce::int(&literal).map(drop),
        (Kind::DoubleLike, _) => coerce::double(&literal).map(drop),
        (Kind::BoolLike, _) => coerce::bool(&literal).map(drop),
        (Kind::BytesLike, _) => coerce::bytes(literal).map(drop),
    }
}

/// The text that was written as an argument, if it was one.
pub(in crate::ottl) fn literal_text(arguments: &[Argument], index: usize) -> Option<&[u8]> {
    match arguments.get(index) {
        Some(Argument::Value(Expression::Constant(Datum::Text(text)))) => Some(text),
        _ => None,
    }
}

/// What a function of one text gives for this one.
pub(in crate::ottl) fn call_with(function: &Function, text: Vec<u8>) -> Result<Datum<'static>, Failure> {
    let given = [Argument::Value(Expression::Constant(Datum::Text(Cow::Owned(text))))];
    let result = (function.call)(&Arguments { given: &given, subject: &Subject::default() })?;
    let name = result.type_name();
    result.into_static().ok_or_else(|| Failure::new(format!("unsupported type {name}")))
}

impl<'v> Arguments<'_, 'v> {
    pub(super) fn is_given(&self, index: usize) -> bool {
        !matches!(self.given.get(index), None | Some(Argument::Absent))
    }

    pub(super) fn value(&self, index: usize) -> Result<Datum<'v>, Failure> {
        match self.given.get(index) {
            Some(Argument::Value(expression)) => expression.evaluate(self.subject),
            _ => Ok(Datum::Nil),
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<Cow<'v, [u8]>, Failure> {
        match self.value(index)? {
            Datum::Text(text) => Ok(text),
            other => Err(expected("string", &other)),
        }
    }

    /// The value of an optional parameter, or what holds without it.
    pub(super) fn text_or(&self, index: usize, default: &'static [u8]) -> Result<Cow<'v, [u8]>, Failure> {
        if self.is_given(index) { self.text(index) } else { Ok(Cow::Borrowed(default)) }
    }

    pub(super) fn int(&self, index: usize) -> Result<i64, Failure> {
        match self.value(index)? {
            Datum::Int(value) => Ok(value),
            other => Err(expected("int64", &other)),
        }
    }

    /// The value of an optional parameter, or what holds without it.
    pub(super) fn bool_or(&self, index: usize, default: bool) -> Result<bool, Failure> {
        if !self.is_given(index) {
            return Ok(default);
        }
        match self.value(index)? {
            Datum::Bool(value) => Ok(value),
            other => Err(expected("bool", &other)),
        }
    }

    pub(super) fn time(&self, index: usize) -> Result<i128, Failure> {
        match self.value(index)? {
            Datum::Time(value) => Ok(value),
            other => Err(expected("time.Time", &other)),
        }
    }

    pub(super) fn duration(&self, index: usize) -> Result<i64, Failure> {
        match self.value(index)? {
            Datum::Duration(value) => Ok(value),
            other => Err(expected("time.Duration", &other)),
        }
    }

    /// Hands the map to `work`.
    pub(super) fn with_map<T>(&self, index: usize, work: impl FnOnce(&Map<'_>) -> T) -> Result<T, Failure> {
        let value = self.value(index)?;
        match value.as_map() {
            Some(map) => Ok(work(&map)),
            None => Err(expected("pcommon.Map", &value)),
        }
    }

    pub(super) fn text_like(&self, index: usize) -> Result<Option<Cow<'v, [u8]>>, Failure> {
        coerce::text(self.value(index)?)
    }

    pub(super) fn bytes_like(&self, index: usize) -> Result<Option<Cow<'v, [u8]>>, Failure> {
        coerce::bytes(self.value(index)?)
    }

    /// The items of a list literal, evaluated one by one.
    pub(super) fn items(&self, index: usize) -> impl Iterator<Item = Result<Datum<'v>, Failure>> {
        let items = match self.given.get(index) {
            Some(Argument::Items(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().map(|item| item.evaluate(self.subject))
    }

    pub(in crate::ottl) fn pattern(&self, index: usize) -> Result<Held<'v, Pattern>, Failure> {
        if let Some(Argument::Pattern(regex)) = self.given.get(index) {
            return Ok(Held::Borrowed(regex));
        }
        let text = self.text(index)?;
        let text = String::from_utf8_lossy(&text);
        match pattern::compile(&text) {
            Ok(regex) => Ok(Held::Owned(Box::new(regex))),
            Err(error) => Err(Failure::new(format!("{text:?} is no regular expression: {error}"))),
        }
    }
}
