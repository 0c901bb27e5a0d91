//! Regular expressions in Go's dialect.
//!
//! [`compile`] gives a [`Pattern`], which asks the automaton only where comparing bytes does not settle it.

mod plain;
mod translate;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use plain::Plain;
use translate::translate;

/// How deep groups may nest; the parser behind us has a limit of its own, which is lower than Go's 1000.
const NEST_LIMIT: u32 = 250;
/// Bytes that the automaton of a set of patterns may take.
const SET_SIZE: usize = 64 << 20;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    plain: Option<Plain>,
}

impl Pattern {
    /// Whether it matches anywhere in the text.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        match &self.plain {
            Some(plain) => plain.is_match(text),
            None => self.regex.is_match(text),
        }
    }

    /// What finds the places and the groups.
    #[inline]
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

/// Compiles a pattern of Go's dialect, or says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Pattern, String> {
    let translated = translate(pattern)?;
    let regex = RegexBuilder::new(&translated).nest_limit(NEST_LIMIT).build().map_err(|error| reason(&error))?;
    Ok(Pattern { regex, plain: Plain::of(&translated, NEST_LIMIT) })
}

/// Compiles patterns into one automaton that tells which of them match, or says which one is wrong, and what about it.
pub fn compile_set(patterns: &[String]) -> Result<RegexSet, (usize, String)> {
    let translated = patterns.iter().enumerate().map(|(index, pattern)| {
        // Alone first: the set would not say which one it is.
        compile(pattern).and_then(|_| translate(pattern)).map_err(|why| (index, why))
    });
    let translated = translated.collect::<Result<Vec<_>, _>>()?;
    let built = RegexSetBuilder::new(&translated).nest_limit(NEST_LIMIT).size_limit(SET_SIZE).build();
    built.map_err(|error| (0, reason(&error)))
}

/// The last line of the parser's error: those before it draw the translated pattern, which nobody wrote.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("the pattern needs more than {limit} bytes when compiled"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or(&text).trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(text.as_bytes())
    }

    #[test]
    fn perl_classes_and_word_boundaries_are_ascii() {
        assert!(finds(r"^\d\w\s$", "1a "));
        assert!(!finds(r"\d", "٣"));
        assert!(!finds(r"\w", "é"));
        assert!(!finds(r"\s", "\u{a0}"));
        assert!(!finds(r"\s", "\u{b}"), "a vertical tab is no blank");
        assert!(finds(r"\S", "\u{b}"));
        assert!(finds(r"\bsv\b", "ésvé"));
        assert!(finds(r"[\d.]+", "1.2"));
        assert!(finds(r"^[^\d]$", "é"));
        assert!(finds(r"^[\D]$", "é"));
    }

    #[test]
    fn a_character_is_a_character_and_not_a_byte() {
        assert!(finds("^.$", "é"));
        assert!(finds("^[é]$", "é"));
        assert!(!finds("a.b", "a\nb"));
        assert!(finds("(?s)a.b", "a\nb"));
    }

    #[test]
    fn a_dollar_is_the_end_of_the_text() {
        assert!(!finds("b$", "ab\n"));
        assert!(finds("(?m)b$", "ab\n"));
        assert!(finds(r"b\z", "ab"));
    }

    #[test]
    fn brackets_and_operators_inside_a_class_stand_for_themselves() {
        assert!(finds("^[[]$", "["));
        assert!(finds("^[a&&b]+$", "a&b"));
        assert!(finds("^[]a]+$", "]a"));
        assert!(finds("^[^]a]$", "x"));
        assert!(finds("^[a-]+$", "a-"));
        assert!(finds("^[-a]+$", "a-"));
        assert!(finds("^[~~a-]+$", "~-"));
        assert!(finds("^[[:alpha:]]+$", "ab"));
        assert!(!finds("[[:alpha:]]", "é"));
    }

    #[test]
    fn braces_that_count_nothing_stand_for_themselves() {
        assert!(finds("^/{id}$", "/{id}"));
        assert!(finds(r"^\{", "{"));
        assert!(finds("^a{,2}$", "a{,2}"));
        assert!(finds("^a{2}$", "aa"));
        assert!(finds("^a{1,}?$", "aa"));
        assert!(finds(r"\b{start}", "a{start}"));
    }

    #[test]
    fn escapes_are_those_of_go() {
        assert!(finds(r"^\Qa.b*\E+$", "a.b**"));
        assert!(finds(r"^\101\x42\x{43}$", "ABC"));
        assert!(finds(r"^\<\_\/\-$", "<_/-"));
        assert!(finds(r"^\pL\p{Greek}\P{Greek}\p{^Greek}$", "aαaa"));
        assert!(finds(r"(?i)^É$", "é"));
        assert!(finds(r"(?P<a>x)(?<b>y)(?i:Z)", "xyz"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "(?=x)",
            "(?!x)",
            "(?<=x)",
            "(?<!x)",
            r"(a)\1",
            r"\Z",
            r"\h",
            r"\y",
            "a**",
            "a+*",
            "a{1001}",
            "[",
            "[b-a]",
            "(",
            ")",
            "*a",
            r"\",
            "(?x)a",
            r"\x{110000}",
            r"\xg0",
            r"[a-\d]",
            "[[:nope:]]",
            r"\p{Nope}",
            r"\8",
            r"\p{",
            r"\p",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert_eq!(compile("(?=x)").unwrap_err(), "look-around is not supported: `(?=x)`");
        assert_eq!(compile("[").unwrap_err(), "no `]` for `[`");
        assert!(compile(&"(".repeat(5000)).is_err());
        assert!(compile(&format!("{}a{}", "(".repeat(5000), ")".repeat(5000))).is_err());
    }
}
