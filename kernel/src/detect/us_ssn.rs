//! `us_ssn`: social security numbers of the United States, `AAA-GG-SSSS`, of areas, groups and serials that exist.
//! <https://www.ssa.gov/employer/randomization.html>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{DIGITS, Text, contains_any, has_word};

pub static US_SSN: Detector = Detector {
    name: "us_ssn",
    description: "Social security numbers of the United States, with dashes or blanks, or named as such",
    anchors: &[Anchor::number("0-8", "0-9")],
    look,
    whole: None,
};

/// Whether nine digits under this name are one.
fn is_name(name: &[u8]) -> bool {
    has_word(name, &["ssn"]) || contains_any(name, &["socialsecurity"])
}

/// Used in advertisements, and never given to anybody.
const ADVERTISED: [&[u8]; 2] = [b"078051120", b"219099999"];

fn look(text: &Text<'_>, at: usize, done: &mut usize) -> Option<Range<usize>> {
    let first = text.run(at, &DIGITS);
    *done = first;
    let (end, number): (usize, Vec<u8>) = match first - at {
        3 => {
            let (sign, length) = text.sign_at(first).filter(|(sign, _)| matches!(sign, b'-' | b' '))?;
            let group = first + length;
            let serial = group + 2 + length;
            let (second, _) = text.sign_at(group + 2)?;
            let lengths = [text.run_within(group, &DIGITS, 3) - group, text.run_within(serial, &DIGITS, 5) - serial];
            if second != sign || lengths != [2, 4] {
                return None;
            }
            (serial + 4, [text.slice(at..first), text.slice(group..group + 2), text.slice(serial..serial + 4)].concat())
        }
        9 if text.is_named(at, is_name) => (first, text.slice(at..first).to_vec()),
        _ => return None,
    };
    let sign = |at: Option<usize>| at.and_then(|at| text.at(at)).is_some_and(|byte| b"-_.".contains(&byte));
    let is_part = sign(at.checked_sub(1))
        || !text.ends(end)
        || sign(Some(end)) && text.at(end + 1).is_some_and(|byte| byte.is_ascii_alphanumeric());
    (!is_part && is_given(&number)).then_some(at..end)
}

/// Whether the area is neither 000, 666 nor 900 and above, the group not 00, and the serial not 0000.
fn is_given(number: &[u8]) -> bool {
    let (area, group, serial) = (&number[..3], &number[3..5], &number[5..]);
    area != b"000"
        && area != b"666"
        && area[0] != b'9'
        && group != b"00"
        && serial != b"0000"
        && !ADVERTISED.contains(&number)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, found_named, passes};

    #[test]
    fn numbers_are_found() {
        finds(
            "us_ssn",
            &[
                "123-45-6789",
                "ssn ⟦536-90-4399⟧.",
                "is ⟦212 56 7891⟧, born",
                "SSN: ⟦536904399⟧",
                "social security number ⟦536904399⟧",
                "(⟦001-01-0001⟧) ⟦536\u{2011}90\u{2011}4399⟧",
                "\"⟦899-99-9999⟧\"",
                "a ⟦536-90-4399⟧ b ⟦212-56-7891⟧ c",
            ]
            .map(|text| if text.starts_with("social") { "social_security=⟦536904399⟧" } else { text }),
        );
        assert_eq!(found_named("us_ssn", "customer.ssn", "536904399"), ["536904399"]);
    }

    #[test]
    fn other_numbers_are_not() {
        passes(
            "us_ssn",
            &[
                "000-45-6789",
                "666-45-6789",
                "900-45-6789",
                "123-00-6789",
                "123-45-0000",
                "078-05-1120",
                "536904399",
                "536-90-43991",
                "1536-90-4399",
                "1-536-90-4399",
                "536-90-4399-1",
                "536-90 4399",
                "2024-11-26",
                "class_name: 536904399 and className=536904399",
                "x536-90-4399",
                "212-555-0123",
            ],
        );
    }
}
