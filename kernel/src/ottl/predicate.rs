//! A condition, ready to be asked.

use super::compile::Compiler;
use super::context::{Context, Subject};
use super::datum::Failure;
use super::eval::Check;
use super::inference::infer_condition;
use super::item::Item;
use super::parser::parse_condition;
use super::problem::Problem;
use crate::view::Needs;

#[derive(Debug)]
pub struct Predicate {
    source: String,
    context: Context,
    needs: Needs,
    reads_origin: bool,
    check: Check,
}

impl Predicate {
    /// Compiles a condition for a context, in which its own paths need no prefix, or, without one, for the
    /// context that its paths tell.
    pub fn parse(source: &str, context: Option<Context>) -> Result<Self, Problem> {
        let condition = parse_condition(source)?;
        let context = match context {
            Some(context) => context,
            None => infer_condition(source)?,
        };
        let mut compiler = Compiler::new(source, context);
        let check = compiler.condition(&condition)?;
        Ok(Self {
            source: source.to_owned(),
            context,
            needs: compiler.needs,
            reads_origin: compiler.reads_origin,
            check,
        })
    }

    /// The condition as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it is asked about.
    pub fn context(&self) -> Context {
        self.context
    }

    /// What must be decoded before it is asked.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether it matters who sent the request.
    pub fn reads_origin(&self) -> bool {
        self.reads_origin
    }

    /// Whether it is true of the subject, which must be one of its context.
    #[inline]
    pub fn test<'v>(&'v self, subject: &Subject<'v>) -> Result<bool, Failure> {
        self.check.test(subject)
    }

    /// The same for an item that statements work on.
    pub fn test_item(&self, item: &Item<'_, '_>) -> Result<bool, Failure> {
        self.check.test(&item.subject())
    }
}
