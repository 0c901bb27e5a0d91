//! Editors that replace parts of texts.

use std::borrow::Cow;
use std::ops::Range;

use crate::pattern::Pattern;

use super::{Editor, Given};
use crate::ottl::datum::{Datum, Failure};
use crate::ottl::eval::Expression;
use crate::ottl::functions::{Argument, Complaint, Function, Kind, Parameter, call_with, needed, optional};
use crate::ottl::item::Item;
use crate::text::is_boundary;
use crate::view::{Rename, Value};

/// Bytes that one text may grow to.
const MAX_TEXT: usize = 64 << 20;

const FUNCTION: Parameter = optional("function", Kind::Function);
const FORMAT: Parameter = optional("replacement_format", Kind::Text);

pub(super) static EDITORS: &[Editor] = &[
    Editor {
        check: |arguments| check_format(arguments, 4),
        ..Editor::new(
            "replace_pattern",
            &[
                needed("target", Kind::Target),
                needed("regex_pattern", Kind::Pattern),
                needed("replacement", Kind::Text),
                FUNCTION,
                FORMAT,
            ],
            |given, item| {
                let (pattern, replacement) = (given.pattern(1, item)?, Replacement::of(given, 2, item)?);
                replace_text(given, item, |text| replacement.patterns(&pattern, text))
            },
        )
    },
    Editor {
        check: |arguments| check_format(arguments, 4),
        ..Editor::new(
            "replace_match",
            &[
                needed("target", Kind::Target),
                needed("pattern", Kind::Glob),
                needed("replacement", Kind::Text),
                FUNCTION,
                FORMAT,
            ],
            |given, item| {
                let (pattern, replacement) = (given.pattern(1, item)?, Replacement::of(given, 2, item)?);
                replace_text(given, item, |text| replacement.whole(&pattern, text))
            },
        )
    },
    Editor {
        check: |arguments| check_format(arguments, 4),
        ..Editor::new(
            "replace_all_matches",
            &[
                needed("target", Kind::Target),
                needed("pattern", Kind::Glob),
                needed("replacement", Kind::Text),
                FUNCTION,
                FORMAT,
            ],
            |given, item| {
                let (pattern, replacement) = (given.pattern(1, item)?, Replacement::of(given, 2, item)?);
                replace_values(given, item, |text| replacement.whole(&pattern, text))
            },
        )
    },
    Editor {
        check: |arguments| {
            match arguments.get(1) {
                Some(Argument::Value(Expression::Constant(Datum::Text(mode))))
                    if !matches!(&**mode, b"key" | b"value") =>
                {
                    return Err(Complaint { index: 1, text: "must be \"key\" or \"value\"".to_owned() });
                }
                _ => {}
            }
            check_format(arguments, 5)
        },
        ..Editor::new(
            "replace_all_patterns",
            &[
                needed("target", Kind::Target),
                needed("mode", Kind::LiteralText),
                needed("regex_pattern", Kind::Pattern),
                needed("replacement", Kind::Text),
                FUNCTION,
                FORMAT,
            ],
            |given, item| {
                let (pattern, replacement) = (given.pattern(2, item)?, Replacement::of(given, 3, item)?);
                if &*given.text(1, item)? == b"value" {
                    replace_values(given, item, |text| replacement.patterns(&pattern, text))
                } else {
                    replace_keys(given, item, |text| replacement.patterns(&pattern, text))
                }
            },
        )
    },
];

/// What comes instead: a template, perhaps a function on what it gives, and a format around that.
struct Replacement<'a> {
    template: Cow<'a, [u8]>,
    function: Option<&'static Function>,
    /// What stands before and behind the result of the function.
    around: (Cow<'a, [u8]>, Cow<'a, [u8]>),
}

impl<'a> Replacement<'a> {
    /// From the arguments at `index` and behind it.
    fn of(given: &Given<'a>, index: usize, item: &Item<'_, 'a>) -> Result<Self, Failure> {
        let template = given.text(index, item)?;
        let function = given.function(index + 1);
        let format = given.text_or(index + 2, b"%s", item)?;
        let around = split_format(&format).ok_or_else(bad_format)?;
        let around = (Cow::Owned(around.0.to_vec()), Cow::Owned(around.1.to_vec()));
        Ok(Self { template, function, around })
    }

