//! Country codes, and the numbers behind them.

use super::number::{Number, Separator};

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

/// Whether the first groups, with the country code, are a number of that country.
pub fn is_international(number: &Number, groups: usize) -> bool {
    let digits = number.digits(groups);
    let starts = |code: &str| digits.starts_with(code.as_bytes());
    let plan = PLANS.iter().find(|(code, ..)| starts(code)).map(|(code, from, to)| (code.len(), *from, *to));
    let Some((code, from, to)) = plan.or_else(|| THREE.iter().any(|first| starts(first)).then_some((3, 9, 13))) else {
        return false;
    };
    // One digit at the end is a fraction, and so is what stands behind the only point, but for the form of RFC 5733,
    // `+49.30123456`, where it stands behind the code.
    let last = digits.len() - number.groups[groups - 1].0;
    let is_fraction = number.separators(groups) == [Separator::Sign(b'.')] && number.digits(1).len() != code;
    if groups > 1 && (last == 1 || is_fraction) {
        return false;
    }
    // A sum of money is rounder than any number in use.
    (from..=to).contains(&digits.len())
        && !digits.windows(5).any(|zeros| zeros == b"00000")
        && (code != 1 || digits[0] != b'1' || is_north_american_plan(&digits[1..]))
}

/// `NXX NXX XXXX`, N from 2 to 9; <https://www.nanpa.com/numbering>.
pub fn is_north_american_plan(digits: &[u8]) -> bool {
    digits.len() == 10 && digits[0] >= b'2' && digits[3] >= b'2' && digits[1..3] != *b"11" && digits[4..6] != *b"11"
}
