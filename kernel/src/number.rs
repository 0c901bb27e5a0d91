//! Numbers as Go reads and writes them.

/// Why a text is no number, in Go's words.
pub type Why = &'static str;

const SYNTAX: Why = "invalid syntax";
const RANGE: Why = "value out of range";

/// Decimal digits with an optional sign, and nothing else.
pub fn parse_int(text: &[u8]) -> Result<i64, Why> {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(SYNTAX);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(RANGE)
}

/// Go's notations: decimal, hexadecimal with a binary exponent, `inf`, `nan`, and `_` between digits.
pub fn parse_double(text: &[u8]) -> Result<f64, Why> {
    let is_digit = |index: usize| text.get(index).is_some_and(u8::is_ascii_alphanumeric);
    let mut plain = String::with_capacity(text.len());
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'_' if index > 0 && is_digit(index - 1) && is_digit(index + 1) => {}
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' => plain.push(char::from(*byte)),
            _ => return Err(SYNTAX),
        }
    }
    let unsigned = plain.trim_start_matches(['+', '-']);
    if let Some(hexadecimal) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let value = parse_hexadecimal(hexadecimal).ok_or(SYNTAX)?;
        return Ok(if plain.starts_with('-') { -value } else { value });
    }
    let value: f64 = plain.parse().map_err(|_| SYNTAX)?;
    if value.is_infinite() && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(RANGE);
    }
    Ok(value)
}

fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let digits = whole.chars().chain(fraction.chars());
    let value = digits.map(|c| c.to_digit(16)).try_fold(0.0, |value, digit| Some(value * 16.0 + f64::from(digit?)))?;
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(value * 2f64.powi(exponent))
}

/// Truncates toward zero; what does not fit becomes the smallest integer, as on Go's amd64.
pub fn truncate(value: f64) -> i64 {
    // `as` saturates; both ends of the range and NaN are the same answer in Go.
    if value.is_nan() || value >= 9_223_372_036_854_775_808.0 { i64::MIN } else { value as i64 }
}

/// The shortest digits that give a finite number back, with an exponent below 1e-6 and from 1e21, of at least
/// `exponent_digits` digits.
pub fn shortest(value: f64, exponent_digits: usize) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>exponent_digits$}")
        }
        None => text,
    }
}
