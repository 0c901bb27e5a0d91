//! Routing: spans of one batch go to several backends, each to the one that owns its key.
//!
//! One walk over the bytes. Spans with the same key keep their order and come to the same backend. What goes there
//! whole is shared or copied as it is; a `ResourceSpans` that must be cut is written anew for each backend, with its
//! resource, scopes, schema URLs and unknown fields repeated around the spans, as in [`crate::split`].

mod crc;
mod key;
mod part;
mod ring;
mod walk;

pub use key::Key;

use crate::error::OptionError;
use crate::rope::SpanBatch;
use key::Owners;
use part::Part;
use ring::Ring;
use walk::Walk;

/// Knows who owns what.
#[derive(Debug)]
pub struct Router {
    ring: Ring,
    key: Key,
    /// One more than the largest owner.
    owners: usize,
}

impl Router {
    /// A router over names of backends, each with the number of its owner. Several names may mean the same one.
    pub fn new(names: &[(String, usize)], key: Key) -> Result<Self, OptionError> {
        let Some(largest) = names.iter().map(|(_, owner)| *owner).max() else {
            return Err(OptionError::new("resolver", "there are no backends"));
        };
        if largest >= names.len() {
            return Err(OptionError::new("resolver", format!("owner {largest} of {} names", names.len())));
        }
        Ok(Self { ring: Ring::new(names), key, owners: largest + 1 })
    }

    /// Who owns this key.
    pub fn owner(&self, key: &[u8], away: &[usize]) -> usize {
        self.ring.owner(key, away).unwrap_or_default()
    }

