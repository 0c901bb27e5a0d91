//! What tells series apart: their keys, and the same as attributes, which only the first span of a series needs.

use super::config::Config;
use super::dimensions::{Dimensions, put_key_text, put_text_attribute};
use super::gen_ai::GenAi;
use super::point::Exemplar;
use super::weight::Weight;
use crate::view::{Map, ScopeView, SpanView};

const KINDS: [&[u8]; 6] = [
    b"SPAN_KIND_UNSPECIFIED",
    b"SPAN_KIND_INTERNAL",
    b"SPAN_KIND_SERVER",
    b"SPAN_KIND_CLIENT",
    b"SPAN_KIND_PRODUCER",
    b"SPAN_KIND_CONSUMER",
];
const STATUSES: [&[u8]; 3] = [b"STATUS_CODE_UNSET", b"STATUS_CODE_OK", b"STATUS_CODE_ERROR"];

/// What is known of a span while it is counted.
pub struct Spot<'s, 'a> {
    pub span: &'s SpanView<'a>,
    pub scope: &'s ScopeView<'a>,
    pub service: &'s [u8],
    pub weight: Weight,
    pub exemplar: Option<Exemplar>,
    pub now: u64,
}

/// Appends what tells series of spans apart, but for the dimensions of the configuration.
#[inline]
pub fn put_span_key(config: &Config, spot: &Spot<'_, '_>, key: &mut Vec<u8>) {
    let (has, span) = (&config.has, spot.span);
    let kind = if has.span_kind { u8::try_from(span.kind()).unwrap_or(u8::MAX) } else { 0 };
    let status = if has.status_code { u8::try_from(span.status().code).unwrap_or(u8::MAX) } else { 0 };
    key.extend_from_slice(&[kind, status, u8::from(config.sampling_method && spot.weight.is_adjusted)]);
    if has.span_name {
        put_key_text(key, span.name());
    }
    if !config.resource_key.is_empty() && has.service_name {
        put_key_text(key, spot.service);
    }
    if tells_scope(config, spot.scope) {
        put_key_text(key, spot.scope.name());
        put_key_text(key, spot.scope.version());
    }
}

/// The same for calls of models, with the dimensions.
pub fn put_call_key(
    config: &Config,
    gen_ai: &GenAi,
    spot: &Spot<'_, '_>,
    sources: &[&Map<'_>],
    token_type: &[u8],
    key: &mut Vec<u8>,
) {
    key.push(u8::from(config.sampling_method && spot.weight.is_adjusted));
    if !config.resource_key.is_empty() && config.has.service_name {
        put_key_text(key, spot.service);
    }
    gen_ai.put_key(sources, token_type, key);
}

fn tells_scope(config: &Config, scope: &ScopeView<'_>) -> bool {
    config.scopes.iter().any(|name| **name == *scope.name())
}

/// The attributes of a series of spans or events.
pub fn span_attributes(config: &Config, group: usize, spot: &Spot<'_, '_>, sources: &[&Map<'_>]) -> Vec<u8> {
    let (mut out, mut names) = (Vec::new(), Vec::new());
    let mut put = |name: &str, text: &[u8]| {
        names.push(name.as_bytes().to_vec());
        put_text_attribute(&mut out, name.as_bytes(), text);
    };
    let (span, has) = (spot.span, &config.has);
    if has.service_name {
        put("service.name", spot.service);
    }
    if has.span_name {
        put("span.name", span.name());
    }
    if has.span_kind {
        put("span.kind", word(&KINDS, span.kind()));
    }
    if has.status_code {
        put("status.code", word(&STATUSES, span.status().code));
    }
    if has.instance {
        put("collector.instance.id", &config.instance);
    }
    if tells_scope(config, spot.scope) {
        put("span.instrumentation.scope.name", spot.scope.name());
        if !spot.scope.version().is_empty() {
            put("span.instrumentation.scope.version", spot.scope.version());
        }
    }
    if config.sampling_method {
        put("sampling.method", method(spot.weight));
    }
    for dimensions in [&config.dimensions, &config.groups[group].dimensions] {
        Dimensions::put_attributes(dimensions, sources, &mut names, &mut out);
    }
    out
}

/// The attributes of a series of calls of models.
pub fn call_attributes(config: &Config, spot: &Spot<'_, '_>, sources: &[&Map<'_>], token_type: &[u8]) -> Vec<u8> {
    let (mut out, mut names) = (Vec::new(), Vec::new());
    let mut put = |name: &str, text: &[u8]| {
        names.push(name.as_bytes().to_vec());
        put_text_attribute(&mut out, name.as_bytes(), text);
    };
    if config.has.service_name {
        put("service.name", spot.service);
    }
    if config.has.instance {
        put("collector.instance.id", &config.instance);
    }
    if config.sampling_method {
        put("sampling.method", method(spot.weight));
    }
    if let Some(gen_ai) = &config.gen_ai {
        gen_ai.put_attributes(sources, token_type, &mut names, &mut out);
    }
    out
}

fn method(weight: Weight) -> &'static [u8] {
    if weight.is_adjusted { b"extrapolated" } else { b"counted" }
}

fn word(words: &[&'static [u8]], number: i32) -> &'static [u8] {
    usize::try_from(number).ok().and_then(|number| words.get(number).copied()).unwrap_or_default()
}
