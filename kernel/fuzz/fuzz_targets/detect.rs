//! Any bytes as the text of an attribute: findings lie in it, masks go in, and JSON stays JSON.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use spanmill_kernel::detect::Detectors;
use spanmill_kernel::tape;

static DETECTORS: LazyLock<Detectors> = LazyLock::new(|| {
    let names: Vec<String> = Detectors::names().map(|(name, _)| name.to_owned()).collect();
    Detectors::new(&names).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let name = &data[..data.len().min(usize::from(data.first().copied().unwrap_or(0) % 32))];
    for text in [data, &data[name.len()..]] {
        let mut end = 0;
        for finding in DETECTORS.find_named(name, text) {
            assert!(end <= finding.start && finding.start < finding.end && finding.end <= text.len());
            end = finding.end;
        }
        // A mask that needs escapes.
        let Some(cleaned) = DETECTORS.clean_named(name, text, &mut |_, _| b"\"\\*".to_vec()) else { continue };
        let begins_as_json = text.trim_ascii_start().first().is_some_and(|byte| b"{[\"".contains(byte));
        assert!(!begins_as_json || tape::read(text).is_none() || tape::read(&cleaned).is_some());
    }
});
