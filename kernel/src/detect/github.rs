//! `github_token`, `npm_token`: tokens of GitHub and of npm, which is GitHub's. Classic ones end with a checksum.
//! <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{ALNUM, Set, Text};
use super::token::{self, Token};

pub static GITHUB_TOKEN: Detector = Detector {
    name: "github_token",
    description: "Tokens of GitHub: classic ones (ghp_…, gho_…, ghu_…, ghs_…, ghr_…) with a valid checksum, fine-grained ones (github_pat_…)",
    anchors: &[Anchor::of(["h", "pousr", "_"], 1), Anchor::literal("github_pat_", 5)],
    look,
    whole: None,
};

pub static NPM_TOKEN: Detector = Detector {
    name: "npm_token",
    description: "Tokens of npm with a valid checksum: npm_…",
    anchors: &[Anchor::literal("npm_", 1)],
    look: |text, at, _| token::look(NPM, text, at),
    whole: None,
};

static FINE: Set = Set::of("A-Za-z0-9_");

static TOKENS: &[Token] = &[
    Token::new("ghp_", &ALNUM, 36, 36).checked(has_checksum),
    Token::new("gho_", &ALNUM, 36, 36).checked(has_checksum),
    Token::new("ghu_", &ALNUM, 36, 36).checked(has_checksum),
    Token::new("ghs_", &ALNUM, 36, 36).checked(has_checksum),
    Token::new("ghr_", &ALNUM, 36, 36).checked(has_checksum),
    // Refresh tokens are longer, and their checksum is not documented.
    Token::new("ghr_", &ALNUM, 76, 76),
    Token::new("github_pat_", &FINE, 82, 82).checked(|key| key.get(33) == Some(&b'_')),
];

static NPM: &[Token] = &[Token::new("npm_", &ALNUM, 36, 36).checked(has_checksum)];

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(TOKENS, text, at)
}

/// Whether the last six characters are the CRC-32 of the thirty before, in base 62.
fn has_checksum(token: &[u8]) -> bool {
    let [_, _, _, _, random @ .., _, _, _, _, _, _] = token else { return false };
    let mut rest = crc32(random);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = match rest % 62 {
            value @ 0..10 => b'0' + value as u8,
            value @ 10..36 => b'A' + (value - 10) as u8,
            value => b'a' + (value - 36) as u8,
        };
        rest /= 62;
    }
    token.ends_with(&digits)
}

/// CRC-32 as in gzip (RFC 1952, section 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn tokens_are_found() {
        // An example of GitHub's own, and random ones with the checksum that belongs to them.
        let token = concat!("ghp", "_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");
        let fine = format!(
            "github_pat_{}_{}",
            "11ABCDEFG0aB3dE5fG7hI9",
            "aB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYz".repeat(2).get(..59).unwrap()
        );
        finds(
            "github_token",
            &[
                token,
                &format!("GITHUB_TOKEN=⟦{token}⟧"),
                &format!("https://x:⟦{token}⟧@github.com/a/b"),
                &format!("\"⟦{token}⟧\","),
                concat!("⟦gho", "_jAsr7q4dXj4G7S1P9nemclTB6UKZxB0qWRXo⟧"),
                concat!("⟦ghs", "_QrWwcWMqc1RpFVV31W7UwBVKWwemoJ2DvxYr⟧"),
                concat!("⟦ghr", "_DYvvQZVCSnCHAcT2uNXP5oGqFNn4mW4U1WDe⟧"),
                concat!("use ⟦ghu", "_rjI1fzOhkMZ7hDCZUVYozk1L4DJNcp483UuY⟧."),
                &format!("⟦{fine}⟧"),
            ],
        );
        let npm = concat!("npm", "_G729a4XFYK57aLfnMxYmQ1cVcB29fu4KYkCd");
        finds(
            "npm_token",
            &[
                npm,
                &format!("NPM_TOKEN=⟦{npm}⟧"),
                &format!("//registry.npmjs.org/:_authToken=⟦{npm}⟧"),
                &format!("\"⟦{npm}⟧\""),
                &format!("⟦{npm}⟧."),
                &format!("⟦{npm}⟧ ⟦{npm}⟧"),
                &format!("({npm})").replace(npm, &format!("⟦{npm}⟧")),
                &format!("t%3D⟦{npm}⟧"),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "github_token",
            &[
                "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18",
                "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq1",
                "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7",
                "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "ghx_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17",
                "a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",
                "github_pat_short",
                "ghp_",
                "high_priority",
            ],
        );
        passes(
            "npm_token",
            &[
                "npm_config_registry",
                "npm_lifecycle_event",
                "npm_abcdefghijklmnopqrstuvwxyz0123456789",
                "npm_package_json",
                "npm_",
                "xnpm_G729a4XFYK57aLfnMxYmQ1cVcB29fu4KYkCd",
                "npm_G729a4XFYK57aLfnMxYmQ1cVcB29fu4KYkCe",
                "npm_G729a4XFYK57aLfnMxYmQ1cVcB29fu4KYkC",
            ],
        );
    }
}
