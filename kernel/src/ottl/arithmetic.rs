//! `+ - * /` and the minus sign.

use super::ast::Operator;
use super::coerce::shown;
use super::datum::{Datum, Failure};

/// Integers wrap, a pair with a double is calculated in doubles, instants and durations add and subtract.
pub(super) fn calculate<'v>(left: &Datum<'_>, operator: Operator, right: &Datum<'_>) -> Result<Datum<'v>, Failure> {
    match left {
        Datum::Int(a) => match right {
            Datum::Int(b) => integers(*a, operator, *b).map(Datum::Int),
            Datum::Double(b) => doubles(*a as f64, operator, *b).map(Datum::Double),
            other => Err(Failure::new(format!("{} must be int64 or float64", shown(other)))),
        },
        Datum::Double(a) => match right {
            Datum::Int(b) => doubles(*a, operator, *b as f64).map(Datum::Double),
            Datum::Double(b) => doubles(*a, operator, *b).map(Datum::Double),
            other => Err(Failure::new(format!("{} must be int64 or float64", shown(other)))),
        },
        Datum::Time(a) => match (operator, right) {
            (Operator::Multiply | Operator::Divide, _) => Err(only_sums()),
            (Operator::Subtract, Datum::Time(b)) => {
                let difference = (a - b).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
                Ok(Datum::Duration(difference as i64))
            }
            (Operator::Subtract, Datum::Duration(b)) => Ok(Datum::Time(a - i128::from(*b))),
            (Operator::Add, Datum::Duration(b)) => Ok(Datum::Time(a + i128::from(*b))),
            (Operator::Subtract, other) => {
                Err(found("time.Time or time.Duration must be subtracted from time.Time", other))
            }
            (Operator::Add, other) => Err(found("time.Time must be added to time.Duration", other)),
        },
        Datum::Duration(a) => match (operator, right) {
            (Operator::Multiply | Operator::Divide, _) => Err(only_sums()),
            (Operator::Add, Datum::Duration(b)) => Ok(Datum::Duration(a.wrapping_add(*b))),
            (Operator::Add, Datum::Time(b)) => Ok(Datum::Time(i128::from(*a) + b)),
            (Operator::Subtract, Datum::Duration(b)) => Ok(Datum::Duration(a.wrapping_sub(*b))),
            (Operator::Add, other) => Err(found("time.Duration must be added to time.Duration or time.Time", other)),
            (Operator::Subtract, other) => Err(found("time.Duration must be subtracted from time.Duration", other)),
        },
        other => Err(Failure::new(format!("{} must be int64, float64, time.Time or time.Duration", shown(other)))),
    }
}

pub(super) fn negate<'v>(value: &Datum<'_>) -> Result<Datum<'v>, Failure> {
    match value {
        Datum::Int(value) => Ok(Datum::Int(value.wrapping_neg())),
        Datum::Double(value) => Ok(Datum::Double(-value)),
        other => Err(Failure::new(format!("unsupported unary minus operation on type {}", other.type_name()))),
    }
}

fn integers(a: i64, operator: Operator, b: i64) -> Result<i64, Failure> {
    match operator {
        Operator::Add => Ok(a.wrapping_add(b)),
        Operator::Subtract => Ok(a.wrapping_sub(b)),
        Operator::Multiply => Ok(a.wrapping_mul(b)),
        Operator::Divide if b == 0 => Err(by_zero()),
        Operator::Divide => Ok(a.wrapping_div(b)),
    }
}

fn doubles(a: f64, operator: Operator, b: f64) -> Result<f64, Failure> {
    match operator {
        Operator::Add => Ok(a + b),
        Operator::Subtract => Ok(a - b),
        Operator::Multiply => Ok(a * b),
        Operator::Divide if b == 0.0 => Err(by_zero()),
        Operator::Divide => Ok(a / b),
    }
}

fn by_zero() -> Failure {
    Failure::new("attempted to divide by 0")
}

fn only_sums() -> Failure {
    Failure::new("only addition and subtraction supported for time.Time and time.Duration")
}

fn found(rule: &str, value: &Datum<'_>) -> Failure {
    Failure::new(format!("{rule}; found {} instead", shown(value)))
}
