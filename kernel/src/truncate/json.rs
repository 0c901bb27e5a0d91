//! Texts in JSON, which stay JSON.

use memchr::memchr;

use super::plan::{Plan, keep, plan};
use super::{MARKER, boundary};
use crate::tape::{self, Kind};

/// The text in at most `max_bytes`, or `None` if it is no list, object or string in JSON, or if not even an
/// empty one fits.
pub(super) fn shorten(text: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    // White space around it is the first that goes.
    let text = text.trim_ascii();
    if !matches!(text.first(), Some(b'{' | b'[' | b'"')) || max_bytes < 2 {
        return None;
    }
    let tokens = tape::read(text)?;
    if text.len() <= max_bytes {
        return Some(text.to_vec());
    }
    let Plan { removed, longest } = plan(text, &tokens, max_bytes);
    let mut out = Vec::with_capacity(max_bytes);
    let mut removed = removed.into_iter().peekable();
    let mut at = 0;
    // Copies up to a place, but for what was removed.
    let mut copy = |out: &mut Vec<u8>, at: &mut usize, to: usize| {
        while let Some((start, end)) = removed.next_if(|(start, _)| *start < to) {
            out.extend_from_slice(&text[*at..start]);
            *at = end;
        }
        out.extend_from_slice(text.get(*at..to).unwrap_or(&[]));
        *at = to.max(*at);
    };
    for token in tokens.iter().filter(|token| token.kind == Kind::Text && token.end - token.start > longest) {
        copy(&mut out, &mut at, token.start);
        if at == token.start {
            let (kept, is_marked) = keep(&text[token.start..token.end], longest, escape_boundary);
            out.extend_from_slice(kept);
            out.extend_from_slice(if is_marked { MARKER } else { b"" });
            at = token.end;
        }
    }
    copy(&mut out, &mut at, text.len());
    if out.len() > max_bytes {
        // White space between brackets that hold nothing any more.
        out = vec![text[0], text[text.len() - 1]];
    }
    Some(out)
}

/// The last place up to `at` where neither a character nor an escape is cut.
fn escape_boundary(text: &[u8], at: usize) -> usize {
    let end = boundary(text, at);
    let mut from = 0;
    while let Some(escape) = memchr(b'\\', &text[from..end]).map(|length| from + length) {
        let is_pair = matches!(
            &text[escape..],
            [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', _, _, b'\\', b'u', b'd' | b'D', ..]
        );
        let length = match text.get(escape + 1) {
            Some(b'u') if is_pair => 12,
            Some(b'u') => 6,
            _ => 2,
        };
        if escape + length > end {
            return escape;
        }
        from = escape + length;
    }
    end
}
