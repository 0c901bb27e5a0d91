//! What detectors look at: a text, what it is the value of, and runs of bytes in it.

use std::ops::Range;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Set([bool; 256]);

impl Set {
    /// The bytes of a class in the notation of regular expressions: `A-Za-z0-9_-`.
    pub const fn of(class: &str) -> Self {
        let class = class.as_bytes();
        let mut set = [false; 256];
        let mut at = 0;
        while at < class.len() {
            let is_range = at + 2 < class.len() && class[at + 1] == b'-';
            let (mut low, high) = (class[at], if is_range { class[at + 2] } else { class[at] });
            while low <= high {
                set[low as usize] = true;
                low += 1;
            }
            at += if is_range { 3 } else { 1 };
        }
        Self(set)
    }

    /// The bytes of this set, and all that are not ASCII.
    pub const fn wide(mut self) -> Self {
        let mut byte = 0x80;
        while byte < 256 {
            self.0[byte] = true;
            byte += 1;
        }
        self
    }

    /// The bytes of this set, and those of letters such as `é` (U+00C0 to U+02AF in UTF-8).
    pub const fn latin(mut self) -> Self {
        let mut byte = 0x80;
        while byte <= 0xca {
            self.0[byte] = byte < 0xc0 || byte > 0xc2;
            byte += 1;
        }
        self
    }

    /// The bytes that are not in this set.
    pub const fn not(mut self) -> Self {
        let mut byte = 0;
        while byte < 256 {
            self.0[byte] = !self.0[byte];
            byte += 1;
        }
        self
    }

    /// The letters of this set in both cases.
    pub const fn any_case(mut self) -> Self {
        let mut letter = b'A';
        while letter <= b'Z' {
            let either = self.0[letter as usize] || self.0[(letter | 0x20) as usize];
            self.0[letter as usize] = either;
            self.0[(letter | 0x20) as usize] = either;
            letter += 1;
        }
        self
    }

    pub const fn single(byte: u8) -> Self {
        let mut set = [false; 256];
        set[byte as usize] = true;
        Self(set)
    }

    pub fn len(&self) -> usize {
        self.0.iter().filter(|has| **has).count()
    }

    #[inline(always)]
    pub const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }
}

pub static ALNUM: Set = Set::of("A-Za-z0-9");
pub static DIGITS: Set = Set::of("0-9");
pub static BASE64URL: Set = Set::of("A-Za-z0-9_-");

/// A text, and the name under which it stands, if that is known: the key of a member in JSON, or of an attribute.
///
/// All that walks along the text goes through the `run` functions, where tests count the work.
#[derive(Clone, Copy)]
pub struct Text<'t> {
    pub bytes: &'t [u8],
    pub name: &'t [u8],
}

