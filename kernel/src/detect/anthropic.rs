//! `anthropic_key`: keys of Anthropic, for the API, for administration and from OAuth.
//! <https://docs.anthropic.com/en/api/overview>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{BASE64URL, Text};
use super::token::{self, Token};

pub static ANTHROPIC_KEY: Detector = Detector {
    name: "anthropic_key",
    description: "Keys of Anthropic: sk-ant-api03-…, sk-ant-admin01-…, sk-ant-oat01-…",
    anchors: &[Anchor::literal("sk-ant-", 2)],
    look,
    whole: None,
};

/// Kind and version stand between the prefix and what is random.
static TOKENS: &[Token] = &[Token::new("sk-ant-", &BASE64URL, 40, 200).checked(has_kind)];

fn has_kind(key: &[u8]) -> bool {
    let kind = key.get(7..).and_then(|rest| rest.split(|byte| *byte == b'-').next()).unwrap_or(&[]);
    let letters = kind.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    letters > 1 && kind.len() == letters + 2 && kind[letters..].iter().all(u8::is_ascii_digit)
}

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(TOKENS, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn keys_are_found() {
        let random = format!("{}AA", "aB3dE5fG7hI9j-K1lM2nO_pQ4rS6tU8".repeat(3));
        let key = format!("sk-ant-api03-{random}");
        finds(
            "anthropic_key",
            &[
                key.as_str(),
                &format!("ANTHROPIC_API_KEY=⟦{key}⟧"),
                &format!("x-api-key: ⟦{key}⟧"),
                &format!("{{\"key\":\"⟦{key}⟧\"}}"),
                &format!("⟦sk-ant-admin01-{random}⟧"),
                &format!("⟦sk-ant-oat01-{random}⟧"),
                &format!("⟦sk-ant-sid01-{random}⟧;"),
                &format!("use ⟦{key}⟧."),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        let random = "aB3dE5fG7hI9jK1lM2nO".repeat(4);
        passes(
            "anthropic_key",
            &[
                "sk-ant-api03-short",
                "sk-ant-api03-...",
                &format!("sk-ant-{random}"),
                &format!("task-ant-api03-{random}"),
                &format!("sk-ant-api-{random}"),
                &format!("sk-proj-{random}"),
                "sk-ant-api03-your_key",
                "significant-api03-0123456789012345678901234567890123456789",
            ],
        );
    }
}
