//! The digest of an attribute value: SHA-256 in hex, as the Go collector makes it.

use sha2::{Digest, Sha256};

use crate::hex;
use crate::view::Value;

/// 64 hexadecimal characters; nothing for values that cannot be hashed.
pub(super) fn hash(value: &Value<'_>) -> Vec<u8> {
    let digest = match value {
        Value::Str(text) => Sha256::digest(text),
        Value::Int(value) => Sha256::digest(value.to_le_bytes()),
        Value::Double(value) => Sha256::digest(value.to_bits().to_le_bytes()),
        Value::Bool(value) => Sha256::digest([u8::from(*value)]),
        _ => return Vec::new(),
    };
    hex::encode(&digest)
}
