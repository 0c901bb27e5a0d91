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

/// So many tokens are kept at most, since a token takes more memory than a digit and a comma.
const MAX_TOKENS: usize = 1 << 20;

/// What a walk along a text comes to. Containers and slots are told where they begin and where they end.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Begin(Kind, usize),
    End(usize),
    /// A key, a string, a number or a word: where it begins and ends.
    Leaf(Kind, usize, usize),
}

/// Reads a text wholly, or gives `None` if it is not JSON (RFC 8259), or has more than a million tokens.
pub fn read(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    walk(text, |step| {
        let next = tokens.len() + 1;
        match step {
            Step::Begin(kind, start) => {
                open.push(tokens.len());
                tokens.push(Token { kind, start, end: 0, next });
            }
            Step::Leaf(kind, start, end) => tokens.push(Token { kind, start, end, next }),
            Step::End(end) => {
                let next = tokens.len();
                if let Some(token) = open.pop().and_then(|index| tokens.get_mut(index)) {
                    (token.end, token.next) = (end, next);
                }
            }
        }
        tokens.len() < MAX_TOKENS
    })?;
    Some(tokens)
}

/// Walks along a text as long as `visit` says so. Gives `None` if it was stopped, or if the text is not JSON, which may
/// be seen only at its end. Lone surrogates are taken, as the grammar does; whether strings are UTF-8 is not looked at.
#[inline]
pub fn walk(text: &[u8], mut visit: impl FnMut(Step) -> bool) -> Option<()> {
    let mut visit = |step| visit(step).then_some(());
    let mut open: Vec<Kind> = Vec::new();
    let mut at = skip_blanks(text, 0);
    loop {
        let kind = kind_of(*text.get(at)?)?;
        match kind {
            Kind::List | Kind::Object => {
                visit(Step::Begin(kind, at))?;
                at = skip_blanks(text, at + 1);
                if *text.get(at)? != closing(kind) {
                    open.push(kind);
                    at = begin_slot(text, at, kind, &mut visit)?;
                    continue;
                }
                at += 1;
                visit(Step::End(at))?;
            }
            Kind::Text => {
                let start = at + 1;
                at = end_of_string(text, start)?;
                visit(Step::Leaf(kind, start, at - 1))?;
            }
            _ => {
                let start = at;
                at = if kind == Kind::Number { end_of_number(text, at)? } else { end_of_word(text, at)? };
                visit(Step::Leaf(kind, start, at))?;
            }
        }
        // Behind a value: the next slot, or what ends here.
        loop {
            let Some(kind) = open.last().copied() else {
                return (skip_blanks(text, at) == text.len()).then_some(());
            };
            visit(Step::End(at))?;
            at = skip_blanks(text, at);
            let byte = *text.get(at)?;
            if byte == b',' {
                at = begin_slot(text, skip_blanks(text, at + 1), kind, &mut visit)?;
                break;
            }
            if byte != closing(kind) {
                return None;
            }
            at += 1;
            open.pop();
            visit(Step::End(at))?;
        }
    }
}

/// Begins an item or a member, and gives the place where its value begins.
#[inline(always)]
fn begin_slot(text: &[u8], at: usize, container: Kind, visit: &mut impl FnMut(Step) -> Option<()>) -> Option<usize> {
    visit(Step::Begin(Kind::Slot, at))?;
    if container == Kind::List {
        return Some(at);
    }
    if *text.get(at)? != b'"' {
        return None;
    }
    let end = end_of_string(text, at + 1)?;
    visit(Step::Leaf(Kind::Key, at + 1, end - 1))?;
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
    fn what_has_too_many_tokens_is_walked_along_all_the_same() {
        let text = format!("[{}1]", "1,".repeat(MAX_TOKENS / 2));
        assert_eq!(read(text.as_bytes()), None);
        assert_eq!(walk(text.as_bytes(), |_| true), Some(()));
        assert_eq!(walk(text.as_bytes(), |_| false), None);
    }

    #[test]
    fn any_depth_is_read() {
        let depth = 100_000;
        assert_eq!(read(("[".repeat(depth) + &"]".repeat(depth)).as_bytes()).unwrap().len(), 2 * depth - 1);
    }
}
