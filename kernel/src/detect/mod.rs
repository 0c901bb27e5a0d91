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
    whole: Option<fn(&Text<'_>) -> Option<Range<usize>>>,
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
                let message = format!("no detector is called '{name}'{hint}{list} {}", known.join(", "));
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

#[cfg(test)]
mod tests {
    use super::testing::all;
    use super::text::work;
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_what_was_meant_and_what_there_is() {
        let wrong = |name: &str| Detectors::new(&["email".to_owned(), name.to_owned()]).err().unwrap();
        let error = wrong("credit_crad");
        assert_eq!(error.path, "[1]");
        assert!(
            error
                .message
                .starts_with("no detector is called 'credit_crad'; did you mean 'credit_card'? Known are email, ")
        );
        assert!(wrong("zzzzzzzzzz").message.starts_with("no detector is called 'zzzzzzzzzz'; known are email, "));
    }

    #[test]
    fn every_name_stands_once_and_says_in_a_line_what_it_finds() {
        let mut names: Vec<_> = Detectors::names().map(|(name, _)| name).collect();
        assert!(names.len() <= MOST);
        assert!(Detectors::names().all(|(_, line)| !line.is_empty() && line.len() < 140 && !line.contains('\n')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Detectors::names().count());
    }

    #[test]
    fn findings_that_overlap_become_one_with_the_name_of_the_longest() {
        let detectors = Detectors::new(&["email".to_owned(), "ip".to_owned(), "iban".to_owned()]).unwrap();
        let settled = |found: &[(Range<usize>, usize)]| {
            detectors.settle(found).into_iter().map(|f| (f.start, f.end, f.detector)).collect::<Vec<_>>()
        };
        assert_eq!(settled(&[(0..4, 0), (4..9, 1)]), [(0, 4, "email"), (4, 9, "ip")]);
        assert_eq!(settled(&[(0..4, 0), (2..9, 1)]), [(0, 9, "ip")]);
        assert_eq!(settled(&[(0..9, 2), (0..9, 1)]), [(0, 9, "ip")]);
        assert_eq!(settled(&[(0..5, 0), (4..12, 1), (11..14, 2), (20..21, 2)]), [(0, 14, "ip"), (20, 21, "iban")]);
        assert_eq!(settled(&[]), []);
    }

    #[test]
    fn several_kinds_are_found_side_by_side() {
        let found = all().find(b"mail jo@example.com, card 4111 1111 1111 1111, host 10.1.2.3");
        assert_eq!(found.iter().map(|f| f.detector).collect::<Vec<_>>(), ["email", "credit_card", "ip"]);
    }

    /// Texts made of a piece, over and over: what a detector walks along must grow as the text does.
    #[test]
    fn the_work_grows_as_the_text_does() {
        let detectors = all();
        let pieces = [
            "1",
            "@",
            "a@",
            "a@a.",
            "a@a.bc",
            "1 ",
            "1-",
            "1.",
            "4111 ",
            "1:",
            "a:",
            "::",
            "00:",
            "00-",
            "+1",
            "+4 ",
            "+49 30 1",
            "(1",
            "eyJ",
            "eyJ.",
            "eyJhbGciOiJIUzI1NiJ9.",
            "eyJhbGciOiJub25lIn0.a.",
            "sk-",
            "sk-a-",
            "sk-ant-",
            "sk-ant-api03-",
            "AKIA",
            "AKIAA",
            "secret",
            "secret_access_key=",
            "aws_secret_access_key=a",
            "ghp_",
            "ghp_a",
            "github_pat_",
            "glpat-",
            "xoxb-",
            "xoxb-1-",
            "https://",
            "://a:",
            "://a:b@",
            "://a:a@a",
            "-----BEGIN ",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n",
            "Bearer ",
            "Bearer a",
            "authorization: ",
            "authorization: basic ",
            "Basic ",
            "Basic a",
            "DE",
            "DE89",
            "DE89 ",
            "DE89370400440532013000 ",
            "AccountKey=",
            "AccountKey=a",
            "a",
            "%40",
            "a%40",
            "\\u0040",
            "\\",
            "phone",
            "phone: ",
            "phone: 1",
            "0",
            "0 ",
            "01 02 ",
            "hf_",
            "SG.",
            "SG.a",
            "AIza",
            "npm_",
            "pypi-",
            "tel:",
            "A1",
            "aa1",
            "123456:AA",
            "999999999:AA",
            "=",
            "\"",
            "{\"a\":",
            "[",
            "https://hooks.slack.com/services/",
            "ya29.",
            "JQQJ99",
            "8Q~",
            "a8Q~",
            "api-key",
            "api_key: 0",
        ];
        for piece in pieces {
            let cost = |size: usize| {
                let text = piece.repeat(size / piece.len());
                work::take();
                let _ = detectors.clean(text.as_bytes(), &mut |_, _| b"*".to_vec());
                work::take()
            };
            let (small, large) = (cost(16_000), cost(128_000));
            assert!(large <= 12 * small + 2_000, "{piece}: {small} bytes walked along, then {large}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let parts: Vec<&[u8]> = vec![
            b"@",
            b".",
            b"a",
            b"1",
            b" ",
            b":",
            b"-",
            b"+",
            b"\\u0040",
            b"\\",
            b"eyJ",
            b"sk-",
            b"{\"",
            b"\"",
            b"}",
            b"[",
            b"\xff",
            b"\xc3\xbc",
            b"AKIA",
            b"Bearer ",
            b"secret",
            b"://",
            b"DE89",
            b"-----BEGIN ",
            b"(",
            b"%40",
            b"ghp_",
            b"\\n",
            b"_",
            b"/",
            b"=",
            b"4111111111111111",
            b"authorization",
            b"::",
            b"0",
            b"api_key",
            b"SG.",
            b"phone",
        ];
        let detectors = all();
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random() % 24).flat_map(|_| parts[random() % parts.len()].to_vec()).collect();
            for finding in detectors.find(&text) {
                assert!(finding.start < finding.end && finding.end <= text.len());
            }
            if let Some(cleaned) = detectors.clean(&text, &mut |_, _| b"*\"\\".to_vec()) {
                let is_json = text.iter().any(|byte| b"{[\"".contains(byte)) && crate::tape::read(&text).is_some();
                assert_eq!(
                    is_json,
                    is_json && crate::tape::read(&cleaned).is_some(),
                    "{}",
                    String::from_utf8_lossy(&text)
                );
            }
        }
    }
}
