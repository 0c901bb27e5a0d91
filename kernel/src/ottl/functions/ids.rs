//! Functions that make ids.

use uuid::Uuid;

use super::{Argument, Arguments, Complaint, Function, Kind, needed};
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::eval::Expression;
use crate::ottl::lexer::hex_digit;

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        check: |arguments| check::<16>(arguments),
        ..Function::new("TraceID", &[needed("target", Kind::BytesLike)], |args| id(args).map(Datum::TraceId))
    },
    Function {
        check: |arguments| check::<8>(arguments),
        ..Function::new("SpanID", &[needed("target", Kind::BytesLike)], |args| id(args).map(Datum::SpanId))
    },
    Function { constant: false, ..Function::new("UUID", &[], |_| Ok(text(Uuid::new_v4()))) },
    Function { constant: false, ..Function::new("UUIDv7", &[], |_| Ok(text(Uuid::now_v7()))) },
];

fn text<'v>(id: Uuid) -> Datum<'v> {
    Datum::Text(id.to_string().into_bytes().into())
}

/// Complains about a literal that is no id.
fn check<const N: usize>(arguments: &[Argument]) -> Result<(), Complaint> {
    let given = match arguments.first() {
        Some(Argument::Value(Expression::Constant(Datum::Text(text) | Datum::Bytes(text)))) => text,
        _ => return Ok(()),
    };
    parse::<N>(given).map(drop).map_err(|failure| Complaint { index: 0, text: failure.to_string() })
}

/// `N` bytes, or as many hexadecimal digits as they take.
fn id<const N: usize>(args: &Arguments<'_, '_>) -> Result<[u8; N], Failure> {
    parse(&args.bytes_like(0)?.unwrap_or_default())
}

fn parse<const N: usize>(given: &[u8]) -> Result<[u8; N], Failure> {
    if let Ok(id) = <[u8; N]>::try_from(given) {
        return Ok(id);
    }
    if given.len() == 2 * N && given.iter().all(u8::is_ascii_hexdigit) {
        let mut id = [0; N];
        for (byte, pair) in id.iter_mut().zip(given.chunks_exact(2)) {
            *byte = hex_digit(pair[0]) << 4 | hex_digit(pair[1]);
        }
        return Ok(id);
    }
    Err(Failure::new(format!("an id is {N} bytes or {} hexadecimal digits", 2 * N)))
}
