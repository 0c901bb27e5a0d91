//! Masks in place of what was found, in plain text and in JSON.
//!
//! JSON is searched string by string, without its escapes, and what is put in is escaped, so that every other byte
//! stays as it was and the text stays JSON. A string that is JSON itself is searched as such.

use std::ops::Range;

use memchr::memchr;

use super::unescape::Plain;
use super::{Detectors, Finding, SHORTEST};
use crate::tape::{self, Kind, Step};
use crate::text::put_quoted;

/// How deep JSON is looked for in strings of JSON, and how often escapes of escapes are taken away in a text that is none.
const MAX_NESTED: u8 = 4;

/// What stands in place of something that was found: it is told the detector and what that found, unescaped.
pub type Mask<'m> = dyn FnMut(&'static str, &[u8]) -> Vec<u8> + 'm;

/// A change of a text.
pub(super) struct Edit {
    range: Range<usize>,
    what: What,
    /// How often what is put in must be escaped.
    levels: u8,
}

enum What {
    /// A quote goes in here.
    Quote,
    Found {
        detector: &'static str,
        text: Vec<u8>,
    },
}

impl Detectors {
    /// The text with masks in place of all findings, or `None` if there are none.
    pub fn clean(&self, text: &[u8], mask: &mut Mask<'_>) -> Option<Vec<u8>> {
        self.clean_named(b"", text, mask)
    }

    /// The same for the value of an attribute of this name: some secrets are known by that only.
    pub fn clean_named(&self, name: &[u8], text: &[u8], mask: &mut Mask<'_>) -> Option<Vec<u8>> {
        let edits = self.edits(name, text, 0);
        (!edits.is_empty()).then(|| apply(text, edits, mask))
    }

    /// What is to be done to a text, sorted and not overlapping.
    fn edits(&self, name: &[u8], text: &[u8], depth: u8) -> Vec<Edit> {
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if !matches!(first, Some(b'{' | b'[' | b'"')) {
            return self.edits_of_text(name, text, 0);
        }
        match (depth < MAX_NESTED).then(|| leaves(text)).flatten() {
            Some(leaves) => self.edits_of_json(text, &leaves, depth),
            // JSON that an SDK has cut: what goes in is escaped all the same.
            None => self.edits_of_text(name, text, u8::from(begins_as_json(text))),
        }
    }

    fn edits_of_json(&self, text: &[u8], leaves: &[Leaf], depth: u8) -> Vec<Edit> {
        let mut edits = Vec::new();
        for Leaf { kind, range, key } in leaves {
            let (content, name) = (&text[range.clone()], &text[key.clone()]);
            if *kind == Kind::Number {
                let findings = self.find_named(name, content);
                if findings.is_empty() {
                    continue;
                }
                // It becomes a string, with what stood around the finding in it.
                let quote = |at| Edit { range: at..at, what: What::Quote, levels: 0 };
                edits.push(quote(range.start));
                edits.extend(findings.iter().map(|finding| found(finding, content, range.start, 1)));
                edits.push(quote(range.end));
                continue;
            }
            let plain = memchr(b'\\', content).map(|_| Plain::of(content));
            let inner = self.edits(name, plain.as_ref().map_or(content, |plain| &plain.text), depth + 1);
            edits.extend(inner.into_iter().map(|edit| {
                let place = plain.as_ref().map_or(edit.range.clone(), |plain| plain.raw(edit.range));
                Edit {
                    range: range.start + place.start..range.start + place.end,
                    what: edit.what,
                    levels: edit.levels + 1,
                }
            }));
        }
        edits
    }

