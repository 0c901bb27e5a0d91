//! `slack_token`: tokens of Slack, and the addresses of its incoming webhooks.
//! <https://docs.slack.dev/authentication/tokens>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text};
use super::token::{self, Token};

pub static SLACK_TOKEN: Detector = Detector {
    name: "slack_token",
    description: "Tokens of Slack (xoxb-…, xoxp-…, xapp-…) and addresses of its incoming webhooks",
    anchors: &[Anchor::of(["x", "o", "x"], 0), Anchor::literal("xapp-", 2), Anchor::literal("hooks.slack.com", 3)],
    look,
    whole: None,
};

static DASHED: Set = Set::of("A-Za-z0-9-");
static PATH: Set = Set::of("A-Za-z0-9/");
static ESCAPED: Set = Set::of("A-Za-z0-9%-");

static TOKENS: &[Token] = &[
    Token::new("xoxb-", &DASHED, 24, 255).checked(has_number),
    Token::new("xoxp-", &DASHED, 24, 255).checked(has_number),
    Token::new("xoxa-", &DASHED, 24, 255).checked(has_number),
    Token::new("xoxr-", &DASHED, 24, 255).checked(has_number),
    Token::new("xoxs-", &DASHED, 24, 255).checked(has_number),
    Token::new("xoxc-", &DASHED, 24, 255).checked(has_number),
    Token::new("xoxd-", &ESCAPED, 24, 512),
    Token::new("xoxe-", &DASHED, 24, 512).checked(has_number),
    Token::new("xoxe.xoxb-", &DASHED, 24, 512),
    Token::new("xoxe.xoxp-", &DASHED, 24, 512),
    Token::new("xapp-", &DASHED, 30, 255).checked(has_number),
    Token::new("hooks.slack.com/services/", &PATH, 30, 120),
    Token::new("hooks.slack.com/workflows/", &PATH, 30, 120),
    Token::new("hooks.slack.com/triggers/", &PATH, 30, 120),
];

/// A number comes first: of the workspace, or of a version.
fn has_number(token: &[u8]) -> bool {
    token.get(5).is_some_and(u8::is_ascii_digit)
}

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(TOKENS, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn tokens_are_found() {
        let random = "aB3dE5fG7hI9jK1lM2nOpQ4r";
        let token = format!("{}-123456789012-1234567890123-{random}", "xoxb");
        finds(
            "slack_token",
            &[
                token.as_str(),
                &format!("SLACK_BOT_TOKEN=⟦{token}⟧"),
                &format!("Bearer ⟦{token}⟧"),
                &format!("\"⟦{token}⟧\"."),
                &format!("⟦xoxp-123456789012-123456789012-123456789012-{random}⟧"),
                &format!("⟦xapp-1-A0123456789-1234567890123-{random}⟧"),
                &format!("⟦xoxe.xoxp-1-{random}{random}⟧"),
                &format!("https://⟦hooks.slack.com/services/T01234567/B01234567/{random}⟧"),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "slack_token",
            &[
                "xoxb-short",
                "xoxb-your-token-goes-here-please",
                "xoxo-123456789012-1234567890123-aB3dE5fG7hI9jK1lM2nOpQ4r",
                "axoxb-123456789012-1234567890123-aB3dE5fG7hI9jK1lM2nOpQ4r",
                "xoxb-000000000000-000000000000-000000000000",
                "https://hooks.slack.com/services/",
                "https://example.slack.com/archives/C01234567/p1234567890123456",
                "xoxox",
            ],
        );
    }
}
