//! `google_api_key`, `google_oauth`: keys of Google's APIs (Gemini, Maps, Firebase), and what OAuth hands out.
//! <https://cloud.google.com/docs/authentication/api-keys>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{BASE64URL, Set, Text};
use super::token::{self, Token};

pub static GOOGLE_API_KEY: Detector = Detector {
    name: "google_api_key",
    description: "Keys of Google's APIs, Gemini among them: AIza…",
    anchors: &[Anchor::literal("AIza", 0)],
    look: |text, at, _| token::look(KEYS, text, at),
    whole: None,
};

pub static GOOGLE_OAUTH: Detector = Detector {
    name: "google_oauth",
    description: "Access and refresh tokens of Google's OAuth (ya29.…, 1//0…), and secrets of its clients (GOCSPX-…)",
    anchors: &[Anchor::literal("ya29.", 1), Anchor::literal("GOCSPX-", 0), Anchor::literal("1//0", 0)],
    look: oauth,
    whole: None,
};

static DOTTED: Set = Set::of("A-Za-z0-9_.-");

static KEYS: &[Token] = &[Token::new("AIza", &BASE64URL, 35, 35)];
static OAUTH: &[Token] = &[
    Token::new("ya29.", &DOTTED, 40, 1024),
    Token::new("GOCSPX-", &BASE64URL, 28, 28),
    Token::new("1//0", &BASE64URL, 60, 512),
];

fn oauth(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(OAUTH, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    const RANDOM: &str = "aB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYz";

    #[test]
    fn keys_are_found() {
        let key = format!("AIza{RANDOM}");
        finds(
            "google_api_key",
            &[
                key.as_str(),
                &format!("GOOGLE_API_KEY=⟦{key}⟧"),
                &format!("https://example.com/v1?key=⟦{key}⟧&alt=sse"),
                &format!("{{\"k\":\"⟦{key}⟧\"}}"),
                &format!("⟦{key}⟧."),
                &format!("x-goog-api-key: ⟦{key}⟧"),
                &format!("key%3D⟦{key}⟧%26"),
                "⟦AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY⟧",
            ],
        );
        let long = RANDOM.repeat(3);
        finds(
            "google_oauth",
            &[
                &format!("⟦ya29.a0{long}⟧"),
                &format!("Bearer ⟦ya29.c.{long}⟧"),
                &format!("access_token=⟦ya29.{long}⟧&x"),
                &format!("⟦GOCSPX-{}⟧", &RANDOM[..28]),
                &format!("secret: \"⟦GOCSPX-{}⟧\"", &RANDOM[..28]),
                &format!("refresh ⟦1//0{long}⟧"),
                &format!("\"⟦1//0g{long}⟧\""),
                &format!("⟦ya29.{long}⟧ and ⟦ya29.{long}⟧"),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "google_api_key",
            &[
                &format!("AIza{}", &RANDOM[1..]),
                &format!("AIza{RANDOM}x"),
                &format!("xAIza{RANDOM}"),
                &format!("AIza{}", "x".repeat(35)),
                "AIzaSy",
                "AIza",
                "aiza0123456789012345678901234567890123456",
                "AIza YOUR KEY",
            ],
        );
        passes(
            "google_oauth",
            &[
                "ya29.short",
                "GOCSPX-short",
                "1//0",
                "http://1//0/x",
                "Maya29.example.com",
                &format!("GOCSPX-{RANDOM}"),
                &format!("ya29.{}", "x".repeat(80)),
                "a1//0123",
            ],
        );
    }
}
