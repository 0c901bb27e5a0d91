//! `stripe_key`: secret and restricted keys of Stripe, live and of tests, and secrets of its webhooks. Publishable keys
//! (`pk_…`) are meant to be seen.
//! <https://docs.stripe.com/keys>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{ALNUM, Set, Text};
use super::token::{self, Token};

pub static STRIPE_KEY: Detector = Detector {
    name: "stripe_key",
    description: "Secret keys of Stripe (sk_live_…, rk_live_…, sk_test_…, rk_test_…) and secrets of its webhooks (whsec_…)",
    anchors: &[Anchor::of(["sr", "k", "_"], 0), Anchor::literal("whsec_", 0)],
    look,
    whole: None,
};

static BASE64: Set = Set::of("A-Za-z0-9+/=");

static TOKENS: &[Token] = &[
    Token::new("sk_live_", &ALNUM, 16, 247),
    Token::new("sk_test_", &ALNUM, 16, 247),
    Token::new("rk_live_", &ALNUM, 16, 247),
    Token::new("rk_test_", &ALNUM, 16, 247),
    Token::new("whsec_", &BASE64, 32, 64),
];

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(TOKENS, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn keys_are_found() {
        let random = "aB3dE5fG7hI9jK1lM2nOpQ4r";
        finds(
            "stripe_key",
            &[
                &format!("⟦sk_live_{random}⟧"),
                &format!("STRIPE_KEY=⟦sk_test_{random}⟧"),
                &format!("\"⟦rk_live_{random}⟧\""),
                &format!("⟦rk_test_{random}⟧."),
                &format!("⟦sk_live_51{random}{random}{random}{random}⟧"),
                &format!("⟦whsec_{random}{random}⟧"),
                &format!("⟦sk_live_{random}⟧:"),
                &format!("-u ⟦sk_test_{random}⟧: https://api.stripe.com"),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        let random = "aB3dE5fG7hI9jK1lM2nOpQ4r";
        passes(
            "stripe_key",
            &[
                &format!("pk_live_{random}"),
                &format!("task_live_{random}"),
                "sk_live_short",
                "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx",
                "disk_test_0123456789abcdef",
                "work_live_0123456789abcdef",
                "whsec_",
                &format!("sk_prod_{random}"),
                "sk_live_...",
            ],
        );
    }
}
