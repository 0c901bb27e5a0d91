//! `pypi_token`, `platform_token`, `sendgrid_key`, `telegram_token`: tokens of the places where software is kept and run, and of
//! those who send messages.

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{ALNUM, BASE64URL, DIGITS, Set, Text};
use super::token::{self, Token};

pub static PYPI_TOKEN: Detector = Detector {
    name: "pypi_token",
    description: "Tokens of PyPI: pypi-AgEIcHlwaS5vcmc…",
    anchors: &[Anchor::literal("pypi-AgE", 4)],
    look: |text, at, _| token::look(PYPI, text, at),
    whole: None,
};

pub static PLATFORM_TOKEN: Detector = Detector {
    name: "platform_token",
    description: "Tokens of Databricks, DigitalOcean, Docker Hub, HashiCorp Vault, Doppler, Linear, Notion, Shopify, Supabase, Mailgun",
    anchors: &[
        Anchor::literal("dapi", 1),
        Anchor::literal("dop_v1_", 2),
        Anchor::literal("dckr_pat_", 1),
        Anchor::of(["v", "s", "."], 1),
        Anchor::literal("dp.pt.", 1),
        Anchor::literal("lin_api_", 3),
        Anchor::literal("ntn_", 1),
        Anchor::of(["h", "p", "a"], 1),
        Anchor::literal("sbp_", 0),
        Anchor::literal("key-", 1),
        Anchor::of(["pul", "-", "0-9a-f"], 0),
    ],
    look: platform,
    whole: None,
};

pub static SENDGRID_KEY: Detector = Detector {
    name: "sendgrid_key",
    description: "Keys of SendGrid: SG.….…",
    anchors: &[Anchor::literal("SG.", 0)],
    look: |text, at, _| token::look(SENDGRID, text, at),
    whole: None,
};

pub static TELEGRAM_TOKEN: Detector = Detector {
    name: "telegram_token",
    description: "Tokens of Telegram bots: 123456789:AA…",
    anchors: &[Anchor::of([":", "A", "A"], 0)],
    look: telegram,
    whole: None,
};

static HEX: Set = Set::of("0-9a-f");
static HEX_DASHED: Set = Set::of("0-9a-f-");
static DOTTED: Set = Set::of("A-Za-z0-9_.-");

/// A macaroon whose location is `pypi.org`. <https://docs.pypi.org/api/secrets/>
static PYPI: &[Token] = &[
    Token::new("pypi-AgEIcHlwaS5vcmc", &BASE64URL, 50, 1000),
    Token::new("pypi-AgENdGVzdC5weXBpLm9yZw", &BASE64URL, 50, 1000),
];

static PLATFORM: &[Token] = &[
    Token::new("dapi", &HEX_DASHED, 32, 34),
    Token::new("dop_v1_", &HEX, 64, 64),
    Token::new("doo_v1_", &HEX, 64, 64),
    Token::new("dckr_pat_", &BASE64URL, 27, 40),
    Token::new("hvs.", &BASE64URL, 24, 200),
    Token::new("hvb.", &BASE64URL, 100, 400),
    Token::new("dp.pt.", &ALNUM, 40, 44),
    Token::new("lin_api_", &ALNUM, 40, 40),
    Token::new("ntn_", &ALNUM, 43, 48),
    Token::new("shpat_", &HEX, 32, 32),
    Token::new("sbp_", &HEX, 40, 40),
    Token::new("key-", &HEX, 32, 32),
    Token::new("pul-", &HEX, 40, 40),
];

/// Two parts, of 22 and 43. <https://docs.sendgrid.com/ui/account-and-settings/api-keys>
static SENDGRID: &[Token] = &[Token::new("SG.", &DOTTED, 66, 66).checked(|key| key.get(25) == Some(&b'.'))];

fn platform(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    token::look(PLATFORM, text, at)
}

