//! A run of neighbouring ops, fused: one decode, every op in order, one encode.
//!
//! A pass streams: it holds one resource, one scope and one span at a time, calls every op on each, and notes
//! what changed as [`Edits`] of the chunk. Bytes that no edit covers are never written again, and a chunk
//! without edits is handed on as it is.
//!
//! An op that changes resources is called before the spans of that resource are walked, although ops before
//! it must still see the resource as it was. So the pass keeps one version of the resource for each such op,
//! and every op is given the version that is its own.

use std::sync::Arc;

use crate::ops::{Counts, Op, Place, Verdict};
use crate::origin::Origin;
use crate::rope::{Chunk, SpanBatch};
use crate::view::{Edits, Needs, ResourceView, ScopeView, SpanView};
use crate::wire::{Field, fields};

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
        let mut pass = Pass {
            program: self,
            origin: batch.origin().map(Arc::as_ref),
            counts: self
                .steps
                .iter()
                .map(|step| Counts { tallies: vec![0; step.op.tallies().len()], ..Counts::default() })
                .collect(),
            edits: Edits::default(),
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

struct Pass<'p> {
    program: &'p Program,
    origin: Option<&'p Origin>,
    counts: Vec<Counts>,
    edits: Edits,
}

/// Which op dropped what encloses a span. Ops before it still get to see and count the span.
type DroppedBy = Option<usize>;

impl Pass<'_> {
    /// Walks a chunk and returns how many spans stay.
    fn chunk(&mut self, chunk: &[u8]) -> usize {
        // One view for all spans of the chunk: its vectors keep their capacity.
        let mut span = SpanView::default();
        fields(chunk).filter(|field| field.number == 1).map(|field| self.resource_spans(&field, &mut span)).sum()
    }

    fn resource_spans<'a>(&mut self, field: &Field<'a>, span: &mut SpanView<'a>) -> usize {
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
            latest.write(resource_field.as_ref(), base, &mut self.edits);
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
    fn scope_spans<'a>(
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
    fn span<'a>(
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
            span.write(body, &mut self.edits);
            self.edits.close(&mark, 2, start, body, end);
        }
        true
    }
}