impl<'t> Text<'t> {
    #[inline(always)]
    pub fn at(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    #[inline(always)]
    pub fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|at| self.at(at))
    }

    pub fn slice(&self, range: Range<usize>) -> &'t [u8] {
        self.bytes.get(range).unwrap_or(&[])
    }

    pub fn from(&self, at: usize) -> &'t [u8] {
        self.bytes.get(at..).unwrap_or(&[])
    }

    /// Where the bytes of this set that begin at `from` end.
    pub fn run(&self, from: usize, set: &Set) -> usize {
        let length = self.from(from).iter().take_while(|byte| set.has(**byte)).count();
        work::add(length);
        from + length
    }

    /// The same, no further than `limit` bytes.
    pub fn run_within(&self, from: usize, set: &Set, limit: usize) -> usize {
        let rest = self.slice(from..self.bytes.len().min(from.saturating_add(limit)));
        let length = rest.iter().take_while(|byte| set.has(**byte)).count();
        work::add(length);
        from + length
    }

    /// Where the bytes of this set that end at `to` begin, at most `limit` bytes before.
    pub fn run_back(&self, to: usize, set: &Set, limit: usize) -> usize {
        let rest = self.slice(to.saturating_sub(limit)..to);
        let length = rest.iter().rev().take_while(|byte| set.has(**byte)).count();
        work::add(length);
        to - length
    }

    /// Whether something like an identifier may begin here: behind no letter or digit, unless they are an escape of a URL.
    pub fn begins(&self, at: usize) -> bool {
        match self.before(at) {
            Some(byte) if byte == b'_' || ALNUM.has(byte) => {
                at >= 3 && self.bytes[at - 3] == b'%' && self.bytes[at - 2..at].iter().all(u8::is_ascii_hexdigit)
            }
            _ => true,
        }
    }

    /// Whether no letter or digit stands here.
    pub fn ends(&self, at: usize) -> bool {
        self.at(at).is_none_or(|byte| !ALNUM.has(byte))
    }

    /// Whether a digit stands here.
    pub fn is_digit(&self, at: usize) -> bool {
        self.at(at).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// Whether a decimal fraction or a dotted number goes on here: a point, then a digit.
    pub fn goes_on_behind_point(&self, at: usize) -> bool {
        self.at(at) == Some(b'.') && self.is_digit(at + 1)
    }

    /// Whether a number with a point stands in front.
    pub fn comes_behind_point(&self, at: usize) -> bool {
        at >= 2 && self.bytes[at - 1] == b'.' && self.is_digit(at - 2)
    }

    /// Whether this stands here, letters in any case.
    pub fn is_word_at(&self, at: usize, word: &str) -> bool {
        self.slice(at..at + word.len()).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The sign that stands here, and how long it is: blanks and dashes of other widths, which word processors and models
    /// like to write, are a blank and a dash.
    pub fn sign_at(&self, at: usize) -> Option<(u8, usize)> {
        match self.from(at) {
            // U+00A0
            [0xc2, 0xa0, ..] => Some((b' ', 2)),
            // U+2000 to U+200A, U+2010 to U+2015, U+202F, U+2212
            [0xe2, 0x80, 0x80..=0x8a | 0xaf, ..] => Some((b' ', 3)),
            [0xe2, 0x80, 0x90..=0x95, ..] | [0xe2, 0x88, 0x92, ..] => Some((b'-', 3)),
            [byte, ..] => Some((*byte, 1)),
            [] => None,
        }
    }

    /// Whether what begins at `at` has a name like this: a word in front, with at most a few signs such as `="` between, or
    /// the name under which a text stands that begins here.
    pub fn is_named(&self, at: usize, is_name: impl Fn(&[u8]) -> bool) -> bool {
        static BETWEEN: Set = Set::of(" \t:=\"'.#>(,");
        let end = self.run_back(at, &BETWEEN, 6);
        if end == 0 {
            return is_name(self.name);
        }
        static NAME: Set = Set::of("A-Za-z_.-");
        is_name(self.slice(self.run_back(end, &NAME, 40)..end))
    }
}

/// Whether one of the words in a name is one of these, in any case: `customer.ssn` has the word `ssn`, `className` has not.
pub fn has_word(name: &[u8], words: &[&str]) -> bool {
    let parts = name.split(|byte| !byte.is_ascii_alphabetic());
    parts.into_iter().any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes())))
}

/// Whether a name contains one of these words, which are in lower case and without signs: `x-api_Key` contains `apikey`.
pub fn contains_any(name: &[u8], words: &[&str]) -> bool {
    if name.is_empty() || name.len() > 64 {
        return false;
    }
    let (mut plain, mut length) = ([0; 64], 0);
    for byte in name.iter().filter(|byte| ALNUM.has(**byte)) {
        plain[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let plain = &plain[..length];
    words.iter().any(|word| plain.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// What was walked along, in bytes, for tests of how it grows.
pub mod work {
    #[cfg(test)]
    thread_local! {
        static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[inline(always)]
    pub fn add(_bytes: usize) {
        #[cfg(test)]
        DONE.set(DONE.get() + _bytes + 1);
    }

    #[cfg(test)]
    pub fn take() -> usize {
        DONE.take()
    }
}
