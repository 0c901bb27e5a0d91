//! What is wrong with a piece of OTTL, where, and what may have been meant.

use std::fmt;

/// A condition or statement that cannot be used. It prints as one sentence with line and column, and below it
/// the line in question with a caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    excerpt: String,
    /// Where the caret stands, in characters from the start of the excerpt.
    caret: usize,
}

impl Problem {
    /// Marks the byte offset `at` of `source`.
    pub(super) fn new(source: &str, at: usize, message: impl Into<String>) -> Self {
        const SHOWN: usize = 60;
        let before = source.get(..at).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[start..].chars().count();
        // A long line is shown from a little before the caret.
        let skipped = column.saturating_sub(SHOWN);
        let text = source[start..].lines().next().unwrap_or("");
        let excerpt: String = text.chars().skip(skipped).take(2 * SHOWN).collect();
        Self {
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: column + 1,
            excerpt,
            caret: column - skipped,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, line, column, excerpt, caret } = self;
        write!(f, "{line}:{column}: {message}\n    {excerpt}\n    {:caret$}^", "")
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_fault() {
        let problem = Problem::new("a == 1 and\n  b == ?", 18, "unexpected '?'");
        assert_eq!(problem.to_string(), "2:8: unexpected '?'\n      b == ?\n           ^");
    }
}
