//! The ops that share one walk, and which version of its surroundings each of them sees.
//!
//! An op that changes resources is called before the spans of that resource are walked, although ops before
//! it must still see the resource as it was. So a walk keeps one version of the resource for each such op,
//! and every op is given the version that is its own. With scopes it is the same.

use std::sync::Arc;

use crate::ops::Op;
use crate::view::Needs;

pub(super) struct Step {
    pub op: Arc<dyn Op>,
    /// Which version of the resource it sees.
    pub resource: usize,
    /// Which version of the scope it sees.
    pub scope: usize,
    /// How many counters of its own it has.
    pub tallies: usize,
}

pub(super) struct Pass {
    pub steps: Vec<Step>,
    pub needs: Needs,
    /// How many versions of a resource there are.
    pub resources: usize,
    pub scopes: usize,
    pub writes_resources: bool,
    pub writes_scopes: bool,
    pub visits_resources: bool,
    pub visits_scopes: bool,
    pub visits_spans: bool,
    pub prunes_scopes: bool,
    pub prunes_resources: bool,
}

/// Counts versions of what encloses spans, op by op.
#[derive(Default)]
struct Versions {
    latest: usize,
    /// Whether an op sees the latest one that will be asked after the next op has written.
    is_read: bool,
}

impl Versions {
    /// The version for an op that writes it first, or does not, and reads it afterwards, or does not.
    fn next(&mut self, writes: bool, reads: bool) -> usize {
        if writes && self.is_read {
            self.latest += 1;
            self.is_read = false;
        }
        self.is_read |= reads;
        self.latest
    }
}

impl Pass {
    pub(super) fn new(ops: &[Arc<dyn Op>]) -> Self {
        let (mut resources, mut scopes) = (Versions::default(), Versions::default());
        let steps: Vec<Step> = ops
            .iter()
            .map(|op| {
                let (levels, needs) = (op.levels(), op.needs());
                Step {
                    op: op.clone(),
                    resource: resources.next(op.writes_resource(), (levels.scope || levels.span) && needs.resource),
                    scope: scopes.next(op.writes_scope(), levels.span && needs.scope),
                    tallies: op.tallies().len(),
                }
            })
            .collect();
        let any = |test: &dyn Fn(&dyn Op) -> bool| steps.iter().any(|step| test(step.op.as_ref()));
        Self {
            needs: steps.iter().fold(Needs::default(), |needs, step| needs.union(step.op.needs())),
            resources: resources.latest + 1,
            scopes: scopes.latest + 1,
            writes_resources: any(&|op| op.writes_resource() || op.writes_outwards()),
            writes_scopes: any(&|op| op.writes_scope() || op.writes_outwards()),
            visits_resources: any(&|op| op.levels().resource),
            visits_scopes: any(&|op| op.levels().scope),
            visits_spans: any(&|op| op.levels().span),
            prunes_scopes: any(&|op| op.prunes().scopes),
            prunes_resources: any(&|op| op.prunes().resources),
            steps,
        }
    }
}
