//! `credit_card`: numbers of payment cards, ISO/IEC 7812: the issuer's range, a length it issues, and the digit of Luhn.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{DIGITS, Text};

pub static CREDIT_CARD: Detector = Detector {
    name: "credit_card",
    description: "Numbers of payment cards: 13 to 19 digits of a known issuer with a valid check digit",
    anchors: &[Anchor::number("2-689", "0-9")],
    look,
    whole: None,
};

/// The first digits, as a range of numbers of the same length, and how many digits such a number has, from and to.
/// <https://en.wikipedia.org/wiki/Payment_card_number#Issuer_identification_number_(IIN)>
static ISSUERS: &[(u32, u32, usize, usize)] = &[
    (4, 4, 13, 13),           // Visa, of old
    (4, 4, 16, 16),           // Visa
    (4, 4, 19, 19),           // Visa
    (51, 55, 16, 16),         // Mastercard
    (2221, 2720, 16, 16),     // Mastercard
    (34, 34, 15, 15),         // American Express
    (37, 37, 15, 15),         // American Express
    (6011, 6011, 16, 19),     // Discover
    (644, 659, 16, 19),       // Discover, RuPay
    (3528, 3589, 16, 19),     // JCB
    (300, 305, 14, 19),       // Diners Club
    (3095, 3095, 14, 19),     // Diners Club
    (36, 36, 14, 19),         // Diners Club
    (38, 39, 16, 19),         // Diners Club
    (62, 62, 16, 19),         // UnionPay
    (81, 81, 16, 19),         // UnionPay, RuPay
    (2200, 2204, 16, 19),     // Mir
    (5018, 5018, 13, 19),     // Maestro
    (5020, 5020, 13, 19),     // Maestro
    (5038, 5038, 13, 19),     // Maestro
    (5893, 5893, 13, 19),     // Maestro
    (6304, 6304, 13, 19),     // Maestro
    (6759, 6763, 13, 19),     // Maestro
    (508, 508, 16, 16),       // RuPay
    (606282, 606282, 16, 16), // Hipercard
    (506099, 506198, 16, 19), // Verve
    (5019, 5019, 16, 16),     // Dankort
    (9792, 9792, 16, 16),     // Troy
    (8600, 8600, 16, 16),     // Uzcard
    (9860, 9860, 16, 16),     // Humo
];

/// The first two digits of those who issue numbers of more than 16 digits in earnest. Other numbers of that length are
/// far more often identifiers of 64 bits, and must be grouped as cards are.
static LONG: &[[u8; 2]] = &[*b"50", *b"58", *b"62", *b"63", *b"67"];

/// How digits are grouped on cards and in forms.
static GROUPS: &[&[usize]] = &[&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1]];

fn look(text: &Text<'_>, at: usize, done: &mut usize) -> Option<Range<usize>> {
    if text.comes_behind_point(at) {
        return None;
    }
    // Groups of four begin with four digits, and so on.
    let first = text.run(at, &DIGITS);
    if !matches!(first - at, 4 | 6 | 8 | 13..=19) {
        *done = first;
        return None;
    }
    // Five groups of digits at most, with the same sign between all of them.
    let (mut ends, mut lengths, mut count, mut separator) = ([0; 5], [0; 5], 0, None);
    let mut start = at;
    while count < ends.len() {
        let end = text.run(start, &DIGITS);
        if end == start {
            break;
        }
        (ends[count], lengths[count]) = (end, end - start);
        count += 1;
        let Some((sign, length)) = text.sign_at(end) else { break };
        if !matches!(sign, b' ' | b'-' | b'.') || separator.is_some_and(|separator| separator != sign) {
            break;
        }
        separator = Some(sign);
        start = end + length;
    }
    *done = first;
    let lengths = &lengths[..count];
    let is_valid = |groups: usize| {
        let end = ends[groups - 1];
        let is_usual = groups > 1 || end - at <= 16 || LONG.iter().any(|long| text.from(at).starts_with(long));
        is_usual && text.ends(end) && !text.goes_on_behind_point(end) && is_card(text.slice(at..end))
    };
    let grouped = GROUPS.iter().filter(|groups| lengths.starts_with(groups)).map(|groups| groups.len());
    let single = (13..=19).contains(&lengths[0]).then_some(1);
    grouped.chain(single).find(|groups| is_valid(*groups)).map(|groups| at..ends[groups - 1])
}

/// Whether these digits, with separators, are a number that somebody issues and whose check digit is right.
fn is_card(number: &[u8]) -> bool {
    let (mut digits, mut count) = ([0u32; 19], 0);
    for byte in number.iter().filter(|byte| byte.is_ascii_digit()) {
        let Some(slot) = digits.get_mut(count) else { return false };
        *slot = u32::from(byte - b'0');
        count += 1;
    }
    let digits = &digits[..count];
    let is_issued = ISSUERS.iter().any(|(low, high, from, to)| {
        let length = low.ilog10() as usize + 1;
        let first = digits.iter().take(length).fold(0, |first, digit| first * 10 + digit);
        (*from..=*to).contains(&count) && (*low..=*high).contains(&first)
    });
    is_issued && luhn(digits)
}

/// The check of ISO/IEC 7812-1, annex B: from the right every second digit is doubled.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, *digit) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn numbers_of_cards_are_found() {
        finds(
            "credit_card",
            &[
                "4111111111111111",
                "card 4111 1111 1111 1111, 12/27",
                "⟦4111-1111-1111-1111⟧-ok",
                "⟦4111.1111.1111.1111⟧.",
                "⟦4111\u{a0}1111\u{a0}1111\u{a0}1111⟧",
                "⟦4111\u{202f}1111\u{202f}1111\u{202f}1111⟧ or ⟦4111\u{2011}1111\u{2011}1111\u{2011}1111⟧",
                "amex ⟦3782 822463 10005⟧ or ⟦378282246310005⟧",
                "⟦5555555555554444⟧ ⟦2223003122003222⟧",
                "⟦6011111111111117⟧",
                "jcb ⟦3530111333300000⟧",
                "diners ⟦30569309025904⟧",
                "unionpay ⟦6200000000000005⟧",
                "visa of old ⟦4222222222222⟧",
                "⟦4111 1111 1111 1111⟧ 123",
                "12 ⟦4111 1111 1111 1111⟧",
                "卡号⟦4111111111111111⟧。",
                "pan=⟦4111111111111111⟧;",
            ]
            .map(|text| if text.starts_with("card") { "card ⟦4111 1111 1111 1111⟧, 12/27" } else { text }),
        );
    }

    #[test]
    fn other_numbers_are_not() {
        passes(
            "credit_card",
            &[
                "4111111111111112",
                "1790000000000000000",
                "1790000000000",
                "0000000000000000",
                "0.4111111111111111",
                "4111111111111111.5",
                "a4111111111111111",
                "4111111111111111b",
                "41111111111111111111111",
                "4111 1111-1111 1111",
                "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
                "9999999999999995",
                "7992739871300000003",
                "4427218577690292384",
                "6558939822118891088",
                "550e8400-e29b-4111-a716-446655440000",
                "2024-11-26 19:38:09.123456789",
                "411111",
                "1234567890123452",
            ],
        );
    }
}
