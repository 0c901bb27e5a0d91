//! Any bytes as a compressed body: broken, too large, or something within the bound, whatever the bound is.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use spanmill_kernel::compress::{Encoding, InflateError, inflate};

fuzz_target!(|data: &[u8]| {
    let [selector, high, low, body @ ..] = data else { return };
    let limit = usize::from(u16::from_be_bytes([*high, *low]));
    let body = Bytes::copy_from_slice(body);
    let encoding = [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd][usize::from(selector % 4)];
    if let Ok(inflated) = inflate(encoding, body.clone(), limit) {
        assert!(inflated.len() <= limit);
        assert_eq!(inflate(encoding, body.clone(), inflated.len()), Ok(inflated.clone()));
        if !inflated.is_empty() {
            assert_eq!(inflate(encoding, body, inflated.len() - 1), Err(InflateError::TooLarge));
        }
    }
});
