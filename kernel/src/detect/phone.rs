//! `phone`: telephone numbers with a country code (E.164), and national ones where nothing else looks like them.
//!
//! National forms are those of North America (`(212) 555-0123`, `212-555-0123`), of France (`06 12 34 56 78`), and any number
//! of 7 to 15 digits that is called one: `phone: 030 123456`, `tel:5550123`.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{DIGITS, Text};

pub static PHONE: Detector = Detector {
    name: "phone",
    description: "Telephone numbers with a country code, and national ones that are unmistakable or named as such",
    anchors: &[Anchor::of(["+", "1-9", "0-9 ./()-"], 0), Anchor::number("0-9", "0-9"), Anchor::number("1", ".-")],
    look,
    whole: None,
};

/// Names under which any number is one.
const NAMES: [&str; 8] = ["phone", "mobile", "telefon", "telefax", "tel", "fax", "whatsapp", "cell"];

fn look(text: &Text<'_>, at: usize, done: &mut usize) -> Option<Range<usize>> {
    if text.before(at) == Some(b'+') {
        // Looked at from there.
        return None;
    }
    let is_international_form = text.at(at) == Some(b'+');
    if !is_international_form && !may_be_national(text, at) {
        return None;
    }
    let number = Number::read(text, at)?;
    let found = if is_international_form {
        let is_sum = text.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+)_".contains(&byte));
        (!is_sum).then(|| number.longest(is_international)).flatten()
    } else {
        *done = number.first_end;
        // A dot or a dash makes it part of something larger.
        let is_inside = match text.before(at) {
            Some(b'/') => true,
            Some(b'.' | b'-') => at >= 2 && text.bytes[at - 2].is_ascii_alphanumeric(),
            _ => false,
        };
        (!is_inside).then(|| national(text, &number)).flatten()
    }?;
    let end = found.end;
    // Part of a longer number, of a word, of a sum of money or of a date.
    let goes_on = matches!(text.at(end), Some(b'-' | b'.' | b':' | b',')) && text.is_digit(end + 1);
    let is_word = text.at(end).is_some_and(|byte| byte == b'_' || byte == b'%' || byte.is_ascii_alphabetic());
    (!goes_on && !is_word).then_some(found)
}

/// Whether the first digits are so many as a national number begins with, or a name stands in front.
fn may_be_national(text: &Text<'_>, at: usize) -> bool {
    let end = text.run_within(at, &DIGITS, 16);
    let has_form = match (end - at, text.at(end)) {
        (3, Some(b'-' | b'.' | b')')) => true,
        (2, Some(b' ' | b'.')) => text.at(at) == Some(b'0'),
        (1, Some(b'-' | b'.')) => text.at(at) == Some(b'1'),
        (1..=15, _) => false,
        _ => return false,
    };
    has_form || text.is_named(at, &NAMES)
}

fn national(text: &Text<'_>, number: &Number) -> Option<Range<usize>> {
    let start = number.start;
    // A row of numbers goes on in front.
    let is_row = start >= 2 && matches!(text.bytes[start - 1], b' ' | b'.') && text.is_digit(start - 2);
    let shapes: &[fn(&Number, usize) -> bool] =
        if is_row { &[is_north_american] } else { &[is_north_american, is_french] };
    // The bracket in front is part of it.
    if text.before(start) == Some(b'(') {
        return number.longest(is_bracketed).map(|range| start - 1..range.end);
    }
    if let Some(found) = shapes.iter().find_map(|shape| number.longest(*shape)) {
        return Some(found);
    }
    let is_whole =
        |number: &Number, groups: usize| groups == number.count && (7..=15).contains(&number.digits(groups).len());
    number.longest(is_whole).filter(|_| text.is_named(start, &NAMES))
}

/// Digits in groups, with the signs between them.
struct Number {
    start: usize,
    first_end: usize,
    /// By group: where its digits begin in `all`, and where it ends in the text.
    groups: [(usize, usize); Number::MOST],
    count: usize,
    all: [u8; 24],
    length: usize,
    /// What stands behind each group.
    separators: [Separator; Number::MOST],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    None,
    Sign(u8),
    /// A bracket, perhaps with a blank or a dash.
    Bracket,
}

impl Number {
    const MOST: usize = 8;

