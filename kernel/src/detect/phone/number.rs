//! Digits as numbers are written: in groups.

use std::ops::Range;

use super::super::text::{DIGITS, Text};

/// Digits in groups, with the signs between them.
pub struct Number {
    pub start: usize,
    pub first_end: usize,
    /// By group: where its digits begin in `all`, and where it ends in the text.
    pub groups: [(usize, usize); Number::MOST],
    pub count: usize,
    all: [u8; 24],
    length: usize,
    /// What stands behind each group.
    separators: [Separator; Number::MOST],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    None,
    Sign(u8),
    /// A bracket, perhaps with a blank or a dash.
    Bracket,
}

impl Number {
    const MOST: usize = 8;

    pub fn read(text: &Text<'_>, at: usize) -> Option<Self> {
        let mut number = Self {
            start: at,
            first_end: at,
            groups: [(0, 0); Self::MOST],
            count: 0,
            all: [0; 24],
            length: 0,
            separators: [Separator::None; Self::MOST],
        };
        let mut start = at + usize::from(text.at(at) == Some(b'+'));
        while number.count < Self::MOST {
            let end = text.run(start, &DIGITS);
            let digits = text.slice(start..end);
            if number.count == 0 {
                number.first_end = end;
            }
            let Some(room) = number.all.get_mut(number.length..number.length + digits.len()) else { break };
            // The trunk prefix in `+49 (0)30` is not dialled.
            let is_trunk =
                digits == b"0" && number.count > 0 && text.before(start) == Some(b'(') && text.at(end) == Some(b')');
            if digits.is_empty() {
                break;
            }
            if !is_trunk {
                room.copy_from_slice(digits);
                number.groups[number.count] = (number.length, end);
                number.length += digits.len();
                number.count += 1;
            }
            let (separator, length) = separator_at(text, end);
            number.separators[number.count - 1] = separator;
            if length == 0 {
                break;
            }
            start = end + length;
        }
        (number.count > 0).then_some(number)
    }

    /// The digits of the first groups.
    pub fn digits(&self, groups: usize) -> &[u8] {
        let end = if groups < self.count { self.groups[groups].0 } else { self.length };
        &self.all[..end]
    }

    pub fn lengths(&self, groups: usize) -> impl Iterator<Item = usize> {
        (0..groups).map(|group| self.digits(group + 1).len() - self.groups[group].0)
    }

    /// All separators in the first groups.
    pub fn separators(&self, groups: usize) -> &[Separator] {
        &self.separators[..groups - 1]
    }

    /// As many groups as make a number of this shape.
    pub fn longest(&self, shape: impl Fn(&Self, usize) -> bool) -> Option<Range<usize>> {
        let groups = (1..=self.count).rev().find(|groups| shape(self, *groups))?;
        Some(self.start..self.groups[groups - 1].1)
    }
}

/// What stands between two groups of digits, and how long it is.
fn separator_at(text: &Text<'_>, at: usize) -> (Separator, usize) {
    let is_digit = |length: usize| text.is_digit(at + length);
    let Some((sign, length)) = text.sign_at(at) else { return (Separator::None, 0) };
    let next = text.sign_at(at + length);
    match (sign, next) {
        (b' ', Some((b'(', 1))) | (b')', Some((b' ' | b'-' | b'.', _)))
            if is_digit(length + next.map_or(0, |(_, more)| more)) =>
        {
            (Separator::Bracket, length + next.map_or(0, |(_, more)| more))
        }
        (b'(' | b')', _) if is_digit(1) => (Separator::Bracket, 1),
        (b' ', Some((b'-' | b'/', more)))
            if text.at(at + length + more) == Some(b' ') && is_digit(length + more + 1) =>
        {
            (Separator::Sign(b'-'), length + more + 1)
        }
        (b' ' | b'-' | b'.' | b'/', _) if is_digit(length) => (Separator::Sign(sign), length),
        _ => (Separator::None, 0),
    }
}
