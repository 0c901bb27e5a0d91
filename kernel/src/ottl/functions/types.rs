//! Functions that ask for a type, or convert to one.

use super::{Function, Kind, needed};
use crate::ottl::coerce;
use crate::ottl::context::Context;
use crate::ottl::datum::Datum;
use crate::view::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("IsString", &[needed("target", Kind::Text)], |args| {
        Ok(Datum::Bool(matches!(args.value(0)?, Datum::Text(_))))
    }),
    Function::new("IsInt", &[needed("target", Kind::Int)], |args| {
        Ok(Datum::Bool(matches!(args.value(0)?, Datum::Int(_))))
    }),
    Function::new("IsDouble", &[needed("target", Kind::Double)], |args| {
        Ok(Datum::Bool(matches!(args.value(0)?, Datum::Double(_))))
    }),
    Function::new("IsBool", &[needed("target", Kind::Bool)], |args| {
        Ok(Datum::Bool(matches!(args.value(0)?, Datum::Bool(_))))
    }),
    Function::new("IsMap", &[needed("target", Kind::Map)], |args| Ok(Datum::Bool(args.value(0)?.is_map()))),
    Function::new("IsList", &[needed("target", Kind::Any)], |args| Ok(Datum::Bool(args.value(0)?.is_list()))),
    Function::new("IsEmpty", &[needed("target", Kind::Any)], |args| Ok(Datum::Bool(is_empty(&args.value(0)?)))),
    Function {
        context: Some(Context::Span),
        constant: false,
        ..Function::new("IsRootSpan", &[], |args| {
            Ok(Datum::Bool(args.subject.span()?.parent_span_id().iter().all(|byte| *byte == 0)))
        })
    },
    Function::new("Int", &[needed("target", Kind::IntLike)], |args| {
        Ok(coerce::int(&args.value(0)?)?.map_or(Datum::Nil, Datum::Int))
    }),
    Function::new("Double", &[needed("target", Kind::DoubleLike)], |args| {
        Ok(coerce::double(&args.value(0)?)?.map_or(Datum::Nil, Datum::Double))
    }),
    Function::new("Bool", &[needed("target", Kind::BoolLike)], |args| {
        Ok(coerce::bool(&args.value(0)?)?.map_or(Datum::Nil, Datum::Bool))
    }),
    Function::new("String", &[needed("target", Kind::TextLike)], |args| {
        Ok(args.text_like(0)?.map_or(Datum::Nil, Datum::Text))
    }),
];

/// Nothing, or what stands for nothing: the zero of its type.
fn is_empty(value: &Datum<'_>) -> bool {
    match value {
        Datum::Nil => true,
        Datum::Bool(value) => !value,
        Datum::Int(value) => *value == 0,
        Datum::Double(value) => *value == 0.0,
        Datum::Text(bytes) | Datum::Bytes(bytes) => bytes.is_empty(),
        Datum::Attributes(map) => map.is_empty(),
        Datum::Nested(value) => match &**value {
            Value::RawList(body) | Value::RawMap(body) => body.is_empty(),
            other => {
                other.as_list().is_some_and(|items| items.is_empty())
                    || other.as_map().is_some_and(|map| map.is_empty())
            }
        },
        Datum::List(items) => items.is_empty(),
        Datum::Texts(items) => items.is_empty(),
        Datum::Events(events) => events.is_empty(),
        Datum::Links(count) => *count == 0,
        Datum::Time(_) | Datum::Duration(_) | Datum::TraceId(_) | Datum::SpanId(_) | Datum::Status(_) => false,
    }
}
