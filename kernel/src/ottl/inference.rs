//! Which context texts belong to in which every path says its own: the most specific of these.

use super::ast::Node;
use super::context::Context;
use super::parser::{parse_condition, parse_statement};
use super::problem::Problem;
use super::{editors, functions, path};
use crate::guess::guess;

/// What conditions or statements that share a context say about it.
#[derive(Debug, Default)]
struct Hints {
    chosen: Option<Context>,
    /// Whether a name of an enum is used.
    enums: bool,
    /// The one context that knows a function which is used.
    only: Vec<Context>,
    /// The first path without a context.
    bare: Option<Problem>,
}

impl Hints {
    fn note(&mut self, node: &Node<'_>, source: &str) {
        match node {
            Node::Path(path) => {
                let first = path.segments.first().map_or("", |segment| &segment.name);
                match Context::of_prefix(first) {
                    Some(context) => self.chosen = self.chosen.max(Some(context)),
                    None if first == path::REQUEST => {}
                    None if self.bare.is_none() => {
                        let dotted = path.dotted();
                        let hint = guess(first, Context::ALL.iter().map(|context| context.name()));
                        let hint = if hint.is_empty() { format!("; write for example 'span.{dotted}'") } else { hint };
                        let message = format!("path '{dotted}' does not begin with a context{hint}");
                        self.bare = Some(Problem::new(source, path.at, message));
                    }
                    None => {}
                }
            }
            Node::Call(call) => {
                let function = functions::find(&call.name).and_then(|function| function.context);
                let editor = editors::find(&call.name).and_then(|editor| editor.context);
                self.only.extend(function.or(editor));
            }
            // A function may be handed over by its name.
            Node::Name(name) => self.enums |= functions::find(name).is_none(),
        }
    }

    /// The context, or what is wrong with the first of the texts, which is called `what`.
    ///
    /// Where the most specific one lacks a function or an enum, those that can address it are tried too.
    fn decide(self, first: &str, what: &str) -> Result<Context, Problem> {
        if let Some(problem) = self.bare {
            return Err(problem);
        }
        let Some(chosen) = self.chosen else {
            let message = format!("no path tells the context of this {what}; name it with 'context: span'");
            return Err(Problem::new(first, 0, message));
        };
        let fits =
            |context: &Context| (context.has_enums() || !self.enums) && self.only.iter().all(|only| only == context);
        let further = [Context::SpanEvent, Context::Span, Context::Scope].into_iter().filter(|other| *other > chosen);
        Ok([chosen].into_iter().chain(further).find(fits).unwrap_or(chosen))
    }
}

/// The context of one condition.
pub(super) fn infer_condition(source: &str) -> Result<Context, Problem> {
    let mut hints = Hints::default();
    parse_condition(source)?.visit(&mut |node| hints.note(&node, source));
    hints.decide(source, "condition")
}

/// One of the texts that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Condition(usize),
    Statement(usize),
}

/// The context that conditions and statements share, or which of them are wrong, and why.
pub fn infer(conditions: &[String], statements: &[String]) -> Result<Context, Vec<(Place, Problem)>> {
    let mut hints = Hints::default();
    let mut problems = Vec::new();
    for (index, source) in conditions.iter().enumerate() {
        match parse_condition(source) {
            Ok(condition) => condition.visit(&mut |node| hints.note(&node, source)),
            Err(problem) => problems.push((Place::Condition(index), problem)),
        }
        problems.extend(hints.bare.take().map(|problem| (Place::Condition(index), problem)));
    }
    for (index, source) in statements.iter().enumerate() {
        match parse_statement(source) {
            Ok(statement) => statement.visit(&mut |node| hints.note(&node, source)),
            Err(problem) => problems.push((Place::Statement(index), problem)),
        }
        problems.extend(hints.bare.take().map(|problem| (Place::Statement(index), problem)));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (place, first) = match (conditions.first(), statements.first()) {
        (_, Some(source)) => (Place::Statement(0), source.as_str()),
        (Some(source), None) => (Place::Condition(0), source.as_str()),
        (None, None) => (Place::Statement(0), ""),
    };
    hints.decide(first, "group").map_err(|problem| vec![(place, problem)])
}
