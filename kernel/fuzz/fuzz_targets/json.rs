//! Any bytes as a request in JSON: refused, or a request in the normal form that writes the same JSON for ever.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::IgnoredAny;
use spanmill_kernel::json::{decode, encode, read};
use spanmill_kernel::scan::scan;

/// What another parser thinks of it.
fn is_json(data: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(data);
    reader.disable_recursion_limit();
    IgnoredAny::deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

fuzz_target!(|data: &[u8]| {
    let request = match decode(data) {
        Ok(request) => request,
        Err(error) => {
            assert!(error.line > 0 && error.column > 0 && error.to_string().starts_with("invalid JSON at line "));
            return;
        }
    };
    assert!(is_json(data));
    assert!(scan(&request).expect("a request").normal);
    assert!(request.len() <= 2 * data.len());

    let batch = read(data, None).unwrap();
    let text = encode(&batch);
    let again = read(&text, None).expect("what was written can be read");
    assert_eq!(again.len(), batch.len());
    assert_eq!(encode(&again), text);
    if !again.is_empty() {
        assert_eq!(decode(&text).unwrap(), again.encode());
    }
});
