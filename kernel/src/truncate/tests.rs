//! What is promised of values that were cut, by example and on generated ones.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::*;
use crate::tape;
use crate::view::Map;

fn shortened(text: &str, max_bytes: usize) -> String {
    let truncated = Truncation::new(max_bytes).text(text.as_bytes()).expect("is too large");
    assert_eq!(truncated.original_bytes, text.len());
    assert!(truncated.value.len() <= max_bytes);
    String::from_utf8(truncated.value).unwrap()
}

#[test]
fn what_fits_stays() {
    for text in ["", "abc", "{\"a\":1}"] {
        assert_eq!(Truncation::new(text.len()).text(text.as_bytes()), None);
    }
    assert_eq!(Truncation::new(0).value(&Value::Int(7)), None);
    assert_eq!(Truncation::new(3).value(&Value::text(b"abc".to_vec())), None);
}

#[test]
fn a_text_is_cut_at_a_character() {
    assert_eq!(shortened("abcdefgh", 7), "abcd…");
    assert_eq!(shortened("äöüäöü", 8), "äö…");
    assert_eq!(shortened("äöü", 3), "ä");
    assert_eq!(shortened("🚀🚀", 7), "🚀…");
    assert_eq!(shortened("🚀", 3), "");
    assert_eq!(shortened("abc", 0), "");
    assert_eq!(Truncation::new(4).text(b"\xff\xff\xff\xff\xff").unwrap().value, b"\xff\xe2\x80\xa6");
}

#[test]
fn the_oldest_messages_go_first() {
    let messages = r#"[{"role":"system","content":"be brief"}, {"role":"user","content":"one"}, {"role":"assistant","content":"two"},{"role":"user","content":"three"}]"#;
    assert_eq!(
        shortened(messages, messages.len() - 1),
        r#"[{"role":"system","content":"be brief"}, {"role":"assistant","content":"two"},{"role":"user","content":"three"}]"#
    );
    assert_eq!(
        shortened(messages, 80),
        r#"[{"role":"system","content":"be brief"}, {"role":"user","content":"three"}]"#
    );
}

