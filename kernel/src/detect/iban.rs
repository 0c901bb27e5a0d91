//! `iban`: international bank account numbers, ISO 13616: the country's structure, and the remainder modulo 97.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::Text;

pub static IBAN: Detector = Detector {
    name: "iban",
    description: "Bank account numbers (IBAN): the structure of the country, and check digits",
    anchors: &[Anchor::of(["A-Za-z", "A-Za-z", "0-9"], 0)],
    look,
    whole: None,
};

/// By country what stands behind the check digits: so many digits (`n`), capital letters (`a`) or either (`c`).
/// From the IBAN registry of SWIFT, <https://www.swift.com/standards/data-standards/iban-international-bank-account-number>.
static COUNTRIES: &[(&str, &str)] = &[
    ("AD", "8n12c"),
    ("AE", "19n"),
    ("AL", "8n16c"),
    ("AT", "16n"),
    ("AZ", "4a20c"),
    ("BA", "16n"),
    ("BE", "12n"),
    ("BG", "4a6n8c"),
    ("BH", "4a14c"),
    ("BI", "23n"),
    ("BR", "23n1a1c"),
    ("BY", "4c4n16c"),
    ("CH", "5n12c"),
    ("CR", "18n"),
    ("CY", "8n16c"),
    ("CZ", "20n"),
    ("DE", "18n"),
    ("DJ", "23n"),
    ("DK", "14n"),
    ("DO", "4c20n"),
    ("EE", "16n"),
    ("EG", "25n"),
    ("ES", "20n"),
    ("FI", "14n"),
    ("FK", "2a12n"),
    ("FO", "14n"),
    ("FR", "10n11c2n"),
    ("GB", "4a14n"),
    ("GE", "2a16n"),
    ("GI", "4a15c"),
    ("GL", "14n"),
    ("GR", "7n16c"),
    ("GT", "24c"),
    ("HN", "4a20n"),
    ("HR", "17n"),
    ("HU", "24n"),
    ("IE", "4a14n"),
    ("IL", "19n"),
    ("IQ", "4a15n"),
    ("IS", "22n"),
    ("IT", "1a10n12c"),
    ("JO", "4a4n18c"),
    ("KW", "4a22c"),
    ("KZ", "3n13c"),
    ("LB", "4n20c"),
    ("LC", "4a24c"),
    ("LI", "5n12c"),
    ("LT", "16n"),
    ("LU", "3n13c"),
    ("LV", "4a13c"),
    ("LY", "21n"),
    ("MC", "10n11c2n"),
    ("MD", "20c"),
    ("ME", "18n"),
    ("MK", "3n10c2n"),
    ("MN", "16n"),
    ("MR", "23n"),
    ("MT", "4a5n18c"),
    ("MU", "4a19n3a"),
    ("NI", "4a20n"),
    ("NL", "4a10n"),
    ("NO", "11n"),
    ("OM", "3n16c"),
    ("PK", "4a16c"),
    ("PL", "24n"),
    ("PS", "4a21c"),
    ("PT", "21n"),
    ("QA", "4a21c"),
    ("RO", "4a16c"),
    ("RS", "18n"),
    ("RU", "14n15c"),
    ("SA", "2n18c"),
    ("SC", "4a20n3a"),
    ("SD", "14n"),
    ("SE", "20n"),
    ("SI", "15n"),
    ("SK", "20n"),
    ("SM", "1a10n12c"),
    ("SO", "19n"),
    ("ST", "21n"),
    ("SV", "4a20n"),
    ("TL", "19n"),
    ("TN", "20n"),
    ("TR", "6n16c"),
    ("UA", "6n19c"),
    ("VA", "18n"),
    ("VG", "4a16n"),
    ("XK", "16n"),
    ("YE", "4a4n18c"),
];

