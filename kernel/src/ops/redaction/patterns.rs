//! Lists of patterns, asked all at once.

use regex::bytes::RegexSet;

use super::mask::Masking;
use crate::error::OptionError;
use crate::pattern::{self, Pattern};
use crate::text::is_boundary;

/// Patterns of which any may match.
#[derive(Debug)]
pub(super) struct Any(Option<RegexSet>);

impl Any {
    pub(super) fn new(option: &str, patterns: &[String]) -> Result<Self, OptionError> {
        let set = (!patterns.is_empty()).then(|| set(option, patterns));
        set.transpose().map(Self)
    }

    #[inline]
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|set| set.is_match(text))
    }
}

/// Patterns whose matches are masked, one pattern after the other.
#[derive(Debug)]
pub(super) struct Blocked {
    /// One look at a text for all patterns: most texts hold none.
    set: RegexSet,
    each: Vec<Pattern>,
}

impl Blocked {
    pub(super) fn new(option: &str, patterns: &[String]) -> Result<Self, OptionError> {
        let set = set(option, patterns)?;
        let each = patterns.iter().filter_map(|pattern| pattern::compile(pattern).ok()).collect();
        Ok(Self { set, each })
    }

    /// The text with all matches masked, or `None` if there are none.
    pub(super) fn mask(&self, text: &[u8], masking: &Masking) -> Option<Vec<u8>> {
        if !self.set.is_match(text) {
            return None;
        }
        let first = self.set.matches(text).into_iter().next()?;
        let mut masked = replace(&self.each[first], text, masking);
        // What was put in may match what comes later, so from here on each pattern looks for itself.
        for pattern in &self.each[first + 1..] {
            if pattern.is_match(&masked) {
                masked = replace(pattern, &masked, masking);
            }
        }
        Some(masked)
    }
}

fn set(option: &str, patterns: &[String]) -> Result<RegexSet, OptionError> {
    pattern::compile_set(patterns).map_err(|(index, why)| {
        let text = format!("{:?} is no regular expression: {why}", patterns[index]);
        OptionError::new(format!("{option}[{index}]"), text)
    })
}

fn replace(pattern: &Pattern, text: &[u8], masking: &Masking) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut end = 0;
    for found in pattern.regex().find_iter(text) {
        if found.is_empty() && !is_boundary(text, found.start()) {
            continue;
        }
        out.extend_from_slice(&text[end..found.start()]);
        masking.put(found.as_bytes(), &mut out);
        end = found.end();
    }
    out.extend_from_slice(&text[end..]);
    out
}