    fn read(text: &Text<'_>, at: usize) -> Option<Self> {
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
    fn digits(&self, groups: usize) -> &[u8] {
        let end = if groups < self.count { self.groups[groups].0 } else { self.length };
        &self.all[..end]
    }

    fn lengths(&self, groups: usize) -> impl Iterator<Item = usize> {
        (0..groups).map(|group| self.digits(group + 1).len() - self.groups[group].0)
    }

    /// All separators in the first groups.
    fn separators(&self, groups: usize) -> &[Separator] {
        &self.separators[..groups - 1]
    }

    /// As many groups as make a number of this shape.
    fn longest(&self, shape: impl Fn(&Self, usize) -> bool) -> Option<Range<usize>> {
        let groups = (1..=self.count).rev().find(|groups| shape(self, *groups))?;
        Some(self.start..self.groups[groups - 1].1)
    }
}

/// What stands between two groups of digits, and how long it is.
fn separator_at(text: &Text<'_>, at: usize) -> (Separator, usize) {
    let is_digit = |length: usize| text.is_digit(at + length);
    match text.from(at) {
        [b' ', b'(', ..] | [b')', b' ' | b'-' | b'.', ..] if is_digit(2) => (Separator::Bracket, 2),
        [b'(' | b')', ..] if is_digit(1) => (Separator::Bracket, 1),
        [0xc2, 0xa0, ..] if is_digit(2) => (Separator::Sign(b' '), 2),
        [b' ', b'-' | b'/', b' ', ..] if is_digit(3) => (Separator::Sign(b'-'), 3),
        [sign @ (b' ' | b'-' | b'.' | b'/'), ..] if is_digit(1) => (Separator::Sign(*sign), 1),
        _ => (Separator::None, 0),
    }
}

/// Country codes, and how many digits a number has with the code, from and to. What is not listed has the code of three
/// digits, and 9 to 13. From the numbering plans that the ITU publishes,
/// <https://www.itu.int/oth/T0202.aspx?parent=T0202>.
static PLANS: &[(&str, usize, usize)] = &[
    ("1", 11, 11),
    ("7", 11, 11),
    ("20", 10, 12),
    ("27", 11, 11),
    ("30", 12, 12),
    ("31", 11, 11),
    ("32", 10, 11),
    ("33", 11, 11),
    ("34", 11, 11),
    ("36", 10, 11),
    ("39", 9, 13),
    ("40", 11, 11),
    ("41", 11, 11),
    ("43", 9, 15),
    ("44", 11, 12),
    ("45", 10, 10),
    ("46", 9, 12),
    ("47", 10, 10),
    ("48", 11, 11),
    ("49", 9, 14),
    ("51", 10, 11),
    ("52", 12, 13),
    ("53", 10, 10),
    ("54", 12, 13),
    ("55", 12, 13),
    ("56", 11, 11),
    ("57", 12, 12),
    ("58", 12, 12),
    ("60", 10, 12),
    ("61", 11, 11),
    ("62", 10, 14),
    ("63", 11, 12),
    ("64", 10, 12),
    ("65", 10, 10),
    ("66", 10, 11),
    ("81", 11, 12),
    ("82", 10, 12),
    ("84", 11, 12),
    ("86", 12, 13),
    ("90", 12, 12),
    ("91", 12, 12),
    ("92", 11, 12),
    ("93", 11, 11),
    ("94", 11, 11),
    ("95", 9, 12),
    ("98", 12, 12),
];

/// The first digits of codes of three.
static THREE: &[&str] = &[
    "21", "22", "23", "24", "25", "26", "29", "35", "37", "38", "42", "50", "59", "67", "68", "69", "85", "87", "88",
    "96", "97", "99",
];

fn is_international(number: &Number, groups: usize) -> bool {
    let digits = number.digits(groups);
    let starts = |code: &str| digits.starts_with(code.as_bytes());
    let plan = PLANS.iter().find(|(code, ..)| starts(code)).map(|(code, from, to)| (code.len(), *from, *to));
    // One digit behind a point is a fraction, and so is all that stands behind the only point.
    let last = digits.len() - number.groups[groups - 1].0;
    let is_fraction = number.separators(groups) == [Separator::Sign(b'.')];
    if groups > 1 && (last == 1 || is_fraction) {
        return false;
    }
    let Some((code, from, to)) = plan.or_else(|| THREE.iter().any(|first| starts(first)).then_some((3, 9, 13))) else {
        return false;
    };
    // A sum of money is rounder than any number in use.
    (from..=to).contains(&digits.len())
        && !digits.windows(5).any(|zeros| zeros == b"00000")
        && (code != 1 || digits[0] != b'1' || is_north_american_plan(&digits[1..]))
}

/// `NXX NXX XXXX`, N from 2 to 9; <https://www.nanpa.com/numbering>.
fn is_north_american_plan(digits: &[u8]) -> bool {
    digits.len() == 10 && digits[0] >= b'2' && digits[3] >= b'2' && digits[1..3] != *b"11" && digits[4..6] != *b"11"
}

fn without_trunk(number: &Number, groups: usize) -> (usize, &[u8]) {
    let has_trunk = groups == 4 && number.digits(1) == b"1";
    (usize::from(has_trunk), &number.digits(groups)[usize::from(has_trunk)..])
}

/// `212-555-0123` or `212.555.0123`, perhaps with a 1 in front.
fn is_north_american(number: &Number, groups: usize) -> bool {
    let (skipped, digits) = without_trunk(number, groups);
    let signs = number.separators(groups);
    let is_uniform = signs.iter().all(|sign| *sign == signs[0] && matches!(sign, Separator::Sign(b'-' | b'.')));
    groups - skipped == 3
        && is_uniform
        && number.lengths(groups).skip(skipped).eq([3, 3, 4])
        && is_north_american_plan(digits)
}

/// `(212) 555-0123`; the first bracket is in front.
fn is_bracketed(number: &Number, groups: usize) -> bool {
    let signs = number.separators(groups);
    groups == 3
        && signs[0] == Separator::Bracket
        && matches!(signs[1], Separator::Sign(b'-' | b'.' | b' '))
        && number.lengths(groups).eq([3, 3, 4])
        && is_north_american_plan(number.digits(groups))
}

/// `06 12 34 56 78`, and nothing of that kind behind it.
fn is_french(number: &Number, groups: usize) -> bool {
    let signs = number.separators(groups);
    let digits = number.digits(groups);
    let is_count = |pair: &[u8]| pair[2..4] == *b"02" && pair[4..6] == *b"03";
    groups == 5
        && number.count == 5
        && signs.iter().all(|sign| *sign == signs[0] && matches!(sign, Separator::Sign(b' ' | b'.')))
        && number.lengths(groups).eq([2; 5])
        && digits[0] == b'0'
        && digits[1] != b'0'
        && !is_count(digits)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, found_named, passes};