#[test]
fn then_strings_are_shortened_and_at_last_the_system_message_goes() {
    let messages = r#"[{"role":"system","content":"be brief and polite, always"},{"role":"user","content":"one"},{"role":"user","content":"a long question that goes on"}]"#;
    assert_eq!(
        shortened(messages, 100),
        r#"[{"role":"system","content":"be brief and pol…"},{"role":"user","content":"a long question …"}]"#
    );
    assert_eq!(shortened(messages, 50), r#"[{"role":"user","content":"a long question t…"}]"#);
}

#[test]
fn messages_may_have_parts_and_may_stand_in_an_object() {
    let messages = r#"{"model":"m","messages":[{"role":"user","parts":[{"type":"text","content":"one"}]},{"role":"user","parts":[{"type":"text","content":"two"}]}]}"#;
    assert_eq!(
        shortened(messages, 100),
        r#"{"model":"m","messages":[{"role":"user","parts":[{"type":"text","content":"two"}]}]}"#
    );
}

#[test]
fn a_conversation_may_have_another_name_and_calls_of_tools() {
    let json = r#"{"input":[{"role":"developer","content":"brief"},{"role":"user","content":"one"},{"type":"function_call","name":"f"},{"role":"user","content":"two"}],"tools":[1,2,3]}"#;
    assert_eq!(
        shortened(json, 130),
        r#"{"input":[{"role":"developer","content":"brief"},{"role":"user","content":"two"}],"tools":[1,2,3]}"#
    );
}

#[test]
fn a_string_in_json_stays_one() {
    assert_eq!(shortened(r#""abc\"defghij""#, 12), r#""abc\"de…""#);
    assert_eq!(shortened(r#""abcdef""#, 2), r#""""#);
}

#[test]
fn the_longest_strings_are_shortened_together() {
    let json = format!(r#"{{"a":"{}","b":"{}","c":"short"}}"#, "x".repeat(500), "y".repeat(300));
    let result: Json = serde_json::from_str(&shortened(&json, 230)).unwrap();
    assert_eq!(result["c"], "short");
    let lengths = ["a", "b"].map(|key| result[key].as_str().unwrap().len());
    assert_eq!(lengths[0], lengths[1]);
    assert!(lengths[0] >= 99 && result["a"].as_str().unwrap().ends_with("x…"));
}

#[test]
fn an_escape_is_not_cut() {
    let json = format!(r#"["{}"]"#, r"\ud83d\ude80\n\u00e4".repeat(10));
    for max_bytes in 4..json.len() {
        let result: Vec<String> = serde_json::from_str(&shortened(&json, max_bytes)).unwrap();
        assert!("🚀\nä".repeat(10).starts_with(result[0].trim_end_matches('…')));
    }
}

#[test]
fn then_lists_lose_items_from_the_front() {
    assert_eq!(shortened("[0.5, 1.25, 2.5, 3.75]", 14), "[2.5, 3.75]");
    assert_eq!(shortened(r#"{"data":[1,2,3,4,5,6],"n":6}"#, 24), r#"{"data":[3,4,5,6],"n":6}"#);
    assert_eq!(shortened("[[1,2,3],[4,5,6]]", 2), "[]");
    assert_eq!(shortened(r#"{"first":1111,"second":2222}"#, 20), r#"{"first":1111}"#);
    assert_eq!(shortened(r#"{"first":1111,"second":2222}"#, 5), "{}");
    assert_eq!(shortened(&format!("{{\"a\":{}}}", "1".repeat(100)), 10), "{}");
    assert_eq!(shortened(r#"  {"a":1}  "#, 2), "{}");
}

#[test]
fn one_large_message_keeps_its_place() {
    let messages = format!(r#"[{{"role":"user","content":"{}"}}]"#, "x".repeat(1000));
    let result: Json = serde_json::from_str(&shortened(&messages, 100)).unwrap();
    assert_eq!(result[0]["role"], "user");
    assert!(result[0]["content"].as_str().unwrap().len() > 60);
}

#[test]
fn values_are_shortened_by_their_encoded_size() {
    let message = |role: &'static str, text: String| {
        let mut map = Map::default();
        map.push(&b"role"[..], Value::text(role.as_bytes().to_vec()));
        map.push(&b"content"[..], Value::text(text.into_bytes()));
        Value::Map(map)
    };
    let value = Value::List(vec![
        message("system", "be brief".into()),
        message("user", "x".repeat(300)),
        message("user", "y".repeat(500)),
    ]);
    let mut encoded = Vec::new();
    value.encode(&mut encoded);

    let truncated = Truncation::new(400).value(&value).unwrap();

    assert_eq!(truncated.original_bytes, encoded.len());
    let messages = truncated.value.as_list().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], message("system", "be brief".into()));
    let last = messages[1].as_map().unwrap();
    let Some(Value::Str(text)) = last.get(b"content") else { panic!() };
    assert!(text.ends_with("y…".as_bytes()) && text.len() > 300);
    encoded.clear();
    truncated.value.encode(&mut encoded);
    assert!(encoded.len() <= 400);
}

#[test]
fn what_takes_more_when_it_is_written_again_fits_all_the_same() {
    // A map of three members that have neither key nor value.
    let value = Value::decode(b"\x32\x06\x0a\x00\x0a\x00\x0a\x00");
    let truncated = Truncation::new(7).value(&value).unwrap();
    let mut encoded = Vec::new();
    truncated.value.encode(&mut encoded);
    assert_eq!((truncated.original_bytes, encoded.len()), (8, 6));
}

#[test]
fn bytes_and_numbers_in_lists_are_shortened_too() {
    let value = Value::List((0..100).map(Value::Int).collect());
    let items = Truncation::new(50).value(&value).unwrap().value;
    assert_eq!(items.as_list().unwrap().last(), Some(&Value::Int(99)));
    let bytes = Value::Bytes(Cow::Owned(vec![0xff; 100]));
    assert_eq!(Truncation::new(10).value(&bytes).unwrap().value, Value::Bytes(Cow::Owned(vec![0xff; 10])));
    let value = Value::List(vec![bytes]);
    assert!(
        matches!(&Truncation::new(60).value(&value).unwrap().value.as_list().unwrap()[0], Value::Bytes(b) if b.len() > 40)
    );
}

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn string(&mut self) -> String {
        let parts = ["a", "bc", " ", "ä", "🚀", "\n", "\"", "\\", "role", "\u{1}"];
        let count = if self.below(6) == 0 { self.below(120) } else { self.below(6) };
        (0..count).map(|_| parts[self.below(parts.len())]).collect()
    }

    fn json(&mut self, depth: usize) -> Json {
        match self.below(if depth > 4 { 4 } else { 8 }) {
            0 => Json::Null,
            1 => Json::from(self.below(100_000)),
            2 | 3 => Json::from(self.string()),
            4 => (0..self.below(8)).map(|_| self.json(depth + 1)).collect(),
            5 => Json::Object((0..self.below(6)).map(|_| (self.string(), self.json(depth + 1))).collect()),
            6 => (0..self.below(6))
                .map(|_| serde_json::json!({"role": "user", "content": self.json(depth + 1)}))
                .collect(),
            _ => {
                serde_json::json!({"model": "m", "messages": [{"role": "system", "content": self.string()}, {"role": "user", "content": self.string()}]})
            }
        }
    }

    fn value(&mut self, depth: usize) -> Value<'static> {
        match self.below(if depth > 4 { 5 } else { 8 }) {
            0 => Value::Empty,
            1 => Value::Int(self.below(1 << 30) as i64 - (1 << 29)),
            2 => Value::Bytes(self.string().into_bytes().into()),
            3 | 4 => Value::text(self.string().into_bytes()),
            5 => Value::List((0..self.below(8)).map(|_| self.value(depth + 1)).collect()),
            _ => {
                let mut map = Map::default();
                (0..self.below(6)).for_each(|_| map.push(self.string().into_bytes(), self.value(depth + 1)));
                Value::Map(map)
            }
        }
    }
}

#[test]
fn whatever_it_is_the_result_fits_and_is_of_the_same_kind() {
    let mut random = Random(7);
    for round in 0..4000 {
        let json = random.json(0);
        let text = if round % 2 == 0 { json.to_string() } else { serde_json::to_string_pretty(&json).unwrap() };
        let max_bytes = random.below(text.len() + 2);
        let truncation = Truncation::new(max_bytes);
        let Some(truncated) = truncation.text(text.as_bytes()) else {
            assert!(text.len() <= max_bytes);
            continue;
        };
        let result = std::str::from_utf8(&truncated.value).expect("is UTF-8");
        assert!(result.len() <= max_bytes && text.len() > max_bytes);
        if (json.is_array() || json.is_object()) && max_bytes >= 2 {
            assert!(tape::read(result.as_bytes()).is_some(), "{text} to {max_bytes}: {result}");
        }
        assert_eq!(truncation.text(result.as_bytes()), None);
    }
}

#[test]
fn any_text_that_was_cut_fits_and_is_utf8() {
    let mut random = Random(11);
    for _ in 0..4000 {
        let text = random.string();
        let max_bytes = random.below(text.len() + 2);
        if let Some(truncated) = Truncation::new(max_bytes).text(text.as_bytes()) {
            assert!(truncated.value.len() <= max_bytes);
            assert!(std::str::from_utf8(&truncated.value).is_ok());
        }
    }
}

#[test]
fn whatever_the_value_is_the_result_fits() {
    let mut random = Random(13);
    for _ in 0..4000 {
        let value = random.value(0);
        let mut encoded = Vec::new();
        value.encode(&mut encoded);
        let max_bytes = random.below(encoded.len() + 2);
        let truncation = Truncation::new(max_bytes);
        let Some(truncated) = truncation.value(&value) else { continue };
        let mut result = Vec::new();
        truncated.value.encode(&mut result);
        match &truncated.value {
            Value::Str(text) => assert!(text.len() <= max_bytes && std::str::from_utf8(text).is_ok()),
            Value::Bytes(bytes) => assert!(bytes.len() <= max_bytes),
            // An empty list is as small as a list gets.
            _ => assert!(result.len() <= max_bytes.max(2), "{value:?} to {max_bytes}"),
        }
        if max_bytes >= 2 {
            assert!(truncation.value(&truncated.value).is_none());
        }
    }
}
