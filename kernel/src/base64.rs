//! Base64 as RFC 4648 section 4 has it, with padding.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * index)) as usize & 63];
            out.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Bytes from their text, with padding or without. `None` if it is no base64.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if text.len() - end > 2 || end % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(end / 4 * 3 + 2);
    for chunk in text[..end].chunks(4) {
        let mut group = 0;
        for byte in chunk {
            let digit = DIGITS.iter().position(|digit| digit == byte)?;
            group = group << 6 | digit as u32;
        }
        let group = group << (6 * (4 - chunk.len()));
        out.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_encoded_comes_back() {
        for length in 0..10u8 {
            let bytes: Vec<u8> = (0..length).map(|number| number.wrapping_mul(91)).collect();
            let text = super::encode(&bytes);
            assert_eq!(super::decode(text.as_bytes()), Some(bytes.clone()));
            assert_eq!(super::decode(text.trim_end_matches('=').as_bytes()), Some(bytes));
        }
        for wrong in ["A", "AAAAA", "AA-_", "A A=", "AAA=A", "A==="] {
            assert_eq!(super::decode(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(super::encode(bytes.as_bytes()), text);
        }
    }
}
