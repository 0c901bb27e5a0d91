//! Contexts: what a condition is asked about, and what it may address.

use std::fmt;

use super::datum::Failure;
use crate::origin::Origin;
use crate::view::{EventView, Map, ResourceView, ScopeView, SpanView};

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
    cache: Option<&'v Map<'v>>,
    origin: Option<&'v Origin>,
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

    /// The same, with scratch space.
    pub(super) fn with_cache(self, cache: &'v Map<'v>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The same, with who sent it.
    pub fn with_origin(self, origin: Option<&'v Origin>) -> Self {
        Self { origin, ..self }
    }

    pub(super) fn origin(&self) -> Option<&'v Origin> {
        self.origin
    }

    pub(super) fn cache(&self) -> Option<&'v Map<'v>> {
        self.cache
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
