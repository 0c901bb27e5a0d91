//! Merging equal resources: many small requests of one service become one `ResourceSpans`.
//!
//! Resources are equal when all that stands around their scopes is, byte by byte: the resource, the schema URL
//! and what nobody knows. Scopes likewise. Spans keep their order within a scope.

use std::collections::HashMap;

use crate::rope::Chunk;
use crate::split::{Envelope, field_len, put_head};
use crate::wire::fields;

/// What is saved must be at least this part of all bytes, for every span is copied once.
const WORTH: usize = 64;

/// Where requests are larger than this on average, in spans, resources are too small a part to look for.
const LARGE_REQUEST: usize = 128;

/// All spans of `chunks` with each resource and scope written once; `None` where that saves too little.
pub fn merge(chunks: &[Chunk]) -> Option<Chunk> {
    let spans: usize = chunks.iter().map(|chunk| chunk.spans).sum();
    if chunks.len() < 2 || spans / chunks.len() > LARGE_REQUEST {
        return None;
    }
    let mut merged = Merged::default();
    chunks.iter().for_each(|chunk| merged.add(&chunk.data));
    let size: usize = chunks.iter().map(|chunk| chunk.data.len()).sum();
    (merged.saved * WORTH > size).then(|| Chunk::new(merged.write(size - merged.saved), spans))
}

/// What stands around the inner fields of a message: before and behind them.
type Header<'a> = (&'a [u8], &'a [u8]);

fn header<'a>(envelope: &Envelope<'a>) -> Header<'a> {
    (envelope.before, envelope.after)
}

#[derive(Default)]
struct Merged<'a> {
    resources: Vec<Resource<'a>>,
    by_header: HashMap<Header<'a>, usize>,
    /// Where the last one went: mostly the next one goes there too.
    last: usize,
    /// Fields of the request that nobody knows.
    unknown: Vec<&'a [u8]>,
    /// Bytes of headers that were there before.
    saved: usize,
}

struct Resource<'a> {
    header: Header<'a>,
    scopes: Vec<Scope<'a>>,
    by_header: HashMap<Header<'a>, usize>,
    last: usize,
}

struct Scope<'a> {
    header: Header<'a>,
    /// Runs of spans, as fields.
    spans: Vec<&'a [u8]>,
    size: usize,
}

impl<'a> Merged<'a> {
    fn add(&mut self, request: &'a [u8]) {
        for field in fields(request) {
            if field.number != 1 {
                self.unknown.push(&request[field.start..field.end]);
                continue;
            }
            let envelope = Envelope::of(field.bytes);
            let key = header(&envelope);
            let mut saved = envelope.overhead();
            if self.resources.get(self.last).is_none_or(|resource| resource.header != key) {
                let next = self.resources.len();
                self.last = *self.by_header.entry(key).or_insert(next);
                if self.last == next {
                    self.resources.push(Resource::new(key));
                    saved = 0;
                }
            }
            self.saved += saved;
            let resource = &mut self.resources[self.last];
            for scope in fields(envelope.inner) {
                self.saved += resource.add(Envelope::of(scope.bytes));
            }
        }
    }

    fn write(&self, size: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(size);
        for resource in &self.resources {
            let (before, after) = resource.header;
            put_head(
                &mut out,
                1,
                before.len() + after.len() + resource.scopes.iter().map(|s| field_len(s.body_len())).sum::<usize>(),
            );
            out.extend_from_slice(before);
            for scope in &resource.scopes {
                put_head(&mut out, 2, scope.body_len());
                out.extend_from_slice(scope.header.0);
                scope.spans.iter().for_each(|spans| out.extend_from_slice(spans));
                out.extend_from_slice(scope.header.1);
            }
            out.extend_from_slice(after);
        }
        self.unknown.iter().for_each(|field| out.extend_from_slice(field));
        out
    }
}

impl<'a> Resource<'a> {
    fn new(header: Header<'a>) -> Self {
        Self { header, scopes: Vec::new(), by_header: HashMap::new(), last: 0 }
    }

    /// Takes a scope with its spans, and tells how many bytes that saves.
    fn add(&mut self, envelope: Envelope<'a>) -> usize {
        let key = header(&envelope);
        let mut saved = envelope.overhead();
        if self.scopes.get(self.last).is_none_or(|scope| scope.header != key) {
            let next = self.scopes.len();
            self.last = *self.by_header.entry(key).or_insert(next);
            if self.last == next {
                self.scopes.push(Scope { header: key, spans: Vec::new(), size: 0 });
                saved = 0;
            }
        }
        let scope = &mut self.scopes[self.last];
        scope.spans.push(envelope.inner);
        scope.size += envelope.inner.len();
        saved
    }
}

impl Scope<'_> {
    fn body_len(&self) -> usize {
        self.header.0.len() + self.header.1.len() + self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope::SpanBatch;
    use crate::samples::{lines, resource_spans, span};

    fn chunk(service: &str, spans: &[&str]) -> Chunk {
        let spans: Vec<Vec<u8>> = spans.iter().map(|name| span(name, &[])).collect();
        Chunk::new(resource_spans(service, &[&spans]), spans.len())
    }

    #[test]
    fn equal_resources_and_scopes_become_one() {
        let chunks = [chunk("a", &["1", "2"]), chunk("b", &["3"]), chunk("a", &["4"])];
        let merged = SpanBatch::from_chunks(vec![merge(&chunks).unwrap()]);
        assert_eq!((merged.len(), merged.resource_spans()), (4, 2));
        assert_eq!(lines(&merged), ["a/1{}", "a/2{}", "a/4{}", "b/3{}"]);
        assert!(merged.size() < chunks.iter().map(|chunk| chunk.data.len()).sum());
    }

    #[test]
    fn what_differs_stays_apart() {
        assert!(merge(&[chunk("a", &["1"]), chunk("b", &["2"])]).is_none());
        assert!(merge(&[chunk("a", &["1", "2"])]).is_none());
    }

    #[test]
    fn a_small_saving_is_not_worth_a_copy() {
        let many = vec!["span"; 100];
        assert!(merge(&[chunk("a", &many), chunk("a", &many)]).is_none());
    }
}
