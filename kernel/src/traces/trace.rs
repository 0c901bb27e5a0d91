//! A trace while it is held: its spans as they came, in pieces, and how they are put together.

use std::collections::HashMap;

use super::surroundings::{ScopeId, Surroundings};
use crate::rope::Chunk;
use crate::split::{field_len, put_head};

/// Spans that arrived together in one scope.
#[derive(Debug)]
pub struct Piece {
    pub scope: ScopeId,
    pub spans: u32,
    /// The spans, as fields of their scope.
    pub bytes: Box<[u8]>,
}

/// What is known of a trace that nobody has decided about.
#[derive(Debug, Default)]
pub struct Trace<F> {
    pub pieces: Vec<Piece>,
    pub spans: usize,
    /// Bytes of its spans on the wire.
    pub bytes: usize,
    /// The same with all that stood around them, as often as it arrived.
    pub size: usize,
    /// Which resource of which batch it was last part of.
    pub arrival: u64,
    /// When its first span came, and its last one.
    pub first: f64,
    pub last: f64,
    /// At which tick it is due.
    pub due: u64,
    pub facts: F,
}

/// Bytes of memory for a piece besides its spans: its place in the list, and what the allocator needs.
pub const PIECE: usize = size_of::<Piece>() + 16;

/// Bytes of a chunk after which the next one begins.
const CHUNK: usize = 2 << 20;

impl<F> Trace<F> {
    pub fn add(&mut self, piece: Piece) {
        if self.pieces.len() == self.pieces.capacity() {
            // Doubling from four would leave half of it unused for most traces.
            self.pieces.reserve_exact((self.pieces.len() / 2).max(2));
        }
        self.spans += piece.spans as usize;
        self.bytes += piece.bytes.len();
        self.pieces.push(piece);
    }

    /// Bytes of memory for its spans.
    pub fn held(&self) -> usize {
        self.bytes + self.pieces.len() * PIECE
    }
}

/// Writes pieces with what stands around them: equal resources and scopes once in a chunk, in the order in which they
/// came. Chunks are not much larger than 2 MiB unless a piece is.
pub fn write(mut pieces: Vec<Piece>, around: &Surroundings) -> Vec<Chunk> {
    order(&mut pieces, around);
    let mut chunks = Vec::new();
    let mut rest = pieces.into_iter().peekable();
    while rest.peek().is_some() {
        let (mut part, mut size) = (Vec::new(), 0);
        while let Some(piece) = rest.next_if(|piece| size == 0 || size + piece.bytes.len() <= CHUNK) {
            size += piece.bytes.len();
            part.push(piece);
        }
        chunks.push(chunk(&part, around));
    }
    chunks
}

/// Brings what belongs together side by side.
fn order(pieces: &mut [Piece], around: &Surroundings) {
    if pieces.iter().all(|piece| piece.scope == pieces[0].scope) {
        return;
    }
    let mut resources = HashMap::new();
    let mut scopes = HashMap::new();
    for piece in pieces.iter() {
        let next = scopes.len();
        scopes.entry(piece.scope).or_insert_with(|| {
            let (_, _, resource) = around.scope(piece.scope);
            let next_resource = resources.len();
            (*resources.entry(resource).or_insert(next_resource), next)
        });
    }
    // The sort is stable: pieces of a scope keep their order.
    pieces.sort_by_key(|piece| scopes[&piece.scope]);
}

/// Writes pieces that are in order.
fn chunk(pieces: &[Piece], around: &Surroundings) -> Chunk {
    let resource_of = |piece: &Piece| around.scope(piece.scope).2;
    let groups: Vec<Vec<&[Piece]>> = pieces
        .chunk_by(|a, b| resource_of(a) == resource_of(b))
        .map(|group| group.chunk_by(|a, b| a.scope == b.scope).collect())
        .collect();
    let scope_len = |scope: &[Piece]| {
        let (before, after, _) = around.scope(scope[0].scope);
        before.len() + after.len() + scope.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    };
    let resource_len = |scopes: &[&[Piece]]| {
        let (before, after) = around.resource(resource_of(&scopes[0][0]));
        before.len() + after.len() + scopes.iter().map(|scope| field_len(scope_len(scope))).sum::<usize>()
    };
    let mut out = Vec::with_capacity(groups.iter().map(|group| field_len(resource_len(group))).sum());
    for group in &groups {
        let (before, after) = around.resource(resource_of(&group[0][0]));
        put_head(&mut out, 1, resource_len(group));
        out.extend_from_slice(before);
        for scope in group {
            let (before, after, _) = around.scope(scope[0].scope);
            put_head(&mut out, 2, scope_len(scope));
            out.extend_from_slice(before);
            scope.iter().for_each(|piece| out.extend_from_slice(&piece.bytes));
            out.extend_from_slice(after);
        }
        out.extend_from_slice(after);
    }
    Chunk::new(out, pieces.iter().map(|piece| piece.spans as usize).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope::SpanBatch;
    use crate::samples::{lines, resource_spans, span};
    use crate::split::Envelope;
    use crate::wire::{fields, put_bytes};

    fn piece(around: &mut Surroundings, service: &str, names: &[&str]) -> Piece {
        let spans: Vec<Vec<u8>> = names.iter().map(|name| span(name, &[])).collect();
        let request = resource_spans(service, &[&spans]);
        let resource = Envelope::of(fields(&request).next().unwrap().bytes);
        let scope = Envelope::of(fields(resource.inner).next().unwrap().bytes);
        let id = around.enter_resource(resource);
        let scope_id = around.enter(id, scope);
        around.leave_resource(id);
        Piece { scope: scope_id, spans: names.len() as u32, bytes: scope.inner.into() }
    }

    #[test]
    fn what_belongs_together_is_written_together() {
        let mut around = Surroundings::default();
        let pieces = vec![
            piece(&mut around, "a", &["1", "2"]),
            piece(&mut around, "b", &["3"]),
            piece(&mut around, "a", &["4"]),
        ];
        let batch = SpanBatch::from_chunks(write(pieces, &around));
        assert_eq!(lines(&batch), ["a/1{}", "a/2{}", "a/4{}", "b/3{}"]);
        assert_eq!((batch.len(), batch.resource_spans()), (4, 2));
        // What comes out is a request in the normal form, with what nobody knows.
        let spans: Vec<Vec<u8>> = ["1", "2", "4"].iter().map(|name| span(name, &[])).collect();
        assert!(batch.encode().starts_with(&resource_spans("a", &[&spans])));
    }

    #[test]
    fn a_large_trace_is_written_in_several_chunks() {
        let mut around = Surroundings::default();
        let mut large = piece(&mut around, "a", &["1"]);
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, 2, &vec![0; CHUNK / 2]);
        large.bytes = bytes.into_boxed_slice();
        let again = |piece: &Piece| Piece { scope: piece.scope, spans: 1, bytes: piece.bytes.clone() };
        let pieces = vec![again(&large), again(&large), again(&large)];
        let chunks = write(pieces, &around);
        assert_eq!(chunks.iter().map(|chunk| chunk.spans).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn nothing_is_nothing() {
        assert!(write(Vec::new(), &Surroundings::default()).is_empty());
    }
}
