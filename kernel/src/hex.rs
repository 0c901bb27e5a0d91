//! Hexadecimal digits: lower case when they are written, either case when they are read.

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

/// By character, the value of a digit; 0xff for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        values[digit as usize] = value as u8;
        values[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    values
};

/// Appends a byte for every two digits. If there is anything but pairs of digits, it says so and appends nothing.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let (pairs, rest) = text.as_chunks::<2>();
    let mark = out.len();
    let mut all = 0;
    out.extend(pairs.iter().map(|[high, low]| {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        all |= high | low;
        high << 4 | low & 15
    }));
    let is_hex = all < 16 && rest.is_empty();
    if !is_hex {
        out.truncate(mark);
    }
    is_hex
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_digit_is_written() {
        assert_eq!(super::encode(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]), b"0123456789abcdef");
        assert_eq!(super::encode(&[]), b"");
    }

    #[test]
    fn digits_of_either_case_are_read_and_nothing_else() {
        let mut out = vec![7];
        assert!(super::decode(b"0123456789abcdefABCDEF", &mut out));
        assert_eq!(out, [7, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef]);
        for wrong in ["0", "123", "0g", "g0", " 0", "0x", "\u{e9}", "--"] {
            let mut out = vec![7];
            assert!(!super::decode(wrong.as_bytes(), &mut out), "{wrong}");
            assert_eq!(out, [7]);
        }
        assert!(super::decode(b"", &mut Vec::new()));
    }
}
