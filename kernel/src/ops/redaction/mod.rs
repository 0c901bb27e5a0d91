//! `redaction`: delete attributes that are not allowed, and mask what is private in the others.
//!
//! It works on the attributes of resources, scopes, spans and events, in the order of the Go collector: a key that is ignored
//! stays as it is; one that is not allowed goes; a value that is allowed stays; of a blocked key the whole value is masked, else
//! what patterns and sanitizers find in it. Beyond that collector, detectors look for what is private by its nature, also
//! inside lists, maps and JSON, and values that are too large are cut.

mod database;
mod mask;
mod patterns;
mod sql;
mod summary;
mod url;

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

use self::database::{DatabaseSanitizer, DatabaseSettings, system_of};
use self::mask::{HashFunction, Masking};
use self::patterns::{Any, Blocked};
use self::summary::{ALWAYS_ALLOWED, Keys, Verbosity};
use self::url::{UrlSanitizer, UrlSettings};
use super::{Counts, Levels, Op, Place, Verdict};
use crate::detect::Detectors;
use crate::error::OptionError;
use crate::origin::Origin;
use crate::text::text;
use crate::truncate::Truncation;
use crate::view::{Map, Needs, ResourceView, ScopeView, SpanView, Status, Value};

/// Behind the key of a value that was cut: the attribute that says how large it was.
const ORIGINAL_BYTES: &[u8] = b".original_bytes";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactionSettings {
    pub allow_all_keys: bool,
    pub allowed_keys: Vec<String>,
    pub ignored_keys: Vec<String>,
    pub ignored_key_patterns: Vec<String>,
    pub blocked_key_patterns: Vec<String>,
    pub blocked_values: Vec<String>,
    pub allowed_values: Vec<String>,
    /// Whether values that are no strings are looked at by their text.
    pub redact_all_types: bool,
    pub hash_function: HashFunction,
    pub hmac_key: String,
    pub summary: Verbosity,
    pub url_sanitizer: Option<UrlSettings>,
    pub db_sanitizer: Option<DatabaseSettings>,
    /// Names of detectors.
    pub detectors: Vec<String>,
    /// Bytes that a value may have.
    pub truncate: Option<usize>,
}

/// What was done to attributes, by the counters of the op.
#[derive(Clone, Copy)]
enum Done {
    Redacted,
    Masked,
    Allowed,
    Ignored,
    Truncated,
}

const TALLIES: [&str; 5] = ["redacted", "masked", "allowed", "ignored", "truncated"];

/// Redacts the attributes of resources, scopes, spans and events.
pub struct RedactionOp {
    /// Keys that stay; `None` if all do.
    allowed_keys: Option<HashSet<Vec<u8>>>,
    ignored_keys: HashSet<Vec<u8>>,
    ignored_key_patterns: Any,
    blocked_key_patterns: Any,
    allowed_values: Any,
    blocked_values: Option<Blocked>,
    redact_all_types: bool,
    masking: Masking,
    summary: Verbosity,
    url: Option<UrlSanitizer>,
    database: Option<DatabaseSanitizer>,
    detectors: Option<Detectors>,
    truncation: Option<Truncation>,
}

impl RedactionOp {
    /// Compiles everything, or says what is wrong with each option.
    pub fn new(settings: RedactionSettings) -> Result<Self, Vec<OptionError>> {
        let mut errors = Vec::new();
        let mut any =
            |option: &str, patterns: &[String]| Any::new(option, patterns).map_err(|error| errors.push(error)).ok();
        let ignored_key_patterns = any("ignored_key_patterns", &settings.ignored_key_patterns);
        let blocked_key_patterns = any("blocked_key_patterns", &settings.blocked_key_patterns);
        let allowed_values = any("allowed_values", &settings.allowed_values);
        let blocked_values = match settings.blocked_values.as_slice() {
            [] => Some(None),
            patterns => Blocked::new("blocked_values", patterns).map_err(|error| errors.push(error)).ok().map(Some),
        };
        let detectors = match settings.detectors.as_slice() {
            [] => Some(None),
            names => Detectors::new(names).map_err(|error| errors.push(error.within("detectors"))).ok().map(Some),
        };
        let masking = Masking::new(settings.hash_function, settings.hmac_key.as_bytes());
        let masking = masking.map_err(|error| errors.push(error)).ok();
        let (
            Some(ignored_key_patterns),
            Some(blocked_key_patterns),
            Some(allowed_values),
            Some(blocked_values),
            Some(detectors),
            Some(masking),
        ) = (ignored_key_patterns, blocked_key_patterns, allowed_values, blocked_values, detectors, masking)
        else {
            return Err(errors);
        };
        let bytes = |keys: Vec<String>| keys.into_iter().map(String::into_bytes);
        let own = ALWAYS_ALLOWED.iter().map(|key| key.to_vec());
        Ok(Self {
            allowed_keys: (!settings.allow_all_keys).then(|| bytes(settings.allowed_keys).chain(own).collect()),
            ignored_keys: bytes(settings.ignored_keys).collect(),
            ignored_key_patterns,
            blocked_key_patterns,
            allowed_values,
            blocked_values,
            redact_all_types: settings.redact_all_types,
            masking,
            summary: settings.summary,
            url: settings.url_sanitizer.map(UrlSanitizer::new),
            database: settings.db_sanitizer.map(DatabaseSanitizer::new),
            detectors,
            truncation: settings.truncate.map(Truncation::new),
        })
    }

