//! Upper and lower case, and the ways to write several words as one.

use std::borrow::Cow;

use super::{Complaint, Function, Kind, Parameter, literal_text, needed};
use crate::ottl::datum::Datum;

const TARGET: &[Parameter] = &[needed("target", Kind::Text)];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("ToLowerCase", TARGET, |args| Ok(text(lower(&args.text(0)?)))),
    Function::new("ToUpperCase", TARGET, |args| Ok(text(upper(&args.text(0)?)))),
    Function::new("ToSnakeCase", TARGET, |args| Ok(text(snake(&args.text(0)?)))),
    Function::new("ToCamelCase", TARGET, |args| Ok(text(camel(&args.text(0)?)))),
    Function {
        check: |arguments| match literal_text(arguments, 1) {
            Some(case) if conversion(case).is_none() => {
                Err(Complaint { index: 1, text: "must be \"lower\", \"upper\", \"snake\" or \"camel\"".to_owned() })
            }
            _ => Ok(()),
        },
        ..Function::new("ConvertCase", &[needed("target", Kind::Text), needed("to_case", Kind::LiteralText)], |args| {
            let target = args.text(0)?;
            Ok(match conversion(&args.text(1)?) {
                Some(convert) => text(convert(&target)),
                None => Datum::Text(target),
            })
        })
    },
];

fn text<'v>(text: String) -> Datum<'v> {
    Datum::Text(Cow::Owned(text.into_bytes()))
}

fn conversion(case: &[u8]) -> Option<fn(&[u8]) -> String> {
    Some(match case {
        b"lower" => lower,
        b"upper" => upper,
        b"snake" => snake,
        b"camel" => camel,
        _ => return None,
    })
}

fn lower(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| single(c.to_lowercase(), c)).collect()
}

fn upper(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| single(c.to_uppercase(), c)).collect()
}

/// The one character of a case mapping. Where there are several, as for `ß`, Go keeps the character.
fn single(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ if c == 'İ' => 'i',
        _ => c,
    }
}

/// `HTTPServerName2` becomes `http_server_name_2`: words end where the case or the kind of character changes.
fn snake(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let chars: Vec<char> = text.trim().chars().collect();
    let mut out = String::with_capacity(chars.len() + 8);
    for (index, &c) in chars.iter().enumerate() {
        if let Some(&next) = chars.get(index + 1) {
            let (is_upper, is_lower, is_digit) = (c.is_ascii_uppercase(), c.is_ascii_lowercase(), c.is_ascii_digit());
            let (next_upper, next_lower, next_digit) =
                (next.is_ascii_uppercase(), next.is_ascii_lowercase(), next.is_ascii_digit());
            // The last capital of a run begins the next word.
            if is_upper && next_lower && index > 0 && chars[index - 1].is_ascii_uppercase() {
                out.push('_');
            }
            let ends = (is_lower && (next_upper || next_digit))
                || (is_upper && next_digit)
                || (is_digit && (next_upper || next_lower));
            if ends {
                out.push(c.to_ascii_lowercase());
                out.push('_');
                continue;
            }
        }
        out.push(if matches!(c, ' ' | '_' | '-' | '.') { '_' } else { c.to_ascii_lowercase() });
    }
    out
}

/// `http_server` becomes `HttpServer`. Other letters than those of ASCII are left out.
fn camel(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    let mut previous = ' ';
    for c in text.trim().chars() {
        match c {
            'A'..='Z' if !begins && previous.is_ascii_uppercase() => out.push(c.to_ascii_lowercase()),
            'A'..='Z' => out.push(c),
            'a'..='z' if begins => out.push(c.to_ascii_uppercase()),
            'a'..='z' | '0'..='9' => out.push(c),
            _ => {}
        }
        begins = matches!(c, ' ' | '_' | '-' | '.') || c.is_ascii_digit();
        previous = c;
    }
    out
}
