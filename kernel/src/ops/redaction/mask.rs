//! What stands in place of something that was masked.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use sha3::Sha3_256;

use crate::error::OptionError;
use crate::hex;

const ASTERISKS: &[u8] = b"****";

/// The option `hash_function`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum HashFunction {
    #[default]
    #[serde(rename = "")]
    None,
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "sha1")]
    Sha1,
    #[serde(rename = "sha3")]
    Sha3,
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

/// Asterisks, or a digest by which equal secrets can still be told to be equal.
pub(super) enum Masking {
    Asterisks,
    Md5,
    Sha1,
    Sha3,
    // Keyed once: each digest begins with a copy.
    HmacSha256(Box<Hmac<Sha256>>),
    HmacSha512(Box<Hmac<Sha512>>),
}

impl Masking {
    pub(super) fn new(function: HashFunction, key: &[u8]) -> Result<Self, OptionError> {
        let wrong = |_| OptionError::new("hmac_key", "cannot be used");
        Ok(match function {
            HashFunction::None => Self::Asterisks,
            HashFunction::Md5 => Self::Md5,
            HashFunction::Sha1 => Self::Sha1,
            HashFunction::Sha3 => Self::Sha3,
            HashFunction::HmacSha256 => Self::HmacSha256(Box::new(Hmac::new_from_slice(key).map_err(wrong)?)),
            HashFunction::HmacSha512 => Self::HmacSha512(Box::new(Hmac::new_from_slice(key).map_err(wrong)?)),
        })
    }

    /// Appends what comes instead of `secret`.
    pub(super) fn put(&self, secret: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Asterisks => out.extend_from_slice(ASTERISKS),
            Self::Md5 => out.extend(hex::encode(&Md5::digest(secret))),
            Self::Sha1 => out.extend(hex::encode(&Sha1::digest(secret))),
            Self::Sha3 => out.extend(hex::encode(&Sha3_256::digest(secret))),
            Self::HmacSha256(keyed) => {
                let mut keyed = keyed.clone();
                keyed.update(secret);
                out.extend(hex::encode(&keyed.finalize().into_bytes()));
            }
            Self::HmacSha512(keyed) => {
                let mut keyed = keyed.clone();
                keyed.update(secret);
                out.extend(hex::encode(&keyed.finalize().into_bytes()));
            }
        }
    }

    /// Masks a whole value, line by line: that is what the pattern `.*` of the Go collector matches, also where a line is
    /// empty.
    pub(super) fn whole(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                out.push(b'\n');
            }
            self.put(line, &mut out);
        }
        out
    }
}

/// The key is a secret.
impl std::fmt::Debug for Masking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masking")
    }
}