/// The number of the bot, and 35 characters. <https://core.telegram.org/bots/features#botfather>
fn telegram(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    let start = text.run_back(at, &DIGITS, 12);
    let end = text.run_within(at + 1, &BASE64URL, 36);
    // In addresses of the API `bot` stands in front.
    let is_bot = text.begins(start) || text.slice(start.saturating_sub(3)..start) == b"bot";
    let is_token =
        (8..=11).contains(&(at - start)) && end - at == 36 && is_bot && token::is_varied(text.slice(at + 1..end));
    is_token.then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    const RANDOM: &str = "aB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYzaB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYz";
    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn tokens_of_pypi_are_found() {
        let token = format!("pypi-{}{}", "AgEIcHlwaS5vcmc", RANDOM);
        finds(
            "pypi_token",
            &[
                token.as_str(),
                &format!("password = ⟦{token}⟧"),
                &format!("TWINE_PASSWORD=⟦{token}⟧"),
                &format!("\"⟦{token}⟧\""),
                &format!("⟦{token}⟧."),
                &format!("https://__token__:⟦{token}⟧@upload.pypi.org"),
                &format!("⟦{token}_-⟧"),
                &format!("⟦pypi-{}{}⟧", "AgENdGVzdC5weXBpLm9yZw", RANDOM),
            ],
        );
        passes(
            "pypi_token",
            &[
                "pypi-AgEIcHlwaS5vcmc",
                "pypi-server",
                "pypi-AgE",
                &format!("xpypi-AgEIcHlwaS5vcmc{RANDOM}"),
                &format!("pypi-{RANDOM}"),
                &format!("pypi-AgEIcHlwaS5vcmc{}", "x".repeat(80)),
                "pypi-AgEIcHlwaS5vcmc...",
                "pypi",
            ],
        );
    }

    #[test]
    fn tokens_of_platforms_are_found() {
        finds(
            "platform_token",
            &[
                &format!("⟦dapi{}⟧", &HEX[..32]),
                &format!("⟦dapi{}-2⟧", &HEX[..32]),
                &format!("⟦dop_v1_{HEX}⟧"),
                &format!("⟦dckr_pat_{}⟧", &RANDOM[..27]),
                &format!("VAULT_TOKEN=⟦hvs.{RANDOM}⟧"),
                &format!("⟦dp.pt.{}⟧", &RANDOM[..43]),
                &format!("⟦lin_api_{}⟧", &RANDOM[..40]),
                &format!("⟦ntn_{}⟧", &RANDOM[..46]),
                &format!("⟦shpat_{}⟧", &HEX[..32]),
                &format!("⟦sbp_{}⟧", &HEX[..40]),
                &format!("api:⟦key-{}⟧", &HEX[..32]),
            ],
        );
        passes(
            "platform_token",
            &[
                "dapi",
                "dop_v1_short",
                "hvs.",
                "key-value",
                "shpat_",
                "envs.example",
                &format!("monkey-{}", &HEX[..32]),
                &format!("key-{}", &HEX[..31]),
                "key-00000000000000000000000000000000",
            ],
        );
    }

    #[test]
    fn keys_of_sendgrid_are_found() {
        let key = format!("{}.{}.{}", "SG", &RANDOM[..22], &RANDOM[..43]);
        finds(
            "sendgrid_key",
            &[
                key.as_str(),
                &format!("SENDGRID_API_KEY=⟦{key}⟧"),
                &format!("Bearer ⟦{key}⟧"),
                &format!("\"⟦{key}⟧\""),
                &format!("(⟦{key}⟧)"),
                &format!("x ⟦{key}⟧, y"),
                &format!("⟦{key}⟧ ⟦{key}⟧"),
                &format!("k=⟦{key}⟧&x"),
            ],
        );
        passes(
            "sendgrid_key",
            &[
                "SG.",
                "SG.short.short",
                &format!("xSG.{}.{}", &RANDOM[..22], &RANDOM[..43]),
                &format!("SG.{}", &RANDOM[..66]),
                "MSG.SG.TXT",
                "SG.1.2.3",
                &format!("SG.{}.{}", "x".repeat(22), "x".repeat(43)),
                &format!("SG.{}.{}", &RANDOM[..22], &RANDOM[..42]),
            ],
        );
    }

    #[test]
    fn tokens_of_telegram_are_found() {
        let token = format!("123456789:AA{}", &RANDOM[..33]);
        finds(
            "telegram_token",
            &[
                token.as_str(),
                &format!("https://api.telegram.org/bot⟦{token}⟧/sendMessage"),
                &format!("TOKEN=⟦{token}⟧"),
                &format!("\"⟦{token}⟧\""),
                &format!("⟦{token}⟧."),
                &format!("(⟦{token}⟧)"),
                &format!("x ⟦{token}⟧ y"),
                &format!("⟦1{token}⟧"),
            ],
        );
        passes(
            "telegram_token",
            &[
                "12:AA",
                "123456789:AAshort",
                &format!("1234567:AA{}", &RANDOM[..33]),
                &format!("123456789:AB{}", &RANDOM[..33]),
                &format!("123456789:AA{}", "x".repeat(33)),
                "time 12:30:AA",
                "00:AA:BB:CC:DD:EE",
                &format!("123456789:AA{}", &RANDOM[..34]),
            ],
        );
    }
}
