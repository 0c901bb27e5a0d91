//! A run of neighbouring ops, fused: one decode, every op in order, one encode.
//!
//! A pass streams: it holds one resource, one scope and one span at a time, calls every op on each, and notes
//! what changed as [`Edits`] of the chunk. Bytes that no edit covers are never written again, and a chunk
//! without edits is handed on as it is.
//!
//! An op that changes resources is called before the spans of that resource are walked, although ops before
//! it must still see the resource as it was. So the pass keeps one version of the resource for each such op,
//! and every op is given the version that is its own.

use std::cell::RefCell;
use std::sync::Arc;

use crate::ops::{Counts, Op, Place, Verdict};
use crate::origin::Origin;
use crate::rope::{Chunk, SpanBatch};
use crate::view::{Edits, Needs, ResourceView, ScopeView, SpanView};
use crate::wire::{Field, fields};

/// Bytes of scratch space that a thread keeps between passes. Fresh memory costs a page fault every 4 KB.
const KEPT_SCRATCH: usize = 1 << 20;

thread_local! {
    static EDITS: RefCell<Edits> = RefCell::default();
}

struct Step {
    op: Arc<dyn Op>,
    /// Which version of the resource it sees.
    version: usize,
}

/// Ops in order, ready to run.
pub struct Program {
    steps: Vec<Step>,
    needs: Needs,
    versions: usize,
    visits_resources: bool,
    visits_scopes: bool,
    visits_spans: bool,
    prunes_scopes: bool,
    prunes_resources: bool,
}

/// What a pass brought.
pub struct Outcome {
    pub batch: SpanBatch,
    /// One for each op, in order.
    pub counts: Vec<Counts>,
}

