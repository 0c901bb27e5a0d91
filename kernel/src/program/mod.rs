//! A run of neighbouring ops, fused: one decode, every op in order, one encode.
//!
//! Ops share a [`Pass`], one walk over the bytes. Only an op that changes what encloses that which it is called for, the
//! resource from a span, say, has a pass for itself: ops behind it must see what the last span made of the resource. And
//! one that may refuse a request for a resource or a scope begins a pass: nothing is wrong with a resource whose spans
//! were all dropped before.

mod pass;
mod walk;

use std::cell::RefCell;
use std::sync::Arc;

use self::pass::Pass;
use self::walk::Walk;
use crate::ops::{Counts, Op};
use crate::rope::{Chunk, SpanBatch};
use crate::view::Edits;

/// Bytes of scratch space that a thread keeps between passes. Fresh memory costs a page fault every 4 KB.
const KEPT_SCRATCH: usize = 1 << 20;

thread_local! {
    static EDITS: RefCell<Edits> = RefCell::default();
}

/// Ops in order, ready to run.
pub struct Program {
    passes: Vec<Pass>,
}

/// What a program brought.
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
        let judges_outside = |op: &dyn Op| op.can_fail() && (op.levels().resource || op.levels().scope);
        let stays = |a: &Arc<dyn Op>, b: &Arc<dyn Op>| {
            !a.writes_outwards() && !b.writes_outwards() && !judges_outside(b.as_ref())
        };
        Self { passes: ops.chunk_by(stays).map(Pass::new).collect() }
    }

    /// Runs every op over the batch. The batch itself stays as it is.
    pub fn run(&self, batch: &SpanBatch) -> Outcome {
        EDITS.with_borrow_mut(|edits| {
            let mut outcome = Outcome { batch: batch.clone(), counts: Vec::new() };
            for pass in &self.passes {
                edits.clear();
                let next = run(pass, edits, &outcome.batch);
                outcome.batch = next.batch;
                outcome.counts.extend(next.counts);
            }
            edits.shrink(KEPT_SCRATCH);
            outcome
        })
    }
}

