//! `private_key`: private keys in PEM (RFC 7468), of OpenSSH and of PGP, the whole block. One that was cut is found to where
//! its base64 ends.

use std::ops::Range;

use memchr::memmem;

use super::Detector;
use super::sieve::Anchor;
use super::text::{Set, Text};

pub static PRIVATE_KEY: Detector = Detector {
    name: "private_key",
    description: "Private keys in PEM, of OpenSSH and of PGP, the whole block",
    anchors: &[Anchor::literal("-----BEGIN ", 4)],
    look,
    whole: None,
};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// With less behind its beginning it is only talked about, in bytes.
const SHORTEST: usize = 32;
/// A label and a checksum fit, and what else may stand between.
static BODY: Set = Set::of("A-Za-z0-9+/=\\ \r\n\t:,-");
static LABEL: Set = Set::of("A-Z0-9 ");

fn look(text: &Text<'_>, at: usize, done: &mut usize) -> Option<Range<usize>> {
    if !text.from(at).starts_with(BEGIN) {
        return None;
    }
    let label = at + BEGIN.len();
    let label_end = text.run(label, &LABEL);
    *done = label_end;
    let name = text.slice(label..label_end);
    if memmem::find(name, b"PRIVATE KEY").is_none() || !text.from(label_end).starts_with(b"-----") {
        return None;
    }
    let body = label_end + 5;
    let body_end = text.run(body, &BODY);
    *done = body_end;
    if body_end - body < SHORTEST {
        return None;
    }
    // The end is written with signs that the body may have.
    let end = match memmem::find(text.slice(body..body_end), END) {
        Some(end) => {
            let label = body + end + END.len();
            let end = text.run(label, &LABEL);
            if text.from(end).starts_with(b"-----") { end + 5 } else { end }
        }
        None => body_end,
    };
    *done = end;
    Some(at..end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn blocks_are_found_whole() {
        let base64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n".repeat(3);
        let block = |label: &str| format!("-----BEGIN {label}-----\n{base64}-----END {label}-----");
        finds(
            "private_key",
            &[
                block("PRIVATE KEY").as_str(),
                &format!("key: ⟦{}⟧\nnext", block("RSA PRIVATE KEY")),
                &format!("⟦{}⟧", block("EC PRIVATE KEY")),
                &format!("⟦{}⟧", block("OPENSSH PRIVATE KEY")),
                &format!("⟦{}⟧", block("ENCRYPTED PRIVATE KEY")),
                &format!("⟦{}⟧\n\n⟦{}⟧", block("PRIVATE KEY"), block("PRIVATE KEY")),
                &format!("⟦{}⟧", block("PGP PRIVATE KEY BLOCK")),
                &format!("one line ⟦{}⟧", block("PRIVATE KEY").replace('\n', "\\n")),
                &format!("cut ⟦-----BEGIN PRIVATE KEY-----\n{base64}⟧"),
                &format!(
                    "⟦-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF\n\n{base64}-----END RSA PRIVATE KEY-----⟧"
                ),
            ],
        );
    }

    #[test]
    fn other_blocks_are_not() {
        passes(
            "private_key",
            &[
                "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
                "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
                "-----BEGIN PGP MESSAGE-----",
                "-----END PRIVATE KEY-----",
                "BEGIN PRIVATE KEY",
                "starts with \"-----BEGIN PRIVATE KEY-----\" or not",
                "--BEGIN PRIVATE KEY--",
                "-----BEGIN private key-----",
                "-----BEGIN PRIVATE KEY",
            ],
        );
    }
}
