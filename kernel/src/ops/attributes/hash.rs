//! The digest of an attribute value: SHA-256 in hex, as the Go collector makes it.

use sha2::{Digest, Sha256};

use crate::view::Value;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// 64 hexadecimal characters; nothing for values that cannot be hashed.
pub(super) fn hash(value: &Value<'_>) -> Vec<u8> {
    let digest = match value {
        Value::Str(text) => Sha256::digest(text),
        Value::Int(value) => Sha256::digest(value.to_le_bytes()),
        Value::Double(value) => Sha256::digest(value.to_bits().to_le_bytes()),
        Value::Bool(value) => Sha256::digest([u8::from(*value)]),
        _ => return Vec::new(),
    };
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text.to_vec()
}
