//! Functions on strings.

use std::borrow::Cow;

use super::{Arguments, Function, Kind, needed, optional};
use crate::ottl::coerce::text as text_of;
use crate::ottl::datum::{Datum, Failure};
use crate::text::is_boundary;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("IsMatch", &[needed("target", Kind::TextLike), needed("pattern", Kind::Pattern)], |args| {
        let Some(target) = args.text_like(0)? else { return Ok(Datum::Bool(false)) };
        Ok(Datum::Bool(args.pattern(1)?.is_match(&target)))
    }),
    Function::new("HasPrefix", &[needed("target", Kind::Text), needed("prefix", Kind::Text)], |args| {
        Ok(Datum::Bool(args.text(0)?.starts_with(&args.text(1)?)))
    }),
    Function::new("HasSuffix", &[needed("target", Kind::Text), needed("suffix", Kind::Text)], |args| {
        Ok(Datum::Bool(args.text(0)?.ends_with(&args.text(1)?)))
    }),
    Function::new("Concat", &[needed("vals", Kind::Texts), needed("delimiter", Kind::Text)], concat),
    Function::new("Split", &[needed("target", Kind::Text), needed("delimiter", Kind::Text)], |args| {
        Ok(Datum::Texts(split(args.text(0)?, &args.text(1)?)))
    }),
    Function::new(
        "Substring",
        &[
            needed("target", Kind::Text),
            needed("start", Kind::Int),
            needed("length", Kind::Int),
            optional("utf8_safe", Kind::Bool),
        ],
        substring,
    ),
    Function::new("Trim", &[needed("target", Kind::Text), optional("replacement", Kind::LiteralText)], |args| {
        let (target, set) = (args.text(0)?, args.text_or(1, b" ")?);
        let (text, set) = (String::from_utf8_lossy(&target), String::from_utf8_lossy(&set));
        let trimmed = text.trim_matches(|c: char| set.contains(c));
        Ok(Datum::Text(Cow::Owned(trimmed.as_bytes().to_vec())))
    }),
    Function::new("TrimPrefix", &[needed("target", Kind::Text), needed("prefix", Kind::Text)], |args| {
        let (target, prefix) = (args.text(0)?, args.text(1)?);
        let end = target.len();
        Ok(Datum::Text(if target.starts_with(&prefix) { part(target, prefix.len(), end) } else { target }))
    }),
    Function::new("TrimSuffix", &[needed("target", Kind::Text), needed("suffix", Kind::Text)], |args| {
        let (target, suffix) = (args.text(0)?, args.text(1)?);
        let end = target.len() - if target.ends_with(&suffix) { suffix.len() } else { 0 };
        Ok(Datum::Text(part(target, 0, end)))
    }),
];

fn concat<'v>(args: &Arguments<'_, 'v>) -> Result<Datum<'v>, Failure> {
    let delimiter = args.text(1)?;
    let mut out = Vec::new();
    for (index, item) in args.items(0).enumerate() {
        if index > 0 {
            out.extend_from_slice(&delimiter);
        }
        out.extend_from_slice(&text_of(item?)?.unwrap_or(Cow::Borrowed(b"<nil>")));
    }
    Ok(Datum::Text(Cow::Owned(out)))
}

/// Cuts at every delimiter; without one, between all characters.
fn split<'v>(text: Cow<'v, [u8]>, delimiter: &[u8]) -> Vec<Cow<'v, [u8]>> {
    match text {
        Cow::Borrowed(text) => pieces(text, delimiter).into_iter().map(Cow::Borrowed).collect(),
        Cow::Owned(text) => pieces(&text, delimiter).into_iter().map(|piece| Cow::Owned(piece.to_vec())).collect(),
    }
}

fn pieces<'t>(text: &'t [u8], delimiter: &[u8]) -> Vec<&'t [u8]> {
    if delimiter.is_empty() {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let next = (1..rest.len()).find(|at| is_boundary(rest, *at)).unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(next);
            pieces.push(piece);
            rest = behind;
        }
        return pieces;
    }
    let mut start = 0;
    let mut pieces = Vec::new();
    for at in memchr::memmem::find_iter(text, delimiter) {
        pieces.push(&text[start..at]);
        start = at + delimiter.len();
    }
    pieces.push(&text[start..]);
    pieces
}

/// Counts bytes. `utf8_safe` moves a cut inside a character to a place between two.
fn substring<'v>(args: &Arguments<'_, 'v>) -> Result<Datum<'v>, Failure> {
    let (text, start, length) = (args.text(0)?, args.int(1)?, args.int(2)?);
    if start < 0 {
        return Err(Failure::new(format!("invalid start for substring function, {start} cannot be negative")));
    }
    if length <= 0 {
        return Err(Failure::new(format!(
            "invalid length for substring function, {length} cannot be negative or zero"
        )));
    }
    let end = start.saturating_add(length);
    let (Ok(mut from), Ok(mut to)) = (usize::try_from(start), usize::try_from(end)) else {
        return Err(Failure::new("invalid range for substring function"));
    };
    if to > text.len() {
        return Err(Failure::new(format!(
            "invalid range for substring function, start({start})+length({length}) cannot be greater than the length of \
             target string({})",
            text.len()
        )));
    }
    if args.bool_or(3, false)? {
        while !is_boundary(&text, from) {
            from += 1;
        }
        while to > from && !is_boundary(&text, to) {
            to -= 1;
        }
        to = to.max(from);
    }
    Ok(Datum::Text(part(text, from, to)))
}

/// The bytes from `from` to `to`, borrowed where the text is.
fn part(text: Cow<'_, [u8]>, from: usize, to: usize) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_vec()),
    }
}
