//! JSON (RFC 8259), token by token, from a text that is UTF-8.
//!
//! Not serde_json: that gives numbers as doubles, which cannot hold 64 bits, and has no positions for what it has read
//! already. A fuzz target holds the two against each other.

use super::fault::{Checked, Fault, quoted};

/// How deep lists and objects may nest in members that nobody knows: as many as there are bits.
const MAX_UNKNOWN: u32 = u128::BITS;

/// Reads forward and never leaves its text. Functions that read a value skip white space in front of it.
pub struct Reader<'j> {
    text: &'j [u8],
    at: usize,
}

impl<'j> Reader<'j> {
    pub fn new(text: &'j [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that comes next, white space aside, and where it stands. It is not taken.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Where the next token begins.
    pub fn position(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Takes a byte if it comes next.
    #[inline(always)]
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the bracket that begins an object or a list, and says whether there is anything in it.
    #[inline(always)]
    pub fn open(&mut self, bracket: u8) -> Checked<bool> {
        if self.takes(bracket) {
            Ok(!self.takes(closing(bracket)))
        } else {
            Err(self.unexpected(if bracket == b'{' { "an object" } else { "a list" }))
        }
    }

    /// Takes what stands behind an item, and says whether another one follows.
    #[inline(always)]
    pub fn goes_on(&mut self, bracket: u8) -> Checked<bool> {
        if self.takes(b',') {
            Ok(true)
        } else if self.takes(closing(bracket)) {
            Ok(false)
        } else {
            Err(self.unexpected(if bracket == b'{' { "',' or '}'" } else { "',' or ']'" }))
        }
    }

    /// The name of a member, and the colon behind it. `spare` is for names with escapes in them.
    #[inline(always)]
    pub fn key<'s>(&mut self, spare: &'s mut Vec<u8>) -> Checked<&'s [u8]>
    where
        'j: 's,
    {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("the name of a member in quotes"));
        }
        let key = self.string(spare)?;
        if self.takes(b':') { Ok(key) } else { Err(self.unexpected("':'")) }
    }

    /// A string without its quotes. `spare` is for one with escapes in it.
    #[inline(always)]
    pub fn string<'s>(&mut self, spare: &'s mut Vec<u8>) -> Checked<&'s [u8]>
    where
        'j: 's,
    {
        if !self.takes(b'"') {
            return Err(self.unexpected("a string"));
        }
        let start = self.at;
        let end = plain_until(self.text, start);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(&self.text[start..end]);
        }
        self.escaped(end, spare)?;
        Ok(spare)
    }

    /// The rest of a string whose plain beginning ends at `end`.
    fn escaped(&mut self, mut end: usize, spare: &mut Vec<u8>) -> Checked<()> {
        spare.clear();
        let quote = self.at - 1;
        loop {
            spare.extend_from_slice(&self.text[self.at..end]);
            self.at = end;
            match self.text.get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(spare)?,
                Some(_) => return Err(Fault::new("a control character in a string, which must be escaped", end)),
                None => return Err(Fault::new("the string does not end", quote)),
            }
            end = plain_until(self.text, self.at);
        }
    }

    /// Appends what the escape at hand stands for.
    fn escape(&mut self, out: &mut Vec<u8>) -> Checked<()> {
        let plain = match self.text.get(self.at + 1) {
            Some(plain @ (b'"' | b'\\' | b'/')) => *plain,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (character, length) = unicode(&self.text[self.at..]).map_err(|what| Fault::new(what, self.at))?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                self.at += length;
                return Ok(());
            }
            _ => return Err(Fault::new("an unknown escape in a string", self.at)),
        };
        out.push(plain);
        self.at += 2;
        Ok(())
    }

    /// A number as it is written.
    pub fn number(&mut self) -> Checked<&'j [u8]> {
        let start = self.position();
        let mut at = start;
        let text = self.text;
        let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        at += usize::from(text.get(at) == Some(&b'-'));
        let whole = digits(at);
        let mut is_number = whole == 1 || (whole > 1 && text[at] != b'0');
        at += whole;
        if text.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            is_number &= fraction > 0;
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = text.get(at) {
            at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            is_number &= exponent > 0;
            at += exponent;
        }
        if !is_number {
            return Err(Fault::new("a number that is not written as JSON has it", start));
        }
        self.at = at;
        Ok(&text[start..at])
    }

    /// Takes `null` if it comes next.
    #[inline(always)]
    pub fn null(&mut self) -> Checked<bool> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    pub fn boolean(&mut self) -> Checked<bool> {
        match self.peek() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.unexpected("true or false")),
        }
    }

    fn word(&mut self, word: &'static str) -> Checked<()> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if &rest[..length] != word.as_bytes() {
            return Err(Fault::new(format!("{} is nothing that JSON knows", quoted(&rest[..length])), self.at));
        }
        self.at += length;
        Ok(())
    }

    /// Reads over a value, whatever it is.
    pub fn skip(&mut self, spare: &mut Vec<u8>) -> Checked<()> {
        // The brackets that are open, the innermost as the lowest bit, which is set for an object.
        let (mut open, mut depth) = (0u128, 0);
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    let start = self.at;
                    if self.open(bracket)? {
                        if depth == MAX_UNKNOWN {
                            return Err(Fault::new(format!("nested deeper than {MAX_UNKNOWN}"), start));
                        }
                        depth += 1;
                        open = open << 1 | u128::from(bracket == b'{');
                        if bracket == b'{' {
                            self.key(spare)?;
                        }
                        continue;
                    }
                }
                Some(b'"') => drop(self.string(spare)?),
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                Some(b'n') => self.word("null")?,
                Some(b't' | b'f') => drop(self.boolean()?),
                _ => return Err(self.unexpected("a value")),
            }
            // Close what ends behind the value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = open & 1 == 1;
                if self.goes_on(if is_object { b'{' } else { b'[' })? {
                    if is_object {
                        self.key(spare)?;
                    }
                    break;
                }
                open >>= 1;
                depth -= 1;
            }
        }
    }

    /// Nothing but white space may be left.
    pub fn end(&mut self) -> Checked<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end of the text")) }
    }

    /// What is wrong when something else was expected here.
    #[cold]
    pub fn unexpected(&mut self, expected: &str) -> Box<Fault> {
        let got = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "a list".to_owned(),
            Some(b'"') => "a string".to_owned(),
            Some(b'-' | b'0'..=b'9') => "a number".to_owned(),
            Some(_) => {
                let rest = &self.text[self.at..];
                let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                // A character of UTF-8 is no longer than four bytes.
                let one = rest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
                if word > 0 { quoted(&rest[..word]) } else { format!("{:?}", one.unwrap_or('\u{fffd}')) }
            }
        };
        Fault::new(format!("must be {expected}, got {got}"), self.at)
    }
}

