//! JSON (RFC 8259), token by token, from a text that is UTF-8.
//!
//! Not serde_json: that gives a number with an exponent as a double, which does not hold 64 bits, and does not say where
//! a value began that turns out to be wrong. A fuzz target holds the two against each other.

use super::fault::{Checked, Fault, quoted};
use super::string::{plain_until, unescape};

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

    /// The byte that comes next, white space aside. It is not taken.
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
        self.at = unescape(self.text, start, end, spare)?;
        Ok(spare)
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

#[cfg(test)]
mod tests {
    use super::super::fault::JsonError;
    use super::*;

    fn skip(json: &str) -> Result<(), String> {
        let mut reader = Reader::new(json.as_bytes());
        let skipped = reader.skip(&mut Vec::new()).and_then(|()| reader.end());
        skipped.map_err(|fault| JsonError::new(*fault, json.as_bytes()).what)
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
