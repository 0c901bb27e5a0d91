//! Where everything stands in a text in JSON: one flat list of tokens, in the order of the text.
//!
//! For work that keeps most of a text byte for byte and changes or removes some of it. Nothing is copied and nothing
//! recurses, so any depth is read.

use crate::json::plain_until;

/// What a token is. Containers come before what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    List,
    Object,
    /// An item of a list, or a member of an object with its key: what can be taken out. Its value is the token behind it, or
    /// behind its key.
    Slot,
    /// Without its quotes.
    Key,
    /// Without its quotes.
    Text,
    /// Not of JSON: bytes of an `AnyValue`.
    Bytes,
    Number,
    /// `null`, `true`, `false`.
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    /// Where it stands in the text.
    pub start: usize,
    pub end: usize,
    /// The index of the first token that is not inside this one.
    pub next: usize,
}

/// Reads a text wholly, or gives `None` if it is not JSON (RFC 8259). Lone surrogates are taken, as its grammar does; whether
/// strings are UTF-8 is not looked at.
pub fn read(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    // Containers that are open, each with the slot that is.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut at = skip_blanks(text, 0);
    loop {
        let (kind, start) = (kind_of(*text.get(at)?)?, at);
        match kind {
            Kind::List | Kind::Object => {
                tokens.push(Token { kind, start, end: 0, next: 0 });
                open.push((tokens.len() - 1, 0));
                at = skip_blanks(text, at + 1);
                if *text.get(at)? != closing(kind) {
                    at = begin(text, at, kind, &mut tokens, &mut open)?;
                    continue;
                }
            }
            Kind::Text => {
                at = end_of_string(text, at + 1)?;
                tokens.push(Token { kind, start: start + 1, end: at - 1, next: tokens.len() + 1 });
            }
            _ => {
                at = if kind == Kind::Number { end_of_number(text, at)? } else { end_of_word(text, at)? };
                tokens.push(Token { kind, start, end: at, next: tokens.len() + 1 });
            }
        }
        // Behind a value: the next slot, or what ends here.
        loop {
            let Some(&mut (container, slot)) = open.last_mut() else {
                return (skip_blanks(text, at) == text.len()).then_some(tokens);
            };
            let kind = tokens[container].kind;
            let is_empty = tokens.len() == container + 1;
            if !is_empty && tokens[slot].end == 0 {
                let next = tokens.len();
                tokens[slot].end = at;
                tokens[slot].next = next;
            }
            at = skip_blanks(text, at);
            let byte = *text.get(at)?;
            if byte == closing(kind) {
                at += 1;
                let next = tokens.len();
                tokens[container].end = at;
                tokens[container].next = next;
                open.pop();
            } else if byte == b',' && !is_empty {
                at = begin(text, skip_blanks(text, at + 1), kind, &mut tokens, &mut open)?;
                break;
            } else {
                return None;
            }
        }
    }
}

/// Begins an item or a member, and gives the place where its value begins.
fn begin(
    text: &[u8],
    at: usize,
    container: Kind,
    tokens: &mut Vec<Token>,
    open: &mut [(usize, usize)],
) -> Option<usize> {
    open.last_mut()?.1 = tokens.len();
    tokens.push(Token { kind: Kind::Slot, start: at, end: 0, next: 0 });
    if container == Kind::List {
        return Some(at);
    }
    if *text.get(at)? != b'"' {
        return None;
    }
    let end = end_of_string(text, at + 1)?;
    tokens.push(Token { kind: Kind::Key, start: at + 1, end: end - 1, next: tokens.len() + 1 });
    let colon = skip_blanks(text, end);
    (*text.get(colon)? == b':').then(|| skip_blanks(text, colon + 1))
}

#[inline(always)]
fn kind_of(first: u8) -> Option<Kind> {
    match first {
        b'{' => Some(Kind::Object),
        b'[' => Some(Kind::List),
        b'"' => Some(Kind::Text),
        b'-' | b'0'..=b'9' => Some(Kind::Number),
        b'n' | b't' | b'f' => Some(Kind::Word),
        _ => None,
    }
}

const fn closing(container: Kind) -> u8 {
    if matches!(container, Kind::Object) { b'}' } else { b']' }
}

#[inline(always)]
fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// The place behind the closing quote of a string whose content begins at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = plain_until(text, at);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            _ => return None,
        }
    }
}

fn end_of_number(text: &[u8], start: usize) -> Option<usize> {
    let digits =
        |from: usize| text.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count());
    let mut at = start + usize::from(text.get(start) == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(at)
}

fn end_of_word(text: &[u8], at: usize) -> Option<usize> {
    let word = ["null", "true", "false"].into_iter().find(|word| text[at..].starts_with(word.as_bytes()))?;
    Some(at + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> Vec<(Kind, &str, usize)> {
        let tokens = read(json.as_bytes()).unwrap();
        tokens.iter().map(|token| (token.kind, &json[token.start..token.end], token.next)).collect()
    }

    #[test]
    fn tokens_stand_in_the_order_of_the_text() {
        assert_eq!(
            shown(r#" {"a": [1, "x\"y"] , "b":{}} "#),
            [
                (Kind::Object, r#"{"a": [1, "x\"y"] , "b":{}}"#, 11),
                (Kind::Slot, r#""a": [1, "x\"y"]"#, 8),
                (Kind::Key, "a", 3),
                (Kind::List, r#"[1, "x\"y"]"#, 8),
                (Kind::Slot, "1", 6),
                (Kind::Number, "1", 6),
                (Kind::Slot, r#""x\"y""#, 8),
                (Kind::Text, r#"x\"y"#, 8),
                (Kind::Slot, r#""b":{}"#, 11),
                (Kind::Key, "b", 10),
                (Kind::Object, "{}", 11),
            ]
        );
        assert_eq!(shown("null"), [(Kind::Word, "null", 1)]);
        assert_eq!(shown("[[],[]]").len(), 5);
    }

    #[test]
    fn it_takes_what_json_is_and_nothing_else() {
        for json in ["0", "-0.5e-7", r#""\ud800""#, "true", "[]", "{}", r#"{"a":1,"a":2}"#, "[[[]]]", "[1 , 2]\n"] {
            assert!(read(json.as_bytes()).is_some(), "{json}");
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(), "{json}");
        }
        for json in [
            "",
            " ",
            "{",
            "[",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            r#"{"a":1]"#,
            r#"{"a" 1}"#,
            "{a:1}",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            "{,}",
            "nul",
            "truely",
            "NaN",
            "1 1",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "[]]",
            "}",
            r#"{1:2}"#,
        ] {
            assert!(read(json.as_bytes()).is_none(), "{json}");
        }
    }

    #[test]
    fn any_depth_is_read() {
        let depth = 100_000;
        assert_eq!(read(("[".repeat(depth) + &"]".repeat(depth)).as_bytes()).unwrap().len(), 2 * depth - 1);
    }
}
