//! One walk over a chunk: one resource, one scope and one span at a time, every op on each, and what changed noted as
//! [`Edits`]. Bytes that no edit covers are never written again.

use super::pass::Pass;
use crate::ops::{Counts, Place, Verdict};
use crate::origin::Origin;
use crate::view::{Edits, Mark, ResourceView, ScopeView, SpanView};
use crate::wire::{self, Field, fields};

pub(super) struct Walk<'a, 'e> {
    pass: &'a Pass,
    origin: Option<&'a Origin>,
    /// One for each op.
    pub counts: Vec<Counts>,
    pub edits: &'e mut Edits,
}

/// Which op dropped what encloses a span. Ops before it still get to see and count the span.
type DroppedBy = Option<usize>;

/// The parts of a `ResourceSpans` or `ScopeSpans`, which are laid out alike.
struct Group<'a> {
    /// The resource or scope.
    header: Option<Field<'a>>,
    schema_url: Option<Field<'a>>,
    /// How many scopes or spans are in it.
    items: usize,
    /// Where its body begins and ends in the chunk.
    base: usize,
    end: usize,
}

impl<'a> Group<'a> {
    fn read(body: &'a [u8], base: usize) -> Self {
        let mut group = Self { header: None, schema_url: None, items: 0, base, end: base + body.len() };
        for field in fields(body) {
            match field.number {
                1 => group.header = Some(field),
                2 => group.items += 1,
                3 => group.schema_url = Some(field),
                _ => {}
            }
        }
        group
    }

    /// The bodies of the header and of the schema URL.
    fn bytes(&self) -> (&'a [u8], &'a [u8]) {
        let bytes = |field: Option<&Field<'a>>| field.map_or(&[][..], |field| field.bytes);
        (bytes(self.header.as_ref()), bytes(self.schema_url.as_ref()))
    }

    /// Where the header is, or would be.
    fn header_start(&self) -> usize {
        self.base + self.header.as_ref().map_or(0, |field| field.start)
    }

    /// Writes a new header at the place of the old one.
    fn write_header(&self, mark: &Mark, edits: &mut Edits, encode: impl FnOnce(&mut Vec<u8>)) {
        let end = self.header.as_ref().map_or(self.base, |field| self.base + field.end);
        edits.fill(mark, self.header_start(), end, |out| wire::put_message(out, 1, encode));
    }

    /// Writes a new schema URL. It stands behind all items.
    fn write_schema_url(&self, url: &[u8], edits: &mut Edits) {
        let range = self.schema_url.as_ref().map(|field| (self.base + field.start, self.base + field.end));
        let (start, end) = range.unwrap_or((self.end, self.end));
        edits.replace(start, end, |out| {
            if !url.is_empty() {
                wire::put_bytes(out, 3, url);
            }
        });
    }
}

impl<'a, 'e> Walk<'a, 'e> {
    pub(super) fn new(pass: &'a Pass, origin: Option<&'a Origin>, edits: &'e mut Edits) -> Self {
        let counts = |step: &super::pass::Step| Counts { tallies: vec![0; step.tallies], ..Counts::default() };
        Self { pass, origin, counts: pass.steps.iter().map(counts).collect(), edits }
    }

    /// Walks a chunk and returns how many spans stay.
    pub(super) fn chunk(&mut self, chunk: &'a [u8]) -> usize {
        // One view for all spans of the chunk: its vectors keep their capacity.
        let mut span = SpanView::default();
        fields(chunk).filter(|field| field.number == 1).map(|field| self.resource_spans(&field, &mut span)).sum()
    }

    fn resource_spans(&mut self, field: &Field<'a>, span: &mut SpanView<'a>) -> usize {
        let pass = self.pass;
        let group = Group::read(field.bytes, field.body);
        let mark = self.edits.open(field.start);
        let (message, schema_url) = group.bytes();
        let mut versions = Vec::with_capacity(pass.resources);
        versions.push(if pass.needs.resource {
            ResourceView::decode(message, schema_url)
        } else {
            ResourceView::default()
        });
        let mut dropped_by = None;
        let mut changed_by = Vec::new();
        for (index, step) in pass.steps.iter().enumerate() {
            while versions.len() <= step.resource {
                let latest = versions[versions.len() - 1].clone();
                versions.push(latest);
            }
            if pass.visits_resources && step.op.levels().resource {
                match step.op.resource(&mut versions[step.resource], self.origin, &mut self.counts[index]) {
                    Verdict::Keep => {}
                    Verdict::Changed => changed_by.push(index),
                    Verdict::Drop => {
                        dropped_by = Some(index);
                        break;
                    }
                }
            }
        }
        versions.resize_with(pass.resources, ResourceView::default);
        let header = pass.writes_resources.then(|| self.edits.open(group.header_start()));

        let before = self.incoming(&changed_by);
        let mut kept = 0;
        let mut scopes_left = 0;
        for inner in fields(field.bytes).filter(|inner| inner.number == 2) {
            let (spans, stays) = self.scope_spans(&inner, group.base, &mut versions, dropped_by, span);
            kept += spans;
            scopes_left += usize::from(stays);
        }
        self.count_changed(&changed_by, &before);
        let emptied = scopes_left == 0 && (group.items > 0 || pass.prunes_resources);
        if dropped_by.is_some() || (emptied && pass.prunes_resources) {
            self.edits.remove(&mark, field.start, field.end);
            return kept;
        }
        if let (Some(header), Some(latest)) = (header, versions.last()) {
            if latest.is_changed() {
                group.write_header(&header, self.edits, |out| latest.encode(out));
            }
            if latest.has_new_schema_url() {
                group.write_schema_url(latest.schema_url(), self.edits);
            }
        }
        self.edits.close(&mark, 1, field.start, field.body, field.end);
        kept
    }

