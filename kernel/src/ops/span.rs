//! `span`: names of spans from attributes, attributes from names, and the status.
//!
//! First the name is made of attributes, then rules take attributes out of the name, then the status is set.

use std::borrow::Cow;

use crate::pattern::Pattern;
use serde::Deserialize;

use super::matching::{MatchSettings, SpanSelection};
use super::{Counts, Levels, Op, Place, Verdict};
use crate::error::OptionError;
use crate::pattern;
use crate::view::{Needs, SpanView, Status, Value};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpanSettings {
    pub include: Option<MatchSettings>,
    pub exclude: Option<MatchSettings>,
    /// Keys of attributes that make up the name.
    pub from_attributes: Vec<String>,
    pub separator: String,
    /// Patterns whose groups become attributes.
    pub rules: Vec<String>,
    /// Whether the first rule that matches is the last.
    pub break_after_match: bool,
    /// Whether rules leave the name as it is.
    pub keep_original_name: bool,
    pub status: Option<StatusSettings>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusSettings {
    /// 0 unset, 1 ok, 2 error.
    pub code: i32,
    pub description: String,
}

/// Renames spans and sets their status.
#[derive(Debug)]
pub struct SpanOp {
    selection: SpanSelection,
    from_attributes: Vec<Vec<u8>>,
    separator: Vec<u8>,
    rules: Vec<Rule>,
    break_after_match: bool,
    keep_original_name: bool,
    status: Option<StatusSettings>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// The name of each group but the whole; empty if it has none.
    groups: Vec<Vec<u8>>,
}

impl SpanOp {
    pub fn new(settings: SpanSettings) -> Result<Self, OptionError> {
        let rules = settings.rules.iter().enumerate().map(|(index, text)| {
            let pattern = pattern::compile(text).map_err(|why| {
                let path = format!("name::to_attributes::rules[{index}]");
                OptionError::new(path, format!("{text:?} is no regular expression: {why}"))
            })?;
            let names = pattern.regex().capture_names().skip(1);
            let groups = names.map(|name| name.unwrap_or_default().as_bytes().to_vec()).collect();
            Ok(Rule { pattern, groups })
        });
        Ok(Self {
            selection: SpanSelection::new(settings.include, settings.exclude)?,
            rules: rules.collect::<Result<_, OptionError>>()?,
            from_attributes: settings.from_attributes.into_iter().map(String::into_bytes).collect(),
            separator: settings.separator.into_bytes(),
            break_after_match: settings.break_after_match,
            keep_original_name: settings.keep_original_name,
            status: settings.status,
        })
    }

    /// The name that the attributes make, if all of them are there.
    fn name(&self, span: &SpanView<'_>) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        for (index, key) in self.from_attributes.iter().enumerate() {
            if index > 0 {
                name.extend_from_slice(&self.separator);
            }
            name.extend_from_slice(&shown(span.attributes().get(key)?));
        }
        (!self.from_attributes.is_empty()).then_some(name)
    }

    /// Takes attributes out of the name, rule by rule. Tells whether any rule matched.
    fn take_attributes<'a>(&'a self, span: &mut SpanView<'a>) -> bool {
        let mut matched = false;
        for rule in &self.rules {
            if span.name().is_empty() {
                break;
            }
            let old = span.name().to_vec();
            let Some(captures) = rule.pattern.regex().captures(&old) else { continue };
            matched = true;
            let mut new = Vec::with_capacity(old.len());
            let mut end = 0;
            for (index, key) in rule.groups.iter().enumerate() {
                // One that took no part, or stands inside of another, crashes the Go collector. It is left out here.
                let Some(group) = captures.get(index + 1).filter(|group| group.start() >= end) else { continue };
                span.attributes_mut().upsert(key.as_slice(), Value::text(group.as_bytes().to_vec()));
                new.extend_from_slice(&old[end..group.start()]);
                new.extend_from_slice(&[b"{", key.as_slice(), b"}"].concat());
                end = group.end();
            }
            new.extend_from_slice(&old[end..]);
            if !self.keep_original_name {
                span.set_name(Cow::Owned(new));
            }
            if self.break_after_match {
                break;
            }
        }
        matched
    }
}

/// A value as a part of a name.
fn shown<'v>(value: &'v Value<'_>) -> Cow<'v, [u8]> {
    let owned = |text: String| Cow::Owned(text.into_bytes());
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Bool(value) => owned(value.to_string()),
        Value::Int(value) => owned(value.to_string()),
        Value::Double(value) if value.is_infinite() => owned(if *value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()),
        // Never with an exponent.
        Value::Double(value) => owned(value.to_string()),
        _ => Cow::Borrowed(b"<unknown-attribute-type>"),
    }
}

impl Op for SpanOp {
    fn needs(&self) -> Needs {
        self.selection.needs().union(Needs { attributes: true, ..Needs::default() })
    }

    fn levels(&self) -> Levels {
        Levels { span: true, ..Levels::default() }
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, place: &mut Place<'_, 'a>, _counts: &mut Counts) -> Verdict {
        if !self.selection.selects(span, place) {
            return Verdict::Keep;
        }
        let mut changed = false;
        if let Some(name) = self.name(span) {
            changed = name != span.name();
            span.set_name(Cow::Owned(name));
        }
        changed |= self.take_attributes(span);
        if let Some(StatusSettings { code, description }) = &self.status {
            span.set_status(Status { code: *code, message: Cow::Borrowed(description.as_bytes()) });
            changed = true;
        }
        if changed { Verdict::Changed } else { Verdict::Keep }
    }
}
