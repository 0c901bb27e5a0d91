//! Base64 (RFC 4648): written with the standard alphabet and padding, read with either alphabet and with or without.

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

/// By character, the value of a digit of either alphabet; 0xff for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 64 {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// Appends what the text stands for. If it is no base64, it says so and appends nothing. Bits of the last digit
/// that belong to no byte are not looked at, as by most decoders.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] if text.len().is_multiple_of(4) => digits,
        _ => text,
    };
    let mark = out.len();
    let mut all = 0;
    for chunk in digits.chunks(4) {
        let values = chunk.iter().map(|digit| VALUES[usize::from(*digit)]);
        let group = values.fold(0u32, |group, value| {
            all |= value;
            group << 6 | u32::from(value & 63)
        }) << (6 * (4 - chunk.len()));
        out.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    let is_base64 = all < 64 && digits.len() % 4 != 1;
    if !is_base64 {
        out.truncate(mark);
    }
    is_base64
}

#[cfg(test)]
mod tests {
    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = vec![];
        super::decode(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(super::encode(bytes.as_bytes()), text);
            assert_eq!(decoded(text).unwrap(), bytes.as_bytes());
            assert_eq!(decoded(text.trim_end_matches('=')).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn both_alphabets_are_read() {
        assert_eq!(decoded("-_+/").unwrap(), [0xfb, 0xff, 0xbf]);
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for wrong in ["Z", "Zm9vY", "Zg=", "Z===", "====", "=", "Zm9v====", "Zg==Zg==", "Zm 9", "Zm9v\n", "\u{e9}"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
