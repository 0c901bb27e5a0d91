//! A statement, ready to run: an editor with its arguments, and the condition behind `where`.

use super::compile::Compiler;
use super::context::Context;
use super::datum::Failure;
use super::editors::{Editor, Given};
use super::eval::Check;
use super::functions::Argument;
use super::item::Item;
use super::parser::parse_statement;
use super::problem::Problem;
use crate::view::Needs;

pub struct Statement {
    source: String,
    condition: Option<Check>,
    editor: &'static Editor,
    arguments: Vec<Argument>,
    needs: Needs,
    reads_origin: bool,
    writes: Option<Context>,
}

impl Statement {
    /// Compiles a statement for a context, in which its own paths need no prefix.
    pub fn parse(source: &str, context: Context) -> Result<Self, Problem> {
        let statement = parse_statement(source)?;
        let mut compiler = Compiler::statement(source, context);
        let (editor, arguments) = compiler.editor(&statement.editor)?;
        let condition = statement.condition.as_ref().map(|condition| compiler.condition(condition)).transpose()?;
        let Compiler { needs, reads_origin, writes, .. } = compiler;
        Ok(Self { source: source.to_owned(), condition, editor, arguments, needs, reads_origin, writes })
    }

    /// The statement as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What must be decoded before it runs.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether it matters who sent the request.
    pub fn reads_origin(&self) -> bool {
        self.reads_origin
    }

    /// The outermost context of which it changes something.
    pub fn writes(&self) -> Option<Context> {
        self.writes
    }

    /// Runs the editor, if the condition is true, and tells whether it may have changed something. The item must be one
    /// of its context.
    #[inline]
    pub fn run<'a>(&'a self, item: &mut Item<'_, 'a>) -> Result<bool, Failure> {
        if let Some(condition) = &self.condition
            && !condition.test(&item.subject())?
        {
            return Ok(false);
        }
        (self.editor.run)(&Given(&self.arguments), item)
    }
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)
    }
}
