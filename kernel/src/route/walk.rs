//! The walk over the bytes: resource by resource, and into those whose spans have several owners.

use std::mem;
use std::ops::Range;

use super::key::Owners;
use super::part::{Cut, Part};
use crate::rope::Chunk;
use crate::split::{Envelope, count_spans};
use crate::wire::{Field, fields};

/// Resources of a chunk in a row that have the same owner.
#[derive(Default)]
struct Run {
    range: Range<usize>,
    spans: usize,
    owner: usize,
}

pub struct Walk<'a> {
    owners: Owners<'a>,
    pub parts: Vec<Part<'a>>,
    run: Run,
    /// Resources that were cut so far.
    resources: usize,
    /// Of the resource at hand.
    scopes: Vec<Envelope<'a>>,
    cuts: Vec<Cut<'a>>,
}

impl<'a> Walk<'a> {
    pub fn new(owners: Owners<'a>, parts: Vec<Part<'a>>) -> Self {
        Self { owners, parts, run: Run::default(), resources: 0, scopes: Vec::new(), cuts: Vec::new() }
    }

    /// Hands the spans of a chunk to the parts of their owners.
    pub fn chunk(&mut self, chunk: &'a Chunk) {
        self.run = Run::default();
        let mut last = 0;
        for field in fields(&chunk.data).filter(|field| field.number == 1) {
            last = self.resource_spans(&field, &chunk.data).unwrap_or(last);
        }
        if self.run.spans == chunk.spans {
            self.parts[self.run.owner].share(chunk);
            return;
        }
        self.end_run(&chunk.data);
        for field in fields(&chunk.data).filter(|field| field.number != 1) {
            self.parts[last].unknown(&chunk.data[field.start..field.end]);
        }
    }

    fn end_run(&mut self, chunk: &'a [u8]) {
        let run = mem::take(&mut self.run);
        if run.spans > 0 {
            self.parts[run.owner].whole(&chunk[run.range], run.spans);
        }
    }

    /// Gives one who owns a part of it, if there are spans.
    fn resource_spans(&mut self, field: &Field<'a>, chunk: &'a [u8]) -> Option<usize> {
        let resource = Envelope::of(field.bytes);
        let (owner, spans) = match self.owners.resource(resource.before) {
            Some(owner) => (Some(owner), count_spans(field.bytes)),
            None => self.cut(resource),
        };
        if spans == 0 {
            self.end_run(chunk);
            return None;
        }
        let Some(owner) = owner else {
            self.end_run(chunk);
            self.resources += 1;
            for cut in &self.cuts {
                self.parts[cut.owner].cut(self.resources, resource, self.scopes[cut.scope], cut);
            }
            return self.cuts.last().map(|cut| cut.owner);
        };
        if self.run.spans == 0 || owner != self.run.owner {
            self.end_run(chunk);
            self.run = Run { range: field.start..field.start, spans: 0, owner };
        }
        self.run.range.end = field.end;
        self.run.spans += spans;
        Some(owner)
    }

    /// Finds the owners of the spans of a resource. Gives the only one, if there is one, and the number of spans.
    fn cut(&mut self, resource: Envelope<'a>) -> (Option<usize>, usize) {
        self.scopes.clear();
        self.cuts.clear();
        for (index, field) in fields(resource.inner).enumerate() {
            let scope = Envelope::of(field.bytes);
            self.scopes.push(scope);
            match self.owners.scope(scope.before) {
                Some(owner) => {
                    let spans = fields(scope.inner).count();
                    self.cuts.push(Cut { owner, scope: index, bytes: scope.inner, spans });
                }
                None => self.spans(index, scope),
            }
        }
        self.cuts.retain(|cut| cut.spans > 0);
        let owner = self.cuts.first().map(|cut| cut.owner);
        let spans = self.cuts.iter().map(|cut| cut.spans).sum();
        (owner.filter(|owner| self.cuts.iter().all(|cut| cut.owner == *owner)), spans)
    }

    fn spans(&mut self, index: usize, scope: Envelope<'a>) {
        let mut start = 0;
        let mut spans = 0;
        let mut current = None;
        for field in fields(scope.inner) {
            let owner = self.owners.span(field.bytes);
            if let Some(before) = current.filter(|current| *current != owner) {
                let bytes = &scope.inner[start..field.start];
                self.cuts.push(Cut { owner: before, scope: index, bytes, spans });
                (start, spans) = (field.start, 0);
            }
            current = Some(owner);
            spans += 1;
        }
        if let Some(owner) = current {
            self.cuts.push(Cut { owner, scope: index, bytes: &scope.inner[start..], spans });
        }
    }
}
