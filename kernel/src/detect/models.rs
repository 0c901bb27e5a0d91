//! `huggingface_token`, `model_key`, `observability_key`: keys of those who host models, and of those who watch them.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{ALNUM, BASE64URL, Set, Text};
use super::token::{self, Token};

pub static HUGGINGFACE_TOKEN: Detector = Detector {
    name: "huggingface_token",
    description: "Tokens of Hugging Face: hf_…, api_org_…",
    anchors: &[Anchor::literal("hf_", 0), Anchor::literal("api_org_", 3)],
    look: |text, at, _| token::look(HUGGINGFACE, text, at),
    whole: None,
};

pub static MODEL_KEY: Detector = Detector {
    name: "model_key",
    description: "Keys of other hosts of models: Groq, xAI, OpenRouter, DeepSeek, Perplexity, Replicate, NVIDIA, Cerebras, Fireworks",
    anchors: &[
        Anchor::literal("gsk_", 1),
        Anchor::literal("xai-", 0),
        Anchor::literal("sk-", 0),
        Anchor::literal("pplx-", 0),
        Anchor::literal("r8_", 0),
        Anchor::literal("nvapi-", 0),
        Anchor::literal("csk-", 0),
        Anchor::literal("fw_", 0),
        Anchor::literal("tvly-", 0),
        Anchor::literal("pcsk_", 0),
    ],
    look: keys,
    whole: None,
};

pub static OBSERVABILITY_KEY: Detector = Detector {
    name: "observability_key",
    description: "Keys of services that watch models: LangSmith, Langfuse, Logfire, Braintrust, Weights & Biases, Helicone",
    anchors: &[
        Anchor::literal("lsv2_", 0),
        Anchor::literal("sk-lf-", 2),
        Anchor::literal("pylf_v", 0),
        Anchor::literal("wandb_v1_", 2),
        Anchor::literal("sk-helicone-", 2),
    ],
    look: |text, at, _| token::look(OBSERVABILITY, text, at),
    whole: None,
};

static LETTERS: Set = Set::of("A-Za-z");
static HEX: Set = Set::of("0-9a-f");
static HEX_DASHED: Set = Set::of("0-9a-f-");
static HEX_LOW: Set = Set::of("0-9a-f_");
static WORD: Set = Set::of("A-Za-z0-9_");

/// <https://huggingface.co/docs/hub/security-tokens>
static HUGGINGFACE: &[Token] = &[Token::new("hf_", &LETTERS, 34, 34), Token::new("api_org_", &LETTERS, 34, 34)];

static KEYS: &[Token] = &[
    Token::new("gsk_", &ALNUM, 52, 52),
    Token::new("xai-", &ALNUM, 80, 80),
    Token::new("sk-or-v1-", &HEX, 64, 64),
    Token::new("sk-", &HEX, 32, 32),
    Token::new("pplx-", &ALNUM, 48, 56),
    Token::new("r8_", &WORD, 37, 40),
    Token::new("nvapi-", &BASE64URL, 60, 70),
    Token::new("csk-", &ALNUM, 48, 48),
    Token::new("fw_", &ALNUM, 22, 24),
    Token::new("tvly-", &BASE64URL, 32, 50),
    Token::new("pcsk_", &WORD, 60, 80),
];

static OBSERVABILITY: &[Token] = &[
    Token::new("lsv2_pt_", &HEX_LOW, 43, 43),
    Token::new("lsv2_sk_", &HEX_LOW, 43, 43),
    Token::new("sk-lf-", &HEX_DASHED, 36, 36),
    Token::new("pylf_v1_", &WORD, 40, 70),
    Token::new("pylf_v2_", &WORD, 40, 90),
    Token::new("wandb_v1_", &BASE64URL, 60, 100),
    Token::new("sk-helicone-", &ALNUM_DASHED, 24, 64),
];
static ALNUM_DASHED: Set = Set::of("A-Za-z0-9-");

fn keys(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(KEYS, text, at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    const RANDOM: &str = "aB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYzaB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYzaB3dE5fG7hI9";
    const LETTERS: &str = "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH";
    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn keys_are_found() {
        let token = format!("hf_{LETTERS}");
        finds(
            "huggingface_token",
            &[
                token.as_str(),
                &format!("HF_TOKEN=⟦{token}⟧"),
                &format!("Bearer ⟦{token}⟧"),
                &format!("\"⟦{token}⟧\""),
                &format!("⟦{token}⟧."),
                &format!("⟦api_org_{LETTERS}⟧"),
                &format!("https://user:⟦{token}⟧@huggingface.co"),
                &format!("(⟦{token}⟧)"),
            ],
        );
        finds(
            "model_key",
            &[
                &format!("⟦gsk_{}⟧", &RANDOM[..52]),
                &format!("XAI_API_KEY=⟦xai-{}⟧", &RANDOM[..80]),
                &format!("⟦sk-or-v1-{HEX}⟧"),
                &format!("DEEPSEEK_API_KEY=⟦sk-{}⟧", &HEX[..32]),
                &format!("⟦pplx-{}⟧.", &RANDOM[..48]),
                &format!("⟦r8_{}⟧", &RANDOM[..37]),
                &format!("\"⟦nvapi-{}⟧\"", &RANDOM[..64]),
                &format!("⟦csk-{}⟧", &RANDOM[..48]),
                &format!("⟦fw_{}⟧", &RANDOM[..24]),
                &format!("⟦tvly-dev-{}⟧", &RANDOM[..32]),
            ],
        );
        finds(
            "observability_key",
            &[
                &format!("⟦lsv2_pt_{}_{}⟧", &HEX[..32], &HEX[..10]),
                &format!("LANGSMITH_API_KEY=⟦lsv2_sk_{}_{}⟧", &HEX[..32], &HEX[..10]),
                "⟦sk-lf-01234567-89ab-cdef-0123-456789abcdef⟧",
                "secret: \"⟦sk-lf-01234567-89ab-cdef-0123-456789abcdef⟧\"",
                &format!("⟦pylf_v1_us_{}⟧", &RANDOM[..40]),
                &format!("⟦wandb_v1_{}⟧", &RANDOM[..77]),
                &format!("⟦sk-helicone-{}⟧", &HEX[..32]),
                &format!("x ⟦lsv2_pt_{}_{}⟧.", &HEX[..32], &HEX[..10]),
            ],
        );
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "huggingface_token",
            &[
                "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "hf_hub_download",
                &format!("hf_{}", &LETTERS[1..]),
                &format!("hf_{LETTERS}a"),
                &format!("shf_{LETTERS}"),
                "hf_transfer",
                "half_open",
                "api_org_name",
            ],
        );
        passes(
            "model_key",
            &[
                "gsk_short",
                "xai-grok-beta",
                "task-0123456789abcdef0123456789abcdef",
                "fw_version",
                "r8_unorm",
                "sk-learn",
                "desk-0123456789abcdef0123456789abcdef",
                "nvapi-",
                "sk-0123456789abcdef0123456789abcde",
            ],
        );
        passes(
            "observability_key",
            &[
                "lsv2_pt_short",
                "sk-lf-...",
                "pk-lf-01234567-89ab-cdef-0123-456789abcdef",
                "pylf_v1_us_x",
                "wandb_v1_x",
                "risk-lf-01234567-89ab-cdef-0123-456789abcdef",
                "sk-helicone-eu",
                "lsv2_xx_0123456789abcdef0123456789abcdef_0123456789",
            ],
        );
    }
}
