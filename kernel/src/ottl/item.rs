//! What a statement works on.

use super::context::Subject;
use super::datum::Failure;
use crate::origin::Origin;
use crate::view::{EventView, Map, ResourceView, ScopeView, SpanView};

/// One event, span, scope or resource for change, with all that encloses it.
pub struct Item<'m, 'a> {
    pub origin: Option<&'a Origin>,
    pub resource: &'m mut ResourceView<'a>,
    pub scope: Option<&'m mut ScopeView<'a>>,
    pub span: Option<&'m mut SpanView<'a>>,
    /// Which event of the span, if it is one.
    pub event: Option<usize>,
    /// Scratch space.
    pub cache: &'m mut Map<'a>,
}

impl<'a> Item<'_, 'a> {
    /// The same for reading.
    #[inline]
    pub(super) fn subject(&self) -> Subject<'_> {
        let subject = match (&self.span, &self.scope) {
            (Some(span), Some(scope)) => Subject::of_span(span, scope, self.resource),
            (_, Some(scope)) => Subject::of_scope(scope, self.resource),
            _ => Subject::of_resource(self.resource),
        };
        let event = self.event.and_then(|index| self.span.as_ref()?.events().get(index));
        event.map_or(subject, |event| subject.with_event(event)).with_cache(self.cache).with_origin(self.origin)
    }

    // Compiling has checked that a statement addresses its context only, so these do not fail.

    pub(super) fn resource(&mut self) -> Result<&mut ResourceView<'a>, Failure> {
        Ok(self.resource)
    }

    pub(super) fn scope(&mut self) -> Result<&mut ScopeView<'a>, Failure> {
        self.scope.as_deref_mut().ok_or_else(|| Failure::new("there is no scope here"))
    }

    pub(super) fn span(&mut self) -> Result<&mut SpanView<'a>, Failure> {
        self.span.as_deref_mut().ok_or_else(|| Failure::new("there is no span here"))
    }

    pub(super) fn event(&mut self) -> Result<&mut EventView<'a>, Failure> {
        match (&mut self.span, self.event) {
            (Some(span), Some(index)) if index < span.events().len() => Ok(span.event_mut(index)),
            _ => Err(Failure::new("there is no event here")),
        }
    }
}
