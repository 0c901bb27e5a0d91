//! What goes to one owner: whole pieces of requests, and resources with some of their spans.
//!
//! Nothing is copied before all is there; then it is written once, into memory of the right size.

use std::ops::Range;

use crate::rope::Chunk;
use crate::split::{Envelope, field_len, put_head};

/// Spans in a row of one scope that have the same owner.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    pub owner: usize,
    /// The place of the scope in its resource.
    pub scope: usize,
    /// The spans, as fields.
    pub bytes: &'a [u8],
    pub spans: usize,
}

#[derive(Default)]
pub struct Part<'a> {
    chunks: Vec<Chunk>,
    pieces: Vec<Piece<'a>>,
    scopes: Vec<Scope<'a>>,
    runs: Vec<&'a [u8]>,
    /// Fields of requests that nobody knows. They stand behind the resources.
    unknown: Vec<&'a [u8]>,
    /// In the pieces.
    spans: usize,
    /// The resource and the scope that the latest run is of.
    latest: Option<(usize, usize)>,
}

enum Piece<'a> {
    /// Resources of a request.
    Whole(&'a [u8]),
    /// A `ResourceSpans` with these scopes.
    Resource(Envelope<'a>, Range<usize>),
}

/// A `ScopeSpans` with these runs of spans.
struct Scope<'a> {
    envelope: Envelope<'a>,
    runs: Range<usize>,
    size: usize,
}

impl Scope<'_> {
    fn body_len(&self) -> usize {
        self.envelope.overhead() + self.size
    }
}

impl<'a> Part<'a> {
    /// Adds a chunk, which is shared.
    pub fn share(&mut self, chunk: &Chunk) {
        self.finish();
        self.chunks.push(chunk.clone());
    }

    /// Adds a field of a request that nobody knows.
    pub fn unknown(&mut self, field: &'a [u8]) {
        self.unknown.push(field);
    }

    /// Adds resources of a request.
    pub fn whole(&mut self, bytes: &'a [u8], spans: usize) {
        self.pieces.push(Piece::Whole(bytes));
        self.spans += spans;
    }

    /// Adds spans of a scope. Resources are told apart by their number.
    pub fn cut(&mut self, number: usize, resource: Envelope<'a>, scope: Envelope<'a>, cut: &Cut<'a>) {
        let place = Some((number, cut.scope));
        if self.latest.is_none_or(|(latest, _)| latest != number) {
            self.pieces.push(Piece::Resource(resource, self.scopes.len()..self.scopes.len()));
        }
        if self.latest != place {
            self.latest = place;
            self.scopes.push(Scope { envelope: scope, runs: self.runs.len()..self.runs.len(), size: 0 });
            if let Some(Piece::Resource(_, scopes)) = self.pieces.last_mut() {
                scopes.end += 1;
            }
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.runs.end += 1;
            scope.size += cut.bytes.len();
        }
        self.runs.push(cut.bytes);
        self.spans += cut.spans;
    }

    /// Everything, in the order in which it was added.
    pub fn into_chunks(mut self) -> Vec<Chunk> {
        self.finish();
        self.chunks
    }

    /// Writes the pieces.
    fn finish(&mut self) {
        if self.pieces.is_empty() {
            return;
        }
        let unknown: usize = self.unknown.iter().map(|field| field.len()).sum();
        let pieces: usize = self.pieces.iter().map(|piece| self.size(piece)).sum();
        let mut out = Vec::with_capacity(pieces + unknown);
        for piece in &self.pieces {
            self.write(piece, &mut out);
        }
        self.unknown.drain(..).for_each(|field| out.extend_from_slice(field));
        self.chunks.push(Chunk::new(out, self.spans));
        self.pieces.clear();
        self.scopes.clear();
        self.runs.clear();
        self.spans = 0;
        self.latest = None;
    }

    fn size(&self, piece: &Piece<'_>) -> usize {
        match piece {
            Piece::Whole(bytes) => bytes.len(),
            Piece::Resource(envelope, scopes) => field_len(self.body_len(envelope, scopes)),
        }
    }

    fn body_len(&self, envelope: &Envelope<'_>, scopes: &Range<usize>) -> usize {
        let scopes = &self.scopes[scopes.clone()];
        envelope.overhead() + scopes.iter().map(|scope| field_len(scope.body_len())).sum::<usize>()
    }

    fn write(&self, piece: &Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Whole(bytes) => out.extend_from_slice(bytes),
            Piece::Resource(envelope, scopes) => {
                put_head(out, 1, self.body_len(envelope, scopes));
                out.extend_from_slice(envelope.before);
                for scope in &self.scopes[scopes.clone()] {
                    put_head(out, 2, scope.body_len());
                    out.extend_from_slice(scope.envelope.before);
                    self.runs[scope.runs.clone()].iter().for_each(|run| out.extend_from_slice(run));
                    out.extend_from_slice(scope.envelope.after);
                }
                out.extend_from_slice(envelope.after);
            }
        }
    }
}
