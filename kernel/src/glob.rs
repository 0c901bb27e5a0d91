//! Globs, as `replace_match` takes them: a pattern that the whole text must match.
//!
//! `*` stands for any characters, `?` for one, `[abc]`, `[a-z]` and `[!a-z]` for one of a class, `{a,b}` for either, and a
//! backslash takes its meaning from what follows.

use crate::pattern::Pattern;

use crate::pattern::compile;

/// Compiles a glob, or says what is wrong with it.
pub fn glob(pattern: &str) -> Result<Pattern, String> {
    translate(pattern, ".", false)
}

/// The same for names with dots between their parts: `*` and `?` stay within a part, and `**` goes beyond.
pub fn dotted_glob(pattern: &str) -> Result<Pattern, String> {
    translate(pattern, r"[^\.]", true)
}

/// `one` is the regular expression of what `?` stands for; `two_stars` stand for any characters where one star does not.
fn translate(pattern: &str, one: &str, two_stars: bool) -> Result<Pattern, String> {
    let mut out = String::from(r"(?s)\A(?:");
    let mut chars = pattern.chars().peekable();
    let mut open = 0;
    while let Some(c) = chars.next() {
        match c {
            '*' if two_stars && chars.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => {
                out.push_str(one);
                out.push('*');
            }
            '?' => out.push_str(one),
            '\\' => quote(chars.next().ok_or("it ends with a backslash")?, &mut out),
            '{' => {
                open += 1;
                out.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                out.push(')');
            }
            ',' if open > 0 => out.push('|'),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
                let mut empty = true;
                loop {
                    match chars.next().ok_or("a '[' is not closed")? {
                        ']' if !empty => break,
                        '-' => out.push('-'),
                        '\\' => quote(chars.next().ok_or("it ends with a backslash")?, &mut out),
                        c => quote(c, &mut out),
                    }
                    empty = false;
                }
                out.push(']');
            }
            c => quote(c, &mut out),
        }
    }
    if open > 0 {
        return Err("a '{' is not closed".to_owned());
    }
    out.push_str(r")\z");
    compile(&out)
}

fn quote(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_match() {
        for (pattern, yes, no) in [
            ("/user/*/list", "/user/9/a/list", "/user/9/lists"),
            ("h?llo", "héllo", "hllo"),
            ("[a-c]x", "bx", "dx"),
            ("[!a-c]x", "dx", "bx"),
            ("{cat,b[ae]t}s", "bets", "bits"),
            (r"a\*", "a*", "ab"),
            ("a.c", "a.c", "abc"),
            ("*", "line\nline", ""),
        ] {
            let regex = glob(pattern).unwrap();
            assert!(regex.is_match(yes.as_bytes()), "{pattern} {yes}");
            assert!(pattern == "*" || !regex.is_match(no.as_bytes()), "{pattern} {no}");
        }
        for (pattern, yes, no) in [("http.*", "http.route", "http.request.method"), ("http.**", "http.a.b", "https.a")]
        {
            let regex = dotted_glob(pattern).unwrap();
            assert!(regex.is_match(yes.as_bytes()) && !regex.is_match(no.as_bytes()), "{pattern}");
        }
        for pattern in ["[a", "{a", r"a\"] {
            assert!(glob(pattern).is_err(), "{pattern}");
        }
    }
}
