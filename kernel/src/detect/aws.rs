//! `aws_key`: ids of access keys of Amazon Web Services, and secret keys where a word says what they are.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text, contains_any};
use super::token::{Token, is_varied, look as token};

pub static AWS_KEY: Detector = Detector {
    name: "aws_key",
    description: "Ids of access keys of AWS (AKIA…, ASIA…), and secret keys that are named as such",
    anchors: &[
        Anchor::literal("AKIA", 0),
        Anchor::literal("ASIA", 0),
        Anchor::literal("ABIA", 0),
        Anchor::literal("ACCA", 0),
        // Of `secret`.
        Anchor::word("ecr", 0),
    ],
    look,
    whole: Some(|text| {
        contains_any(text.name, &NAMES).then(|| secret(text, 0)).flatten().filter(|range| range.end == text.bytes.len())
    }),
};

static BASE32: Set = Set::of("A-Z2-7");
static BASE64: Set = Set::of("A-Za-z0-9+/");
static NAME: Set = Set::of("A-Za-z_. -");
static BETWEEN: Set = Set::of(" \t:=\"'>,()");

static IDS: &[Token] = &[
    Token::new("AKIA", &BASE32, 16, 16),
    Token::new("ASIA", &BASE32, 16, 16),
    Token::new("ABIA", &BASE32, 16, 16),
    Token::new("ACCA", &BASE32, 16, 16),
];

const NAMES: [&str; 3] = ["secretaccesskey", "awssecret", "secretkey"];

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    if text.at(at) == Some(b'A')
        && let Some(id) = token(IDS, text, at)
    {
        return Some(id);
    }
    // `secret`, somewhere in a name such as `aws_secret_access_key`, and a value behind it.
    if !text.is_word_at(at, "ecret") || at == 0 {
        return None;
    }
    let start = text.run_back(at, &NAME, 8);
    let name_end = text.run_within(at, &NAME, 32);
    let value = text.run_within(name_end, &BETWEEN, 8);
    (value > name_end && contains_any(text.slice(start..name_end), &NAMES)).then(|| secret(text, value)).flatten()
}

/// Forty characters that look random.
fn secret(text: &Text<'_>, start: usize) -> Option<Range<usize>> {
    let end = text.run_within(start, &BASE64, 41);
    let key = text.slice(start..end);
    let has = |kind: fn(&u8) -> bool| key.iter().any(kind);
    let is_random =
        has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && is_varied(key);
    (key.len() == 40 && is_random).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, found_named, passes};

    /// The example of Amazon's documents.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn keys_are_found() {
        finds(
            "aws_key",
            &[
                "AKIAIOSFODNN7EXAMPLE",
                "AWS_ACCESS_KEY_ID=⟦AKIAIOSFODNN7EXAMPLE⟧",
                "\"⟦ASIAIOSFODNN7EXAMPLE⟧\",",
                "X-Amz-Credential=⟦AKIAIOSFODNN7EXAMPLE⟧%2F20240101",
                "⟦AKIAIOSFODNN7EXAMPLE⟧/20240101/us-east-1/s3/aws4_request",
                &format!("aws_secret_access_key = ⟦{SECRET}⟧"),
                &format!("AWS_SECRET_ACCESS_KEY=⟦{SECRET}⟧;"),
                &format!("\"SecretAccessKey\": \"⟦{SECRET}⟧\""),
                &format!("my secret key: ⟦{SECRET}⟧"),
                &format!("id ⟦AKIAIOSFODNN7EXAMPLE⟧ secret_key ⟦{SECRET}⟧").replace("key ⟦", "key: ⟦"),
            ],
        );
        assert_eq!(found_named("aws_key", "aws.secret_access_key", SECRET), [SECRET]);
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "aws_key",
            &[
                SECRET,
                "AKIAIOSFODNN7EXAMPL",
                "AKIAIOSFODNN7EXAMPLEE",
                "AKIAIOSFODNN7EXAMPL1",
                "xAKIAIOSFODNN7EXAMPLE",
                "AROAIOSFODNN7EXAMPLE",
                "AKIAAAAAAAAAAAAAAAAA",
                "ASIATICA is a species",
                "secret_access_key = changeme",
                "secret: 0123456789012345678901234567890123456789",
                &format!("sha secret of {SECRET}x"),
                &format!("digest: {SECRET}"),
            ],
        );
    }
}
