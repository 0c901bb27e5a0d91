//! What a program can do with spans. One op, one file.

mod attributes;
mod filter;
mod gen_ai_cost;
mod matching;
mod probabilistic_sampler;
mod redaction;
mod span;
mod transform;

use std::sync::Arc;

use serde::{Deserialize, Deserializer};

pub use self::attributes::{AttributesOp, AttributesSettings, ResourceOp, ResourceSettings};
pub use self::filter::{ConditionList, ErrorMode, FilterOp, FilterSettings};
pub use self::gen_ai_cost::{GenAiCostOp, GenAiCostSettings};
pub use self::matching::MatchSettings;
pub use self::probabilistic_sampler::{SamplerMode, SamplerOp, SamplerSettings};
pub use self::redaction::{RedactionOp, RedactionSettings};
pub use self::span::{SpanOp, SpanSettings};
pub use self::transform::{TransformOp, TransformSettings};
use crate::error::OptionError;
use crate::origin::Origin;
use crate::view::{Needs, ResourceView, ScopeView, SpanView};

/// What becomes of a resource, a scope or a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is.
    Keep,
    /// It stays, and something about it is different now.
    Changed,
    /// It goes, with all that is in it.
    Drop,
}

/// What one op did in one pass, in spans. Committed by the caller once the result was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub incoming: u64,
    pub dropped: u64,
    pub changed: u64,
    /// Evaluations that failed and were passed over.
    pub failed: u64,
    pub first_failure: Option<String>,
    /// Why the whole batch must be refused (`error_mode: propagate`).
    pub refusals: Vec<String>,
    /// The op's own counters, named by [`Op::tallies`].
    pub tallies: Vec<u64>,
}

impl Counts {
    /// Books a failed evaluation that is passed over.
    pub fn fail(&mut self, text: impl FnOnce() -> String) {
        self.failed += 1;
        if self.first_failure.is_none() {
            self.first_failure = Some(text());
        }
    }

    /// Adds what another pass counted.
    pub fn add(&mut self, other: Self) {
        self.incoming += other.incoming;
        self.dropped += other.dropped;
        self.changed += other.changed;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.tallies.iter_mut().zip(other.tallies).for_each(|(sum, tally)| *sum += tally);
    }

    /// Books a failed evaluation for which the batch must be refused.
    pub fn refuse(&mut self, text: String) {
        // A request may hold thousands of spans that fail alike. The client reads the first few.
        if self.refusals.len() < 16 {
            self.refusals.push(text);
        }
    }
}

/// The levels at which an op wants to be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    pub resource: bool,
    pub scope: bool,
    pub span: bool,
}

/// Where a span stands, and who sent it. Only an op that [`Op::writes_outwards`] may change what encloses the span.
pub struct Place<'v, 'a> {
    pub origin: Option<&'a Origin>,
    pub resource: &'v mut ResourceView<'a>,
    pub scope: &'v mut ScopeView<'a>,
}

/// One thing to do with every resource, scope or span that passes.
///
/// An op is immutable: what it counts in a pass goes into [`Counts`]. It outlives the views it is shown, so what
/// it writes may be borrowed from it.
pub trait Op: Send + Sync {
    /// What must be decoded for it.
    fn needs(&self) -> Needs;

    /// Where it wants to be called.
    fn levels(&self) -> Levels;

    /// Whether it changes resources when it is called for them. Ops before it then keep seeing the resource as it was.
    fn writes_resource(&self) -> bool {
        false
    }

    /// The same for scopes.
    fn writes_scope(&self) -> bool {
        false
    }

    /// Whether it changes what encloses that which it is called for: the resource or scope of a span, the resource
    /// of a scope. It then has a walk of its own, since ops behind it must see what the last span made of them.
    fn writes_outwards(&self) -> bool {
        false
    }

    /// Whether scopes (resources) without spans go, also when they arrived without any.
    fn prunes(&self) -> Prune {
        Prune::default()
    }

    /// Whether batches must carry their origin for it.
    fn reads_origin(&self) -> bool {
        false
    }

    /// Whether it may refuse a whole batch.
    fn can_fail(&self) -> bool {
        false
    }

    /// Names of its own counters.
    fn tallies(&self) -> Vec<String> {
        Vec::new()
    }

    fn resource<'a>(
        &'a self,
        _resource: &mut ResourceView<'a>,
        _origin: Option<&'a Origin>,
        _counts: &mut Counts,
    ) -> Verdict {
        Verdict::Keep
    }

    fn scope<'a>(
        &'a self,
        _scope: &mut ScopeView<'a>,
        _resource: &mut ResourceView<'a>,
        _origin: Option<&'a Origin>,
        _counts: &mut Counts,
    ) -> Verdict {
        Verdict::Keep
    }

    fn span<'a>(&'a self, _span: &mut SpanView<'a>, _place: &mut Place<'_, 'a>, _counts: &mut Counts) -> Verdict {
        Verdict::Keep
    }
}

/// Which emptied levels an op removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    pub scopes: bool,
    pub resources: bool,
}

/// Builds the op of this kind, or says everything that is wrong with its settings.
pub fn build<'de, D: Deserializer<'de>>(kind: &str, settings: D) -> Result<Arc<dyn Op>, Vec<OptionError>> {
    let one = |error: OptionError| vec![error];
    Ok(match kind {
        "attributes" => Arc::new(AttributesOp::new(read(settings)?).map_err(one)?),
        "filter" => Arc::new(FilterOp::new(read(settings)?)?),
        "gen_ai_cost" => Arc::new(GenAiCostOp::new(read(settings)?).map_err(one)?),
        "probabilistic_sampler" => Arc::new(SamplerOp::new(&read(settings)?).map_err(one)?),
        "redaction" => Arc::new(RedactionOp::new(read(settings)?)?),
        "resource" => Arc::new(ResourceOp::new(read(settings)?).map_err(one)?),
        "span" => Arc::new(SpanOp::new(read(settings)?).map_err(one)?),
        "transform" => Arc::new(TransformOp::new(read(settings)?)?),
        _ => return Err(one(OptionError::new("", format!("unknown op {kind:?}")))),
    })
}

/// Settings, or the path of the one that is wrong.
pub(crate) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(settings: D) -> Result<T, Vec<OptionError>> {
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let path = error.path().to_string().replace('.', "::");
        vec![OptionError::new(if path == "::" { String::new() } else { path }, error.into_inner().to_string())]
    })
}
