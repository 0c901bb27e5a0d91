//! `email`: addresses as people write them (RFC 5321 without quoted local parts), also with `%40` as in URLs.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text};

pub static EMAIL: Detector = Detector {
    name: "email",
    description: "E-mail addresses, also of internationalised domains and with %40 in URLs",
    anchors: &[Anchor::sets([LOCAL, Set::single(b'@'), Set::of("A-Za-z0-9").latin()], -1), Anchor::literal("%40", 0)],
    look,
    whole: None,
};

/// Of what RFC 5321 allows in a local part what people use; the other signs are far more often the text's, as in
/// `to=jo@example.com`.
const LOCAL: Set = Set::of("A-Za-z0-9._+'&~-").latin();
const DOMAIN: Set = Set::of("A-Za-z0-9.-").latin();
/// What stands between `//` and `@` in a URL.
static USERINFO: Set = Set::of("A-Za-z0-9._+'&~:%!$*,;=@-");
/// Names of units of systemd, such as `getty@tty1.service`.
const UNITS: [&str; 8] = ["service", "socket", "timer", "slice", "mount", "target", "scope", "path"];

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    let domain = if text.at(at)? == b'@' { at + 1 } else { at + 3 };
    let end = domain_end(text, domain)?;
    let start = local_start(text, at)?;
    let local = text.slice(start..at);
    // A copy over SSH, `git@github.com:a/b`, names no person.
    let is_ssh = local == b"git" && text.at(end) == Some(b':');
    // Names of algorithms of SSH, `chacha20-poly1305@openssh.com`.
    let is_algorithm = matches!(text.slice(domain..end), b"openssh.com" | b"libssh.org") && local.contains(&b'-');
    // The user of a URL is no address, and its password none of ours.
    let authority = text.run_back(start, &USERINFO, 256);
    let is_user = text.slice(authority.saturating_sub(3)..authority) == b"://";
    (!is_ssh && !is_algorithm && !is_user).then_some(start..end)
}

fn local_start(text: &Text<'_>, at: usize) -> Option<usize> {
    let mut start = text.run_back(at, &LOCAL, usize::MAX);
    // Digits of an escape in a URL: `%20jo`.
    if start > 0
        && text.bytes[start - 1] == b'%'
        && at - start > 2
        && text.slice(start..start + 2).iter().all(u8::is_ascii_hexdigit)
    {
        start += 2;
    }
    // No two dots stand in a row: `and so on...jo@example.com`.
    if let Some(dots) = text.slice(start..at).windows(2).rposition(|pair| pair == b"..") {
        start += dots + 2;
    }
    // Nor does it begin with a sign, or with the rest of a character that is no letter here.
    let is_sign = |byte: &u8| (byte.is_ascii_punctuation() && *byte != b'_') || (0x80..0xc0).contains(byte);
    start += text.slice(start..at).iter().take_while(|byte| is_sign(byte)).count();
    (start < at).then_some(start)
}

/// Where the domain that begins here ends: at least two labels, the last of letters.
fn domain_end(text: &Text<'_>, start: usize) -> Option<usize> {
    let run = text.run(start, &DOMAIN).min(start + 255);
    let (mut at, mut end, mut labels) = (start, None, 0);
    for label in text.slice(start..run).split(|byte| *byte == b'.') {
        let (Some(first), Some(last)) = (label.first(), label.last()) else { break };
        // A dash at the end is the text's: `jo@example.com- she said`.
        let label_end = at + label.iter().rposition(|byte| *byte != b'-').map_or(0, |index| index + 1);
        // A top level of other letters is written in its coded form, or in letters that are not looked for here.
        let ascii = text.slice(at..label_end).iter().take_while(|byte| byte.is_ascii()).count();
        // `lodash@4.17.21-beta` is a version, `jo@163.com` is not; `icon@2x.png` is a picture.
        let is_digit = first.is_ascii_digit();
        let is_second_of_version = labels == 1 && is_digit && text.is_digit(start);
        let is_scale = labels == 0 && label.len() == 2 && is_digit && *last == b'x';
        if *first == b'-' || label.len() > 63 || is_second_of_version || is_scale {
            break;
        }
        labels += 1;
        if labels > 1 && is_top_level(text.slice(at..at + ascii)) {
            end = Some(at + ascii);
        }
        if *last == b'-' {
            break;
        }
        at += label.len() + 1;
    }
    end
}

fn is_top_level(label: &[u8]) -> bool {
    let is_name = (2..=24).contains(&label.len()) && label.iter().all(u8::is_ascii_alphabetic);
    let is_coded = label.len() > 5 && label[..4].eq_ignore_ascii_case(b"xn--");
    (is_name && !UNITS.iter().any(|unit| label == unit.as_bytes())) || is_coded
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn addresses_are_found() {
        finds(
            "email",
            &[
                "jo@example.com",
                "Jo Doe <⟦jo.doe+news@mail.example.co.uk⟧>, ⟦al_x@example.org⟧.",
                "to=⟦jo@example.com⟧&x=1",
                "q=⟦jo%40example.com⟧&r=%20⟦al%40example.org⟧",
                "mailto:⟦jo@example.com⟧?subject=x",
                "'⟦jo@example.com⟧'",
                "⟦o'brien@example.ie⟧",
                "⟦12345@qq.com⟧ and ⟦jo@163.com⟧",
                "⟦jürgen@müller.de⟧",
                "⟦jo@xn--mller-kva.xn--p1ai⟧",
                "联系我⟦jo@example.com⟧请",
                "and so on...⟦jo@example.com⟧...",
                "⟦jo@example.com⟧- she said",
                "⟦jo@example.com⟧.5 items",
                "⟦a@b.co⟧@⟦c@d.co⟧",
                "{\"x\":\"⟦jo@example.com⟧\"}",
                "user_id:⟦_jo-1@sub.example.museum⟧",
                "⟦ÿjo@example.com⟧é",
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "email",
            &[
                "@user and jo@ and a@b",
                "lodash@4.17.21",
                "react@18.2.0-rc.next",
                "actions/checkout@v4.1.0",
                "icon@2x.png, logo@3x.jpg",
                "git@github.com:example/repository.git",
                "ssh://git@github.com/example/repository.git",
                "https://jo:secret@example.com/x",
                "https://jo:s@cret@example.com/x",
                "chacha20-poly1305@openssh.com",
                "com.example.Main@1b2c3d4.x",
                "getty@tty1.service failed",
                "image@sha256:0123456789abcdef.x",
                "jo@localhost",
                "jo@example.c",
                "jo@.example.com",
                "jo@-example.com",
                "...@example.com",
                "@Override.class",
                "x @ y.transpose",
                "100%40 of 5",
            ],
        );
    }
}
