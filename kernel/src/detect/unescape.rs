//! A text without its JSON escapes, and the way back to where they stood.

use memchr::memchr;

/// An escape: where it stands in the escaped text, and where what it stands for.
#[derive(Clone, Copy, Debug)]
struct Escape {
    raw: (usize, usize),
    plain: (usize, usize),
}

/// What a text with escapes stands for.
pub struct Plain {
    pub text: Vec<u8>,
    escapes: Vec<Escape>,
}

impl Plain {
    /// Takes away the escapes of a text. What begins with a backslash and is no escape stays as it is, and half a
    /// surrogate pair becomes U+FFFD.
    pub fn of(raw: &[u8]) -> Self {
        let mut plain = Self { text: Vec::with_capacity(raw.len()), escapes: Vec::new() };
        let mut at = 0;
        while let Some(length) = memchr(b'\\', &raw[at..]) {
            plain.text.extend_from_slice(&raw[at..at + length]);
            at += length;
            let start = plain.text.len();
            match escape(&raw[at..]) {
                Some((character, length)) => {
                    plain.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    plain.escapes.push(Escape { raw: (at, at + length), plain: (start, plain.text.len()) });
                    at += length;
                }
                None => {
                    plain.text.push(b'\\');
                    at += 1;
                }
            }
        }
        plain.text.extend_from_slice(&raw[at..]);
        plain
    }

    /// Whether anything was taken away.
    pub fn is_changed(&self) -> bool {
        !self.escapes.is_empty()
    }

    /// Where in the escaped text the bytes of a range stand; escapes that it touches are part of it.
    pub fn raw(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let start = match self.last_from(range.start) {
            None => range.start,
            Some(escape) if range.start < escape.plain.1 => escape.raw.0,
            Some(escape) => escape.raw.1 + range.start - escape.plain.1,
        };
        if range.is_empty() {
            return start..start;
        }
        let end = match self.last_from(range.end - 1) {
            None => range.end,
            Some(escape) if range.end <= escape.plain.1 => escape.raw.1,
            Some(escape) => escape.raw.1 + range.end - escape.plain.1,
        };
        start..end
    }

    /// The last escape that begins at or before a place in the plain text.
    fn last_from(&self, at: usize) -> Option<&Escape> {
        let index = self.escapes.partition_point(|escape| escape.plain.0 <= at);
        index.checked_sub(1).map(|index| &self.escapes[index])
    }
}

/// What the escape at the beginning stands for, and how long it is.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let plain = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(text)?;
            let pair = (0xd800..0xdc00).contains(&first).then(|| unit(text.get(6..)?)).flatten();
            return Some(match pair.filter(|second| (0xdc00..0xe000).contains(second)) {
                Some(second) => (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12),
                None => (char::from_u32(first).unwrap_or('\u{fffd}'), 6),
            });
        }
        _ => return None,
    };
    Some((plain, 2))
}

fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_what_they_stand_for_and_the_rest_stays() {
        let plain = |raw: &str| String::from_utf8(Plain::of(raw.as_bytes()).text).unwrap();
        assert_eq!(plain(r#"a\u0040b\n\"\\\/"#), "a@b\n\"\\/");
        assert_eq!(plain(r"\ud83d\ude80 \ud83d x \udc00"), "🚀 \u{fffd} x \u{fffd}");
        assert_eq!(plain(r"C:\users\x \u12 \"), r"C:\users\x \u12 \");
    }

    #[test]
    fn every_range_has_its_place_in_the_escaped_text() {
        let raw = r"ab\u0040cd\ud83d\ude80\n";
        let plain = Plain::of(raw.as_bytes());
        let at = |needle: &str| {
            let start = String::from_utf8_lossy(&plain.text).find(needle).unwrap();
            &raw[plain.raw(start..start + needle.len())]
        };
        assert_eq!(at("ab"), "ab");
        assert_eq!(at("b@c"), r"b\u0040c");
        assert_eq!(at("@"), r"\u0040");
        assert_eq!(at("cd"), "cd");
        assert_eq!(at("🚀"), r"\ud83d\ude80");
        assert_eq!(at("d🚀\n"), r"d\ud83d\ude80\n");
        assert_eq!(plain.raw(6..7), 10..22, "part of a character is all of its escape");
        assert_eq!(plain.raw(0..0), 0..0);
    }
}
