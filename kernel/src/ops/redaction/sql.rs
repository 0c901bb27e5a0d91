//! SQL without the values in it: literals become question marks, comments go.
//!
//! It reads tokens, not statements, so it takes all dialects: quotes of `'…'` and `$tag$…$tag$` hold values, those of `"…"`,
//! `` `…` `` and `[…]` names. The Go collector, whose library reads double quotes by the dialect, may differ there.

/// The statement with `?` for each literal. One that ends in the middle of a literal has none behind it.
pub(super) fn sanitize(query: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(query.len());
    let mut at = 0;
    while let Some(&byte) = query.get(at) {
        let rest = &query[at..];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        let in_word = out.last().copied().is_some_and(is_word);
        match byte {
            b'\'' => {
                at += quoted(rest, b'\'');
                out.push(b'?');
            }
            b'"' | b'`' => {
                let length = quoted(rest, byte);
                out.extend_from_slice(&rest[..length]);
                at += length;
            }
            b'$' if let Some(length) = dollar_quoted(rest) => {
                at += length;
                out.push(b'?');
            }
            // A placeholder.
            b'$' if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                at += 1 + rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                out.push(b'?');
            }
            b'-' if rest.starts_with(b"--") => at += line(rest),
            b'#' => at += line(rest),
            b'/' if rest.starts_with(b"/*") => {
                at += memchr::memmem::find(rest, b"*/").map_or(rest.len(), |end| end + 2);
            }
            b'0'..=b'9' if !in_word => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
                at += rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                out.push(b'?');
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    let end = out.trim_ascii_end().len();
    out.truncate(end);
    out
}

/// How long what begins with a quote is, with both quotes. A quote inside is doubled, or stands behind a backslash.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == quote && rest.get(at + 1) == Some(&quote) => at += 2,
            _ if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `$$…$$` or `$tag$…$tag$`.
fn dollar_quoted(rest: &[u8]) -> Option<usize> {
    let is_tag = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let end = 1 + rest[1..].iter().position(|byte| !is_tag(byte))?;
    if rest[end] != b'$' {
        return None;
    }
    let tag = &rest[..=end];
    let close = memchr::memmem::find(&rest[tag.len()..], tag)?;
    Some(tag.len() + close + tag.len())
}

fn line(rest: &[u8]) -> usize {
    memchr::memchr(b'\n', rest).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_question_marks() {
        for (query, wanted) in [
            (
                "SELECT * FROM users WHERE id = 123 AND name = 'O''Brien'",
                "SELECT * FROM users WHERE id = ? AND name = ?",
            ),
            ("INSERT INTO t1 VALUES (1, -2.5, 'x', NULL)", "INSERT INTO t1 VALUES (?, -?, ?, NULL)"),
            ("SELECT \"a1\" FROM `t 2` -- secret 42", "SELECT \"a1\" FROM `t 2`"),
            ("SELECT /* 42 */ $tag$it's$tag$, $1", "SELECT  ?, ?"),
            ("SELECT 'unfinished", "SELECT ?"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(sanitize(query.as_bytes())).unwrap(), wanted, "{query}");
        }
    }
}
