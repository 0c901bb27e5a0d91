//! `bearer`: credentials in the header Authorization (RFC 9110, section 11.6.2), and `Bearer …` (RFC 6750) wherever it stands.
//! The scheme stays. `Basic …` (RFC 7617) is known by what its base64 stands for: a name, a colon, a password.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text};
use super::token::is_varied;
use crate::base64;

pub static BEARER: Detector = Detector {
    name: "bearer",
    description: "Credentials behind Bearer and Basic, and whatever stands in an Authorization header",
    anchors: &[Anchor::word("bearer", 3), Anchor::word("basic", 2), Anchor::word("authorization", 6)],
    look,
    whole: Some(whole),
};

/// `token68` of RFC 9110.
static CREDENTIALS: Set = Set::of("A-Za-z0-9._~+/=-");
static BLANKS: Set = Set::of(" \t");
static BETWEEN: Set = Set::of(" \t:=\"'>[(");
static SCHEME: Set = Set::of("A-Za-z0-9-");
/// Schemes whose credentials are a list of parameters: all of it to the end of the line.
const LISTS: [&str; 3] = ["digest", "aws4-hmac-sha256", "oauth"];

fn look(text: &Text<'_>, at: usize, done: &mut usize) -> Option<Range<usize>> {
    for (word, check) in [("bearer", is_bearer as fn(&[u8]) -> bool), ("basic", is_basic)] {
        if text.is_word_at(at, word) {
            let from = at + word.len();
            let start = text.run(from, &BLANKS);
            *done = start;
            let is_word = text.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric()) || start == from;
            return (!is_word)
                .then(|| credentials(text, start))
                .flatten()
                .filter(|range| check(text.slice(range.clone())));
        }
    }
    if !text.is_word_at(at, "authorization") {
        return None;
    }
    let from = at + "authorization".len();
    let start = text.run(from, &BETWEEN).min(from + 8);
    *done = start;
    let has_sign = text.slice(from..start).iter().any(|byte| matches!(byte, b':' | b'='));
    has_sign.then(|| header(text, start, is_key)).flatten()
}

/// A value that stands under the name of the header.
fn whole(text: &Text<'_>) -> Option<Range<usize>> {
    let name = text.name;
    let is_header = name.len() >= 13 && name[name.len() - 13..].eq_ignore_ascii_case(b"authorization");
    is_header.then(|| header(text, 0, |key| !is_masked(key))).flatten()
}

/// The credentials in the value of a header that begins here. What stands there without a scheme must be `plausible`: in a
/// program it is more often a name.
fn header(text: &Text<'_>, start: usize, plausible: fn(&[u8]) -> bool) -> Option<Range<usize>> {
    let scheme_end = text.run(start, &SCHEME);
    let value = text.run(scheme_end, &BLANKS);
    if value == scheme_end {
        return credentials(text, start).filter(|range| range.len() >= 8 && plausible(text.slice(range.clone())));
    }
    let scheme = text.slice(start..scheme_end);
    if LISTS.iter().any(|list| scheme.eq_ignore_ascii_case(list.as_bytes())) {
        static LINE: Set = Set::of("\r\n").not();
        return Some(value..text.run(value, &LINE))
            .filter(|range| !range.is_empty() && text.slice(range.clone()).contains(&b'='));
    }
    let is_known = ["bearer", "basic", "token", "apikey", "negotiate", "ntlm"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
    credentials(text, value).filter(|range| is_known && !is_masked(text.slice(range.clone())))
}

fn credentials(text: &Text<'_>, start: usize) -> Option<Range<usize>> {
    let mut end = text.run(start, &CREDENTIALS);
    // A full stop is the sentence's.
    while end > start && text.before(end) == Some(b'.') {
        end -= 1;
    }
    (end > start).then_some(start..end)
}

/// A bearer may be of bad news: a token has a digit or is long, and is more than a placeholder.
fn is_bearer(token: &[u8]) -> bool {
    let has_digit = token.iter().any(u8::is_ascii_digit);
    let has_both = token.iter().any(u8::is_ascii_lowercase) && token.iter().any(u8::is_ascii_uppercase);
    is_varied(token) && (token.len() >= 8 && has_digit || token.len() >= 16 && has_both || token.len() >= 32)
}

/// Whether it is no name of a program's: digits stand between the letters.
fn is_key(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    is_varied(value) && (digits >= 3 || digits > 0 && value.len() >= 32)
}

fn is_basic(encoded: &[u8]) -> bool {
    let mut plain = Vec::new();
    base64::decode(encoded, &mut plain)
        && plain.len() >= 3
        && plain.contains(&b':')
        && std::str::from_utf8(&plain).is_ok_and(|text| !text.chars().any(char::is_control))
}

fn is_masked(value: &[u8]) -> bool {
    value.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, found_named, passes};

    #[test]
    fn credentials_are_found() {
        finds(
            "bearer",
            &[
                "Bearer ⟦aB3dE5fG7hI9jK1lM2nO⟧",
                "authorization: bearer ⟦aB3dE5fG7hI9jK1lM2nO⟧.",
                "curl -H 'Authorization: Bearer ⟦mF_9.B5f-4.1JqM⟧' https://example.com",
                "\"Authorization\": \"Basic ⟦dXNlcjpwYXNz⟧\"",
                "Basic ⟦QWxhZGRpbjpvcGVuIHNlc2FtZQ==⟧",
                "Authorization: Token ⟦abcdef⟧",
                "Authorization=⟦0a1b2c3d4e5f⟧;",
                "Proxy-Authorization: Basic ⟦dXNlcjpwYXNz⟧",
                "Authorization: Digest ⟦username=\"Mufasa\", realm=\"x\"⟧\nHost: example.com",
                "authorization: AWS4-HMAC-SHA256 ⟦Credential=AKIA/20240101/us-east-1/s3/aws4_request, Signature=fe5f80⟧",
                "{'authorization': 'Bearer ⟦aB3dE5fG7hI9jK1lM2nO⟧'}",
                "Bearer  ⟦abcdefghijklmnopqrstuvwxyzabcdefgh⟧",
            ],
        );
        assert_eq!(found_named("bearer", "http.request.header.authorization", "Token x1"), ["x1"]);
        assert_eq!(found_named("bearer", "Authorization", "0a1b2c3d4e5f"), ["0a1b2c3d4e5f"]);
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "bearer",
            &[
                "the bearer of bad news",
                "Bearer token is missing",
                "Bearer ****",
                "Authorization: Bearer ********",
                "forbearer aB3dE5fG7hI9jK1lM2nO",
                "Basic understanding of things",
                "basic dXNlcg==",
                "authorization is required",
                "authorization: none",
                "authorization: AuthorizationRef, authorization = base64.decode(x)",
                "self.authorization = self._get_param('authorization')",
                "the authorization server",
                "Bearer: x",
                "Visual Basic 6.0",
                "Bearer",
            ],
        );
    }
}
