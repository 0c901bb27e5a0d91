//! `jwt`: JSON Web Tokens, signed (RFC 7515: three parts) or encrypted (RFC 7516: five). The header is read: it is JSON and
//! names an algorithm.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{BASE64URL, Text};
use crate::base64;
use crate::tape::{self, Kind, Step};

pub static JWT: Detector = Detector {
    name: "jwt",
    description: "JSON Web Tokens, signed or encrypted, whose header names an algorithm",
    // `eyJ` is how an object with a first member begins in base64, `ewo` and `eyA` how it does with white space.
    anchors: &[Anchor::literal("eyJ", 0), Anchor::literal("ewo", 0), Anchor::literal("eyA", 0)],
    look,
    whole: None,
};

fn look(text: &Text<'_>, at: usize, done: &mut usize) -> Option<Range<usize>> {
    if !text.begins(at) || text.before(at) == Some(b'-') {
        return None;
    }
    let mut ends = Vec::new();
    let mut start = at;
    while ends.len() < 5 {
        let end = text.run(start, &BASE64URL);
        ends.push(end);
        if text.at(end) != Some(b'.') {
            break;
        }
        start = end + 1;
    }
    *done = ends[0];
    if ends.len() < 3 || ends[1] == ends[0] + 1 {
        return None;
    }
    match algorithm(text.slice(at..ends[0]))? {
        Algorithm::Signs => Some(at..ends[2]),
        Algorithm::Encrypts => (ends.len() == 5).then(|| at..ends[4]),
    }
}

enum Algorithm {
    Signs,
    Encrypts,
}

fn algorithm(header: &[u8]) -> Option<Algorithm> {
    let mut json = Vec::new();
    if !base64::decode(header, &mut json) {
        return None;
    }
    let (mut signs, mut encrypts) = (false, false);
    tape::walk(&json, |step| {
        if let Step::Leaf(Kind::Key, start, end) = step {
            signs |= &json[start..end] == b"alg";
            encrypts |= &json[start..end] == b"enc";
        }
        true
    })?;
    match (signs && json.trim_ascii_start().starts_with(b"{"), encrypts) {
        (false, _) => None,
        (true, false) => Some(Algorithm::Signs),
        (true, true) => Some(Algorithm::Encrypts),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};
    use super::*;

    fn part(json: &str) -> String {
        base64::encode(json.as_bytes()).replace('+', "-").replace('/', "_").replace('=', "")
    }

    #[test]
    fn tokens_are_found() {
        let body = part(r#"{"sub":"1234567890","name":"Jo Doe","iat":1516239022}"#);
        let signature = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        let token = format!("{}.{body}.{signature}", part(r#"{"alg":"HS256","typ":"JWT"}"#));
        let spaced = format!("{}.{body}.{signature}", part("{\n  \"alg\": \"RS256\"\n}"));
        let unsigned = format!("{}.{body}.", part(r#"{"alg":"none"}"#));
        let encrypted = format!(
            "{}.OKOawDo13gRp.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT",
            part(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#)
        );
        finds(
            "jwt",
            &[
                token.as_str(),
                &format!("Authorization: Bearer ⟦{token}⟧"),
                &format!("token=⟦{token}⟧&x=1"),
                &format!("\"⟦{token}⟧\""),
                &format!("⟦{token}⟧. Then"),
                &format!("a ⟦{spaced}⟧ b"),
                &format!("a ⟦{unsigned}⟧ b"),
                &format!("a ⟦{encrypted}⟧ b"),
                &format!("⟦{token}⟧ ⟦{token}⟧"),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        let header = part(r#"{"alg":"HS256"}"#);
        passes(
            "jwt",
            &[
                "eyJ.eyJ.eyJ",
                header.as_str(),
                &format!("{header}.abc"),
                &format!("{header}..abc"),
                &format!("{}.e30.abc", part(r#"{"typ":"JWT"}"#)),
                &format!("{}.e30.abc", part(r#"["alg"]"#)),
                &format!("x{header}.e30.abc"),
                "eyJhbGciOiJIUzI1NiJ.eyJzdWIi.abc",
                "keyJohn.doe.example",
            ],
        );
    }
}
