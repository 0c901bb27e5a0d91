//! The functions that change something: one entry each in a table.
//!
//! An entry says the name, the parameters with what they take, and what the editor does. Arguments are evaluated before
//! anything is changed, since they may read what will be; what they come to is then free of the item, or borrowed from the
//! statement.

mod append;
mod flatten;
mod given;
mod keys;
mod maps;
mod replace;
mod semconv;
mod set;
mod texts;

pub(super) use given::Given;

use super::context::Context;
use super::datum::Failure;
use super::functions::{Argument, Complaint, Parameter};
use super::item::Item;
use crate::view::Needs;

pub(super) struct Editor {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    /// Tells whether it changed something, as far as that is easily known.
    pub run: for<'g, 'a> fn(&'g Given<'a>, &mut Item<'_, 'a>) -> Result<bool, Failure>,
    /// What is wrong with arguments that are literals.
    pub check: fn(&[Argument]) -> Result<(), Complaint>,
    /// The one context that knows it, if not all do.
    pub context: Option<Context>,
    /// What must be decoded for it besides what its arguments are.
    pub needs: Needs,
}

const NOTHING: Needs = Needs { attributes: false, events: false, links: false, resource: false, scope: false };

impl Editor {
    const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        run: for<'g, 'a> fn(&'g Given<'a>, &mut Item<'_, 'a>) -> Result<bool, Failure>,
    ) -> Self {
        Self { name, parameters, run, check: |_| Ok(()), context: None, needs: NOTHING }
    }

    pub(super) fn is_in(&self, context: Context) -> bool {
        self.context.is_none_or(|own| own == context)
    }
}

/// The editor of this name.
pub(super) fn find(name: &str) -> Option<&'static Editor> {
    all().find(|editor| editor.name == name)
}

/// Every editor there is.
pub(super) fn all() -> impl Iterator<Item = &'static Editor> {
    [
        set::EDITORS,
        keys::EDITORS,
        maps::EDITORS,
        texts::EDITORS,
        replace::EDITORS,
        flatten::EDITORS,
        append::EDITORS,
        semconv::EDITORS,
    ]
    .into_iter()
    .flatten()
}
