//! Numbers out of texts, and what is calculated from them.

use super::{Function, Kind, needed};
use crate::ottl::coerce;
use crate::ottl::datum::{Datum, Failure};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("ParseInt", &[needed("target", Kind::Text), needed("base", Kind::Int)], |args| {
        let (text, base) = (args.text(0)?, args.int(1)?);
        if text.is_empty() {
            return Err(Failure::new("invalid target value for ParseInt function, target cannot be empty"));
        }
        if base < 0 {
            let text = format!("invalid base value: {base} for ParseInt function, base cannot be negative");
            return Err(Failure::new(text));
        }
        parse(&text, base).map(Datum::Int).map_err(|why| {
            Failure::new(format!("strconv.ParseInt: parsing {:?}: {why}", String::from_utf8_lossy(&text)))
        })
    }),
    Function::new("Log", &[needed("target", Kind::DoubleLike)], |args| {
        let number = coerce::double(&args.value(0)?)?;
        match number {
            Some(number) if number > 0.0 => Ok(Datum::Double(number.ln())),
            Some(number) => {
                let shown = coerce::shown(&Datum::Double(number));
                Err(Failure::new(format!("invalid input: expected number greater than zero but got {shown}")))
            }
            None => Err(Failure::new("invalid input: <nil>")),
        }
    }),
    Function::new("IsValidLuhn", &[needed("target", Kind::TextLike)], |args| {
        let text = args.text_like(0)?.ok_or_else(|| Failure::new("invalid input: <nil>"))?;
        luhn(&text).map(Datum::Bool)
    }),
];

/// An integer in a base from 2 to 36. In base 0 a prefix tells, and `_` may stand between digits.
fn parse(text: &[u8], base: i64) -> Result<i64, String> {
    const SYNTAX: &str = "invalid syntax";
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match (base, digits) {
        (0, [b'0', b'x' | b'X', rest @ ..]) => (16, rest),
        (0, [b'0', b'b' | b'B', rest @ ..]) => (2, rest),
        (0, [b'0', b'o' | b'O', rest @ ..]) => (8, rest),
        (0, [b'0', rest @ ..]) if !rest.is_empty() => (8, rest),
        (0, rest) => (10, rest),
        (2..=36, rest) => (base as u32, rest),
        _ => return Err(format!("invalid base {base}")),
    };
    let mut value = 0_i128;
    let mut any = false;
    for (index, byte) in digits.iter().enumerate() {
        if *byte == b'_' && base == 0 && index + 1 < digits.len() && digits.get(index + 1) != Some(&b'_') {
            continue;
        }
        let digit = char::from(*byte).to_digit(radix).ok_or(SYNTAX)?;
        any = true;
        // Digits beyond the range must still be digits.
        value = (value * i128::from(radix) + i128::from(digit)).min(1 << 64);
    }
    if !any {
        return Err(SYNTAX.to_owned());
    }
    i64::try_from(if negative { -value } else { value }).map_err(|_| "value out of range".to_owned())
}

/// Whether the digits end with the right check digit (ISO/IEC 7812-1); blanks do not count.
fn luhn(text: &[u8]) -> Result<bool, Failure> {
    let (mut sum, mut count) = (0, 0);
    for byte in text.iter().rev().filter(|byte| **byte != b' ') {
        let digit = char::from(*byte).to_digit(10).ok_or_else(|| {
            Failure::new(format!("strconv.Atoi: parsing {:?}: invalid syntax", char::from(*byte).to_string()))
        })?;
        let doubled = if count % 2 == 1 { digit * 2 } else { digit };
        sum += if doubled > 9 { doubled - 9 } else { doubled };
        count += 1;
    }
    Ok(count > 0 && sum % 10 == 0)
}