    /// Redacts attributes and notes beside them what was done. Tells whether they are different now.
    fn attributes<'a>(&self, map: &mut Map<'a>, counts: &mut Counts) -> bool {
        let system = self.database.as_ref().and_then(|_| system_of(map));
        let (mut redacted, mut masked, mut allowed, mut ignored) =
            (Keys::default(), Keys::default(), Keys::default(), Keys::default());
        let mut gone: Vec<Vec<u8>> = Vec::new();
        let mut cut: Vec<(Vec<u8>, usize)> = Vec::new();
        for index in 0..map.len() {
            let entry = &map.entries()[index];
            let key = &*entry.key;
            if self.ignores(key) {
                ignored.note(key, self.summary);
                continue;
            }
            if self.allowed_keys.as_ref().is_some_and(|allowed| !allowed.contains(key)) {
                redacted.note(key, self.summary);
                gone.push(key.to_vec());
                continue;
            }
            let value = entry.value();
            let (mut new, is_allowed) = match self.masked(key, value, system.as_deref(), counts) {
                Masked::Allowed => (None, true),
                Masked::No => (None, false),
                Masked::Yes(new) => (Some(new), false),
            };
            if is_allowed {
                allowed.note(key, self.summary);
            }
            if new.is_some() {
                masked.note(key, self.summary);
            }
            if let Some(truncation) = &self.truncation
                && let Some(truncated) = truncation.value(new.as_ref().unwrap_or(value))
            {
                cut.push(([key, ORIGINAL_BYTES].concat(), truncated.original_bytes));
                new = Some(truncated.value);
            }
            if let Some(new) = new {
                map.set_at(index, new);
            }
        }
        // The last one moves into each gap, as in the Go collector.
        for key in &gone {
            map.remove(key);
        }
        let changed = masked.count > 0 || !gone.is_empty() || !cut.is_empty();
        for (done, keys) in
            [(Done::Redacted, &redacted), (Done::Masked, &masked), (Done::Allowed, &allowed), (Done::Ignored, &ignored)]
        {
            counts.tallies[done as usize] += keys.count as u64;
        }
        counts.tallies[Done::Truncated as usize] += cut.len() as u64;
        for (key, bytes) in cut {
            map.upsert(key, Value::Int(bytes as i64));
        }
        let noted =
            self.summary != Verbosity::Silent && redacted.count + masked.count + allowed.count + ignored.count > 0;
        redacted.write(map, self.summary, Some("redaction.redacted.keys"), "redaction.redacted.count");
        masked.write(map, self.summary, Some("redaction.masked.keys"), "redaction.masked.count");
        allowed.write(map, self.summary, Some("redaction.allowed.keys"), "redaction.allowed.count");
        ignored.write(map, self.summary, None, "redaction.ignored.count");
        changed || noted
    }

    #[inline]
    fn ignores(&self, key: &[u8]) -> bool {
        self.ignored_keys.contains(key) || self.ignored_key_patterns.matches(key)
    }

    /// What becomes of one value.
    fn masked(&self, key: &[u8], value: &Value<'_>, system: Option<&str>, counts: &mut Counts) -> Masked {
        let shown: Cow<'_, [u8]> = match value {
            Value::Str(text) => Cow::Borrowed(text),
            other if self.redact_all_types => text(other),
            _ => Cow::Borrowed(b""),
        };
        if self.allowed_values.matches(&shown) {
            return Masked::Allowed;
        }
        if self.blocked_key_patterns.matches(key) {
            return Masked::Yes(Value::text(self.masking.whole(&shown)));
        }
        let mut new = self.blocked_values.as_ref().and_then(|blocked| blocked.mask(&shown, &self.masking));
        let mut nested = None;
        if let Some(detectors) = &self.detectors {
            match (&new, value) {
                (None, Value::Str(text)) => new = self.detected(detectors, key, text, counts),
                (Some(text), _) => {
                    if let Some(cleaned) = self.detected(detectors, key, text, counts) {
                        new = Some(cleaned);
                    }
                }
                (None, other) => nested = self.detected_within(detectors, key, other, counts),
            }
        }
        if let Some(url) = &self.url
            && let Some(sanitized) = url.attribute(key, new.as_deref().unwrap_or(&shown))
        {
            new = Some(sanitized);
        }
        if let (Some(database), Some(system)) = (&self.database, system)
            && let Some(sanitized) = database.attribute(system, key, new.as_deref().unwrap_or(&shown))
        {
            new = Some(sanitized);
        }
        match (new, nested) {
            (Some(text), _) if *text != *shown => Masked::Yes(Value::text(text)),
            (_, Some(value)) => Masked::Yes(value),
            _ => Masked::No,
        }
    }

    fn detected(&self, detectors: &Detectors, key: &[u8], text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
        detectors.clean_named(key, text, &mut self.mask(counts))
    }

    /// Numbers, and what is inside of lists and maps.
    fn detected_within(
        &self,
        detectors: &Detectors,
        key: &[u8],
        value: &Value<'_>,
        counts: &mut Counts,
    ) -> Option<Value<'static>> {
        if matches!(value, Value::Empty | Value::Bool(_) | Value::Double(_) | Value::Bytes(_)) {
            return None;
        }
        let mut cleaned = value.clone();
        let found = detectors.clean_value_named(key, &mut cleaned, &mut self.mask(counts));
        (found > 0).then(|| cleaned.into_owned())
    }

    /// Attributes of links, for detectors alone: the Go collector leaves them as they are. Tells whether any changed.
    fn links(&self, span: &mut SpanView<'_>, counts: &mut Counts) -> bool {
        let Some(detectors) = &self.detectors else { return false };
        let mut masked = 0;
        for index in 0..span.links().len() {
            let map = span.link_mut(index).attributes_mut();
            for index in 0..map.len() {
                let entry = &map.entries()[index];
                if self.ignores(&entry.key) || entry.value().as_text().is_some_and(|it| self.allowed_values.matches(it))
                {
                    continue;
                }
                if let Some(new) = self.detected_within(detectors, &entry.key, entry.value(), counts) {
                    map.set_at(index, new);
                    masked += 1;
                }
            }
        }
        counts.tallies[Done::Masked as usize] += masked;
        masked > 0
    }

    /// Masks a finding and counts it under its detector.
    fn mask<'m>(&'m self, counts: &'m mut Counts) -> impl FnMut(&'static str, &[u8]) -> Vec<u8> + 'm {
        move |detector, secret| {
            let place = Detectors::names().position(|(name, _)| name == detector);
            if let Some(tally) = place.and_then(|place| counts.tallies.get_mut(TALLIES.len() + place)) {
                *tally += 1;
            }
            let mut out = Vec::new();
            self.masking.put(secret, &mut out);
            out
        }
    }

    /// Sanitizes the name of a span, and what its status says. Tells whether it did.
    fn texts(&self, span: &mut SpanView<'_>, counts: &mut Counts) -> bool {
        let mut changed = false;
        if let Some(detectors) = &self.detectors {
            if let Some(name) = self.detected(detectors, b"", span.name(), counts) {
                span.set_name(Cow::Owned(name));
                changed = true;
            }
            if let Some(message) = self.detected(detectors, b"", &span.status().message, counts) {
                let status = Status { message: Cow::Owned(message), ..span.status().clone() };
                span.set_status(status);
                changed = true;
            }
        }
        if self.allowed_values.matches(span.name()) {
            return changed;
        }
        let url = self.url.as_ref().filter(|url| url.sanitizes_span_names);
        let database = self.database.as_ref().filter(|database| database.sanitizes_span_names);
        let name = url.and_then(|url| url.span_name(span)).or_else(|| database.and_then(|it| it.span_name(span)));
        if let Some(name) = name {
            span.set_name(Cow::Owned(name));
            changed = true;
        }
        changed
    }
}