    /// Walks one scope. Returns how many spans stay, and whether the scope itself does.
    fn scope_spans(
        &mut self,
        field: &Field<'a>,
        base: usize,
        resources: &mut [ResourceView<'a>],
        mut dropped_by: DroppedBy,
        span: &mut SpanView<'a>,
    ) -> (usize, bool) {
        let pass = self.pass;
        let (start, body, end) = (base + field.start, base + field.body, base + field.end);
        let group = Group::read(if pass.needs.scope { field.bytes } else { &[] }, body);
        let (message, schema_url) = group.bytes();
        let mut versions = vec![ScopeView::decode(message, schema_url)];
        let mut changed_by = Vec::new();
        if pass.visits_scopes {
            let reach = dropped_by.unwrap_or(pass.steps.len());
            for (index, step) in pass.steps[..reach].iter().enumerate() {
                while versions.len() <= step.scope {
                    let latest = versions[versions.len() - 1].clone();
                    versions.push(latest);
                }
                if !step.op.levels().scope {
                    continue;
                }
                let (scope, resource) = (&mut versions[step.scope], &mut resources[step.resource]);
                match step.op.scope(scope, resource, self.origin, &mut self.counts[index]) {
                    Verdict::Keep => {}
                    Verdict::Changed => changed_by.push(index),
                    Verdict::Drop => {
                        dropped_by = Some(index);
                        break;
                    }
                }
            }
        }
        versions.resize_with(pass.scopes, ScopeView::default);
        let mark = self.edits.open(start);
        let header = pass.writes_scopes.then(|| self.edits.open(group.header_start()));
        let before = self.incoming(&changed_by);
        let mut kept = 0;
        for inner in fields(field.bytes).filter(|inner| inner.number == 2) {
            kept += usize::from(self.span(&inner, body, &mut versions, resources, dropped_by, span));
        }
        self.count_changed(&changed_by, &before);
        if dropped_by.is_some() || (kept == 0 && pass.prunes_scopes) {
            self.edits.remove(&mark, start, end);
            return (kept, false);
        }
        if let (Some(header), Some(latest)) = (header, versions.last()) {
            if latest.is_changed() {
                group.write_header(&header, self.edits, |out| latest.encode(out));
            }
            if latest.has_new_schema_url() {
                group.write_schema_url(latest.schema_url(), self.edits);
            }
        }
        self.edits.close(&mark, 2, start, body, end);
        (kept, true)
    }

    /// How many spans each of these ops has seen.
    fn incoming(&self, ops: &[usize]) -> Vec<u64> {
        ops.iter().map(|index| self.counts[*index].incoming).collect()
    }

    /// Books as changed the spans that these ops have seen since.
    fn count_changed(&mut self, ops: &[usize], before: &[u64]) {
        for (index, before) in ops.iter().zip(before) {
            let counts = &mut self.counts[*index];
            counts.changed += counts.incoming - before;
        }
    }

    /// Runs every op on one span and tells whether it stays.
    #[inline]
    fn span(
        &mut self,
        field: &Field<'a>,
        base: usize,
        scopes: &mut [ScopeView<'a>],
        resources: &mut [ResourceView<'a>],
        dropped_by: DroppedBy,
        span: &mut SpanView<'a>,
    ) -> bool {
        let pass = self.pass;
        let (start, body, end) = (base + field.start, base + field.body, base + field.end);
        if pass.visits_spans {
            span.load(field.bytes, pass.needs);
        }
        let mut changed = false;
        for (index, step) in pass.steps.iter().enumerate() {
            let counts = &mut self.counts[index];
            counts.incoming += 1;
            let verdict = if dropped_by == Some(index) {
                Verdict::Drop
            } else if step.op.levels().span {
                let (resource, scope) = (&mut resources[step.resource], &mut scopes[step.scope]);
                step.op.span(span, &mut Place { origin: self.origin, resource, scope }, counts)
            } else {
                Verdict::Keep
            };
            match verdict {
                Verdict::Keep => {}
                Verdict::Changed => {
                    counts.changed += 1;
                    changed = true;
                }
                Verdict::Drop => {
                    counts.dropped += 1;
                    let mark = self.edits.open(start);
                    self.edits.remove(&mark, start, end);
                    return false;
                }
            }
        }
        if changed {
            let mark = self.edits.open(start);
            span.write(body, self.edits);
            self.edits.close(&mark, 2, start, body, end);
        }
        true
    }
}
