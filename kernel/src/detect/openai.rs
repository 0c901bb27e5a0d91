//! `openai_key`: keys of OpenAI. Since 2020 they hold the base64 of its name; the oldest have 48 letters and digits.
//! <https://platform.openai.com/docs/api-reference/authentication>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{ALNUM, BASE64URL, Text};
use super::token::{self, Token};

pub static OPENAI_KEY: Detector = Detector {
    name: "openai_key",
    description: "Keys of OpenAI: sk-…, sk-proj-…, sk-svcacct-…, sk-admin-…",
    anchors: &[Anchor::literal("sk-", 0)],
    look,
    whole: None,
};

/// `OpenAI` in base64.
const MARK: &[u8] = b"T3BlbkFJ";

static TOKENS: &[Token] = &[
    Token::new("sk-proj-", &BASE64URL, 40, 200),
    Token::new("sk-svcacct-", &BASE64URL, 40, 200),
    Token::new("sk-admin-", &BASE64URL, 40, 200),
    Token::new("sk-", &BASE64URL, 40, 200).checked(has_mark),
    Token::new("sk-", &ALNUM, 48, 48),
];

fn has_mark(key: &[u8]) -> bool {
    key.windows(MARK.len()).any(|part| part == MARK)
}

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(TOKENS, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn keys_are_found() {
        let twenty = "aB3dE5fG7hI9jK1lM2nO";
        let old = format!("sk-{twenty}T3BlbkFJ{twenty}");
        let long = format!("{twenty}{twenty}-_{twenty}T3BlbkFJ{twenty}{twenty}");
        finds(
            "openai_key",
            &[
                old.as_str(),
                &format!("OPENAI_API_KEY=⟦{old}⟧"),
                &format!("key: \"⟦sk-proj-{long}⟧\","),
                &format!("⟦sk-svcacct-{long}⟧"),
                &format!("⟦sk-admin-{long}⟧"),
                &format!("⟦sk-None-{long}⟧"),
                &format!("Bearer ⟦sk-{twenty}{twenty}aB3dE5fG⟧"),
                &format!("key%3D⟦{old}⟧&x"),
                &format!("use ⟦{old}⟧."),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "openai_key",
            &[
                "sk-proj-short",
                "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "task-aB3dE5fG7hI9jK1lM2nOT3BlbkFJaB3dE5fG7hI9jK1lM2nO",
                "sk-learn and sk-image",
                "sk-your-openai-key-here",
                "disk-0123456789abcdef0123456789abcdef0123456789abcdef",
                "sk-ant-api03-aB3dE5fG7hI9jK1lM2nOaB3dE5fG7hI9jK1lM2nO",
                "risk-proj-aB3dE5fG7hI9jK1lM2nOaB3dE5fG7hI9jK1lM2nO",
                "sk-0123456789abcdef0123456789abcdef",
            ],
        );
    }
}
