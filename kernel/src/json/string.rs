//! Strings of JSON: where they end, and what escapes in them stand for.

use super::fault::{Checked, Fault};

/// Where the plain part of a string that begins at `from` ends: at a quote, a backslash, a control character, or the
/// end of the text.
#[inline(always)]
pub fn plain_until(text: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of every byte below `bound`, if no lower byte was: of a word only the first is looked for.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let rest = &text[from..];
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let special = quote | backslash | below(word, 0x20);
        if special != 0 {
            return from + 8 * index + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    text.len() - tail.len() + tail.iter().position(is_special).unwrap_or(tail.len())
}

/// Puts into `out` the string that begins at `start`, whose plain beginning ends at `end`. Gives the place behind its
/// closing quote.
pub fn unescape(text: &[u8], start: usize, mut end: usize, out: &mut Vec<u8>) -> Checked<usize> {
    out.clear();
    let mut at = start;
    loop {
        out.extend_from_slice(&text[at..end]);
        at = match text.get(end) {
            Some(b'"') => return Ok(end + 1),
            Some(b'\\') => end + escape(&text[end..], out).map_err(|what| Fault::new(what, end))?,
            Some(_) => return Err(Fault::new("a control character in a string, which must be escaped", end)),
            None => return Err(Fault::new("the string does not end", start - 1)),
        };
        end = plain_until(text, at);
    }
}

/// Appends what the escape at the beginning stands for, and gives its length.
fn escape(text: &[u8], out: &mut Vec<u8>) -> Result<usize, &'static str> {
    let plain = match text.get(1) {
        Some(plain @ (b'"' | b'\\' | b'/')) => *plain,
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => {
            let (character, length) = unicode(text)?;
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(length);
        }
        _ => return Err("an unknown escape in a string"),
    };
    out.push(plain);
    Ok(2)
}

/// The character that `\uXXXX` at the beginning stands for, or two of them that are a surrogate pair, and how long that
/// is.
fn unicode(text: &[u8]) -> Result<(char, usize), &'static str> {
    const DIGITS: &str = "\\u must be followed by four hexadecimal digits";
    const LONE: &str = "half of a surrogate pair, which is no character";
    let unit = |from: usize| -> Option<u32> {
        let digits = text.get(from..from + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    };
    let first = unit(0).ok_or(DIGITS)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6)).ok_or(LONE);
    }
    let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second)).ok_or(LONE)?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).map(|character| (character, 12)).ok_or(LONE)
}

#[cfg(test)]
mod tests {
    use super::super::fault::JsonError;
    use super::super::reader::Reader;
    use super::*;

    fn string(json: &str) -> Result<String, String> {
        let mut spare = Vec::new();
        let mut reader = Reader::new(json.as_bytes());
        let string = reader.string(&mut spare).map(|text| String::from_utf8(text.to_vec()).unwrap());
        string.map_err(|fault| JsonError::new(*fault, json.as_bytes()).what)
    }

    #[test]
    fn plain_text_ends_at_the_first_special_byte_wherever_it_stands() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for length in 0..20 {
                for more in 0..10 {
                    let text = [&vec![0x7f; length][..], &[special], &vec![b'"'; more]].concat();
                    assert_eq!(plain_until(&text, 0), length);
                }
                assert_eq!(plain_until(&vec![0xc3; length], 0), length);
            }
        }
    }

    #[test]
    fn escapes_are_what_they_stand_for() {
        assert_eq!(string(r#" "" "#).unwrap(), "");
        assert_eq!(string(r#""\"\\\/\b\f\n\r\t""#).unwrap(), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(string(r#""a\u00e9b\u0000\ud83D\uDE80 plain again""#).unwrap(), "aéb\0🚀 plain again");
    }

    #[test]
    fn what_is_no_string_is_named() {
        let lone = "half of a surrogate pair, which is no character";
        for half in [r#""\ud800""#, r#""\ud800\u0041""#, r#""\ud800x""#, r#""\udc00""#, r#""\ud800\ud800""#] {
            assert_eq!(string(half).unwrap_err(), lone, "{half}");
        }
        for cut in [r#""\u""#, r#""\u00g0""#, r#""\u+123""#, "\"\\u12"] {
            assert_eq!(string(cut).unwrap_err(), "\\u must be followed by four hexadecimal digits", "{cut}");
        }
        assert_eq!(string(r#""\x""#).unwrap_err(), "an unknown escape in a string");
        assert_eq!(string("\"abc").unwrap_err(), "the string does not end");
        assert_eq!(string("\"abc\\").unwrap_err(), "an unknown escape in a string");
        assert_eq!(string("\"a\nb\"").unwrap_err(), "a control character in a string, which must be escaped");
    }
}
