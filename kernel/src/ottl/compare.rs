//! `==`, `!=`, `<`, `<=`, `>`, `>=` between values of any two types.
//!
//! Nothing is converted but int and double, and a comparison never fails: values of types that do not compare
//! are unequal and in no order.

use std::cmp::Ordering;

use super::ast::Comparison;
use super::datum::Datum;

#[inline]
pub(super) fn compare(left: &Datum<'_>, operator: Comparison, right: &Datum<'_>) -> bool {
    match operator {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::Less => order(left, right) == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order(left, right), Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order(left, right) == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order(left, right), Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// Equal, where an int and a double may be so too.
#[inline]
pub(super) fn equal(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    match (left, right) {
        (Datum::Int(a), Datum::Double(b)) | (Datum::Double(b), Datum::Int(a)) => *a as f64 == *b,
        // Bytes that are there but empty count as nil, as the Go collector reads them.
        (Datum::Nil, Datum::Bytes(bytes)) | (Datum::Bytes(bytes), Datum::Nil) => bytes.is_empty(),
        _ => same(left, right),
    }
}

/// Equal in type and content, as items of lists and maps are compared.
fn same(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    match (left, right) {
        (Datum::Text(a), Datum::Text(b)) | (Datum::Bytes(a), Datum::Bytes(b)) => a == b,
        (Datum::Int(a), Datum::Int(b)) => a == b,
        (Datum::Nil, Datum::Nil) => true,
        (Datum::Bool(a), Datum::Bool(b)) => a == b,
        (Datum::Double(a), Datum::Double(b)) => a == b,
        (Datum::Time(a), Datum::Time(b)) => a == b,
        (Datum::Duration(a), Datum::Duration(b)) => a == b,
        (Datum::TraceId(a), Datum::TraceId(b)) => a == b,
        (Datum::SpanId(a), Datum::SpanId(b)) => a == b,
        (Datum::Attributes(a), Datum::Attributes(b)) => a == b,
        (Datum::Nested(a), Datum::Nested(b)) => **a == **b,
        (Datum::Attributes(_), Datum::Nested(_)) | (Datum::Nested(_), Datum::Attributes(_)) => {
            matches!((left.as_map(), right.as_map()), (Some(a), Some(b)) if a == b)
        }
        (Datum::Texts(a), Datum::Texts(b)) => a == b,
        (Datum::List(_), Datum::List(_) | Datum::Nested(_)) | (Datum::Nested(_), Datum::List(_)) => {
            match (left.items(), right.items()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b)),
                _ => false,
            }
        }
        (Datum::Status(a), Datum::Status(b)) => a == b,
        // A condition sees one span, so these are the same list.
        (Datum::Events(_), Datum::Events(_)) | (Datum::Links(_), Datum::Links(_)) => true,
        _ => false,
    }
}

fn order(left: &Datum<'_>, right: &Datum<'_>) -> Option<Ordering> {
    match (left, right) {
        (Datum::Int(a), Datum::Int(b)) => Some(a.cmp(b)),
        (Datum::Int(a), Datum::Double(b)) => (*a as f64).partial_cmp(b),
        (Datum::Double(a), Datum::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Datum::Double(a), Datum::Double(b)) => a.partial_cmp(b),
        (Datum::Duration(a), Datum::Duration(b)) => Some(a.cmp(b)),
        (Datum::Time(a), Datum::Time(b)) => Some(a.cmp(b)),
        (Datum::Text(a), Datum::Text(b)) | (Datum::Bytes(a), Datum::Bytes(b)) => Some(a.cmp(b)),
        (Datum::Bool(a), Datum::Bool(b)) => Some(a.cmp(b)),
        (Datum::Nil, Datum::Nil) => Some(Ordering::Equal),
        (Datum::Nil, Datum::Bytes(bytes)) | (Datum::Bytes(bytes), Datum::Nil) if bytes.is_empty() => {
            Some(Ordering::Equal)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn bytes_that_are_empty_count_as_nil() {
        let bytes = |bytes: &'static [u8]| Datum::Bytes(Cow::Borrowed(bytes));
        assert!(compare(&bytes(b""), Comparison::Equal, &Datum::Nil));
        assert!(compare(&Datum::Nil, Comparison::LessOrEqual, &bytes(b"")));
        assert!(compare(&bytes(b"\0"), Comparison::NotEqual, &Datum::Nil));
        assert!(compare(&Datum::Text(Cow::Borrowed(b"")), Comparison::NotEqual, &Datum::Nil));
    }
}
