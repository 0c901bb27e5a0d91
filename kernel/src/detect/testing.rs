//! For tests of detectors.

use super::Detectors;

pub fn all() -> Detectors {
    Detectors::new(&Detectors::names().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()).unwrap()
}

/// What one detector finds in a text.
pub fn found(detector: &str, text: &str) -> Vec<String> {
    found_named(detector, "", text)
}

pub fn found_named(detector: &str, name: &str, text: &str) -> Vec<String> {
    let detectors = Detectors::new(&[detector.to_owned()]).unwrap();
    let findings = detectors.find_named(name.as_bytes(), text.as_bytes());
    findings.iter().map(|f| String::from_utf8_lossy(&text.as_bytes()[f.start..f.end]).into_owned()).collect()
}

/// Each of these texts is found: what stands between the brackets `⟦` and `⟧`, or all of it.
pub fn finds(detector: &str, texts: &[&str]) {
    for text in texts {
        let plain = text.replace(['⟦', '⟧'], "");
        let expected: Vec<String> = match text.contains('⟦') {
            true => text.split('⟦').skip(1).filter_map(|part| part.split('⟧').next()).map(str::to_owned).collect(),
            false => vec![plain.clone()],
        };
        assert_eq!(found(detector, &plain), expected, "{detector}: {text}");
    }
}

/// In none of these texts is anything found.
pub fn passes(detector: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(found(detector, text), [""; 0], "{detector}: {text}");
    }
}
