//! The functions that expressions call.

use std::ops::RangeInclusive;

use super::eval::{Context, Evaluation};
use super::value::Value;
use super::{Expr, Found};
use crate::ottl::datum::Failure;
use crate::ottl::functions::xml::tree::Content;

/// A function: its name, how many arguments it takes, and what it does.
#[derive(Debug)]
pub(super) struct Call {
    pub name: &'static str,
    pub takes: RangeInclusive<usize>,
    /// Whether its first argument, if there is one, must give nodes.
    pub wants_nodes: bool,
    pub run: fn(&Arguments<'_, '_, '_>) -> Result<Value, Failure>,
}

/// The arguments of a call, evaluated when they are asked for.
pub(super) struct Arguments<'c, 'e, 't> {
    pub evaluation: &'e Evaluation<'t>,
    pub context: &'c Context,
    pub given: &'c [Expr],
}

impl Arguments<'_, '_, '_> {
    fn value(&self, index: usize) -> Result<Value, Failure> {
        self.evaluation.value(&self.given[index], self.context)
    }

    /// The argument as text; where it is missing, that of the context node.
    fn text(&self, index: usize) -> Result<String, Failure> {
        if index < self.given.len() {
            return self.value(index)?.text(self.evaluation);
        }
        self.evaluation.text(self.context.node)
    }

    fn number(&self, index: usize) -> Result<f64, Failure> {
        if index < self.given.len() {
            return self.value(index)?.number(self.evaluation);
        }
        Value::Nodes(vec![self.context.node]).number(self.evaluation)
    }

    fn nodes(&self) -> Result<Vec<Found>, Failure> {
        match self.given.first() {
            None => Ok(vec![self.context.node]),
            Some(_) => match self.value(0)? {
                Value::Nodes(nodes) => Ok(nodes),
                _ => Ok(Vec::new()),
            },
        }
    }

    fn name(&self, with_prefix: bool) -> Result<Value, Failure> {
        let tree = self.evaluation.tree;
        let name = self.nodes()?.first().and_then(|found| match (*found, tree.content(found.node())) {
            (Found::Node(_), Content::Element { name, .. }) => Some(name.clone()),
            (Found::Attribute(id, index), _) => tree.attributes(id).get(index).map(|attribute| attribute.name.clone()),
            _ => None,
        });
        Ok(Value::Text(name.map_or_else(String::new, |name| match name.prefix.as_str() {
            prefix if with_prefix && !prefix.is_empty() => format!("{prefix}:{}", name.local),
            _ => name.local,
        })))
    }
}

const fn call(
    name: &'static str,
    takes: RangeInclusive<usize>,
    run: fn(&Arguments<'_, '_, '_>) -> Result<Value, Failure>,
) -> Call {
    Call { name, takes, wants_nodes: false, run }
}

pub(super) static CALLS: &[Call] = &[
    call("last", 0..=0, |args| Ok(Value::Number(args.context.size as f64))),
    call("position", 0..=0, |args| Ok(Value::Number(args.context.position as f64))),
    Call { wants_nodes: true, ..call("count", 1..=1, |args| Ok(Value::Number(args.nodes()?.len() as f64))) },
    Call { wants_nodes: true, ..call("name", 0..=1, |args| args.name(true)) },
    Call { wants_nodes: true, ..call("local-name", 0..=1, |args| args.name(false)) },
    Call {
        wants_nodes: true,
        ..call("sum", 1..=1, |args| {
            let mut sum = 0.0;
            for node in args.nodes()? {
                sum += Value::Nodes(vec![node]).number(args.evaluation)?;
            }
            Ok(Value::Number(sum))
        })
    },
    call("string", 0..=1, |args| args.text(0).map(Value::Text)),
    call("number", 0..=1, |args| args.number(0).map(Value::Number)),
    call("boolean", 1..=1, |args| Ok(Value::Bool(args.value(0)?.bool()))),
    call("not", 1..=1, |args| Ok(Value::Bool(!args.value(0)?.bool()))),
    call("true", 0..=0, |_| Ok(Value::Bool(true))),
    call("false", 0..=0, |_| Ok(Value::Bool(false))),
    call("floor", 1..=1, |args| Ok(Value::Number(args.number(0)?.floor()))),
    call("ceiling", 1..=1, |args| Ok(Value::Number(args.number(0)?.ceil()))),
    // Halves go up, also below zero.
    call("round", 1..=1, |args| Ok(Value::Number((args.number(0)? + 0.5).floor()))),
    call("concat", 2..=64, |args| {
        let parts = (0..args.given.len()).map(|index| args.text(index)).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::Text(parts.concat()))
    }),
    call("contains", 2..=2, |args| Ok(Value::Bool(args.text(0)?.contains(&args.text(1)?)))),
    call("starts-with", 2..=2, |args| Ok(Value::Bool(args.text(0)?.starts_with(&args.text(1)?)))),
    call("ends-with", 2..=2, |args| Ok(Value::Bool(args.text(0)?.ends_with(&args.text(1)?)))),
    call("substring-before", 2..=2, |args| {
        let (text, part) = (args.text(0)?, args.text(1)?);
        Ok(Value::Text(text.split_once(&part).map_or("", |(before, _)| before).to_owned()))
    }),
    call("substring-after", 2..=2, |args| {
        let (text, part) = (args.text(0)?, args.text(1)?);
        Ok(Value::Text(text.split_once(&part).map_or("", |(_, after)| after).to_owned()))
    }),
    call("substring", 2..=3, |args| {
        let (text, first) = (args.text(0)?, round(args.number(1)?));
        let end = if args.given.len() > 2 { first + round(args.number(2)?) } else { f64::INFINITY };
        let chosen = text.chars().enumerate().filter(|(index, _)| {
            let position = *index as f64 + 1.0;
            position >= first && position < end
        });
        Ok(Value::Text(chosen.map(|(_, c)| c).collect()))
    }),
    call("string-length", 0..=1, |args| Ok(Value::Number(args.text(0)?.chars().count() as f64))),
    call("normalize-space", 0..=1, |args| {
        Ok(Value::Text(args.text(0)?.split_ascii_whitespace().collect::<Vec<_>>().join(" ")))
    }),
    call("lower-case", 1..=1, |args| Ok(Value::Text(args.text(0)?.to_lowercase()))),
    call("translate", 3..=3, |args| {
        let (text, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
        let to: Vec<char> = to.chars().collect();
        let replaced = text.chars().filter_map(|c| match from.chars().position(|other| other == c) {
            Some(index) => to.get(index).copied(),
            None => Some(c),
        });
        Ok(Value::Text(replaced.collect()))
    }),
];

fn round(number: f64) -> f64 {
    (number + 0.5).floor()
}