    /// What each owner gets of a batch, ascending; nobody gets an empty one. Owners that are away get nothing, unless
    /// all are.
    pub fn route(&self, batch: &SpanBatch, away: &[usize]) -> Vec<(usize, SpanBatch)> {
        let mut parts: Vec<Part<'_>> = Vec::new();
        parts.resize_with(self.owners, Part::default);
        let mut walk = Walk::new(Owners::new(&self.key, &self.ring, away), parts);
        batch.chunks().iter().for_each(|chunk| walk.chunk(chunk));
        let chunks = walk.parts.into_iter().map(Part::into_chunks).enumerate();
        let mut routed: Vec<_> = chunks
            .filter(|(_, chunks)| !chunks.is_empty())
            .map(|(owner, chunks)| (owner, batch.with_chunks(chunks)))
            .collect();
        // Repaired strings are counted where they arrived, once.
        routed.iter_mut().skip(1).for_each(|(_, part)| part.forget_repairs());
        routed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope::Chunk;
    use crate::samples::{lines, put_attribute, span};
    use crate::scan::scan;
    use crate::view::Value;
    use crate::wire::{put_bytes, put_message};

    const NAMES: usize = 3;

    fn router(key: Key) -> Router {
        let names: Vec<_> = (0..NAMES).map(|owner| (format!("backend-{owner}:4317"), owner)).collect();
        Router::new(&names, key).unwrap()
    }

    /// A trace id that belongs to this owner.
    fn trace_of(router: &Router, owner: usize) -> [u8; 16] {
        (0..u128::MAX).map(u128::to_be_bytes).find(|id| router.owner(id, &[]) == owner).unwrap()
    }

    fn span_of(router: &Router, owner: usize, name: &str) -> Vec<u8> {
        let mut body = Vec::new();
        put_bytes(&mut body, 1, &trace_of(router, owner));
        put_bytes(&mut body, 5, name.as_bytes());
        body
    }

    /// A chunk of one resource, with fields that nobody knows at each level.
    fn chunk(service: &str, scopes: &[&[Vec<u8>]]) -> Chunk {
        let mut out = Vec::new();
        put_bytes(&mut out, 77, b"loose");
        put_message(&mut out, 1, |out| {
            put_message(out, 1, |out| put_attribute(out, 1, "service.name", &Value::text(service.into())));
            for spans in scopes {
                put_message(out, 2, |out| {
                    put_message(out, 1, |out| put_bytes(out, 1, b"scope"));
                    spans.iter().for_each(|span| put_bytes(out, 2, span));
                    put_bytes(out, 99, b"unknown");
                });
            }
            put_bytes(out, 3, b"https://schema");
        });
        Chunk::new(out, scopes.iter().map(|spans| spans.len()).sum())
    }

    fn routed(router: &Router, chunks: Vec<Chunk>) -> Vec<(usize, Vec<String>)> {
        let parts = router.route(&SpanBatch::from_chunks(chunks), &[]);
        for chunk in parts.iter().flat_map(|(_, part)| part.chunks()) {
            let found = scan(&chunk.data).unwrap();
            assert_eq!((found.spans, found.normal), (chunk.spans, true));
        }
        parts.iter().map(|(owner, part)| (*owner, lines(part))).collect()
    }

    #[test]
    fn each_owner_gets_its_traces_in_order_with_resource_and_scope() {
        let router = router(Key::TraceId);
        let span = |owner, name| span_of(&router, owner, name);
        let first = chunk("a", &[&[span(0, "1"), span(0, "2"), span(2, "3"), span(0, "4")], &[span(2, "5")]]);
        let second = chunk("b", &[&[span(0, "6")]]);
        assert_eq!(
            routed(&router, vec![first, second]),
            [
                (0, ["a/1{}", "a/2{}", "a/4{}", "b/6{}"].map(str::to_owned).to_vec()),
                (2, ["a/3{}", "a/5{}"].map(str::to_owned).to_vec())
            ]
        );
    }

    #[test]
    fn a_chunk_of_one_owner_is_shared_and_nothing_unknown_is_lost() {
        let router = router(Key::TraceId);
        let whole = chunk("a", &[&[span_of(&router, 1, "1")]]);
        let parts = router.route(&SpanBatch::from_chunks(vec![whole.clone()]), &[]);
        assert_eq!(parts[0].1.chunks()[0].data.as_ptr(), whole.data.as_ptr());
        let cut = chunk("a", &[&[span_of(&router, 1, "1"), span_of(&router, 2, "2")]]);
        let parts = router.route(&SpanBatch::from_chunks(vec![cut]), &[]);
        let count = |needle: &[u8]| {
            parts.iter().map(|(_, part)| part.encode().windows(needle.len()).filter(|w| *w == needle).count()).sum()
        };
        let found: [usize; 3] = [count(b"loose"), count(b"unknown"), count(b"https://schema")];
        assert_eq!(found, [1, 2, 2]);
    }

    #[test]
    fn the_first_span_of_a_trace_in_its_scope_speaks_for_it() {
        let router = router(Key::Attributes(vec!["tenant".to_owned()]));
        let owner = |value: &str| router.owner(format!("tenant={value}|").as_bytes(), &[]);
        let (a, b) = ("a", (0..).map(|n| n.to_string()).find(|value| owner(value) != owner("a")).unwrap());
        let spans = [span("1", &[("tenant", a)]), span("2", &[("tenant", &b)])];
        let both = vec!["s/1{tenant=a}".to_owned(), format!("s/2{{tenant={b}}}")];
        assert_eq!(routed(&router, vec![chunk("s", &[&spans])]), [(owner(a), both)]);
    }

    #[test]
    fn who_is_away_gets_nothing() {
        let router = router(Key::TraceId);
        let batch = SpanBatch::from_chunks(vec![chunk("a", &[&[span_of(&router, 1, "1"), span_of(&router, 0, "2")]])]);
        let owners = |away: &[usize]| router.route(&batch, away).iter().map(|(owner, _)| *owner).collect::<Vec<_>>();
        assert!(!owners(&[1]).contains(&1));
        assert_eq!(owners(&[0, 1, 2]), owners(&[]));
    }

    #[test]
    fn there_is_no_router_without_names() {
        assert!(Router::new(&[], Key::TraceId).is_err());
        assert!(Router::new(&[("a".to_owned(), 1)], Key::TraceId).is_err());
    }
}