    /// The text with every match of the pattern replaced, or `None` if there is none.
    fn patterns(&self, pattern: &Pattern, text: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let mut out = None;
        if !self.template.contains(&b'$') {
            // Most templates refer to no group, and do not pay for captures.
            for found in pattern.regex().find_iter(text) {
                let out = out.get_or_insert_with(|| Output::new(text));
                if out.reach(found.range()) {
                    self.put(Cow::Borrowed(&self.template), &mut out.out)?;
                    out.check()?;
                }
            }
        } else if pattern.is_match(text) {
            let out = out.insert(Output::new(text));
            for captures in pattern.regex().captures_iter(text) {
                let Some(found) = captures.get(0) else { continue };
                if !out.reach(found.range()) {
                    continue;
                }
                match self.function {
                    None => captures.expand(&self.template, &mut out.out),
                    Some(_) => {
                        let mut expanded = Vec::new();
                        captures.expand(&self.template, &mut expanded);
                        self.put(Cow::Owned(expanded), &mut out.out)?;
                    }
                }
                out.check()?;
            }
        }
        Ok(out.map(Output::finish))
    }

    /// What comes instead of the text if the pattern matches it.
    fn whole(&self, pattern: &Pattern, text: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if !pattern.is_match(text) {
            return Ok(None);
        }
        let mut out = Vec::new();
        self.put(Cow::Borrowed(&self.template), &mut out)?;
        Ok(Some(out))
    }

    fn put(&self, text: Cow<'_, [u8]>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(function) = self.function else {
            out.extend_from_slice(&text);
            return Ok(());
        };
        let result = call_with(function, text.into_owned())?;
        let Datum::Text(result) = result else {
            return Err(Failure::new("the replacement value must be a string"));
        };
        out.extend_from_slice(&self.around.0);
        out.extend_from_slice(&result);
        out.extend_from_slice(&self.around.1);
        Ok(())
    }
}

/// A text while parts of it are replaced.
struct Output<'t> {
    text: &'t [u8],
    /// Up to where it is copied or replaced.
    done: usize,
    out: Vec<u8>,
}

impl<'t> Output<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self { text, done: 0, out: Vec::with_capacity(text.len()) }
    }

    /// Copies what stands before a match. `false` if that is none: a pattern that matches nothing does so between any
    /// two bytes, and only characters count.
    fn reach(&mut self, found: Range<usize>) -> bool {
        if found.is_empty() && !is_boundary(self.text, found.start) {
            return false;
        }
        self.out.extend_from_slice(&self.text[self.done..found.start]);
        self.done = found.end;
        true
    }

    fn check(&self) -> Result<(), Failure> {
        if self.out.len() > MAX_TEXT {
            return Err(Failure::new(format!("a text would grow to more than {MAX_TEXT} bytes")));
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.text[self.done..]);
        self.out
    }
}

/// Replaces in the text that the target is; another type, or nothing, is left alone.
fn replace_text<'a>(
    given: &Given<'a>,
    item: &mut Item<'_, 'a>,
    replace: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, Failure>,
) -> Result<bool, Failure> {
    let target = given.target(0)?;
    let replaced = match target.read(item)? {
        Datum::Text(text) => replace(&text)?,
        _ => None,
    };
    match replaced {
        Some(text) => target.write(item, Datum::Text(Cow::Owned(text))).map(|()| true),
        None => Ok(false),
    }
}

/// Replaces in every text of a map. Where a function fails the value stays.
fn replace_values<'a>(
    given: &Given<'a>,
    item: &mut Item<'_, 'a>,
    replace: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, Failure>,
) -> Result<bool, Failure> {
    given.target(0)?.with_map(item, |map| {
        let mut changed = false;
        for index in 0..map.len() {
            if let Value::Str(text) = map.entries()[index].value()
                && let Ok(Some(text)) = replace(text)
            {
                map.set_at(index, Value::text(text));
                changed = true;
            }
        }
        Ok(changed)
    })
}

/// Replaces in every key of a map. Where a function fails the entry goes, as in the Go collector.
fn replace_keys<'a>(
    given: &Given<'a>,
    item: &mut Item<'_, 'a>,
    replace: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, Failure>,
) -> Result<bool, Failure> {
    given.target(0)?.with_map(item, |map| {
        Ok(map.rekey(|key| match replace(key) {
            Ok(None) => Rename::Keep,
            Ok(Some(key)) => Rename::To(Cow::Owned(key)),
            Err(_) => Rename::Drop,
        }))
    })
}

fn check_format(arguments: &[Argument], index: usize) -> Result<(), Complaint> {
    match arguments.get(index) {
        Some(Argument::Value(Expression::Constant(Datum::Text(format)))) if split_format(format).is_none() => {
            Err(Complaint { index, text: "must hold a single %s and no other format specifier".to_owned() })
        }
        _ => Ok(()),
    }
}

fn bad_format() -> Failure {
    Failure::new("replacementFormat must be format string containing a single %s and no other format specifiers")
}

/// What stands before and behind the only `%s`.
fn split_format(format: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = format.iter().position(|byte| *byte == b'%')?;
    let (before, behind) = (&format[..at], format[at + 1..].strip_prefix(b"s")?);
    (!behind.contains(&b'%')).then_some((before, behind))
}
