//! Evaluates expressions on a document as it was read: the number of a node is its place in the document.

use std::cell::Cell;
use std::collections::HashSet;

use super::super::tree::{Content, Id, ROOT, Tree};
use super::calls::Arguments;
use super::value::Value;
use super::{Axis, Expr, Found, Operator, Start, Step, Test};
use crate::ottl::datum::Failure;

/// Nodes that one evaluation may look at. Steps of a path may multiply.
const MAX_VISITS: usize = 1_000_000;

/// Bytes of text that take as long as a node.
const BYTES_PER_VISIT: usize = 64;

/// Where an expression is evaluated.
pub(super) struct Context {
    pub node: Found,
    /// Which of how many, from 1 on.
    pub position: usize,
    pub size: usize,
}

pub(super) struct Evaluation<'t> {
    pub tree: &'t Tree,
    visits: Cell<usize>,
}

impl<'t> Evaluation<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self { tree, visits: Cell::new(0) }
    }

    /// The nodes that an expression finds from a node on, in the order of the document.
    pub(super) fn nodes(&self, expression: &Expr, node: Found) -> Result<Vec<Found>, Failure> {
        match self.value(expression, &Context { node, position: 1, size: 1 })? {
            Value::Nodes(nodes) => Ok(nodes),
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn value(&self, expression: &Expr, context: &Context) -> Result<Value, Failure> {
        self.visit(1)?;
        Ok(match expression {
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Number(number) => Value::Number(*number),
            Expr::Negative(inner) => Value::Number(-self.value(inner, context)?.number(self)?),
            Expr::Call { call, arguments } => (call.run)(&Arguments { evaluation: self, context, given: arguments })?,
            Expr::Binary { operator, left, right } => self.binary(*operator, left, right, context)?,
            Expr::Union(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    if let Value::Nodes(nodes) = self.value(part, context)? {
                        all.extend(nodes);
                    }
                }
                // As they are united, and not in the order of the document: so does the Go collector.
                let mut seen = HashSet::new();
                all.retain(|node| seen.insert(*node));
                Value::Nodes(all)
            }
            Expr::Filter { nodes, predicates } => {
                let Value::Nodes(nodes) = self.value(nodes, context)? else { return Ok(Value::Nodes(Vec::new())) };
                Value::Nodes(self.filter(nodes, predicates)?)
            }
            Expr::Path { from, steps } => {
                let mut nodes = match from {
                    Start::Context => vec![context.node],
                    Start::Document => vec![Found::Node(ROOT)],
                    Start::Nodes(expression) => match self.value(expression, context)? {
                        Value::Nodes(nodes) => nodes,
                        _ => Vec::new(),
                    },
                };
                for step in steps {
                    let mut found = Vec::new();
                    for node in nodes {
                        found.extend(self.step(step, node)?);
                    }
                    nodes = in_order(found);
                }
                Value::Nodes(nodes)
            }
        })
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr, context: &Context) -> Result<Value, Failure> {
        let left = self.value(left, context)?;
        // What is settled already asks no further.
        match operator {
            Operator::And if !left.bool() => return Ok(Value::Bool(false)),
            Operator::Or if left.bool() => return Ok(Value::Bool(true)),
            _ => {}
        }
        let right = self.value(right, context)?;
        let number = |combine: fn(f64, f64) -> f64| -> Result<Value, Failure> {
            Ok(Value::Number(combine(left.number(self)?, right.number(self)?)))
        };
        Ok(match operator {
            Operator::And | Operator::Or => Value::Bool(right.bool()),
            Operator::Add => number(|a, b| a + b)?,
            Operator::Subtract => number(|a, b| a - b)?,
            Operator::Multiply => number(|a, b| a * b)?,
            Operator::Divide => number(|a, b| a / b)?,
            Operator::Modulo => number(|a, b| a % b)?,
            comparison => Value::Bool(left.compare(comparison, &right, self)?),
        })
    }

    fn step(&self, step: &Step, node: Found) -> Result<Vec<Found>, Failure> {
        let mut found = self.axis(step.axis, node)?;
        found.retain(|node| self.passes(step, *node));
        self.filter(found, &step.predicates)
    }

    /// Those for which all predicates hold. They count in the order in which they are given.
    fn filter(&self, mut nodes: Vec<Found>, predicates: &[Expr]) -> Result<Vec<Found>, Failure> {
        for predicate in predicates {
            let size = nodes.len();
            let mut kept = Vec::new();
            for (index, node) in nodes.into_iter().enumerate() {
                let position = index + 1;
                let holds = match self.value(predicate, &Context { node, position, size })? {
                    Value::Number(number) => number == position as f64,
                    value => value.bool(),
                };
                if holds {
                    kept.push(node);
                }
            }
            nodes = kept;
        }
        Ok(nodes)
    }

    /// The nodes of an axis, the nearest first.
    fn axis(&self, axis: Axis, from: Found) -> Result<Vec<Found>, Failure> {
        let mut out = Vec::new();
        let id = from.node();
        match (axis, from) {
            (Axis::ItSelf, _) => out.push(from),
            (Axis::Attribute, Found::Node(_)) => {
                let attributes = self.tree.attributes(id).iter().enumerate();
                out.extend(
                    attributes.filter(|(_, it)| !it.is_namespace()).map(|(index, _)| Found::Attribute(id, index)),
                );
            }
            (Axis::Parent, Found::Attribute(..)) => out.push(Found::Node(id)),
            (Axis::Parent, Found::Node(_)) if id != ROOT => out.push(Found::Node(self.tree.node(id).parent)),
            (Axis::Child, Found::Node(_)) => out.extend(self.visible(id).map(Found::Node)),
            (Axis::Descendant, Found::Node(_)) => self.below(id, &mut out)?,
            (Axis::DescendantOrSelf, _) => {
                out.push(from);
                if let Found::Node(_) = from {
                    self.below(id, &mut out)?;
                }
            }
            (Axis::Ancestor | Axis::AncestorOrSelf, _) => {
                if axis == Axis::AncestorOrSelf {
                    out.push(from);
                }
                let mut next = match from {
                    Found::Attribute(..) => Some(id),
                    Found::Node(_) => self.parent(id),
                };
                while let Some(id) = next {
                    out.push(Found::Node(id));
                    next = self.parent(id);
                }
            }
            (Axis::FollowingSibling | Axis::PrecedingSibling, Found::Node(_)) => {
                self.siblings(id, axis == Axis::FollowingSibling, &mut out);
            }
            (Axis::Following | Axis::Preceding, Found::Node(_)) => {
                let mut next = Some(id);
                while let Some(id) = next {
                    let mut siblings = Vec::new();
                    self.siblings(id, axis == Axis::Following, &mut siblings);
                    for sibling in siblings {
                        let start = out.len();
                        out.push(sibling);
                        self.below(sibling.node(), &mut out)?;
                        if axis == Axis::Preceding {
                            out[start..].reverse();
                        }
                    }
                    next = self.parent(id);
                }
            }
            _ => {}
        }
        self.visit(out.len())?;
        Ok(out)
    }

    fn parent(&self, id: Id) -> Option<Id> {
        (id != ROOT).then(|| self.tree.node(id).parent)
    }

    /// Children that count: blanks between elements do only where they come first, as in the Go collector, and
    /// declarations do not.
    fn visible(&self, id: Id) -> impl Iterator<Item = Id> {
        let children = self.tree.children(id).iter().enumerate();
        let counts = children.filter(|(index, child)| match self.tree.content(**child) {
            Content::Text(text) => *index == 0 || !text.trim().is_empty(),
            Content::Directive(_) => false,
            Content::Instruction { target, .. } => target != "xml",
            _ => true,
        });
        counts.map(|(_, child)| *child)
    }

    fn below(&self, id: Id, out: &mut Vec<Found>) -> Result<(), Failure> {
        for child in self.visible(id) {
            self.visit(1)?;
            out.push(Found::Node(child));
            self.below(child, out)?;
        }
        Ok(())
    }

    fn siblings(&self, id: Id, following: bool, out: &mut Vec<Found>) {
        let Some(parent) = self.parent(id) else { return };
        let all = self.visible(parent).filter(|other| if following { *other > id } else { *other < id });
        let start = out.len();
        out.extend(all.map(Found::Node));
        if !following {
            out[start..].reverse();
        }
    }

    fn passes(&self, step: &Step, found: Found) -> bool {
        let content = self.tree.content(found.node());
        let name = match (found, content) {
            (Found::Attribute(id, index), _) => match (&step.test, self.tree.attributes(id).get(index)) {
                (Test::Any, _) => return true,
                (_, Some(attribute)) => &attribute.name,
                (_, None) => return false,
            },
            (Found::Node(_), Content::Element { name, .. }) => {
                // On the axis of attributes there are no elements; everywhere else names are those of elements.
                match step.test {
                    Test::Any => return true,
                    _ => name,
                }
            }
            _ => {
                return match (&step.test, content) {
                    (Test::Any, _)
                    | (Test::Text, Content::Text(_) | Content::CData(_))
                    | (Test::Comment, Content::Comment(_))
                    | (Test::Instruction(None), Content::Instruction { .. }) => true,
                    (Test::Instruction(Some(wanted)), Content::Instruction { target, .. }) => target == wanted,
                    _ => false,
                };
            }
        };
        // Attributes that `self` and the like lead to are no elements, which are what names mean there.
        let is_principal = matches!(found, Found::Attribute(..)) == (step.axis == Axis::Attribute);
        match &step.test {
            Test::Name { prefix, local } => {
                is_principal
                    && prefix.as_ref().is_none_or(|prefix| *prefix == name.prefix)
                    && local.as_ref().is_none_or(|local| *local == name.local)
            }
            _ => false,
        }
    }

    /// What stands in a node. Long texts count as many nodes.
    pub(super) fn text(&self, found: Found) -> Result<String, Failure> {
        let text = found.text(self.tree);
        self.visit(1 + text.len() / BYTES_PER_VISIT)?;
        Ok(text)
    }

    pub(super) fn visit(&self, nodes: usize) -> Result<(), Failure> {
        let visits = self.visits.get().saturating_add(nodes);
        self.visits.set(visits);
        if visits > MAX_VISITS {
            return Err(Failure::new(format!("the xpath looks at more than {MAX_VISITS} nodes")));
        }
        Ok(())
    }
}

/// In the order of the document, each once.
fn in_order(mut nodes: Vec<Found>) -> Vec<Found> {
    if !nodes.is_sorted_by_key(|node| node.order()) {
        nodes.sort_unstable_by_key(|node| node.order());
    }
    nodes.dedup();
    nodes
}
