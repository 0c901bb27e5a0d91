//! A batch, sorted by trace: what of it belongs to which trace, as compact copies.
//!
//! All that can be done without knowing the other spans of a trace is done here, before anybody holds a lock.

use std::collections::HashMap;

use super::TraceId;
use crate::rope::SpanBatch;
use crate::split::Envelope;
use crate::view::{Needs, ResourceView, ScopeView, SpanView};
use crate::wire::fields;

/// Looks at every span that arrives, and notes what it finds.
pub trait Watch {
    /// What is noted of the spans of a trace.
    type Facts: Default;

    /// What must be decoded for it; `None` if it never looks.
    fn needs(&self) -> Option<Needs>;

    /// Looks at a resource with spans of a trace, before it looks at the spans.
    fn resource(&self, facts: &mut Self::Facts, resource: &ResourceView<'_>);

    fn span(&self, facts: &mut Self::Facts, span: &SpanView<'_>, scope: &ScopeView<'_>, resource: &ResourceView<'_>);
}

/// Spans of one trace that arrived in one scope.
#[derive(Debug)]
pub struct Run<F> {
    pub id: TraceId,
    /// Which of the scopes of the arrivals.
    pub scope: usize,
    pub spans: usize,
    /// The spans, as fields of their scope.
    pub bytes: Box<[u8]>,
    /// Whether one of them has no parent.
    pub has_root: bool,
    pub facts: F,
}

/// A batch, sorted.
#[derive(Debug)]
pub struct Arrivals<'a, F> {
    pub resources: Vec<Envelope<'a>>,
    /// Each with its resource.
    pub scopes: Vec<(usize, Envelope<'a>)>,
    /// In the order in which they arrived.
    pub runs: Vec<Run<F>>,
}

/// A run in the making.
struct Open<'a, F> {
    id: TraceId,
    spans: usize,
    /// Bytes that stand together, and those that come later.
    bytes: &'a [u8],
    end: usize,
    more: Vec<&'a [u8]>,
    has_root: bool,
    facts: F,
}

impl<'a, F> Arrivals<'a, F> {
    pub fn sort<W: Watch<Facts = F>>(batch: &'a SpanBatch, watch: &W) -> Self
    where
        F: Default,
    {
        let mut sorted =
            Self { resources: Vec::new(), scopes: Vec::new(), runs: Vec::with_capacity(batch.len().min(64)) };
        let mut span = SpanView::default();
        for chunk in batch.chunks() {
            for resource_spans in fields(&chunk.data).filter(|field| field.number == 1) {
                sorted.resource(resource_spans.bytes, watch, &mut span);
            }
        }
        sorted
    }

    fn resource<W: Watch<Facts = F>>(&mut self, body: &'a [u8], watch: &W, span: &mut SpanView<'a>)
    where
        F: Default,
    {
        let envelope = Envelope::of(body);
        let needs = watch.needs();
        let resource = match needs {
            Some(needs) if needs.resource => ResourceView::decode(part(envelope, 1), part(envelope, 3)),
            _ => ResourceView::default(),
        };
        self.resources.push(envelope);
        for scope_spans in fields(envelope.inner) {
            let envelope = Envelope::of(scope_spans.bytes);
            self.scopes.push((self.resources.len() - 1, envelope));
            let scope = match needs {
                Some(needs) if needs.scope => ScopeView::decode(part(envelope, 1), part(envelope, 3)),
                _ => ScopeView::default(),
            };
            self.scope(envelope.inner, watch, needs, &resource, &scope, span);
        }
    }

    fn scope<W: Watch<Facts = F>>(
        &mut self,
        spans: &'a [u8],
        watch: &W,
        needs: Option<Needs>,
        resource: &ResourceView<'a>,
        scope: &ScopeView<'a>,
        view: &mut SpanView<'a>,
    ) where
        F: Default,
    {
        let mut open: Vec<Open<'a, F>> = Vec::new();
        let mut places: HashMap<TraceId, usize> = HashMap::new();
        let mut last = 0;
        for field in fields(spans) {
            let (id, is_root) = match needs {
                Some(needs) => {
                    view.load(field.bytes, needs);
                    (trace_id(view.trace_id()), is_nothing(view.parent_span_id()))
                }
                None => peek(field.bytes),
            };
            if open.get(last).is_none_or(|run| run.id != id) {
                let next = open.len();
                // Most scopes of a small request belong to one trace.
                last = if next < 2 {
                    open.iter().position(|run| run.id == id).unwrap_or(next)
                } else {
                    if places.is_empty() {
                        places.extend(open.iter().enumerate().map(|(place, run)| (run.id, place)));
                    }
                    *places.entry(id).or_insert(next)
                };
                if last == next {
                    let mut facts = F::default();
                    watch.resource(&mut facts, resource);
                    open.push(Open {
                        id,
                        spans: 0,
                        bytes: &spans[field.start..field.start],
                        end: field.start,
                        more: Vec::new(),
                        has_root: false,
                        facts,
                    });
                }
            }
            let run = &mut open[last];
            run.spans += 1;
            run.has_root |= is_root;
            run.extend(spans, field.start, field.end);
            if needs.is_some() {
                watch.span(&mut run.facts, view, scope, resource);
            }
        }
        let scope = self.scopes.len() - 1;
        self.runs.extend(open.into_iter().map(|run| run.finish(scope)));
    }
}

impl<'a, F> Open<'a, F> {
    fn extend(&mut self, spans: &'a [u8], start: usize, end: usize) {
        if self.end == start {
            let grown = |bytes: &'a [u8]| &spans[start - bytes.len()..end];
            match self.more.last_mut() {
                Some(last) => *last = grown(last),
                None => self.bytes = grown(self.bytes),
            }
        } else {
            self.more.push(&spans[start..end]);
        }
        self.end = end;
    }

