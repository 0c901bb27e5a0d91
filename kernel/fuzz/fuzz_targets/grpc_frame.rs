//! Any bytes as the body of a gRPC request: one whole message, or refused.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use spanmill_kernel::net::grpc::{Unframed, unframed};

fuzz_target!(|data: (u16, &[u8])| {
    let (max_message, body) = (usize::from(data.0), Bytes::copy_from_slice(data.1));
    match unframed(&body, max_message) {
        Ok((is_compressed, message)) => {
            let length = (message.len() as u32).to_be_bytes();
            assert_eq!([&[u8::from(is_compressed)], &length[..], &message[..]].concat(), body);
        }
        Err(Unframed::TooLarge) => assert!(u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize > max_message),
        Err(Unframed::NotOne) => {}
    }
});
