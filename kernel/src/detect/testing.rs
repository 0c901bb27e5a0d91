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
        // With escapes of its own a text reads differently there.
        if !plain.contains('\\') {
            finds_in_json(detector, &plain, &expected);
        }
    }
}

/// The same text as a string in JSON, in JSON in it, and in JSON that was cut, with as many escapes as there can be.
fn finds_in_json(detector: &str, plain: &str, expected: &[String]) {
    let detectors = Detectors::new(&[detector.to_owned()]).unwrap();
    let escaped: String = plain
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let inner = format!(r#"[0, "{escaped}"]"#);
    let outer = serde_json::to_string(&[&inner]).unwrap();
    for json in [&inner, &outer, &inner[..inner.len() - 2].to_owned(), &outer[..outer.len() - 5].to_owned()] {
        let mut told = Vec::new();
        let cleaned = detectors.clean(json.as_bytes(), &mut |_, found| {
            told.push(String::from_utf8_lossy(found).into_owned());
            b"*".to_vec()
        });
        assert_eq!(told, expected, "{detector}: {json}");
        let is_json = crate::tape::read(json.as_bytes()).is_some();
        assert!(!is_json || crate::tape::read(&cleaned.unwrap()).is_some(), "{detector}: {json}");
    }
}

/// In none of these texts is anything found.
pub fn passes(detector: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(found(detector, text), [""; 0], "{detector}: {text}");
    }
}