    fn finish(self, scope: usize) -> Run<F> {
        let Self { id, spans, bytes, more, has_root, facts, .. } = self;
        let bytes = if more.is_empty() {
            Box::from(bytes)
        } else {
            let mut all = Vec::with_capacity(bytes.len() + more.iter().map(|part| part.len()).sum::<usize>());
            all.extend_from_slice(bytes);
            more.iter().for_each(|part| all.extend_from_slice(part));
            all.into_boxed_slice()
        };
        Run { id, scope, spans, bytes, has_root, facts }
    }
}

/// The body of a singular field beside what an envelope holds.
fn part(envelope: Envelope<'_>, number: u32) -> &[u8] {
    let find = |bytes| fields(bytes).find(|field| field.number == number).map(|field| field.bytes);
    find(envelope.before).or_else(|| find(envelope.after)).unwrap_or_default()
}

/// Trace ids have 16 bytes. A span without one belongs to the trace of zeros.
fn trace_id(bytes: &[u8]) -> TraceId {
    bytes.try_into().unwrap_or_default()
}

fn is_nothing(id: &[u8]) -> bool {
    id.iter().all(|byte| *byte == 0)
}

/// The trace of a span, and whether the span has no parent.
fn peek(span: &[u8]) -> (TraceId, bool) {
    let (mut id, mut is_root, mut found) = (TraceId::default(), true, 0);
    for field in fields(span) {
        match field.number {
            1 => id = trace_id(field.bytes),
            4 => is_root = is_nothing(field.bytes),
            _ => continue,
        }
        found += 1;
        if found == 2 {
            break;
        }
    }
    (id, is_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{batch, resource_spans};
    use crate::wire::put_bytes;

    /// Notes nothing.
    struct Nobody;

    impl Watch for Nobody {
        type Facts = ();

        fn needs(&self) -> Option<Needs> {
            None
        }

        fn resource(&self, (): &mut (), _: &ResourceView<'_>) {}

        fn span(&self, (): &mut (), _: &SpanView<'_>, _: &ScopeView<'_>, _: &ResourceView<'_>) {}
    }

    fn span(id: u8, name: &str, parent: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, &[id; 16]);
        put_bytes(&mut out, 4, parent);
        put_bytes(&mut out, 5, name.as_bytes());
        out
    }

    fn names(bytes: &[u8]) -> String {
        let name =
            |span: &[u8]| String::from_utf8(fields(span).find(|field| field.number == 5).unwrap().bytes.to_vec());
        fields(bytes).map(|field| name(field.bytes).unwrap()).collect()
    }

    #[test]
    fn spans_of_a_scope_come_together_by_trace_and_keep_their_order() {
        for traces in [1, 2, 3, 5] {
            let spans: Vec<Vec<u8>> =
                (0..20u8).map(|n| span(n % traces, &char::from(b'a' + n).to_string(), &[1; 8])).collect();
            let batch = batch(resource_spans("s", &[&spans, &spans[..1]]));
            let sorted = Arrivals::sort(&batch, &Nobody);
            let runs: Vec<(u8, usize, usize, String)> =
                sorted.runs.iter().map(|run| (run.id[0], run.scope, run.spans, names(&run.bytes))).collect();
            let mut expected: Vec<(u8, usize, usize, String)> = Vec::new();
            for trace in 0..traces {
                let text: String = (0..20u8).filter(|n| n % traces == trace).map(|n| char::from(b'a' + n)).collect();
                expected.push((trace, 0, text.len(), text));
            }
            expected.push((0, 1, 1, "a".to_owned()));
            assert_eq!(runs, expected);
        }
    }

    #[test]
    fn a_span_without_a_parent_or_with_zeros_for_one_is_a_root() {
        let is_root = |spans: &[Vec<u8>]| {
            let batch = batch(resource_spans("s", &[spans]));
            Arrivals::sort(&batch, &Nobody).runs[0].has_root
        };
        assert!(!is_root(&[span(1, "a", &[1; 8]), span(1, "b", &[0, 0, 0, 0, 0, 0, 0, 1])]));
        assert!(is_root(&[span(1, "a", &[1; 8]), span(1, "b", &[])]));
        assert!(is_root(&[span(1, "a", &[0; 8])]));
    }

    #[test]
    fn a_span_without_a_trace_belongs_to_the_trace_of_zeros() {
        let mut nameless = Vec::new();
        put_bytes(&mut nameless, 5, b"a");
        let batch = batch(resource_spans("s", &[&[nameless, span(0, "b", &[])]]));
        let sorted = Arrivals::sort(&batch, &Nobody);
        assert_eq!((sorted.runs.len(), sorted.runs[0].id, sorted.runs[0].spans), (1, [0; 16], 2));
    }
}
