//! Cutting spans on the wire into parts of a bounded size.
//!
//! What fits whole is shared: chunks, or slices of them. A `ResourceSpans` that must be cut is written anew for
//! each part, with its resource, scopes, schema URLs and unknown fields repeated around the spans. Resources
//! and scopes without spans may get lost on the way.

use std::ops::Range;

use crate::rope::Chunk;
use crate::wire::{self, Field, WireType, fields, varint_len};

/// How large a part may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub spans: usize,
    pub bytes: usize,
}

impl Bounds {
    /// As options have it: 0 is no bound.
    pub fn new(spans: usize, bytes: usize) -> Self {
        let bound = |value| if value == 0 { usize::MAX } else { value };
        Self { spans: bound(spans), bytes: bound(bytes) }
    }

    pub fn fit(self, spans: usize, bytes: usize) -> bool {
        spans <= self.spans && bytes <= self.bytes
    }

    #[must_use]
    pub fn minus(self, spans: usize, bytes: usize) -> Self {
        Self { spans: self.spans.saturating_sub(spans), bytes: self.bytes.saturating_sub(bytes) }
    }
}

/// Cuts `chunks`, in order, into parts within `rest`; the first one within `first`, which is what a part begun
/// before has room for, and empty where not even one span fits. A span larger than `rest` is a part of its own.
pub fn split(chunks: &[Chunk], first: Bounds, rest: Bounds) -> Vec<Vec<Chunk>> {
    let mut cut = Cut { parts: Vec::new(), part: Vec::new(), room: first, rest, begun: first != rest };
    for chunk in chunks {
        if cut.room.fit(chunk.spans, chunk.data.len()) {
            cut.push(chunk.clone());
        } else {
            cut.chunk(chunk);
        }
    }
    if !cut.part.is_empty() {
        cut.finish();
    }
    cut.parts
}

struct Cut {
    parts: Vec<Vec<Chunk>>,
    part: Vec<Chunk>,
    /// What the part has room for.
    room: Bounds,
    rest: Bounds,
    /// Whether somebody else put something into the part.
    begun: bool,
}

impl Cut {
    fn push(&mut self, chunk: Chunk) {
        self.room = self.room.minus(chunk.spans, chunk.data.len());
        self.part.push(chunk);
    }

    fn finish(&mut self) {
        self.parts.push(std::mem::take(&mut self.part));
        self.room = self.rest;
        self.begun = false;
    }

    fn is_fresh(&self) -> bool {
        self.part.is_empty() && !self.begun
    }

    /// Goes through a chunk that does not fit whole.
    fn chunk(&mut self, chunk: &Chunk) {
        // Fields in a row that fit, to be shared as one slice.
        let mut run = 0..0;
        let mut run_spans = 0;
        for field in fields(&chunk.data) {
            let spans = if field.number == 1 { count_spans(field.bytes) } else { 0 };
            if !self.room.fit(run_spans + spans, field.end - run.start) {
                self.slice(chunk, run, run_spans);
                if self.room.spans == 0 {
                    self.finish();
                }
                (run, run_spans) = (field.start..field.start, 0);
                if !self.room.fit(spans, field.end - field.start) {
                    if spans > 0 {
                        self.resource_spans(&field);
                    }
                    run = field.end..field.end;
                    continue;
                }
            }
            run.end = field.end;
            run_spans += spans;
        }
        self.slice(chunk, run, run_spans);
    }

    /// Takes part of a chunk: shared, or copied where it would keep much more memory alive than it is long.
    fn slice(&mut self, chunk: &Chunk, range: Range<usize>, spans: usize) {
        if spans == 0 {
            return;
        }
        self.push(if range.len() * 2 < chunk.pinned {
            Chunk::new(chunk.data[range].to_vec(), spans)
        } else {
            Chunk { data: chunk.data.slice(range), pinned: chunk.pinned, spans }
        });
    }

