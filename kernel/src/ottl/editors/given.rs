//! What an editor was given.

use std::borrow::Cow;

use crate::pattern::Pattern;

use crate::ottl::datum::{Datum, Failure, Held};
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Arguments, Function};
use crate::ottl::item::Item;
use crate::ottl::key_set::KeySet;
use crate::ottl::target::Target;
use crate::view::Value;

/// The arguments of an editor, asked for by position. What they give may be written: it borrows nothing from the item.
pub(in crate::ottl) struct Given<'a>(pub &'a [Argument]);

impl<'a> Given<'a> {
    pub(super) fn is_given(&self, index: usize) -> bool {
        !matches!(self.0.get(index), None | Some(Argument::Absent))
    }

    /// The path to write to. The compiler lets nothing else stand there.
    pub(super) fn target(&self, index: usize) -> Result<&'a Target, Failure> {
        match self.0.get(index) {
            Some(Argument::Target(target)) => Ok(target),
            _ => Err(Failure::new("there is no target")),
        }
    }

    pub(super) fn expression(&self, index: usize) -> Option<&'a Expression> {
        match self.0.get(index) {
            Some(Argument::Value(expression)) => Some(expression),
            _ => None,
        }
    }

    pub(super) fn value(&self, index: usize, item: &Item<'_, 'a>) -> Result<Datum<'a>, Failure> {
        self.expression(index).map_or(Ok(Datum::Nil), |expression| detached(expression, item))
    }

    pub(super) fn text(&self, index: usize, item: &Item<'_, 'a>) -> Result<Cow<'a, [u8]>, Failure> {
        match self.value(index, item)? {
            Datum::Text(text) => Ok(text),
            other => Err(Failure::new(format!("expected string but got {}", other.type_name()))),
        }
    }

    /// The value of an optional parameter, or what holds without it.
    pub(super) fn text_or(
        &self,
        index: usize,
        default: &'static [u8],
        item: &Item<'_, 'a>,
    ) -> Result<Cow<'a, [u8]>, Failure> {
        if self.is_given(index) { self.text(index, item) } else { Ok(Cow::Borrowed(default)) }
    }

    pub(super) fn int(&self, index: usize, item: &Item<'_, 'a>) -> Result<i64, Failure> {
        match self.value(index, item)? {
            Datum::Int(value) => Ok(value),
            other => Err(Failure::new(format!("expected int64 but got {}", other.type_name()))),
        }
    }

    pub(super) fn bool_or(&self, index: usize, default: bool, item: &Item<'_, 'a>) -> Result<bool, Failure> {
        if !self.is_given(index) {
            return Ok(default);
        }
        match self.value(index, item)? {
            Datum::Bool(value) => Ok(value),
            other => Err(Failure::new(format!("expected bool but got {}", other.type_name()))),
        }
    }

    /// The items of a list literal.
    pub(super) fn items(&self, index: usize, item: &Item<'_, 'a>) -> Result<Vec<Datum<'a>>, Failure> {
        match self.0.get(index) {
            Some(Argument::Items(items)) => items.iter().map(|expression| detached(expression, item)).collect(),
            _ => Ok(Vec::new()),
        }
    }

    /// The keys of a list literal.
    pub(super) fn keys(&self, index: usize, item: &Item<'_, 'a>) -> Result<Held<'a, KeySet>, Failure> {
        match self.0.get(index) {
            Some(Argument::Keys(keys)) => Ok(Held::Borrowed(keys)),
            _ => {
                let texts = self.texts(index, item)?;
                Ok(Held::Owned(Box::new(KeySet::new(texts.iter().map(|text| &**text)))))
            }
        }
    }

    /// The items of a list literal, all of them text.
    pub(super) fn texts(&self, index: usize, item: &Item<'_, 'a>) -> Result<Vec<Cow<'a, [u8]>>, Failure> {
        let text = |value: Datum<'a>| match value {
            Datum::Text(text) => Ok(text),
            other => Err(Failure::new(format!("expected string but got {}", other.type_name()))),
        };
        self.items(index, item)?.into_iter().map(text).collect()
    }

    pub(super) fn pattern(&self, index: usize, item: &Item<'_, 'a>) -> Result<Held<'a, Pattern>, Failure> {
        match self.0.get(index) {
            Some(Argument::Pattern(regex)) => Ok(Held::Borrowed(regex)),
            // Compiled for this item only, so it cannot be borrowed from it.
            _ => match (Arguments { given: self.0, subject: &item.subject() }).pattern(index)? {
                Held::Owned(regex) => Ok(Held::Owned(regex)),
                Held::Borrowed(regex) => Ok(Held::Owned(Box::new(regex.clone()))),
            },
        }
    }

    pub(super) fn function(&self, index: usize) -> Option<&'static Function> {
        match self.0.get(index) {
            Some(Argument::Function(function)) => Some(function),
            _ => None,
        }
    }
}

/// What an expression comes to, free of the item.
fn detached<'a>(expression: &'a Expression, item: &Item<'_, 'a>) -> Result<Datum<'a>, Failure> {
    match expression {
        Expression::Constant(value) => Ok(value.borrow()),
        expression => {
            let subject = item.subject();
            let value = expression.evaluate(&subject)?;
            Ok(match value {
                Datum::Text(text) => Datum::Text(Cow::Owned(text.into_owned())).repaired(),
                Datum::Attributes(map) => Datum::Nested(Held::Owned(Box::new(Value::Map(map.clone().into_owned())))),
                value => {
                    let name = value.type_name();
                    let value = value.into_static().ok_or_else(|| Failure::new(format!("unsupported type {name}")))?;
                    value.repaired()
                }
            })
        }
    }
}
