//! What is promised of all detectors together.

use super::testing::all;
use super::text::work;
use super::*;

#[test]
fn an_unknown_name_is_told_with_what_was_meant_and_what_there_is() {
    let wrong = |name: &str| Detectors::new(&["email".to_owned(), name.to_owned()]).err().unwrap();
    let error = wrong("credit_crad");
    assert_eq!(error.clone().within("detectors").path, "detectors[1]");
    assert!(error.message.starts_with("unknown detector 'credit_crad'; did you mean 'credit_card'? Known are email, "));
    assert!(wrong("zzzzzzzzzz").message.starts_with("unknown detector 'zzzzzzzzzz'; known are email, "));
}

#[test]
fn every_name_stands_once_and_says_in_a_line_what_it_finds() {
    let mut names: Vec<_> = Detectors::names().map(|(name, _)| name).collect();
    assert!(names.len() <= MOST);
    assert!(Detectors::names().all(|(_, line)| !line.is_empty() && line.len() < 140 && !line.contains('\n')));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Detectors::names().count());
}

#[test]
fn the_manual_has_every_detector_and_its_line() {
    let manual = include_str!("../../../docs/detectors.md");
    for (name, line) in Detectors::names() {
        assert!(manual.contains(&format!("### `{name}`\n\n{line}")), "{name}: {line}");
    }
    assert_eq!(manual.matches("\n### `").count(), Detectors::names().count());
}

#[test]
fn findings_that_overlap_become_one_with_the_name_of_the_longest() {
    let detectors = Detectors::new(&["email".to_owned(), "ip".to_owned(), "iban".to_owned()]).unwrap();
    let settled = |found: &[(Range<usize>, usize)]| {
        detectors.settle(found).into_iter().map(|f| (f.start, f.end, f.detector)).collect::<Vec<_>>()
    };
    assert_eq!(settled(&[(0..4, 0), (4..9, 1)]), [(0, 4, "email"), (4, 9, "ip")]);
    assert_eq!(settled(&[(0..4, 0), (2..9, 1)]), [(0, 9, "ip")]);
    assert_eq!(settled(&[(0..9, 2), (0..9, 1)]), [(0, 9, "ip")]);
    assert_eq!(settled(&[(0..5, 0), (4..12, 1), (11..14, 2), (20..21, 2)]), [(0, 14, "ip"), (20, 21, "iban")]);
    assert_eq!(settled(&[]), []);
}

#[test]
fn several_kinds_are_found_side_by_side() {
    let found = all().find(b"mail jo@example.com, card 4111 1111 1111 1111, host 10.1.2.3");
    assert_eq!(found.iter().map(|f| f.detector).collect::<Vec<_>>(), ["email", "credit_card", "ip"]);
}

/// Texts made of a piece, over and over: what a detector walks along must grow as the text does.
#[test]
fn the_work_grows_as_the_text_does() {
    let detectors = all();
    let pieces = [
        "1",
        "@",
        "a@",
        "a@a.",
        "a@a.bc",
        "1 ",
        "1-",
        "1.",
        "4111 ",
        "1:",
        "a:",
        "::",
        "00:",
        "00-",
        "+1",
        "+4 ",
        "+49 30 1",
        "(1",
        "eyJ",
        "eyJ.",
        "eyJhbGciOiJIUzI1NiJ9.",
        "eyJhbGciOiJub25lIn0.a.",
        "sk-",
        "sk-a-",
        "sk-ant-",
        "sk-ant-api03-",
        "AKIA",
        "AKIAA",
        "secret",
        "secret_access_key=",
        "aws_secret_access_key=a",
        "ghp_",
        "ghp_a",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxb-1-",
        "https://",
        "://a:",
        "://a:b@",
        "://a:a@a",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n",
        "Bearer ",
        "Bearer a",
        "authorization: ",
        "authorization: basic ",
        "Basic ",
        "Basic a",
        "DE",
        "DE89",
        "DE89 ",
        "DE89370400440532013000 ",
        "AccountKey=",
        "AccountKey=a",
        "a",
        "%40",
        "a%40",
        "\\u0040",
        "\\",
        "phone",
        "phone: ",
        "phone: 1",
        "0",
        "0 ",
        "01 02 ",
        "hf_",
        "SG.",
        "SG.a",
        "AIza",
        "npm_",
        "pypi-",
        "tel:",
        "A1",
        "aa1",
        "123456:AA",
        "999999999:AA",
        "=",
        "\"",
        "{\"a\":",
        "[",
        "https://hooks.slack.com/services/",
        "ya29.",
        "JQQJ99",
        "8Q~",
        "a8Q~",
        "api-key",
        "api_key: 0",
    ];
    for piece in pieces {
        let cost = |size: usize| {
            let text = piece.repeat(size / piece.len());
            work::take();
            let _ = detectors.clean(text.as_bytes(), &mut |_, _| b"*".to_vec());
            work::take()
        };
        let (small, large) = (cost(16_000), cost(128_000));
        assert!(large <= 12 * small + 2_000, "{piece}: {small} bytes walked along, then {large}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let parts: Vec<&[u8]> = vec![
        b"@",
        b".",
        b"a",
        b"1",
        b" ",
        b":",
        b"-",
        b"+",
        b"\\u0040",
        b"\\",
        b"eyJ",
        b"sk-",
        b"{\"",
        b"\"",
        b"}",
        b"[",
        b"\xff",
        b"\xc3\xbc",
        b"AKIA",
        b"Bearer ",
        b"secret",
        b"://",
        b"DE89",
        b"-----BEGIN ",
        b"(",
        b"%40",
        b"ghp_",
        b"\\n",
        b"_",
        b"/",
        b"=",
        b"4111111111111111",
        b"authorization",
        b"::",
        b"0",
        b"api_key",
        b"SG.",
        b"phone",
    ];
    let detectors = all();
    for _ in 0..20_000 {
        let text: Vec<u8> = (0..random() % 24).flat_map(|_| parts[random() % parts.len()].to_vec()).collect();
        for finding in detectors.find(&text) {
            assert!(finding.start < finding.end && finding.end <= text.len());
        }
        if let Some(cleaned) = detectors.clean(&text, &mut |_, _| b"*\"\\".to_vec()) {
            let is_json = text.iter().any(|byte| b"{[\"".contains(byte)) && crate::tape::read(&text).is_some();
            assert_eq!(is_json, is_json && crate::tape::read(&cleaned).is_some(), "{}", String::from_utf8_lossy(&text));
        }
    }
}