fn run(pass: &Pass, edits: &mut Edits, batch: &SpanBatch) -> Outcome {
    let mut walk = Walk::new(pass, batch.origin().map(Arc::as_ref), edits);
    let mut changed = false;
    let mut chunks = Vec::with_capacity(batch.chunks().len());
    for chunk in batch.chunks() {
        let kept = walk.chunk(&chunk.data);
        if walk.edits.is_empty() {
            walk.edits.clear();
            chunks.push(chunk.clone());
        } else {
            changed = true;
            chunks.push(Chunk::new(walk.edits.apply(&chunk.data), kept));
        }
    }
    Outcome { batch: if changed { batch.with_chunks(chunks) } else { batch.clone() }, counts: walk.counts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Levels, Place, Prune, Verdict};
    use crate::origin::Origin;
    use crate::samples::{batch, lines, resource_spans, span};
    use crate::view::{Needs, ResourceView, ScopeView, SpanView, Value};

    /// Refuses every request with a resource in it.
    struct Refuses;

    impl Op for Refuses {
        fn needs(&self) -> Needs {
            Needs::default()
        }

        fn levels(&self) -> Levels {
            Levels { resource: true, scope: false, span: false }
        }

        fn can_fail(&self) -> bool {
            true
        }

        fn resource<'a>(&'a self, _: &mut ResourceView<'a>, _: Option<&'a Origin>, counts: &mut Counts) -> Verdict {
            counts.refuse("no resources here".to_owned());
            Verdict::Keep
        }
    }

    #[test]
    fn nothing_is_wrong_with_a_resource_whose_spans_are_gone() {
        let sent = batch(resource_spans("a", &[&[span("b", &[])]]));
        let refusal = |ops: Vec<Arc<dyn Op>>| Program::new(ops).run(&sent).refusal();
        assert!(refusal(vec![Arc::new(DropNamed("other")), Arc::new(Refuses)]).is_some());
        assert!(refusal(vec![Arc::new(Refuses), Arc::new(DropNamed("b"))]).is_some());
        assert!(refusal(vec![Arc::new(DropNamed("b")), Arc::new(Refuses)]).is_none());
    }

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

        fn span(&self, span: &mut SpanView<'_>, _: &mut Place<'_, '_>, _: &mut Counts) -> Verdict {
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

        fn span(&self, span: &mut SpanView<'_>, place: &mut Place<'_, '_>, _: &mut Counts) -> Verdict {
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

    /// Counts spans in their resource and their scope, by an attribute.
    struct CountInto(&'static str);

    impl Op for CountInto {
        fn needs(&self) -> Needs {
            Needs { resource: true, scope: true, ..Needs::default() }
        }

        fn levels(&self) -> Levels {
            Levels { span: true, ..Levels::default() }
        }

        fn writes_outwards(&self) -> bool {
            true
        }

        fn span<'a>(&'a self, _: &mut SpanView<'a>, place: &mut Place<'_, 'a>, _: &mut Counts) -> Verdict {
            for map in [place.resource.attributes_mut(), place.scope.attributes_mut()] {
                let count = map.get(self.0.as_bytes()).map_or(0, |value| value.as_text().unwrap().len());
                map.upsert(self.0.as_bytes(), Value::text(vec![b'x'; count + 1]));
            }
            Verdict::Changed
        }
    }

    /// Renames scopes, and gives them and their resources a schema URL.
    struct RenameScope(&'static str);

    impl Op for RenameScope {
        fn needs(&self) -> Needs {
            Needs { scope: true, ..Needs::default() }
        }

        fn levels(&self) -> Levels {
            Levels { scope: true, ..Levels::default() }
        }

        fn writes_scope(&self) -> bool {
            true
        }

        fn scope<'a>(
            &'a self,
            scope: &mut ScopeView<'a>,
            _: &mut ResourceView<'a>,
            _: Option<&'a Origin>,
            _: &mut Counts,
        ) -> Verdict {
            scope.set_name(self.0.as_bytes().into());
            scope.set_schema_url(self.0.as_bytes().into());
            Verdict::Changed
        }
    }

    /// Copies what `CountInto` counted, and the name of the scope, into an attribute.
    struct TagWithPlace(&'static str);

    impl Op for TagWithPlace {
        fn needs(&self) -> Needs {
            Needs { attributes: true, resource: true, scope: true, ..Needs::default() }
        }

        fn levels(&self) -> Levels {
            Levels { span: true, ..Levels::default() }
        }

        fn span(&self, span: &mut SpanView<'_>, place: &mut Place<'_, '_>, _: &mut Counts) -> Verdict {
            let counted = |map: &crate::view::Map<'_>| map.get(b"n").map_or(0, |value| value.as_text().unwrap().len());
            let (resource, scope) = (counted(place.resource.attributes()), counted(place.scope.attributes()));
            let name = String::from_utf8_lossy(place.scope.name()).into_owned();
            let text = format!("{resource}/{scope}/{name}").into_bytes();
            span.attributes_mut().upsert(self.0.as_bytes(), Value::text(text));
            Verdict::Changed
        }
    }

    #[test]
    fn what_spans_do_to_their_surroundings_is_seen_behind_them_only() {
        let ops: Vec<Arc<dyn Op>> = vec![
            Arc::new(TagWithPlace("before")),
            Arc::new(CountInto("n")),
            Arc::new(RenameScope("s")),
            Arc::new(TagWithPlace("after")),
        ];
        let outcome = run(ops, resource_spans("a", &[&[span("x", &[]), span("y", &[])], &[span("z", &[])]]));
        let place = |name, scope| format!("a/{name}{{before=0/0/scope,after=3/{scope}/s}}");
        assert_eq!(lines(&outcome.batch), [place("x", 2), place("y", 2), place("z", 1)]);
        let changed: Vec<_> = outcome.counts.iter().map(|counts| (counts.incoming, counts.changed)).collect();
        assert_eq!(changed, [(3, 3); 4]);
    }

    #[test]
    fn an_op_sees_the_scope_as_it_is_at_its_place() {
        let ops: Vec<Arc<dyn Op>> = vec![
            Arc::new(TagWithPlace("before")),
            Arc::new(RenameScope("s")),
            Arc::new(TagWithPlace("between")),
            Arc::new(RenameScope("t")),
            Arc::new(TagWithPlace("after")),
        ];
        let outcome = run(ops, resource_spans("a", &[&[span("x", &[])]]));
        assert_eq!(lines(&outcome.batch), ["a/x{before=0/0/scope,between=0/0/s,after=0/0/t}"]);
        let mut seen = Vec::new();
        crate::samples::visit(&outcome.batch.encode(), |_, scope, _| {
            seen.push((scope.name().to_vec(), scope.schema_url().to_vec()));
        });
        assert_eq!(seen, [(b"t".to_vec(), b"t".to_vec())]);
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