    fn edits_of_text(&self, name: &[u8], text: &[u8], levels: u8) -> Vec<Edit> {
        if memchr(b'\\', text).is_none() {
            let findings = self.find_named(name, text);
            return findings.iter().map(|finding| found(finding, text, 0, levels)).collect();
        }
        // Escapes may be escaped again, as often as JSON stands in strings of JSON, and a text may be cut anywhere: so it
        // is searched as it reads after each time that escapes are taken away.
        let mut views: Vec<Plain> = Vec::new();
        let mut edits: Vec<Edit> = Vec::new();
        while views.len() < usize::from(MAX_NESTED) {
            let view = Plain::of(views.last().map_or(text, |view| &view.text));
            if !view.is_changed() && !views.is_empty() {
                break;
            }
            views.push(view);
            let Some(view) = views.last() else { break };
            for finding in self.find_named(name, &view.text) {
                let mut edit = found(&finding, &view.text, 0, levels);
                for view in views.iter().rev() {
                    edit.range = view.raw(edit.range);
                }
                edits.push(edit);
            }
        }
        edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
        edits.dedup_by(|later, earlier| {
            let overlaps = later.range.start < earlier.range.end;
            if overlaps {
                earlier.range.end = earlier.range.end.max(later.range.end);
            }
            overlaps
        });
        edits
    }
}

/// A key, a string or a number in JSON, with the key under which it stands.
struct Leaf {
    kind: Kind,
    range: Range<usize>,
    key: Range<usize>,
}

/// What there is to search in a text in JSON, or `None` if it is none.
fn leaves(text: &[u8]) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    let mut last_key = 0..0;
    tape::walk(text, |step| {
        if let Step::Leaf(kind, start, end) = step {
            let key = if kind == Kind::Key { 0..0 } else { last_key.clone() };
            if end - start >= SHORTEST && kind != Kind::Word {
                leaves.push(Leaf { kind, range: start..end, key });
            }
            if kind == Kind::Key {
                last_key = start..end;
            }
        }
        true
    })?;
    Some(leaves)
}

fn found(finding: &Finding, text: &[u8], offset: usize, levels: u8) -> Edit {
    Edit {
        range: offset + finding.start..offset + finding.end,
        what: What::Found { detector: finding.detector, text: text[finding.start..finding.end].to_vec() },
        levels,
    }
}

/// Whether a text that is no JSON began as such: with an object, or a list of objects, lists or strings.
fn begins_as_json(text: &[u8]) -> bool {
    let mut signs = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    matches!((signs.next(), signs.next()), (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'{' | b'[' | b'"')))
}