    /// Spreads the spans of a `ResourceSpans` over parts.
    fn resource_spans(&mut self, field: &Field<'_>) {
        let mut piece = Piece::new(Envelope::of(field.bytes));
        for scope in fields(field.bytes).filter(|inner| inner.number == 2) {
            let scope = Envelope::of(scope.bytes);
            piece.close();
            for span in fields(scope.inner) {
                let bytes = &scope.inner[span.start..span.end];
                if !self.room.fit(piece.spans + 1, piece.size_with(scope, bytes.len())) {
                    if piece.spans > 0 {
                        self.push(piece.take());
                    }
                    // A span that is too large even for a part of its own gets one.
                    if !self.is_fresh() && !self.room.fit(1, piece.size_with(scope, bytes.len())) {
                        self.finish();
                    }
                }
                piece.add(scope, bytes);
            }
        }
        if piece.spans > 0 {
            self.push(piece.take());
        }
    }
}

/// Spans in the body of a `ResourceSpans`.
pub(crate) fn count_spans(resource_spans: &[u8]) -> usize {
    fields(resource_spans)
        .filter(|field| field.number == 2)
        .map(|scope| fields(scope.bytes).filter(|field| field.number == 2).count())
        .sum()
}

/// A `ResourceSpans` or `ScopeSpans`: what says where its spans belong, around what holds them (field 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub before: &'a [u8],
    pub inner: &'a [u8],
    pub after: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut start = body.len();
        let mut end = body.len();
        for field in fields(body).filter(|field| field.number == 2) {
            start = start.min(field.start);
            end = field.end;
        }
        Self { before: &body[..start], inner: &body[start..end], after: &body[end..] }
    }

    /// Bytes around the inner fields.
    pub fn overhead(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

/// Bytes of a message field with a number below 16 and a body of this length.
pub(crate) fn field_len(body: usize) -> usize {
    1 + varint_len(body as u64) + body
}

/// A `ResourceSpans` in the making.
struct Piece<'a> {
    resource: Envelope<'a>,
    closed: Vec<Scope<'a>>,
    /// Bytes of the closed scopes, as fields.
    size: usize,
    open: Option<Scope<'a>>,
    spans: usize,
}

/// A `ScopeSpans` in the making, with the bytes of its spans.
struct Scope<'a> {
    envelope: Envelope<'a>,
    spans: Vec<u8>,
}

impl Scope<'_> {
    fn body_len(&self) -> usize {
        self.envelope.overhead() + self.spans.len()
    }
}

impl<'a> Piece<'a> {
    fn new(resource: Envelope<'a>) -> Self {
        Self { resource, closed: Vec::new(), size: 0, open: None, spans: 0 }
    }

    /// Ends the scope: the next span is of another.
    fn close(&mut self) {
        if let Some(scope) = self.open.take() {
            self.size += field_len(scope.body_len());
            self.closed.push(scope);
        }
    }

    /// Bytes of the whole with another span of this length, in the open scope or in this one.
    fn size_with(&self, scope: Envelope<'a>, span: usize) -> usize {
        let before = self.open.as_ref().map_or(scope.overhead(), Scope::body_len);
        field_len(self.resource.overhead() + self.size + field_len(before + span))
    }

    fn add(&mut self, scope: Envelope<'a>, span: &[u8]) {
        let open = self.open.get_or_insert(Scope { envelope: scope, spans: Vec::new() });
        open.spans.extend_from_slice(span);
        self.spans += 1;
    }

    /// Writes what there is, and begins anew.
    fn take(&mut self) -> Chunk {
        self.close();
        let body = self.resource.overhead() + self.size;
        let mut out = Vec::with_capacity(field_len(body));
        put_head(&mut out, 1, body);
        out.extend_from_slice(self.resource.before);
        for scope in &self.closed {
            put_head(&mut out, 2, scope.body_len());
            out.extend_from_slice(scope.envelope.before);
            out.extend_from_slice(&scope.spans);
            out.extend_from_slice(scope.envelope.after);
        }
        out.extend_from_slice(self.resource.after);
        let chunk = Chunk::new(out, self.spans);
        *self = Self::new(self.resource);
        chunk
    }
}

