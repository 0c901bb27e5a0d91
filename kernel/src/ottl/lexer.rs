//! Text to tokens.

use super::problem::Problem;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Bytes(Vec<u8>),
    Double(f64),
    Int(i64),
    /// Decoded. `\xHH` may make it something else than UTF-8.
    Text(Vec<u8>),
    /// Names and keywords; words that begin with `_` name parameters of lambdas.
    Word(String),
    /// Operators and punctuation.
    Sign(&'static str),
}

/// A token with the byte range it was read from.
#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// Longer signs first.
const SIGNS: [&str; 22] =
    ["==", "!=", ">=", "<=", "=>", ">", "<", "+", "-", "*", "/", "=", "(", ")", "{", "}", ":", ",", ".", "[", "]", "!"];

/// Cuts `source` into tokens; blanks and line ends separate them.
pub(super) fn lex(source: &str) -> Result<Vec<Lexeme>, Problem> {
    let bytes = source.as_bytes();
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        let (token, end) = match byte {
            b'"' => text(source, start)?,
            b'0'..=b'9' => number(source, start)?,
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => number(source, start)?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let end = start + run(&bytes[start..], |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                (Token::Word(source[start..end].to_owned()), end)
            }
            _ => sign(source, start)?,
        };
        lexemes.push(Lexeme { token, start, end });
        at = end;
    }
    Ok(lexemes)
}

fn run(bytes: &[u8], test: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !test(*byte)).unwrap_or(bytes.len())
}

fn sign(source: &str, start: usize) -> Result<(Token, usize), Problem> {
    let rest = &source[start..];
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(&"!") => Err(Problem::new(source, start, "unexpected '!'; negation is written 'not'")),
        Some(sign) => Ok((Token::Sign(sign), start + sign.len())),
        None => {
            let hint = match rest.as_bytes() {
                [b'&', ..] => "; conditions are joined with 'and'",
                [b'|', ..] => "; conditions are joined with 'or'",
                [b'\'', ..] => "; strings stand in double quotes",
                _ => "",
            };
            let shown = rest.chars().next().unwrap_or(' ');
            Err(Problem::new(source, start, format!("unexpected '{shown}'{hint}")))
        }
    }
}

fn number(source: &str, start: usize) -> Result<(Token, usize), Problem> {
    let bytes = source.as_bytes();
    let digits = |at: usize| run(&bytes[at..], |byte| byte.is_ascii_digit());
    if bytes[start..].starts_with(b"0x") {
        let length = run(&bytes[start + 2..], |byte| byte.is_ascii_hexdigit());
        let hex = &bytes[start + 2..start + 2 + length];
        if length % 2 == 1 {
            return Err(Problem::new(source, start, "bytes are written with two hexadecimal digits each"));
        }
        if length > 0 {
            let value = hex.chunks_exact(2).map(|pair| hex_digit(pair[0]) << 4 | hex_digit(pair[1])).collect();
            return Ok((Token::Bytes(value), start + 2 + length));
        }
    }
    let mut end = start + digits(start);
    if bytes.get(end) != Some(&b'.') {
        let value = source[start..end].parse().map_err(|_| {
            let shown = &source[start..end];
            Problem::new(source, start, format!("{shown} does not fit a signed 64-bit integer"))
        })?;
        return Ok((Token::Int(value), end));
    }
    end += 1;
    end += digits(end);
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(end + 1 + sign..).map_or(0, |_| digits(end + 1 + sign));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value =
        source[start..end].parse().map_err(|_| Problem::new(source, start, "this is no floating-point number"))?;
    Ok((Token::Double(value), end))
}

pub(super) fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// A string in double quotes, decoded by Go's rules.
fn text(source: &str, start: usize) -> Result<(Token, usize), Problem> {
    let bytes = source.as_bytes();
    let mut out = Vec::new();
    let mut at = start + 1;
    loop {
        let Some(&byte) = bytes.get(at) else { return Err(Problem::new(source, start, "this string has no end")) };
        match byte {
            b'"' => return Ok((Token::Text(out), at + 1)),
            b'\\' => {
                let Some(length) = escape(&bytes[at..], &mut out) else {
                    let shown: String = source[at..].chars().take(2).collect();
                    let message = format!("unknown escape '{shown}' in a string; a backslash is written '\\\\'");
                    return Err(Problem::new(source, at, message));
                };
                at += length;
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
}

/// Appends what an escape stands for and returns its length in the source.
fn escape(bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let simple = match *bytes.get(1)? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => {
            out.push(u8::try_from(digits(bytes.get(2..4)?, 16)?).ok()?);
            return Some(4);
        }
        b'0'..=b'7' => {
            out.push(u8::try_from(digits(bytes.get(1..4)?, 8)?).ok()?);
            return Some(4);
        }
        kind @ (b'u' | b'U') => {
            let length = if kind == b'u' { 6 } else { 10 };
            let c = char::from_u32(digits(bytes.get(2..length)?, 16)?)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(length);
        }
        _ => return None,
    };
    out.push(simple);
    Some(2)
}

fn digits(bytes: &[u8], radix: u32) -> Option<u32> {
    bytes.iter().try_fold(0u32, |value, byte| value.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<Token> {
        lex(source).unwrap().into_iter().map(|lexeme| lexeme.token).collect()
    }

    fn message(source: &str) -> String {
        lex(source).unwrap_err().message
    }

    #[test]
    fn numbers_have_three_shapes() {
        assert_eq!(
            tokens("0x00fF 1. .5 1.5e3 42 1e5"),
            [
                Token::Bytes(vec![0, 0xff]),
                Token::Double(1.0),
                Token::Double(0.5),
                Token::Double(1500.0),
                Token::Int(42),
                Token::Int(1),
                Token::Word("e5".into()),
            ]
        );
        assert_eq!(message("9223372036854775808"), "9223372036854775808 does not fit a signed 64-bit integer");
        assert_eq!(message("0x0"), "bytes are written with two hexadecimal digits each");
    }

    #[test]
    fn strings_are_decoded_as_go_does_it() {
        assert_eq!(tokens(r#""a\tb\\\"\x41\u00e9\101""#), [Token::Text("a\tb\\\"AéA".into())]);
        assert_eq!(tokens("\"multi\nline\""), [Token::Text("multi\nline".into())]);
        assert_eq!(message(r#""\d""#), r"unknown escape '\d' in a string; a backslash is written '\\'");
        assert_eq!(message(r#""\é""#), r"unknown escape '\é' in a string; a backslash is written '\\'");
        assert_eq!(message("\"abc"), "this string has no end");
        for bad in [r#""\x4""#, r#""\ud800""#, r#""\400""#, r#""\"#] {
            assert!(lex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_languages_are_recognised() {
        assert_eq!(message("!a"), "unexpected '!'; negation is written 'not'");
        assert_eq!(message("a && b"), "unexpected '&'; conditions are joined with 'and'");
        assert_eq!(message("'a'"), "unexpected '''; strings stand in double quotes");
    }
}