impl Outcome {
    /// Why the batch must be refused as a whole.
    pub fn refusal(&self) -> Option<String> {
        let texts: Vec<&str> = self.counts.iter().flat_map(|counts| &counts.refusals).map(String::as_str).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl Program {
    pub fn new(ops: Vec<Arc<dyn Op>>) -> Self {
        let mut version = 0;
        let mut resource_was_read = false;
        let mut steps = Vec::with_capacity(ops.len());
        for op in ops {
            let levels = op.levels();
            if op.writes_resource() && resource_was_read {
                version += 1;
                resource_was_read = false;
            }
            resource_was_read |= (levels.scope || levels.span) && op.needs().resource;
            steps.push(Step { op, version });
        }
        let any = |test: &dyn Fn(&Step) -> bool| steps.iter().any(test);
        Self {
            needs: steps.iter().fold(Needs::default(), |needs, step| needs.union(step.op.needs())),
            versions: version + 1,
            visits_resources: any(&|step| step.op.levels().resource),
            visits_scopes: any(&|step| step.op.levels().scope),
            visits_spans: any(&|step| step.op.levels().span),
            prunes_scopes: any(&|step| step.op.prunes().scopes),
            prunes_resources: any(&|step| step.op.prunes().resources),
            steps,
        }
    }

    /// Runs every op over the batch. The batch itself stays as it is.
    pub fn run(&self, batch: &SpanBatch) -> Outcome {
        EDITS.with_borrow_mut(|edits| {
            edits.clear();
            let outcome = self.run_with(edits, batch);
            edits.shrink(KEPT_SCRATCH);
            outcome
        })
    }

    fn run_with(&self, edits: &mut Edits, batch: &SpanBatch) -> Outcome {
        let mut pass = Pass {
            program: self,
            origin: batch.origin().map(Arc::as_ref),
            counts: self
                .steps
                .iter()
                .map(|step| Counts { tallies: vec![0; step.op.tallies().len()], ..Counts::default() })
                .collect(),
            edits,
        };
        let mut changed = false;
        let mut chunks = Vec::with_capacity(batch.chunks().len());
        for chunk in batch.chunks() {
            let kept = pass.chunk(&chunk.data);
            if pass.edits.is_empty() {
                chunks.push(chunk.clone());
            } else {
                changed = true;
                chunks.push(Chunk::new(pass.edits.apply(&chunk.data), kept));
            }
        }
        Outcome { batch: if changed { batch.with_chunks(chunks) } else { batch.clone() }, counts: pass.counts }
    }
}

struct Pass<'a, 'e> {
    program: &'a Program,
    origin: Option<&'a Origin>,
    counts: Vec<Counts>,
    edits: &'e mut Edits,
}

/// Which op dropped what encloses a span. Ops before it still get to see and count the span.
type DroppedBy = Option<usize>;

impl<'a> Pass<'a, '_> {
    /// Walks a chunk and returns how many spans stay.
    fn chunk(&mut self, chunk: &'a [u8]) -> usize {
        // One view for all spans of the chunk: its vectors keep their capacity.
        let mut span = SpanView::default();
        fields(chunk).filter(|field| field.number == 1).map(|field| self.resource_spans(&field, &mut span)).sum()
    }

    fn resource_spans(&mut self, field: &Field<'a>, span: &mut SpanView<'a>) -> usize {
        let program = self.program;
        let base = field.body;
        let mut resource_field = None;
        let mut schema_url: &[u8] = &[];
        let mut scopes = 0;
        for inner in fields(field.bytes) {
            match inner.number {
                1 => resource_field = Some(inner),
                2 => scopes += 1,
                3 => schema_url = inner.bytes,
                _ => {}
            }
        }
        let mark = self.edits.open(field.start);
        let body = resource_field.map_or(&[][..], |field| field.bytes);
        let mut versions = Vec::new();
        if program.needs.resource {
            versions.push(ResourceView::decode(body, schema_url));
        } else {
            versions.push(ResourceView::default());
        }
        let mut dropped_by = None;
        let mut changed_by = Vec::new();
        for (index, step) in program.steps.iter().enumerate() {
            while versions.len() <= step.version {
                let latest = versions[versions.len() - 1].clone();
                versions.push(latest);
            }
            if program.visits_resources && step.op.levels().resource {
                match step.op.resource(&mut versions[step.version], self.origin, &mut self.counts[index]) {
                    Verdict::Keep => {}
                    Verdict::Changed => changed_by.push(index),
                    Verdict::Drop => {
                        dropped_by = Some(index);
                        break;
                    }
                }
            }
        }
        versions.resize_with(program.versions, ResourceView::default);
        let latest = &versions[program.versions - 1];
        if dropped_by.is_none() && latest.is_changed() {
            latest.write(resource_field.as_ref(), base, self.edits);
        }

        let before = self.counts.iter().map(|counts| counts.incoming).collect::<Vec<_>>();
        let mut kept = 0;
        let mut scopes_left = 0;
        for inner in fields(field.bytes).filter(|inner| inner.number == 2) {
            let (spans, stays) = self.scope_spans(&inner, base, &versions, dropped_by, span);
            kept += spans;
            scopes_left += usize::from(stays);
        }
        for index in changed_by {
            self.counts[index].changed += self.counts[index].incoming - before[index];
        }
        let emptied = scopes_left == 0 && (scopes > 0 || program.prunes_resources);
        if dropped_by.is_some() || (emptied && program.prunes_resources) {
            self.edits.remove(&mark, field.start, field.end);
        } else {
            self.edits.close(&mark, 1, field.start, field.body, field.end);
        }
        kept
    }

    /// Walks one scope. Returns how many spans stay, and whether the scope itself does.
    fn scope_spans(
        &mut self,
        field: &Field<'a>,
        base: usize,
        versions: &[ResourceView<'a>],
        mut dropped_by: DroppedBy,
        span: &mut SpanView<'a>,
    ) -> (usize, bool) {
        let program = self.program;
        let (start, body, end) = (base + field.start, base + field.body, base + field.end);
        let mut scope = ScopeView::default();
        if program.needs.scope {
            let (mut message, mut schema_url): (&[u8], &[u8]) = (&[], &[]);
            for inner in fields(field.bytes) {
                match inner.number {
                    1 => message = inner.bytes,
                    3 => schema_url = inner.bytes,
                    _ => {}
                }
            }
            scope = ScopeView::decode(message, schema_url);
        }
        if program.visits_scopes {
            let reach = dropped_by.unwrap_or(program.steps.len());
            for (index, step) in program.steps[..reach].iter().enumerate() {
                if step.op.levels().scope
                    && step.op.scope(&scope, &versions[step.version], &mut self.counts[index]) == Verdict::Drop
                {
                    dropped_by = Some(index);
                    break;
                }
            }
        }
        let mark = self.edits.open(start);
        let mut kept = 0;
        for inner in fields(field.bytes).filter(|inner| inner.number == 2) {
            kept += usize::from(self.span(&inner, body, &scope, versions, dropped_by, span));
        }
        let gone = dropped_by.is_some() || (kept == 0 && program.prunes_scopes);
        if gone {
            self.edits.remove(&mark, start, end);
        } else {
            self.edits.close(&mark, 2, start, body, end);
        }
        (kept, !gone)
    }

    /// Runs every op on one span and tells whether it stays.
    #[inline]
    fn span(
        &mut self,
        field: &Field<'a>,
        base: usize,
        scope: &ScopeView<'a>,
        versions: &[ResourceView<'a>],
        dropped_by: DroppedBy,
        span: &mut SpanView<'a>,
    ) -> bool {
        let program = self.program;
        let (start, body, end) = (base + field.start, base + field.body, base + field.end);
        if program.visits_spans {
            span.load(field.bytes, program.needs);
        }
        let mut changed = false;
        for (index, step) in program.steps.iter().enumerate() {
            let counts = &mut self.counts[index];
            counts.incoming += 1;
            let verdict = if dropped_by == Some(index) {
                Verdict::Drop
            } else if step.op.levels().span {
                let place = Place { origin: self.origin, resource: &versions[step.version], scope };
                step.op.span(span, &place, counts)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Levels, Prune};
    use crate::samples::{batch, lines, resource_spans, span};
    use crate::view::Value;

    /// Drops the spans of this name.
    struct DropNamed(&'static str);

    impl Op for DropNamed {
        fn needs(&self) -> Needs {
            Needs::default()
        }

        fn levels(&self) -> Levels {
            Levels { span: true, ..Levels::default() }
        }

        fn prunes(&self) -> Prune {
            Prune { scopes: true, resources: true }
        }

        fn span(&self, span: &mut SpanView<'_>, _: &Place<'_, '_>, _: &mut Counts) -> Verdict {
            if span.name() == self.0.as_bytes() { Verdict::Drop } else { Verdict::Keep }
        }
    }

    /// Copies the service name into an attribute.
    struct TagWithService(&'static str);

    impl Op for TagWithService {
        fn needs(&self) -> Needs {
            Needs { attributes: true, resource: true, ..Needs::default() }
        }

        fn levels(&self) -> Levels {
            Levels { span: true, ..Levels::default() }
        }

        fn span(&self, span: &mut SpanView<'_>, place: &Place<'_, '_>, _: &mut Counts) -> Verdict {
            let service = place.resource.attributes().get(b"service.name").cloned().unwrap_or_default();
            span.attributes_mut().upsert(self.0.as_bytes(), service.into_owned());
            Verdict::Changed
        }
    }

    /// Renames the service, and drops the one called `gone`.
    struct RenameService(&'static str);

    impl Op for RenameService {
        fn needs(&self) -> Needs {
            Needs { resource: true, ..Needs::default() }
        }

        fn levels(&self) -> Levels {
            Levels { resource: true, ..Levels::default() }
        }

        fn writes_resource(&self) -> bool {
            true
        }

        fn resource(&self, resource: &mut ResourceView<'_>, _: Option<&Origin>, _: &mut Counts) -> Verdict {
            if resource.attributes().get(b"service.name").and_then(|name| name.as_text()) == Some(b"gone") {
                return Verdict::Drop;
            }
            resource.attributes_mut().upsert(b"service.name", Value::text(self.0.as_bytes().to_vec()));
            Verdict::Changed
        }
    }

    fn run(ops: Vec<Arc<dyn Op>>, request: Vec<u8>) -> Outcome {
        Program::new(ops).run(&batch(request))
    }

    #[test]
    fn what_nobody_changes_is_the_same_bytes() {
        let before = batch(resource_spans("a", &[&[span("x", &[("k", "v")])]]));
        let after = Program::new(vec![Arc::new(DropNamed("y"))]).run(&before).batch;
        assert_eq!(after.chunks()[0].data.as_ptr(), before.chunks()[0].data.as_ptr());
    }

    #[test]
    fn a_dropped_span_goes_and_its_neighbours_stay_as_they_came() {
        let kept = span("x", &[("k", "v")]);
        let outcome =
            run(vec![Arc::new(DropNamed("y"))], resource_spans("a", &[&[kept.clone(), span("y", &[]), kept.clone()]]));
        assert_eq!(outcome.batch.encode(), resource_spans("a", &[&[kept.clone(), kept]]));
        assert_eq!((outcome.counts[0].incoming, outcome.counts[0].dropped, outcome.batch.len()), (3, 1, 2));
    }

    #[test]
    fn a_changed_span_keeps_what_nobody_knows() {
        let long = "v".repeat(300);
        let outcome = run(vec![Arc::new(TagWithService("svc"))], resource_spans(&long, &[&[span("x", &[("k", "v")])]]));
        assert_eq!(lines(&outcome.batch), [format!("{long}/x{{k=v,svc={long}}}")]);
        let tail = outcome.batch.encode();
        assert!(tail.windows(7).any(|bytes| bytes == b"unknown"));
        assert!(tail.ends_with(b"https://schema"));
    }

    #[test]
    fn emptied_scopes_and_resources_go() {
        let request =
            [resource_spans("a", &[&[span("y", &[])], &[span("x", &[])]]), resource_spans("b", &[&[span("y", &[])]])]
                .concat();
        let outcome = run(vec![Arc::new(DropNamed("y"))], request);
        assert_eq!(outcome.batch.encode(), resource_spans("a", &[&[span("x", &[])]]));
    }

    #[test]
    fn nothing_left_is_an_empty_batch() {
        let outcome = run(vec![Arc::new(DropNamed("y"))], resource_spans("a", &[&[span("y", &[])]]));
        assert!(outcome.batch.is_empty());
        assert_eq!(outcome.batch.size(), 0);
    }

    #[test]
    fn an_op_sees_the_resource_as_it_is_at_its_place() {
        let outcome = run(
            vec![
                Arc::new(TagWithService("before")),
                Arc::new(RenameService("b")),
                Arc::new(TagWithService("between")),
                Arc::new(RenameService("c")),
                Arc::new(TagWithService("after")),
            ],
            resource_spans("a", &[&[span("x", &[])]]),
        );
        assert_eq!(lines(&outcome.batch), ["c/x{before=a,between=b,after=c}"]);
    }

    #[test]
    fn spans_of_a_dropped_resource_count_where_it_was_dropped() {
        let outcome = run(
            vec![Arc::new(DropNamed("y")), Arc::new(RenameService("b")), Arc::new(TagWithService("svc"))],
            resource_spans("gone", &[&[span("x", &[]), span("y", &[]), span("x", &[])]]),
        );
        let counted: Vec<_> = outcome.counts.iter().map(|counts| (counts.incoming, counts.dropped)).collect();
        assert_eq!(counted, [(3, 1), (2, 2), (0, 0)]);
        assert!(outcome.batch.is_empty());
    }

    #[test]
    fn a_resource_that_is_missing_can_be_made() {
        let mut request = Vec::new();
        crate::wire::put_message(&mut request, 1, |out| {
            crate::wire::put_message(out, 2, |out| crate::wire::put_bytes(out, 2, &span("x", &[])));
        });
        let outcome = run(vec![Arc::new(RenameService("b"))], request);
        assert_eq!(lines(&outcome.batch), ["b/x{}"]);
        assert_eq!(outcome.counts[0].changed, 1);
    }
}