/// Begins a message field whose body has this length.
pub(crate) fn put_head(out: &mut Vec<u8>, number: u32, body: usize) {
    wire::put_tag(out, number, WireType::Len);
    wire::put_varint(out, body as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, number, body);
        out
    }

    /// A `ResourceSpans` with a resource, one scope with a schema URL, and spans of about 60 bytes.
    fn resource_spans(spans: usize) -> Vec<u8> {
        let spans: Vec<u8> = (0..spans).flat_map(|_| message(2, &message(5, &[b'n'; 56]))).collect();
        let scope = message(2, &[message(1, &message(1, b"scope")), spans, message(3, b"url")].concat());
        message(1, &[message(1, &message(1, &message(1, b"key"))), scope].concat())
    }

    fn chunk(groups: &[usize]) -> Chunk {
        Chunk::new(groups.iter().flat_map(|spans| resource_spans(*spans)).collect(), groups.iter().sum())
    }

    fn shape(parts: &[Vec<Chunk>]) -> Vec<usize> {
        parts.iter().map(|part| part.iter().map(|chunk| chunk.spans).sum()).collect()
    }

    #[test]
    fn parts_are_full_and_in_order() {
        let bounds = Bounds::new(4, 0);
        assert_eq!(shape(&split(&[chunk(&[3, 3]), chunk(&[5])], bounds, bounds)), [4, 4, 3]);
        assert_eq!(shape(&split(&[chunk(&[10])], bounds, bounds)), [4, 4, 2]);
        assert_eq!(shape(&split(&[chunk(&[4]), chunk(&[4])], bounds, bounds)), [4, 4]);
    }

    #[test]
    fn no_part_has_more_bytes_than_allowed_headers_included() {
        for bytes in 120..700 {
            let bounds = Bounds::new(0, bytes);
            let parts = split(&[chunk(&[3, 8, 1]), chunk(&[2])], bounds, bounds);
            assert_eq!(shape(&parts).iter().sum::<usize>(), 14);
            for part in parts {
                assert!(part.iter().map(|chunk| chunk.data.len()).sum::<usize>() <= bytes);
                for chunk in part {
                    assert_eq!(chunk.spans, fields(&chunk.data).map(|field| count_spans(field.bytes)).sum::<usize>());
                }
            }
        }
    }

    #[test]
    fn a_span_that_is_too_large_goes_alone() {
        let bounds = Bounds::new(0, 20);
        assert_eq!(shape(&split(&[chunk(&[3])], bounds, bounds)), [1, 1, 1]);
    }

    #[test]
    fn what_is_no_resource_spans_is_not_looked_into() {
        let unknown = message(5, &message(2, &message(2, &[0; 60])));
        let chunk = Chunk::new([resource_spans(1), unknown].concat(), 1);
        let bounds = Bounds::new(1, 20);
        assert_eq!(shape(&split(&[chunk], bounds, bounds)), [1]);
    }

    #[test]
    fn the_first_part_may_have_less_room_and_even_none() {
        let rest = Bounds::new(4, 0);
        assert_eq!(shape(&split(&[chunk(&[9])], rest.minus(3, 0), rest)), [1, 4, 4]);
        let rest = Bounds::new(0, 250);
        assert_eq!(shape(&split(&[chunk(&[4])], rest.minus(0, 240), rest)), [0, 3, 1]);
    }

    #[test]
    fn a_slice_shares_memory_unless_it_is_small_beside_it() {
        let whole = chunk(&[6, 2]);
        let bounds = Bounds::new(6, 0);
        let parts = split(std::slice::from_ref(&whole), bounds, bounds);
        assert_eq!(parts[0][0].pinned, whole.data.len());
        assert_eq!(parts[1][0].pinned, parts[1][0].data.len());
    }
}
