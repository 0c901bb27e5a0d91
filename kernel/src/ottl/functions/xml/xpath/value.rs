//! What an expression comes to, and how one kind becomes another.

use super::eval::Evaluation;
use super::{Found, Operator};
use crate::ottl::datum::Failure;

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Each once.
    Nodes(Vec<Found>),
    Text(String),
    Number(f64),
    Bool(bool),
}

impl Value {
    pub(super) fn text(&self, evaluation: &Evaluation<'_>) -> Result<String, Failure> {
        Ok(match self {
            Self::Nodes(nodes) => nodes.first().map_or_else(|| Ok(String::new()), |first| evaluation.text(*first))?,
            Self::Text(text) => text.clone(),
            Self::Number(number) if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            // Without a sign where it is zero.
            Self::Number(number) => (number + 0.0).to_string(),
            Self::Bool(value) => value.to_string(),
        })
    }

    pub(super) fn number(&self, evaluation: &Evaluation<'_>) -> Result<f64, Failure> {
        Ok(match self {
            Self::Number(number) => *number,
            Self::Bool(value) => f64::from(u8::from(*value)),
            other => number(&other.text(evaluation)?),
        })
    }

    pub(super) fn bool(&self) -> bool {
        match self {
            Self::Nodes(nodes) => !nodes.is_empty(),
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Bool(value) => *value,
        }
    }

    /// Compares as XPath does: of nodes, one that fits is enough.
    pub(super) fn compare(
        &self,
        operator: Operator,
        other: &Self,
        evaluation: &Evaluation<'_>,
    ) -> Result<bool, Failure> {
        if is_equality(operator) && (matches!(self, Self::Bool(_)) || matches!(other, Self::Bool(_))) {
            return Ok(holds(operator, f64::from(u8::from(self.bool())), f64::from(u8::from(other.bool()))));
        }
        let (left, right) = (self.singles(evaluation)?, other.singles(evaluation)?);
        evaluation.visit(left.len().saturating_mul(right.len()))?;
        for left in &left {
            for right in &right {
                let fits = match (left, right) {
                    (Self::Text(left), Self::Text(right)) if is_equality(operator) => {
                        (left == right) == (operator == Operator::Equal)
                    }
                    _ => holds(operator, left.number(evaluation)?, right.number(evaluation)?),
                };
                if fits {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What is compared: the texts of nodes, or the value itself.
    fn singles(&self, evaluation: &Evaluation<'_>) -> Result<Vec<Self>, Failure> {
        match self {
            Self::Nodes(nodes) => nodes.iter().map(|node| evaluation.text(*node).map(Self::Text)).collect(),
            other => Ok(vec![other.clone()]),
        }
    }
}

fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::Unequal)
}

fn holds(operator: Operator, left: f64, right: f64) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::Unequal => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterOrEqual => left >= right,
        _ => false,
    }
}

/// What stands in a text as a number: an optional minus, digits, and perhaps a point among them.
pub(super) fn number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    if is_number { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}
