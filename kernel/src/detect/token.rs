//! Keys and tokens that begin with a prefix of their own.

use std::ops::Range;

use super::text::{Set, Text};

/// A kind of key: a prefix, then so many bytes of an alphabet.
pub struct Token {
    pub prefix: &'static str,
    pub alphabet: &'static Set,
    /// How long the rest is, in bytes, from and to.
    pub length: (usize, usize),
    /// A checksum or another sign of what follows the prefix; it is told the whole key.
    pub check: fn(&[u8]) -> bool,
}

impl Token {
    pub const fn new(prefix: &'static str, alphabet: &'static Set, from: usize, to: usize) -> Self {
        Self { prefix, alphabet, length: (from, to), check: |_| true }
    }

    pub const fn checked(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = check;
        self
    }

    fn look(&self, text: &Text<'_>, at: usize, body: usize) -> Option<Range<usize>> {
        let end = text.run_within(body, self.alphabet, self.length.1 + 1);
        let is_token = (self.length.0..=self.length.1).contains(&(end - body))
            && is_varied(text.slice(body..end))
            && (self.check)(text.slice(at..end));
        is_token.then_some(at..end)
    }
}

/// The first of these kinds that stands here.
pub fn look(tokens: &[Token], text: &Text<'_>, at: usize) -> Option<Range<usize>> {
    let rest = text.from(at);
    let mut candidates = tokens.iter().filter(|token| rest.starts_with(token.prefix.as_bytes())).peekable();
    candidates.peek()?;
    if !text.begins(at) {
        return None;
    }
    candidates.find_map(|token| token.look(text, at, at + token.prefix.len()))
}

/// Whether a key is more than a placeholder such as `xxxxxxxx` or `00000000`.
pub fn is_varied(key: &[u8]) -> bool {
    let mut seen = 0u128;
    for byte in key {
        seen |= 1u128 << (byte & 0x7f);
    }
    seen.count_ones() >= 6
}