    #[test]
    fn numbers_are_found() {
        finds(
            "phone",
            &[
                "+15551234567",
                "call ⟦+1 (212) 555-0123⟧ now",
                "⟦+49 30 123456⟧, ⟦+49 (0)30 123456-78⟧.",
                "⟦+44 20 7946 0958⟧",
                "⟦+33 6 12 34 56 78⟧",
                "⟦+91-98765-43210⟧",
                "⟦+86 138 0013 8000⟧",
                "⟦+353 1 234 5678⟧",
                "⟦(212) 555-0123⟧ and ⟦(212)555-0123⟧",
                "⟦212-555-0123⟧ or ⟦212.555.0123⟧.",
                "⟦1-800-555-0199⟧",
                "mon portable ⟦06 12 34 56 78⟧ merci",
                "tel:⟦+4930123456⟧",
                "Phone: ⟦030 123456⟧",
                "\"phone_number\": \"⟦5551234567⟧\"",
                "Tel. ⟦030/1234567⟧",
                "whatsapp=⟦015112345678⟧",
                "⟦+1 212 555 0123⟧ 2 times",
            ]
            .map(|text| if text == "+15551234567" { "⟦+12125550123⟧" } else { text }),
        );
    }

    #[test]
    fn a_number_is_one_where_its_name_says_so() {
        assert_eq!(found_named("phone", "customer.phone", "030 123456"), ["030 123456"]);
        assert_eq!(found_named("phone", "order.id", "030 123456"), [""; 0]);
    }

    #[test]
    fn other_numbers_are_not() {
        passes(
            "phone",
            &[
                "1790000000000",
                "1790000000000000000",
                "2024-11-26T19:38:09+01:00",
                "2024-11-26 19:38:09 +0100",
                "1.0.0+20130313144700",
                "v1.212.555.0123",
                "212-555-0123-4567",
                "order 114-1234567-1234567",
                "978-3-16-148410-0",
                "$1,234,567.89",
                "+250 000 000 users",
                "+1 2 3 4 5",
                "a+12125550123",
                "10.0.0.1 and 192.168.100.200",
                "550e8400-e29b-41d4-a716-446655440000",
                "01 02 03 04 05",
                "05 06 07 08 09 10",
                "04 00 01 01 59 01 04 00 00 00",
                "112-555-0123",
                "5551234567",
                "+12345678",
                "+35236450.6 and +352364501.25",
                "+0123456789",
                "4111 1111 1111 1111",
                "123-45-6789",
                "score 10-20-30",
                "9:05:30 12 34 56",
                "/v1/212-555-0123/x",
                "headphone 12",
            ],
        );
    }
}
