//! `ip`: addresses of the Internet Protocol, version 4 (RFC 791) and 6 (RFC 4291).
//!
//! Those that name nobody are left: unspecified and loopback ones. Of version 6 those are found that are in use (global, unique
//! local, link-local, multicast, and version 4 inside), since `1::2` is more often something else.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{DIGITS, Set, Text, contains_any};

pub static IP: Detector = Detector {
    name: "ip",
    description: "IP addresses, version 4 and 6, but for loopback and unspecified ones",
    anchors: &[
        Anchor::number("0-9", "0-9."),
        Anchor::of(["0-9A-Fa-f", ":", "0-9A-Fa-f:"], 0),
        Anchor::of([":", ":", "fF"], 0),
    ],
    look,
    whole: None,
};

static SIX: Set = Set::of("0-9A-Fa-f:.");
/// An address of version 6 is no longer, in characters.
const LONGEST: usize = 45;

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    match text.at(at + 1) {
        Some(b':') => six(text, at),
        _ if text.at(at) == Some(b':') => six(text, at),
        _ => four(text, at),
    }
}

fn four(text: &Text<'_>, at: usize) -> Option<Range<usize>> {
    let first = text.run_within(at, &DIGITS, 4);
    if !text.goes_on_behind_point(first) {
        return None;
    }
    let (mut octets, mut end) = ([0u8; 4], at);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            end += usize::from(text.at(end) == Some(b'.'));
        }
        let digits = text.slice(end..text.run_within(end, &DIGITS, 4));
        let is_plain = digits.len() == 1 || digits.first().is_some_and(|first| *first != b'0');
        if !is_plain || (index > 0 && text.before(end) != Some(b'.')) {
            return None;
        }
        *octet = std::str::from_utf8(digits).ok()?.parse().ok()?;
        end += digits.len();
    }
    let address = Ipv4Addr::from(octets);
    // One of more numbers with points, part of a word, or a version.
    let is_more =
        text.goes_on_behind_point(end) || text.comes_behind_point(at) || !text.ends(end) || text.at(end) == Some(b'_');
    let is_range = text.before(at) == Some(b'-') && at >= 2 && text.is_digit(at - 2);
    let is_part = matches!(text.before(at), Some(b'_' | b'.' | b'-' | b'+')) && !is_range
        || text.at(end) == Some(b'-') && !text.is_digit(end + 1);
    // All of 0.0.0.0/8 is "this network" (RFC 791).
    let names_somebody = !address.is_loopback() && octets[0] != 0 && !address.is_broadcast();
    (!is_more && !is_part && names_somebody && !is_version(text, at)).then_some(at..end)
}

/// `Chrome/120.0.0.0`, `version 1.2.3.4`, `section 10.1.2.2`.
fn is_version(text: &Text<'_>, at: usize) -> bool {
    static LETTERS: Set = Set::of("A-Za-z_");
    static BETWEEN: Set = Set::of(" :=\"'(");
    const NAMES: [&str; 9] = ["version", "ver", "v", "release", "build", "section", "sections", "chapter", "oid"];
    if text.before(at) == Some(b'/') {
        // Products are written with a capital letter, hosts are not.
        return text.bytes[text.run_back(at - 1, &LETTERS, 20)].is_ascii_uppercase();
    }
    let end = text.run_back(at, &BETWEEN, 5);
    if end == 0 {
        return contains_any(text.name, &["version"]);
    }
    let word = text.slice(text.run_back(end, &LETTERS, 20)..end);
    let is_name = |part: &[u8]| NAMES.iter().any(|name| part.eq_ignore_ascii_case(name.as_bytes()));
    word.rsplit(|byte| *byte == b'_').find(|part| !part.is_empty()).is_some_and(is_name)
}

