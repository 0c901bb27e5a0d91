//! `mac`: hardware addresses of 48 bits (EUI-48, IEEE 802): `00:1a:2b:3c:4d:5e`, with dashes, or `001a.2b3c.4d5e`.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text};

pub static MAC: Detector = Detector {
    name: "mac",
    description: "Hardware (MAC) addresses of 48 bits",
    anchors: &[
        Anchor::of(["0-9A-Fa-f", "0-9A-Fa-f", ":"], 0),
        Anchor::of(["0-9A-Fa-f", "0-9A-Fa-f", "-"], 0),
        Anchor::of(["0-9A-Fa-f", "0-9A-Fa-f", "."], 2),
    ],
    look,
    whole: None,
};

static HEX: Set = Set::of("0-9A-Fa-f");

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    let (size, separator) =
        if text.at(at + 2) == Some(b'.') || text.at(at + 4) == Some(b'.') { (4, b'.') } else { (2, text.at(at + 2)?) };
    if text.at(at + 2 * size + 1) != Some(separator) {
        return None;
    }
    let end = at + 12 + 12 / size - 1;
    let written = text.bytes.get(at..end)?;
    let is_digit =
        |(index, byte): (usize, &u8)| if (index + 1) % (size + 1) == 0 { *byte == separator } else { HEX.has(*byte) };
    if !written.iter().enumerate().all(is_digit) {
        return None;
    }
    // A fingerprint or an address of 64 bits is longer.
    let is_part = !text.begins(at)
        || !text.ends(end)
        || text.before(at) == Some(separator) && at >= 2 && HEX.has(text.bytes[at - 2])
        || text.at(end) == Some(separator) && text.at(end + 1).is_some_and(|byte| HEX.has(byte));
    // Weights of characters in Unicode's tables look like the form with points: `[*0A59.0020.0002]`.
    let is_part = is_part || size == 4 && matches!(text.slice(at.saturating_sub(2)..at), b"[*" | b"[.");
    // All zeros, and everybody.
    let is_nobody = written.iter().filter(|byte| **byte != separator).all(|byte| *byte == b'0')
        || written.iter().filter(|byte| **byte != separator).all(|byte| byte.eq_ignore_ascii_case(&b'f'));
    (!is_part && !is_nobody && !is_time(written)).then_some(at..end)
}

/// `24-11-26-19-38-09`.
fn is_time(written: &[u8]) -> bool {
    let pair = |index: usize| {
        written.get(3 * index..3 * index + 2).and_then(|pair| std::str::from_utf8(pair).ok()?.parse::<u8>().ok())
    };
    let [Some(_), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = [0, 1, 2, 3, 4, 5].map(pair) else {
        return false;
    };
    written[2] == b'-'
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn addresses_are_found() {
        finds(
            "mac",
            &[
                "00:1a:2b:3c:4d:5e",
                "ether ⟦52:54:00:12:34:56⟧ txqueuelen 1000",
                "⟦00-1A-2B-3C-4D-5E⟧.",
                "⟦001a.2b3c.4d5e⟧ **⟦001a.2b3c.4d5e⟧** [⟦001a.2b3c.4d5e⟧]",
                "mac=⟦a4:83:e7:00:00:01⟧,",
                "[⟦02:42:ac:11:00:02⟧]",
                "⟦00:11:22:33:44:55⟧: up",
                "⟦00-11-22-33-44-55⟧",
                "dev_⟦DE:AD:BE:EF:00:01⟧".strip_prefix("dev_").unwrap(),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "mac",
            &[
                "43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8",
                "00:1a:2b:3c:4d",
                "00:1a:2b:3c:4d:5e:6f",
                "00:1a-2b:3c-4d:5e",
                "24-11-26-19-38-09",
                "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff",
                "12:34:56",
                "x00:1a:2b:3c:4d:5e",
                "00:1a:2b:3c:4d:5eg",
                "001a.2b3c.4d5",
                "[*0A59.0020.0002]",
                "2001:db8::1",
                "1.2.3.4",
            ],
        );
    }
}