enum Masked {
    Yes(Value<'static>),
    No,
    /// A pattern says that it may stay.
    Allowed,
}

impl Op for RedactionOp {
    fn needs(&self) -> Needs {
        Needs { attributes: true, events: true, links: self.detectors.is_some(), resource: true, scope: true }
    }

    fn levels(&self) -> Levels {
        Levels { resource: true, scope: true, span: true }
    }

    fn writes_resource(&self) -> bool {
        true
    }

    fn writes_scope(&self) -> bool {
        true
    }

    /// What was done to attributes, and what each detector found.
    fn tallies(&self) -> Vec<String> {
        let detectors = Detectors::names().map(|(name, _)| format!("detector/{name}"));
        TALLIES.iter().map(|name| (*name).to_owned()).chain(detectors).collect()
    }

    fn resource<'a>(&'a self, resource: &mut ResourceView<'a>, _: Option<&'a Origin>, counts: &mut Counts) -> Verdict {
        verdict(self.attributes(resource.attributes_mut(), counts))
    }

    fn scope<'a>(
        &'a self,
        scope: &mut ScopeView<'a>,
        _: &mut ResourceView<'a>,
        _: Option<&'a Origin>,
        counts: &mut Counts,
    ) -> Verdict {
        verdict(self.attributes(scope.attributes_mut(), counts))
    }

    fn span<'a>(&'a self, span: &mut SpanView<'a>, _: &mut Place<'_, 'a>, counts: &mut Counts) -> Verdict {
        let mut changed = self.attributes(span.attributes_mut(), counts);
        for index in 0..span.events().len() {
            changed |= self.attributes(span.event_mut(index).attributes_mut(), counts);
        }
        changed |= self.links(span, counts);
        changed |= self.texts(span, counts);
        verdict(changed)
    }
}

fn verdict(changed: bool) -> Verdict {
    if changed { Verdict::Changed } else { Verdict::Keep }
}