fn six(text: &Text<'_>, at: usize) -> Option<Range<usize>> {
    // Nothing is done with, since one of version 4 may follow: `node:10.1.2.3`.
    let mut start = text.run_back(at, &SIX, LONGEST);
    // The end of a word in front, `node:2001:db8::1`, or a colon alone.
    if !text.begins(start) || text.at(start) == Some(b':') && text.at(start + 1) != Some(b':') {
        start += text.slice(start..at + 1).iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
    }
    let end = text.run_within(at, &SIX, LONGEST + 4);
    let is_part = !text.begins(start) || text.at(end).is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    if is_part || end <= start || end - start > LONGEST + 4 {
        return None;
    }
    // A full stop or a colon may be the sentence's.
    let trailing = text.slice(start..end).iter().rev().take_while(|byte| matches!(byte, b'.' | b':')).count();
    // And what stands behind the last colon may be a port.
    let port = text.slice(start..end).iter().rposition(|byte| *byte == b':').map_or(end, |colon| start + colon);
    let candidates = [end, end - trailing.min(1), end - trailing, port];
    let (address, end) = candidates.into_iter().find_map(|end| {
        let address = std::str::from_utf8(text.slice(start..end)).ok()?.parse::<Ipv6Addr>().ok()?;
        Some((address, end))
    })?;
    is_in_use(&address, text.slice(start..end)).then_some(start..end)
}

fn is_in_use(address: &Ipv6Addr, written: &[u8]) -> bool {
    let first = address.segments()[0];
    let is_mapped = address.to_ipv4_mapped().is_some_and(|four| !four.is_loopback() && !four.is_unspecified());
    // The first group of what is in use has four digits, but for the prefix of NAT64 (RFC 6052).
    let is_of_range = matches!(first, 0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80..=0xfebf | 0xff00..=0xffff);
    let is_translated = address.segments()[..2] == [0x64, 0xff9b];
    is_mapped || is_translated || is_of_range && written.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, found_named, passes};

    #[test]
    fn addresses_are_found() {
        finds(
            "ip",
            &[
                "10.1.2.3",
                "from ⟦192.168.0.17⟧:8080 to ⟦8.8.8.8⟧.",
                "http://⟦203.0.113.9⟧/x",
                "⟦10.0.0.0⟧/8",
                "⟦10.0.0.1⟧-⟦10.0.0.9⟧",
                "[⟦172.16.254.1⟧]",
                "db-host/⟦10.1.2.3⟧:5432",
                "ip=⟦255.255.255.0⟧,",
                "node:⟦10.1.2.3⟧:8080 and a:⟦10.1.2.3⟧",
                "⟦2001:db8::1⟧",
                "http://[⟦2001:0db8:85a3:0000:0000:8a2e:0370:7334⟧]:443/",
                "⟦fe80::1ff:fe23:4567:890a⟧%eth0",
                "⟦fd12:3456:789a:1::1⟧/64",
                "⟦::ffff:192.0.2.128⟧",
                "⟦64:ff9b::192.0.2.33⟧",
                "key:⟦2001:db8::1⟧ and node:⟦fe80::1ff:fe23:4567:890a⟧",
                "⟦2001:0db8:85a3:0000:0000:8a2e:0370:7334⟧:80",
                "see ⟦2001:db8::8a2e:370:7334⟧.",
                "⟦2606:4700:4700::1111⟧: ok",
            ],
        );
    }

    #[test]
    fn a_number_is_none_where_its_name_says_so() {
        assert_eq!(found_named("ip", "service.version", "1.2.3.4"), [""; 0]);
        assert_eq!(found_named("ip", "client.address", "1.2.3.4"), ["1.2.3.4"]);
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "ip",
            &[
                "1.2.3.4.5",
                "1.3.6.1.4.1.311",
                "256.1.1.1",
                "1.2.3",
                "01.02.03.04",
                "v1.2.3.4 and version 1.2.3.4",
                "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
                "numpy-1.2.3.4.tar",
                "1.2.3.4-beta.1",
                "__version__ = \"3.5.0.1\"",
                "APP_VERSION=1.2.3.4",
                "RFC 8785, section 3.2.2.3",
                "0.0.205.0",
                "1.2.3.4a",
                "127.0.0.1 and 0.0.0.0 and ::1 and ::",
                "12:34:56",
                "2024-11-26T19:38:09",
                "00:1A:2B:3C:4D:5E",
                "std::vector and abc::def",
                "x[1::2]",
                "a:b:c:d",
                "1:2:3:4:5:6:7:8:9",
                "face::b",
                "Foo::Bar::baz",
            ],
        );
    }
}
