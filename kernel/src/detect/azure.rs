//! `azure_key`: keys of Microsoft Azure: of storage and service bus, of Entra applications, of its AI services, of shared access
//! signatures.
//! <https://learn.microsoft.com/en-us/purview/sit-defn-all-creds>

use std::ops::Range;

use super::Detector;
use super::sieve::Anchor;
use super::text::{ALNUM, Set, Text, contains_any};
use super::token::is_varied;

pub static AZURE_KEY: Detector = Detector {
    name: "azure_key",
    description: "Keys of Azure: AccountKey=…, SharedAccessKey=…, sig=… of signatures, client secrets, keys of AI services",
    anchors: &[
        Anchor::literal("AccountKey=", 7),
        Anchor::literal("SharedAccessKey=", 12),
        Anchor::literal("JQQJ99", 0),
        Anchor::literal("AzCa", 0),
        Anchor::literal("8Q~", 0),
        Anchor::literal("7Q~", 0),
        Anchor::literal("sig=", 1),
    ],
    look,
    whole: Some(whole),
};

static BASE64: Set = Set::of("A-Za-z0-9+/=");
static ESCAPED: Set = Set::of("A-Za-z0-9+/=%");
static SECRET: Set = Set::of("A-Za-z0-9_.~-");
/// Names under which a key of 32 hexadecimal digits is one.
const NAMES: [&str; 5] =
    ["azureopenaiapikey", "azureopenaikey", "ocpapimsubscriptionkey", "azureapikey", "cognitiveserviceskey"];

fn look(text: &Text<'_>, at: usize, _done: &mut usize) -> Option<Range<usize>> {
    let rest = text.from(at);
    if rest.starts_with(b"AccountKey=") || rest.starts_with(b"SharedAccessKey=") {
        let start = at + rest.iter().position(|byte| *byte == b'=')? + 1;
        let end = text.run_within(start, &BASE64, 90);
        return (matches!(end - start, 44 | 56 | 88) && is_varied(text.slice(start..end))).then_some(start..end);
    }
    if rest.starts_with(b"sig=") {
        // A signature is one where its version or its expiry stands beside it.
        let around = text.slice(at.saturating_sub(300)..(at + 300).min(text.bytes.len()));
        let is_signed = [&b"sv="[..], b"se="].iter().all(|part| memchr::memmem::find(around, part).is_some());
        let end = text.run_within(at + 4, &ESCAPED, 65);
        let starts = matches!(text.before(at), Some(b'?' | b'&' | b';'));
        return (starts && is_signed && (43..=64).contains(&(end - at - 4))).then_some(at + 4..end);
    }
    if rest.starts_with(b"JQQJ99") {
        // 84 letters and digits, of which 52 stand before the mark.
        let start = at.checked_sub(52)?;
        let end = text.run_within(at, &ALNUM, 33);
        let is_key =
            end - start == 84 && text.slice(start..end).iter().all(|byte| ALNUM.has(*byte)) && text.begins(start);
        return is_key.then_some(start..end);
    }
    if rest.get(1..3) == Some(b"Q~") {
        // Three characters stand before the mark, 34 behind it.
        let start = at.checked_sub(3)?;
        let end = text.run_within(at + 3, &SECRET, 38);
        let is_secret = end - at == 37;
        let before = text.slice(start..at);
        return (is_secret && before.iter().all(|byte| SECRET.has(*byte)) && text.begins(start)).then_some(start..end);
    }
    None
}

/// The key of a cognitive service is known by its name only.
fn whole(text: &Text<'_>) -> Option<Range<usize>> {
    let is_key = text.bytes.len() == 32 && text.bytes.iter().all(u8::is_ascii_hexdigit) && is_varied(text.bytes);
    (is_key && contains_any(text.name, &NAMES)).then_some(0..32)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, found_named, passes};

    const RANDOM: &str = "aB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYzaB3dE5fG7hI9jK1lM2nOpQ4rS6tU8vW0xYzaB3dE5fG7hI9jK1lM2nO";

    #[test]
    fn keys_are_found() {
        let storage = format!("{}==", &RANDOM[..86]);
        let bus = format!("{}=", &RANDOM[..43]);
        let ai = format!("{}JQQJ99BAACAC{}", &RANDOM[..52], &RANDOM[..20]);
        finds(
            "azure_key",
            &[
                &format!("AccountName=x;AccountKey=⟦{storage}⟧;EndpointSuffix=core.windows.net"),
                &format!("SharedAccessKeyName=x;SharedAccessKey=⟦{bus}⟧"),
                &format!("api-key: ⟦{ai}⟧"),
                &format!("\"⟦{ai}⟧\""),
                &format!("client_secret=⟦abc8Q~{}⟧", &RANDOM[..34]),
                &format!(
                    "https://x.blob.core.windows.net/a?sv=2022-11-02&se=2024-01-01&sig=⟦{}%3D⟧&sp=r",
                    &RANDOM[..43]
                ),
                &format!("⟦x1.8Q~{}⟧.", &RANDOM[..34]).replace("⟧.", "⟧ ."),
                &format!("AccountKey=⟦{storage}⟧"),
            ],
        );
        assert_eq!(found_named("azure_key", "AZURE_OPENAI_API_KEY", "0123456789abcdef0123456789abcdef").len(), 1);
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        passes(
            "azure_key",
            &[
                "AccountKey=short",
                "AccountKey=<key>",
                "SharedAccessKey=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=",
                "0123456789abcdef0123456789abcdef",
                "https://example.com/?sig=0123456789012345678901234567890123456789012",
                "JQQJ99",
                "8Q~",
                "abc8Q~short",
                "AccountKey",
            ],
        );
    }
}
