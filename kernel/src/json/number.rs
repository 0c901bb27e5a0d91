//! Whole numbers as protobuf's JSON takes them: also with a fraction of zeros, and with an exponent.

/// The number that a text stands for, if it is whole and no larger than 64 bits and a sign.
///
/// Exact: a double would lose digits beyond 2^53. A sign `+` and zeros in front are taken, for numbers in quotes may
/// have them in Go.
pub fn whole(text: &[u8]) -> Option<i128> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let size = match plain(digits) {
        Some(size) => size,
        None => scientific(digits)?,
    };
    Some(if is_negative { -i128::from(size) } else { i128::from(size) })
}

/// Up to 19 digits, which always fit.
fn plain(digits: &[u8]) -> Option<u64> {
    if !(1..20).contains(&digits.len()) {
        return None;
    }
    digits.iter().try_fold(0, |size, digit| digit.is_ascii_digit().then(|| size * 10 + u64::from(digit - b'0')))
}

fn scientific(text: &[u8]) -> Option<u64> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() || (fraction.is_empty() && mantissa.len() > whole.len()) {
        return None;
    }
    // Digits that are not zero, as one number, and by how many places it must be moved.
    let (mut size, mut zeros, mut places) = (0u64, 0usize, 0);
    for (index, digit) in whole.iter().chain(fraction).enumerate() {
        match digit {
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                if size > 0 {
                    size = size.checked_mul(10u64.checked_pow(zeros as u32)?)?;
                }
                size = size.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
                zeros = 0;
                places = whole.len() as i64 - 1 - index as i64;
            }
            _ => return None,
        }
    }
    if size == 0 {
        return Some(0);
    }
    let places = u32::try_from(exponent.checked_add(places)?).ok()?;
    size.checked_mul(10u64.checked_pow(places)?)
}

/// An exponent; one that is far beyond any use is cut.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let far = |size: i64| size.min(1 << 50);
    let size = digits
        .iter()
        .try_fold(0, |size, digit| digit.is_ascii_digit().then(|| far(size * 10 + i64::from(digit - b'0'))))?;
    Some(sign * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_a_whole_number_is_exact() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("007", 7),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
            ("1.0", 1),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("1.5e1", 15),
            ("1500e-2", 15),
            ("1.8446744073709551615e19", i128::from(u64::MAX)),
            ("1.7600000000000000010e18", 1_760_000_000_000_000_001),
            ("-12.0300e2", -1203),
            ("0.00012e5", 12),
            ("100200e-2", 1002),
            ("0e99999999999999999999", 0),
            ("0.0", 0),
            ("00000000000000000000000000001", 1),
            ("1.0000000000000000000000000000000000000", 1),
            ("10000000000000000000000000e-24", 10),
        ] {
            assert_eq!(whole(text.as_bytes()), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_whole_or_too_large_or_no_number_is_none() {
        for text in [
            "",
            "-",
            "+",
            "1.5",
            "1e-1",
            "1e",
            "1e+",
            "e1",
            ".5",
            "1.",
            "1.e1",
            "0x10",
            " 1",
            "1 ",
            "--1",
            "1_000",
            "NaN",
            "18446744073709551616",
            "1e20",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "2e19",
            "é",
            "1e1.0",
        ] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }
}