const fn closing(bracket: u8) -> u8 {
    // As ASCII has it, for square brackets and for curly ones.
    bracket + 2
}

/// Where the plain part of a string that begins at `from` ends: at a quote, a backslash, a control character, or the
/// end of the text.
#[inline(always)]
fn plain_until(text: &[u8], from: usize) -> usize {
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
    use super::*;

    fn string(json: &str) -> Result<String, String> {
        let mut spare = Vec::new();
        let mut reader = Reader::new(json.as_bytes());
        let string = reader.string(&mut spare).map(|text| String::from_utf8(text.to_vec()).unwrap());
        string.map_err(|fault| JsonError::new(*fault, json.as_bytes()).what)
    }

    fn skip(json: &str) -> Result<(), String> {
        let mut reader = Reader::new(json.as_bytes());
        let skipped = reader.skip(&mut Vec::new()).and_then(|()| reader.end());
        skipped.map_err(|fault| JsonError::new(*fault, json.as_bytes()).what)
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

    #[test]
    fn any_value_is_read_over() {
        for json in ["1", "-0.5e-7", "\"x\"", "true", " null ", "[]", "{}", r#"[1, {"a": [[], {}], "b": {"c": 1}}, 2]"#]
        {
            assert_eq!(skip(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn what_is_no_value_is_named() {
        for (json, what) in [
            ("", "must be a value, got the end of the text"),
            ("[1,]", "must be a value, got ']'"),
            ("[1 2]", "must be ',' or ']', got a number"),
            ("[1}", "must be ',' or ']', got '}'"),
            (r#"{"a":1]"#, "must be ',' or '}', got ']'"),
            (r#"{"a" 1}"#, "must be ':', got a number"),
            ("{a:1}", "must be the name of a member in quotes, got \"a\""),
            (r#"{"a":1,}"#, "must be the name of a member in quotes, got '}'"),
            ("nul", "\"nul\" is nothing that JSON knows"),
            ("truely", "\"truely\" is nothing that JSON knows"),
            ("NaN", "must be a value, got \"NaN\""),
            ("1 1", "must be the end of the text, got a number"),
            ("é", "must be a value, got 'é'"),
        ] {
            assert_eq!(skip(json), Err(what.to_owned()), "{json}");
        }
        for number in ["01", "-", "1.", ".5", "1e", "1e+", "+1", "-01", "0x1"] {
            assert!(skip(number).is_err(), "{number}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        // The innermost is empty: nothing is in it.
        assert_eq!(skip(&nested(129)), Ok(()));
        assert_eq!(skip(&nested(130)), Err("nested deeper than 128".to_owned()));
        assert_eq!(skip(&"{\"a\":[".repeat(1_000_000)), Err("nested deeper than 128".to_owned()));
    }
}