/// The longest one, in characters.
const LONGEST: usize = 34;

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    if !text.begins(at) || !text.is_digit(at + 3) {
        return None;
    }
    let country = text.slice(at..at + 2);
    // Capital letters, or small ones, but not a mixture as in base64.
    let is_small = country[0].is_ascii_lowercase();
    let is_of_case =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_alphabetic() && byte.is_ascii_lowercase() == is_small;
    let (_, structure) = COUNTRIES.iter().find(|(code, _)| country.eq_ignore_ascii_case(code.as_bytes()))?;
    let wanted = 4 + length(structure);

    // Printed in groups of four.
    let mut number = [0; LONGEST];
    let (mut count, mut end) = (0, at);
    while count < wanted {
        let (sign, length) = text.sign_at(end)?;
        if count > 0 && count % 4 == 0 && matches!(sign, b' ' | b'-') {
            end += length;
        }
        let byte = text.at(end).filter(|byte| is_of_case(*byte))?;
        number[count] = byte.to_ascii_uppercase();
        count += 1;
        end += 1;
    }
    let number = &number[..count];
    (text.ends(end) && has_structure(&number[4..], structure) && remainder(number) == 1).then_some(at..end)
}

/// The parts of a structure: how many, and of what.
fn parts(structure: &str) -> impl Iterator<Item = (usize, u8)> {
    structure.split_inclusive(['n', 'a', 'c']).map(|part| {
        let (count, kind) = part.split_at(part.len() - 1);
        (count.parse().unwrap_or(0), kind.as_bytes()[0])
    })
}

fn length(structure: &str) -> usize {
    parts(structure).map(|(count, _)| count).sum()
}

fn has_structure(mut account: &[u8], structure: &str) -> bool {
    parts(structure).all(|(count, kind)| {
        let (part, rest) = account.split_at(count.min(account.len()));
        account = rest;
        part.iter().all(|byte| match kind {
            b'n' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_uppercase(),
            _ => true,
        })
    })
}

/// ISO 7064, MOD 97-10: the country and the check digits count last, letters are 10 to 35.
fn remainder(number: &[u8]) -> u32 {
    number[4..].iter().chain(&number[..4]).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};
    use super::*;

    #[test]
    fn account_numbers_are_found() {
        // The examples of the registry.
        finds(
            "iban",
            &[
                "DE89370400440532013000",
                "iban ⟦DE89 3704 0044 0532 0130 00⟧ at the bank",
                "⟦GB29 NWBK 6016 1331 9268 19⟧.",
                "⟦FR1420041010050500013M02606⟧",
                "⟦NL91ABNA0417164300⟧, ⟦CH9300762011623852957⟧",
                "⟦ES91-2100-0418-4502-0005-1332⟧",
                "⟦IT60X0542811101000000123456⟧",
                "⟦NO9386011117947⟧",
                "⟦MT84MALT011000012345MTLCAST001S⟧",
                "⟦PL61109010140000071219812874⟧",
                "⟦DE89\u{202f}3704\u{202f}0044\u{202f}0532\u{202f}0130\u{202f}00⟧",
                "small: ⟦de89370400440532013000⟧",
                "⟦LC55HEMM000100010012001200023015⟧",
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "iban",
            &[
                "DE89370400440532013001",
                "DE8937040044053201300",
                "DE893704004405320130000",
                "XX89370400440532013000",
                "xDE89370400440532013000",
                "DE89 370 4004 4053 2013 000",
                "De89370400440532013000",
                "ad12345678901234567890ab",
                "be71096123456768000000000000000000000000",
                "GB29 1234 6016 1331 9268 19",
                "AB12CD34",
                "order DE12 and AT34",
                "NO93 8601 1117 948",
            ],
        );
    }

    #[test]
    fn no_country_is_longer_than_what_is_kept_of_a_number() {
        assert!(
            COUNTRIES
                .iter()
                .all(|(code, structure)| code.len() == 2 && (15..=LONGEST).contains(&(4 + length(structure))))
        );
    }
}
