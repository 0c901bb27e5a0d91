//! Contexts: what a condition is asked about, and what it may address.

use std::fmt;

use super::ast::{Condition, Node};
use super::datum::Failure;
use super::functions;
use super::path;
use super::problem::Problem;
use crate::guess::guess;
use crate::view::{EventView, ResourceView, ScopeView, SpanView};

/// The kind of thing that a condition or statement runs once for. Later ones can address earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    Resource,
    Scope,
    Span,
    SpanEvent,
}

impl Context {
    pub const ALL: [Self; 4] = [Self::Resource, Self::Scope, Self::Span, Self::SpanEvent];

    /// The context of this name, as options spell it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Span => "span",
            Self::SpanEvent => "spanevent",
        }
    }

    /// The context that a path addresses by its first segment.
    pub(super) fn of_prefix(prefix: &str) -> Option<Self> {
        if prefix == "instrumentation_scope" {
            Some(Self::Scope)
        } else {
            Self::ALL.into_iter().find(|context| context.name() == prefix)
        }
    }

    /// Whether names such as `SPAN_KIND_SERVER` are known here.
    pub(super) fn has_enums(self) -> bool {
        self >= Self::Span
    }

    /// The context of a condition in which every path says its own: the most specific of these.
    ///
    /// Where that one lacks a function or an enum, those that can address it are tried too.
    pub fn infer(condition: &Condition, source: &str) -> Result<Self, Problem> {
        let mut chosen: Option<Self> = None;
        let mut bare: Option<Problem> = None;
        condition.visit(&mut |node| {
            if let Node::Path(path) = node {
                let first = path.segments.first().map_or("", |segment| &segment.name);
                match Self::of_prefix(first) {
                    Some(context) => chosen = chosen.max(Some(context)),
                    None if first == path::REQUEST => {}
                    None if bare.is_none() => {
                        let dotted = path.dotted();
                        let hint = guess(first, Self::ALL.iter().map(|context| context.name()));
                        let hint = if hint.is_empty() { format!("; write for example 'span.{dotted}'") } else { hint };
                        let message = format!("path '{dotted}' does not begin with a context{hint}");
                        bare = Some(Problem::new(source, path.at, message));
                    }
                    None => {}
                }
            }
        });
        if let Some(problem) = bare {
            return Err(problem);
        }
        let Some(chosen) = chosen else {
            let message = "no path tells the context of this condition; name it with 'context: span'";
            return Err(Problem::new(source, 0, message));
        };
        let fits = |context: Self| {
            let mut fits = true;
            condition.visit(&mut |node| match node {
                Node::Call(call) => fits &= functions::find(&call.name).is_none_or(|function| function.is_in(context)),
                Node::Name(_) => fits &= context.has_enums(),
                Node::Path(_) => {}
            });
            fits
        };
        let fallbacks = [Self::SpanEvent, Self::Span, Self::Scope].into_iter().filter(|context| *context > chosen);
        Ok([chosen].into_iter().chain(fallbacks).find(|context| fits(*context)).unwrap_or(chosen))
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a condition is asked about: one event, span, scope or resource, with all that encloses it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'v> {
    resource: Option<&'v ResourceView<'v>>,
    scope: Option<&'v ScopeView<'v>>,
    span: Option<&'v SpanView<'v>>,
    event: Option<&'v EventView<'v>>,
}

impl<'v> Subject<'v> {
    pub fn of_resource(resource: &'v ResourceView<'v>) -> Self {
        Self { resource: Some(resource), ..Self::default() }
    }

    pub fn of_scope(scope: &'v ScopeView<'v>, resource: &'v ResourceView<'v>) -> Self {
        Self { scope: Some(scope), ..Self::of_resource(resource) }
    }

    pub fn of_span(span: &'v SpanView<'v>, scope: &'v ScopeView<'v>, resource: &'v ResourceView<'v>) -> Self {
        Self { span: Some(span), ..Self::of_scope(scope, resource) }
    }

    /// The same, for an event of the span.
    pub fn with_event(self, event: &'v EventView<'v>) -> Self {
        Self { event: Some(event), ..self }
    }

    // Compiling has checked that a condition addresses its context only, so these do not fail.

    pub(super) fn resource(&self) -> Result<&'v ResourceView<'v>, Failure> {
        self.resource.ok_or_else(|| Failure::new("there is no resource here"))
    }

    pub(super) fn scope(&self) -> Result<&'v ScopeView<'v>, Failure> {
        self.scope.ok_or_else(|| Failure::new("there is no scope here"))
    }

    pub(super) fn span(&self) -> Result<&'v SpanView<'v>, Failure> {
        self.span.ok_or_else(|| Failure::new("there is no span here"))
    }

    pub(super) fn event(&self) -> Result<&'v EventView<'v>, Failure> {
        self.event.ok_or_else(|| Failure::new("there is no event here"))
    }
}
