//! Any bytes as the text of an attribute, or as a value on the wire: what is cut fits, and is of the same kind.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use spanmill_kernel::truncate::Truncation;
use spanmill_kernel::view::Value;

/// How deep values nest that arrival lets in.
const MAX_DEPTH: usize = 40;

fn depth(value: &Value<'_>) -> usize {
    if let Some(items) = value.as_list() {
        return 1 + items.iter().map(depth).max().unwrap_or(0);
    }
    let entries = value.as_map();
    entries.map_or(0, |map| 1 + map.entries().iter().map(|entry| depth(entry.value())).max().unwrap_or(0))
}

fuzz_target!(|data: (u16, &[u8])| {
    let (max_bytes, bytes) = (usize::from(data.0), data.1);
    let truncation = Truncation::new(max_bytes);
    match truncation.text(bytes) {
        None => assert!(bytes.len() <= max_bytes),
        Some(truncated) => {
            assert_eq!(truncated.original_bytes, bytes.len());
            assert!(truncated.value.len() <= max_bytes && bytes.len() > max_bytes);
            assert!(std::str::from_utf8(bytes).is_err() || std::str::from_utf8(&truncated.value).is_ok());
            assert_eq!(truncation.text(&truncated.value), None);
            let is_container = |json: &Json| json.is_array() || json.is_object();
            if max_bytes >= 2 && serde_json::from_slice::<Json>(bytes).is_ok_and(|json| is_container(&json)) {
                serde_json::from_slice::<Json>(&truncated.value).expect("stays JSON");
            }
        }
    }
    // Fields that nest deeper than arrival allows would be refused there.
    if bytes.len() > 4096 {
        return;
    }
    let value = Value::decode(bytes);
    if depth(&value) > MAX_DEPTH {
        return;
    }
    if let Some(truncated) = truncation.value(&value) {
        let mut encoded = Vec::new();
        truncated.value.encode(&mut encoded);
        assert!(encoded.len() <= max_bytes.max(2) || matches!(truncated.value, Value::Str(_) | Value::Bytes(_)));
    }
});
