//! Functions on strings.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{Arguments, Function, Kind, needed, optional};
use crate::hex;
use crate::ottl::coerce::text as text_of;
use crate::ottl::datum::{Datum, Failure};

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
    Function::new("ToLowerCase", &[needed("target", Kind::Text)], |args| {
        Ok(Datum::Text(map_chars(&args.text(0)?, |c| single(c.to_lowercase(), c))))
    }),
    Function::new("ToUpperCase", &[needed("target", Kind::Text)], |args| {
        Ok(Datum::Text(map_chars(&args.text(0)?, |c| single(c.to_uppercase(), c))))
    }),
    Function::new("SHA256", &[needed("target", Kind::Text)], |args| {
        Ok(Datum::Text(Cow::Owned(hex::encode(&Sha256::digest(args.text(0)?)))))
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

/// Whether a character begins at this byte, or the text ends.
fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
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
    Ok(Datum::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_vec()),
    }))
}

fn map_chars<'v>(text: &[u8], map: impl Fn(char) -> char) -> Cow<'v, [u8]> {
    Cow::Owned(String::from_utf8_lossy(text).chars().map(map).collect::<String>().into_bytes())
}

/// The one character of a case mapping. Where there are several, as for `ß`, Go keeps the character.
fn single(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ if c == 'İ' => 'i',
        _ => c,
    }
}
