//! Ready-made detectors: addresses, numbers and secrets in texts, found by what they are rather than by a pattern.
//!
//! A detector is a name and a function that looks closer at the places where a [`sieve`] saw one of its anchors. Where a
//! kind of secret has a checksum, a length or an issuer, that is verified, so that most numbers and identifiers are
//! left alone. The work is linear in the text, whatever is in it.
//!
//! One file for each family; [`ALL`] lists them. [`clean`] puts masks in place of what was found, in plain text as in JSON.

mod anthropic;
mod aws;
mod azure;
mod bearer;
mod clean;
mod credit_card;
mod email;
mod github;
mod gitlab;
mod google;
mod hosts;
mod iban;
mod ip;
mod jwt;
mod mac;
mod models;
mod openai;
mod phone;
mod private_key;
mod sieve;
mod slack;
mod stripe;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod unescape;
mod url;
mod us_ssn;
mod value;

use std::ops::Range;

pub use self::clean::Mask;
use self::sieve::{Anchor, Sieve};
use self::text::Text;
use crate::error::OptionError;
use crate::guess::guess;

/// Something that was found, in bytes from the start of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    pub start: usize,
    pub end: usize,
    /// The name of the detector.
    pub detector: &'static str,
}

type Whole = fn(&Text<'_>) -> Option<Range<usize>>;

/// How something is recognised.
struct Detector {
    name: &'static str,
    /// One line for the reference.
    description: &'static str,
    anchors: &'static [Anchor],
    /// What begins, or is marked, at this place, if it is one. Up to `done` the detector has looked at everything; it may move
    /// that on, and is not called for places before it.
    look: fn(&Text<'_>, usize, &mut usize) -> Option<Range<usize>>,
    /// What only the name of a text tells, without an anchor in it: part of it, or all.
    whole: Option<Whole>,
}

/// All detectors, in the order of the reference. No more than [`MOST`].
static ALL: &[&Detector] = &[
    &email::EMAIL,
    &phone::PHONE,
    &us_ssn::US_SSN,
    &credit_card::CREDIT_CARD,
    &iban::IBAN,
    &ip::IP,
    &mac::MAC,
    &private_key::PRIVATE_KEY,
    &jwt::JWT,
    &bearer::BEARER,
    &url::BASIC_AUTH_URL,
    &openai::OPENAI_KEY,
    &anthropic::ANTHROPIC_KEY,
    &google::GOOGLE_API_KEY,
    &google::GOOGLE_OAUTH,
    &aws::AWS_KEY,
    &azure::AZURE_KEY,
    &models::HUGGINGFACE_TOKEN,
    &models::MODEL_KEY,
    &models::OBSERVABILITY_KEY,
    &github::GITHUB_TOKEN,
    &gitlab::GITLAB_TOKEN,
    &github::NPM_TOKEN,
    &hosts::PYPI_TOKEN,
    &hosts::PLATFORM_TOKEN,
    &slack::SLACK_TOKEN,
    &stripe::STRIPE_KEY,
    &hosts::SENDGRID_KEY,
    &hosts::TELEGRAM_TOKEN,
];

/// So many detectors at most, for what is remembered of each while a text is looked at.
const MOST: usize = 32;

/// Nothing that is found in a text shorter than this, in bytes.
const SHORTEST: usize = 6;

/// A choice of detectors, ready for use.
pub struct Detectors {
    detectors: Vec<&'static Detector>,
    /// Those that look at names of texts.
    named: Vec<usize>,
    sieve: Sieve,
}

impl Detectors {
    /// The detectors of these names. Of two that find the same the one named first counts.
    pub fn new(names: &[String]) -> Result<Self, OptionError> {
        let mut detectors: Vec<&'static Detector> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(detector) = ALL.iter().find(|detector| detector.name == name) else {
                let known: Vec<_> = ALL.iter().map(|detector| detector.name).collect();
                let hint = guess(name, known.iter().copied());
                let list = if hint.is_empty() { "; known are" } else { " Known are" };
                let message = format!("unknown detector '{name}'{hint}{list} {}", known.join(", "));
                return Err(OptionError::new(format!("[{index}]"), message));
            };
            if !detectors.iter().any(|other| other.name == detector.name) {
                detectors.push(detector);
            }
        }
        let anchors: Vec<_> = detectors
            .iter()
            .enumerate()
            .flat_map(|(index, detector)| detector.anchors.iter().map(move |anchor| (index, anchor)))
            .collect();
        let named = (0..detectors.len()).filter(|index| detectors[*index].whole.is_some()).collect();
        Ok(Self { sieve: Sieve::new(&anchors), named, detectors })
    }

    /// All names there are, each with a line that says what it finds.
    pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        ALL.iter().map(|detector| (detector.name, detector.description))
    }

    /// What stands in a text, sorted. Findings that overlap become one, of the detector that found the longest part, or, of
    /// two as long, of the one named first.
    pub fn find(&self, text: &[u8]) -> Vec<Finding> {
        self.find_named(b"", text)
    }

    /// The same for the value of an attribute or member of this name. Some secrets are known by that only.
    pub fn find_named(&self, name: &[u8], text: &[u8]) -> Vec<Finding> {
        if text.len() < SHORTEST {
            return Vec::new();
        }
        let text = Text { bytes: text, name };
        let mut found: Vec<(Range<usize>, usize)> = Vec::new();
        let mut done = [0; MOST];
        self.sieve.walk(text.bytes, |index, at| {
            if at < done[index] {
                return;
            }
            if let Some(range) = (self.detectors[index].look)(&text, at, &mut done[index]) {
                debug_assert!(range.start < range.end && range.end <= text.bytes.len());
                done[index] = done[index].max(range.end);
                found.push((range, index));
            }
        });
        if !name.is_empty() {
            found.extend(self.named.iter().filter_map(|index| Some((self.detectors[*index].whole?(&text)?, *index))));
        }
        if found.len() > 1 {
            found.sort_by_key(|(range, _)| range.start);
        }
        self.settle(&found)
    }

    /// Makes one finding of those that overlap. Nothing that was found may be left over.
    fn settle(&self, found: &[(Range<usize>, usize)]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::with_capacity(found.len());
        // The length of the part that gave the last finding its name, and the rank of its detector.
        let mut best = (0, usize::MAX);
        for (range, rank) in found {
            let length = range.len();
            let name = self.detectors[*rank].name;
            match findings.last_mut() {
                Some(last) if range.start < last.end => {
                    last.end = last.end.max(range.end);
                    if length > best.0 || (length == best.0 && *rank < best.1) {
                        (last.detector, best) = (name, (length, *rank));
                    }
                }
                _ => {
                    findings.push(Finding { start: range.start, end: range.end, detector: name });
                    best = (length, *rank);
                }
            }
        }
        findings
    }
}
