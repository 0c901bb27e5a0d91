//! `url_sanitizer`: paths of which the parts that name one thing are left out: `/v1/users/8213` becomes `/v1/users/*`.
//!
//! The rules for segments are those of the Go collector's classifier. Which words are gibberish it decides by a model of
//! letter pairs that is trained on lists of words; here it is words without vowels, or with long runs of consonants.

use serde::Deserialize;

use crate::view::{Map, SpanView};

const SEPARATOR: u8 = b'/';
const MASK: u8 = b'*';
/// Segments beyond these are left out.
const MOST_SEGMENTS: usize = 10;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlSettings {
    /// Attributes whose values are URLs.
    #[serde(default)]
    pub attributes: Vec<String>,
    pub sanitize_span_name: bool,
}

#[derive(Debug)]
pub(super) struct UrlSanitizer {
    attributes: Vec<Vec<u8>>,
    pub sanitizes_span_names: bool,
}

impl UrlSanitizer {
    pub(super) fn new(settings: UrlSettings) -> Self {
        let attributes = settings.attributes.into_iter().map(String::into_bytes).collect();
        Self { attributes, sanitizes_span_names: settings.sanitize_span_name }
    }

    /// The text of an attribute without what names one thing, or `None` if nothing changes.
    pub(super) fn attribute(&self, key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        if text.is_empty() || !self.attributes.iter().any(|attribute| **attribute == *key) {
            return None;
        }
        Some(clustered(text)).filter(|clustered| *clustered != text)
    }

    /// The name of a span that looks like a request over HTTP. A name of which nothing would be left stays.
    pub(super) fn span_name(&self, span: &SpanView<'_>) -> Option<Vec<u8>> {
        const SERVER: i32 = 2;
        const CLIENT: i32 = 3;
        let name = span.name();
        let is_request = matches!(span.kind(), SERVER | CLIENT)
            && (name.contains(&SEPARATOR) || has_http_attributes(span.attributes()));
        if !is_request {
            return None;
        }
        let sanitized = clustered(name);
        let segments = || sanitized.split(|byte| *byte == SEPARATOR).filter(|segment| !segment.is_empty());
        let nothing_left = segments().next().is_some() && segments().all(|segment| segment == [MASK]);
        Some(sanitized.clone()).filter(|sanitized| !nothing_left && *sanitized != name)
    }
}

const HTTP_ATTRIBUTES: [&str; 9] = [
    "http.route",
    "http.request.method",
    "http.request.method_original",
    "http.response.status_code",
    "url.full",
    "http.scheme",
    "http.target",
    "http.method",
    "http.url",
];

fn has_http_attributes(attributes: &Map<'_>) -> bool {
    HTTP_ATTRIBUTES.iter().any(|key| attributes.contains(key.as_bytes()))
}

/// The path with an asterisk for each segment that names one thing; query and fragment go.
fn clustered(url: &[u8]) -> Vec<u8> {
    let end = url.iter().position(|byte| matches!(byte, b'?' | b'&' | b'#')).unwrap_or(url.len());
    let mut out = Vec::with_capacity(end);
    for (index, segment) in url[..end].split(|byte| *byte == SEPARATOR).take(MOST_SEGMENTS).enumerate() {
        if index > 0 {
            out.push(SEPARATOR);
        }
        if is_word(segment) {
            out.extend_from_slice(segment);
        } else {
            out.push(MASK);
        }
    }
    out
}

/// Whether a segment may be one of few. The second character may be any one: `v1`.
fn is_word(segment: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphabetic() || b"-_. ".contains(byte);
    let odd = segment.iter().position(|byte| !is_plain(byte));
    match odd {
        None => !is_gibberish(segment),
        Some(1) => segment[2..].iter().all(is_plain),
        Some(_) => false,
    }
}

fn is_gibberish(word: &[u8]) -> bool {
    const LONGEST_RUN: usize = 5;
    word.split(|byte| !byte.is_ascii_alphabetic()).any(|part| {
        let is_vowel = |byte: &u8| b"aeiouyAEIOUY".contains(byte);
        // Abbreviations are upper case, and short.
        let is_abbreviation = part.len() <= 4 || part.iter().all(u8::is_ascii_uppercase);
        let run = part.split(is_vowel).map(<[u8]>::len).max().unwrap_or(0);
        !is_abbreviation && run > LONGEST_RUN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_name_one_thing_become_asterisks() {
        for (url, wanted) in [
            ("", ""),
            ("/users/fdklsd/j4elk/23993/job/2", "/users/*/j4elk/*/job/*"),
            ("123", "*"),
            ("123/ljgdflgjf", "*/*"),
            ("/v1/products/22j", "/v1/products/*"),
            ("/products//org/3", "/products//org/*"),
            ("/v1/k6-test-runs/1", "/v1/k6-test-runs/*"),
            ("/user_space/", "/user_space/"),
            ("/api/hello.world.again", "/api/hello.world.again"),
            ("GET /api/cart?sessionId=55f4e5ea", "GET /api/cart"),
            ("/attach#section-1", "/attach"),
            ("?", ""),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/i"),
            ("https://h.io/a/9182/c?x=1", "*//h.io/a/*/c"),
        ] {
            assert_eq!(String::from_utf8(clustered(url.as_bytes())).unwrap(), wanted, "{url}");
        }
    }
}
