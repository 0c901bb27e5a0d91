//! The functions that expressions can call: one entry each in a table.
//!
//! An entry says the name, the parameters with what they take, and what the function does with them. The
//! compiler checks number, names and literals; [`Arguments`] evaluates an argument when the function asks for
//! it, converts it as its kind says, and fails where it cannot.

mod arguments;
mod cases;
mod collections;
mod community_id;
mod csv;
mod encodings;
mod format;
mod grok;
mod hashes;
mod ids;
mod json_text;
mod key_values;
mod layout;
mod lists;
mod network;
mod numbers;
mod patterns;
mod severity;
mod strings;
mod strptime;
mod times;
mod types;
mod url;
mod user_agent;
mod xml;

pub(super) use arguments::{Argument, Arguments, call_with, check, literal_text};
pub(super) use xml::XPath;

use super::context::Context;
use super::datum::{Datum, Failure};

/// A function whose name starts upper case, and which gives a value.
pub(super) struct Function {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    pub call: for<'v> fn(&Arguments<'_, 'v>) -> Result<Datum<'v>, Failure>,
    /// What is wrong with arguments that are literals, beyond their types.
    pub check: fn(&[Argument]) -> Result<(), Complaint>,
    /// The one context that knows it, if not all do.
    pub context: Option<Context>,
    /// Whether it gives the same for the same arguments, so that constant ones can be settled at start.
    pub constant: bool,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// Whether it can be called with one text and nothing else.
    pub(super) fn takes_one_text(&self) -> bool {
        matches!(self.parameters, [Parameter { kind: Kind::Text, .. }])
    }

    const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        call: for<'v> fn(&Arguments<'_, 'v>) -> Result<Datum<'v>, Failure>,
    ) -> Self {
        Self { name, parameters, call, check: |_| Ok(()), context: None, constant: true }
    }

    pub(super) fn is_in(&self, context: Context) -> bool {
        self.context.is_none_or(|own| own == context)
    }
}

/// What is wrong with the argument at `index`.
pub(super) struct Complaint {
    pub index: usize,
    pub text: String,
}

/// One parameter. Optional ones stand behind all others.
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub optional: bool,
}

pub(super) const fn needed(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, optional: false }
}

pub(super) const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, optional: true }
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    // Exactly this type.
    Text,
    Int,
    Double,
    Bool,
    Time,
    Duration,
    Map,
    List,
    // Whatever converts to it.
    TextLike,
    IntLike,
    DoubleLike,
    BoolLike,
    BytesLike,
    /// A list literal, each of whose items may be anything.
    Items,
    /// A list literal of what converts to text.
    Texts,
    /// A list literal of keys to look for.
    Keys,
    /// A regular expression: compiled at start if it is a literal.
    Pattern,
    // What stands in the text as such.
    LiteralInt,
    LiteralText,
    /// A pattern with `*` and `?` that the whole text must match.
    Glob,
    /// An expression of XPath that gives nodes.
    XPath,
    /// A path that can be written.
    Target,
    /// The name of a function of one text.
    Function,
}

/// Functions of the Go collector that take lambda expressions, which are off there unless a feature gate is set.
pub(super) const LAMBDAS: [&str; 8] = ["All", "Any", "Filter", "Find", "MapEach", "MapKeys", "Reduce", "When"];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// Every function there is.
pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    [
        types::FUNCTIONS,
        strings::FUNCTIONS,
        cases::FUNCTIONS,
        format::FUNCTIONS,
        hashes::FUNCTIONS,
        encodings::FUNCTIONS,
        ids::FUNCTIONS,
        numbers::FUNCTIONS,
        collections::FUNCTIONS,
        lists::FUNCTIONS,
        json_text::FUNCTIONS,
        key_values::FUNCTIONS,
        csv::FUNCTIONS,
        url::FUNCTIONS,
        patterns::FUNCTIONS,
        grok::FUNCTIONS,
        user_agent::FUNCTIONS,
        xml::FUNCTIONS,
        network::FUNCTIONS,
        community_id::FUNCTIONS,
        severity::FUNCTIONS,
        times::FUNCTIONS,
        strptime::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_optional_parameters_stand_last() {
        let names: Vec<_> = all().map(|function| function.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        for function in all() {
            assert!(function.parameters.is_sorted_by_key(|parameter| parameter.optional), "{}", function.name);
        }
    }

    #[test]
    fn the_manual_has_every_function_and_editor_with_its_parameters() {
        let manual = include_str!("../../../../docs/ottl.md");
        let editors = crate::ottl::editors::all().map(|editor| (editor.name, editor.parameters));
        for (name, parameters) in all().map(|function| (function.name, function.parameters)).chain(editors) {
            let shown = parameters.iter().map(|it| format!("{}{}", it.name, if it.optional { "?" } else { "" }));
            let call = format!("`{name}({})`", shown.collect::<Vec<_>>().join(", "));
            assert!(manual.contains(&call), "{call}");
        }
    }
}
