//! `phone`: telephone numbers with a country code (E.164), and national ones where nothing else looks like them.
//!
//! National forms are those of North America (`(212) 555-0123`, `212-555-0123`), of France (`06 12 34 56 78`), and any number
//! of 7 to 15 digits that is called one: `phone: 030 123456`, `tel:5550123`.

mod number;
mod plans;

use std::ops::Range;

use self::number::{Number, Separator};
use self::plans::{is_international, is_north_american_plan};
use super::Detector;
use super::sieve::Anchor;
use super::text::{DIGITS, Set, Text, contains_any, has_word};

pub static PHONE: Detector = Detector {
    name: "phone",
    description: "Telephone numbers with a country code, and national ones that are unmistakable or named as such",
    anchors: &[
        Anchor::sets([Set::single(b'+'), Set::of("1-9"), Set::of("0-9 ./()-").wide()], 0),
        Anchor::number("0-9", "0-9"),
        Anchor::number("1", ".-"),
    ],
    look,
    whole: None,
};

/// Whether any number under this name is one.
fn is_name(name: &[u8]) -> bool {
    contains_any(name, &["phone", "mobile", "telefon", "telefax", "whatsapp"])
        || has_word(name, &["tel", "fax", "cell", "mob", "sms"])
}

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
        (3, Some(b'-' | b'.' | b')' | 0xe2)) => true,
        (2, Some(b' ' | b'.' | 0xc2 | 0xe2)) => text.at(at) == Some(b'0'),
        (1, Some(b'-' | b'.')) => text.at(at) == Some(b'1'),
        (1..=15, _) => false,
        _ => return false,
    };
    has_form || text.is_named(at, is_name)
}

fn national(text: &Text<'_>, number: &Number) -> Option<Range<usize>> {
    let start = number.start;
    // A row of numbers goes on in front.
    let is_row = start >= 2 && matches!(text.bytes[start - 1], b' ' | b'.') && text.is_digit(start - 2);
    let shapes: &[fn(&Number, usize) -> bool] =
        if is_row { &[is_north_american] } else { &[is_north_american, is_french] };
    // The bracket in front is part of it.
    if text.before(start) == Some(b'(')
        && let Some(found) = number.longest(is_bracketed)
    {
        return Some(start - 1..found.end);
    }
    if let Some(found) = shapes.iter().find_map(|shape| number.longest(*shape)) {
        return Some(found);
    }
    let is_whole =
        |number: &Number, groups: usize| groups == number.count && (7..=15).contains(&number.digits(groups).len());
    number.longest(is_whole).filter(|_| text.is_named(start, is_name))
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
                "⟦+49.30123456⟧",
                "⟦+1\u{202f}212\u{2011}555\u{2011}0123⟧ and ⟦212\u{2011}555\u{2011}0123⟧",
                "⟦(212) 555-0123⟧ and ⟦(212)555-0123⟧",
                "⟦212-555-0123⟧ or ⟦212.555.0123⟧.",
                "⟦1-800-555-0199⟧",
                "(⟦212-555-0123⟧) (⟦06 12 34 56 78⟧)",
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
                "+35236450.6 and +352364501.25 and +12.345678901",
                "+0123456789",
                "4111 1111 1111 1111",
                "123-45-6789",
                "score 10-20-30",
                "9:05:30 12 34 56",
                "/v1/212-555-0123/x",
                "headphone 12",
                "hotel 1234567 and cellar 1234567",
            ],
        );
    }
}