fn apply(text: &[u8], edits: Vec<Edit>, mask: &mut Mask<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16 * edits.len());
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(&text[at..edit.range.start]);
        let mut put = match edit.what {
            What::Quote => b"\"".to_vec(),
            What::Found { detector, text } => mask(detector, &text),
        };
        for _ in 0..edit.levels {
            put = escaped(&put);
        }
        out.extend_from_slice(&put);
        at = edit.range.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// As it stands inside a string of JSON.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    put_quoted(text, &mut quoted, |_| false);
    quoted.pop();
    quoted.remove(0);
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::testing::all;

    fn cleaned(text: &str) -> String {
        let found = all().clean(text.as_bytes(), &mut |name, _| format!("<{name}>").into_bytes());
        found.map_or_else(|| "-".to_owned(), |text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn masks_stand_in_plain_text() {
        assert_eq!(cleaned("write to jo@example.com, or al@example.org."), "write to <email>, or <email>.");
        assert_eq!(cleaned("nothing here"), "-");
        assert_eq!(cleaned(""), "-");
    }

    #[test]
    fn a_mask_is_told_what_was_found_and_by_whom() {
        let mut told = Vec::new();
        let text = br#"["jo\u0040example.com", {"ip": "10.1.2.3"}]"#;
        all().clean(text, &mut |name, found| {
            told.push((name, String::from_utf8(found.to_vec()).unwrap()));
            vec![]
        });
        assert_eq!(told, [("email", "jo@example.com".to_owned()), ("ip", "10.1.2.3".to_owned())]);
    }

    #[test]
    fn json_stays_json_and_every_other_byte_stays() {
        assert_eq!(
            cleaned(r#" { "a" : "\/\u00e9 jo\u0040example.com\n" , "jo@example.com":[1.50, "10.1.2.3"] } "#),
            r#" { "a" : "\/\u00e9 <email>\n" , "<email>":[1.50, "<ip>"] } "#
        );
        let quoting = all().clean(br#"{"a":"jo@example.com"}"#, &mut |_, _| b"\"\\\n".to_vec()).unwrap();
        assert_eq!(String::from_utf8(quoting).unwrap(), r#"{"a":"\"\\\n"}"#);
    }

    #[test]
    fn a_number_becomes_a_string() {
        assert_eq!(
            cleaned(r#"{"card": 4111111111111111, "n": 4111111111111112}"#),
            r#"{"card": "<credit_card>", "n": 4111111111111112}"#
        );
        assert_eq!(cleaned(r#""{\"card\": 4111111111111111}""#), r#""{\"card\": \"<credit_card>\"}""#);
        assert_eq!(cleaned(r#"["{\"card\": 4111111111111111}"]"#), r#"["{\"card\": \"<credit_card>\"}"]"#);
    }

    #[test]
    fn json_in_strings_of_json_is_searched_as_such() {
        let inner = r#"{"to":"jo\u0040example.com","é":"\u00e9"}"#;
        let middle = format!(r#"{{"arguments":{}}}"#, serde_json::to_string(inner).unwrap());
        let outer = format!(r#"[{{"tool":{}}}]"#, serde_json::to_string(&middle).unwrap());
        let cleaned = cleaned(&outer);
        let outer: serde_json::Value = serde_json::from_str(&cleaned).unwrap();
        let middle: serde_json::Value = serde_json::from_str(outer[0]["tool"].as_str().unwrap()).unwrap();
        assert_eq!(middle["arguments"], r#"{"to":"<email>","é":"\u00e9"}"#);
    }

    #[test]
    fn a_quote_in_a_mask_is_escaped_as_deep_as_it_stands() {
        let text = br#"["{\"a\":\"jo@example.com\"}"]"#;
        let cleaned = all().clean(text, &mut |_, _| b"\"".to_vec()).unwrap();
        let outer: Vec<String> = serde_json::from_slice(&cleaned).unwrap();
        assert_eq!(outer, [r#"{"a":"\""}"#]);
    }

    #[test]
    fn what_is_known_by_its_name_is_found_in_members() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert_eq!(cleaned(&format!(r#"{{"SecretAccessKey": "{secret}"}}"#)), r#"{"SecretAccessKey": "<aws_key>"}"#);
        assert_eq!(cleaned(&format!(r#"{{"Digest": "{secret}"}}"#)), "-");
    }

    #[test]
    fn json_that_was_cut_is_searched_as_text() {
        assert_eq!(
            cleaned(r#"[{"role":"user","content":"mail jo\u0040example.com\nthen al@example.co"#),
            r#"[{"role":"user","content":"mail <email>\nthen <email>"#
        );
        assert_eq!(
            cleaned(r#"{"a":"{\"b\":\"\\njo\\u0040example.com\\n and mo"#),
            r#"{"a":"{\"b\":\"\\n<email>\\n and mo"#
        );
        let quoting = all().clean(br#"{"a":"jo@example.com and"#, &mut |_, _| b"\"".to_vec()).unwrap();
        assert_eq!(quoting, br#"{"a":"\" and"#);
        let plain = all().clean(b"[INFO] jo@example.com and", &mut |_, _| b"\"".to_vec()).unwrap();
        assert_eq!(plain, b"[INFO] \" and");
    }

    #[test]
    fn an_escape_is_never_broken() {
        assert_eq!(
            cleaned(r#"{"a":"x\njo@example.com\u00e9 4111111111111111\"#),
            r#"{"a":"x\n<email>\u00e9 <credit_card>\"#
        );
        assert_eq!(cleaned(r"C:\users\jo@example.com\desk"), r"C:\users\<email>\desk");
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let cleaned = all().clean(b"\xff jo@example.com \xc3", &mut |_, _| b"*".to_vec()).unwrap();
        assert_eq!(cleaned, b"\xff * \xc3");
        let cleaned = all().clean(b"[\"\xff jo@example.com \xc3\"]", &mut |_, _| b"*".to_vec()).unwrap();
        assert_eq!(cleaned, b"[\"\xff * \xc3\"]");
    }
}
