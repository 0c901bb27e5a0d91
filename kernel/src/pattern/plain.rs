//! Patterns that come down to comparing bytes: `^internal[.]`, `sk-`, `^(GET|POST)$`.

use memchr::memmem::Finder;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind, Look};

/// More texts than these are found sooner by the automaton, which looks for all of them at once.
const MAX_TEXTS: usize = 8;

/// What a text has to do with one of a few others so that it matches.
#[derive(Debug, Clone)]
pub(super) enum Plain {
    Equals(Vec<Box<[u8]>>),
    Begins(Vec<Box<[u8]>>),
    Ends(Vec<Box<[u8]>>),
    Holds(Box<Finder<'static>>),
}

impl Plain {
    /// `None` if the pattern, which is translated already, wants an automaton.
    pub(super) fn of(pattern: &str, nest_limit: u32) -> Option<Self> {
        let whole = ParserBuilder::new().utf8(false).nest_limit(nest_limit).build().parse(pattern).ok()?;
        let mut parts = match whole.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(&whole),
        };
        let begins = strip(&mut parts, <[Hir]>::split_first, |part| *part.kind() == HirKind::Look(Look::Start));
        let ends = strip(&mut parts, <[Hir]>::split_last, |part| *part.kind() == HirKind::Look(Look::End));
        // Whatever may be missing at an open end does not decide whether there is a match.
        if !begins {
            while strip(&mut parts, <[Hir]>::split_first, is_optional) {}
        }
        if !ends {
            while strip(&mut parts, <[Hir]>::split_last, is_optional) {}
        }
        let mut texts = texts(parts)?;
        match (begins, ends) {
            (true, true) => Some(Self::Equals(texts)),
            (true, false) => Some(Self::Begins(texts)),
            (false, true) => Some(Self::Ends(texts)),
            (false, false) if texts.len() == 1 => Some(Self::Holds(Box::new(Finder::new(&texts.pop()?).into_owned()))),
            (false, false) => None,
        }
    }

    #[inline]
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Equals(texts) => texts.iter().any(|other| **other == *text),
            Self::Begins(texts) => texts.iter().any(|other| text.starts_with(other)),
            Self::Ends(texts) => texts.iter().any(|other| text.ends_with(other)),
            Self::Holds(finder) => finder.find(text).is_some(),
        }
    }
}

/// Parts without the one at an end, and that one.
type Split = for<'h> fn(&'h [Hir]) -> Option<(&'h Hir, &'h [Hir])>;

/// Takes the part at one end away if it is such a one.
fn strip<'h>(parts: &mut &'h [Hir], split: Split, is_such: fn(&Hir) -> bool) -> bool {
    match split(parts) {
        Some((part, rest)) if is_such(part) => {
            *parts = rest;
            true
        }
        _ => false,
    }
}

/// Whether a part matches nothing as well, wherever it stands.
fn is_optional(part: &Hir) -> bool {
    part.properties().minimum_len() == Some(0) && part.properties().look_set().is_empty()
}

/// All texts that these parts match one behind the other, if they are few.
fn texts(parts: &[Hir]) -> Option<Vec<Box<[u8]>>> {
    if parts.iter().any(|part| !part.properties().look_set().is_empty()) {
        return None;
    }
    let sequence = Extractor::new().extract(&Hir::concat(parts.to_vec()));
    if !sequence.is_exact() {
        return None;
    }
    let texts = sequence.literals()?;
    (1..=MAX_TEXTS).contains(&texts.len()).then(|| texts.iter().map(|text| text.as_bytes().into()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::translate::translate;
    use super::*;
    use regex::bytes::Regex;

    const PATTERNS: [&str; 34] = [
        "",
        "^",
        "$",
        "^$",
        "a",
        "^a",
        "a$",
        "^a$",
        "ab|cd",
        "^(ab|cd)",
        "(ab|cd)$",
        "^(?:ab|cd)e?$",
        ".*a",
        "a.*",
        "^a.*$",
        "^.*a",
        ".*a.*",
        "^a.*",
        "a.*$",
        "[ab]c",
        "^[a-c]",
        "(?i)ab",
        "(?i)^K",
        "a+",
        "^a+",
        "a?b*",
        "(a|^)b",
        r"\ba",
        "(?m)^a",
        "(?m)a$",
        "(?s).*a",
        "a(?:b|)c",
        "^a|b",
        "(^a)",
    ];

    #[test]
    fn comparing_bytes_says_what_the_automaton_says() {
        let mut texts: Vec<String> = vec![String::new()];
        let alphabet = ["a", "b", "c", "d", "e", "A", "\n", "k", "\u{212a}"];
        for length in 1..=3 {
            let longest: Vec<String> =
                texts.iter().filter(|text| text.chars().count() == length - 1).cloned().collect();
            texts.extend(longest.iter().flat_map(|text| alphabet.map(|c| format!("{text}{c}"))));
        }
        let mut plain = 0;
        for pattern in PATTERNS {
            let translated = translate(pattern).unwrap();
            let regex = Regex::new(&translated).unwrap();
            let Some(own) = Plain::of(&translated, 250) else { continue };
            plain += 1;
            for text in &texts {
                assert_eq!(own.is_match(text.as_bytes()), regex.is_match(text.as_bytes()), "{pattern} on {text:?}");
            }
        }
        assert_eq!(plain, 19, "of these patterns so many are plain");
    }

    #[test]
    fn what_people_write_to_choose_keys_wants_no_automaton() {
        for pattern in
            ["^internal[.]", r"^http\.request\.header\..*", "token", ".*token.*", "^(user|enduser)[.]id$", "_tmp$"]
        {
            assert!(Plain::of(&translate(pattern).unwrap(), 250).is_some(), "{pattern}");
        }
        for pattern in ["a+", "^a.*b$", r"\btoken\b", "[0-9]", "(?m)^a", "one|two"] {
            assert!(Plain::of(&translate(pattern).unwrap(), 250).is_none(), "{pattern}");
        }
    }
}
