//! Lower-case hexadecimal digits.

/// Two digits for each byte.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![0; 2 * bytes.len()];
    // Without a table both loops are done in a few vector instructions.
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[byte >> 4, byte & 15]);
    }
    for digit in &mut text {
        *digit += if *digit < 10 { b'0' } else { b'a' - 10 };
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_digit_is_written() {
        assert_eq!(super::encode(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]), b"0123456789abcdef");
        assert_eq!(super::encode(&[]), b"");
    }
}
