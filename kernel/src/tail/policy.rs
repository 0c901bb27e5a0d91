//! Policies, ready to decide: a tree over what was found out about a trace.

use super::bucket::Bucket;
use super::facts::{Facts, Total};
use super::share::fnv1a;
use crate::traces::TraceId;

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Sampled,
    NotSampled,
    Dropped,
    /// It could not be asked.
    Error,
}

/// A trace as policies see it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub id: &'a TraceId,
    pub spans: usize,
    /// Bytes on the wire, as they arrived.
    pub size: usize,
    pub facts: &'a Facts,
}

/// Which number of a [`Total`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Sum,
    Max,
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    Spans,
    Bytes,
}

#[derive(Debug)]
pub enum Policy {
    Always,
    /// A probe has found something, or has not. What it finds may pass, when a later span makes too much of it.
    Found {
        probe: usize,
        inverted: bool,
        passes: bool,
    },
    /// FNV-1a of the salt and the id is at most the limit. Below 0 there is no limit, nothing passes.
    Probabilistic {
        state: u64,
        limit: Option<u64>,
    },
    SpanCount {
        min: usize,
        max: Option<usize>,
    },
    Number {
        total: usize,
        number: Number,
        min: f64,
        max: f64,
    },
    Limit {
        bucket: Bucket,
        cost: Cost,
    },
    And(Vec<Policy>),
    Not(Box<Policy>),
    Drop(Vec<Policy>),
    Composite(Composite),
}

/// Shares of a rate. The first policy that says yes is held to its own share.
#[derive(Debug)]
pub struct Composite {
    pub max_total: f64,
    pub parts: Vec<Part>,
    pub second: u64,
}

#[derive(Debug)]
pub struct Part {
    pub policy: Policy,
    /// Spans a second.
    pub share: f64,
    /// Spans in this second.
    pub spans: f64,
}

impl Policy {
    /// What it says now. It may take from a rate.
    pub fn ask(&mut self, trace: &Subject<'_>, now: f64) -> Answer {
        match self {
            Self::And(policies) => all(policies, trace, now, Answer::Sampled),
            Self::Drop(policies) => all(policies, trace, now, Answer::Dropped),
            Self::Not(policy) => not(policy.ask(trace, now)),
            Self::Limit { bucket, cost } => {
                let cost = match cost {
                    Cost::Spans => trace.spans,
                    Cost::Bytes => trace.size,
                };
                yes(bucket.take(cost as f64, now))
            }
            Self::Composite(composite) => composite.ask(trace, now),
            fixed => fixed.foresee(trace).unwrap_or_else(|| fixed.at_the_end(trace)),
        }
    }

    /// What it will say whatever else may come of the trace. `None` if that depends.
    pub fn foresee(&self, trace: &Subject<'_>) -> Option<Answer> {
        match self {
            Self::Always => Some(Answer::Sampled),
            Self::Found { probe, inverted, .. } => {
                if trace.facts.failed.has(*probe) {
                    Some(Answer::Error)
                } else {
                    trace.facts.found.has(*probe).then(|| yes(!inverted))
                }
            }
            Self::Probabilistic { state, limit } => {
                Some(yes(limit.is_some_and(|limit| fnv1a(*state, trace.id) <= limit)))
            }
            Self::SpanCount { min, max: None } => (trace.spans >= *min).then_some(Answer::Sampled),
            Self::SpanCount { max: Some(max), .. } => (trace.spans > *max).then_some(Answer::NotSampled),
            Self::Number { total, number: Number::Max | Number::Count, min, max: f64::INFINITY } => {
                let number =
                    if matches!(self, Self::Number { number: Number::Max, .. }) { Number::Max } else { Number::Count };
                value(trace, *total, number).filter(|value| value >= min).map(|_| Answer::Sampled)
            }
            Self::Number { .. } | Self::Limit { .. } | Self::Composite(_) => None,
            Self::And(policies) => foresee_all(policies, trace, Answer::Sampled),
            Self::Drop(policies) => foresee_all(policies, trace, Answer::Dropped),
            Self::Not(policy) => policy.foresee(trace).map(not),
        }
    }

    /// What it says if nothing else comes of the trace, where that was open.
    fn at_the_end(&self, trace: &Subject<'_>) -> Answer {
        match self {
            Self::Found { inverted, .. } => yes(*inverted),
            Self::SpanCount { min, max } => yes(trace.spans >= *min && max.is_none_or(|max| trace.spans <= max)),
            Self::Number { total, number, min, max } => {
                yes(value(trace, *total, *number).is_some_and(|value| *min <= value && value <= *max))
            }
            _ => Answer::NotSampled,
        }
    }

    /// What it would say if hashes were what `hash` gives for their state, and rates let everything pass.
    pub fn would(&self, trace: &Subject<'_>, hash: &dyn Fn(u64) -> u64) -> Answer {
        let all = |policies: &[Self], agreed| {
            let answers = policies.iter().map(|policy| policy.would(trace, hash));
            answers.into_iter().find(|answer| matches!(answer, Answer::NotSampled | Answer::Error)).unwrap_or(agreed)
        };
        match self {
            Self::Probabilistic { state, limit } => yes(limit.is_some_and(|limit| hash(*state) <= limit)),
            Self::Limit { .. } => Answer::Sampled,
            Self::And(policies) => all(policies, Answer::Sampled),
            Self::Drop(policies) => all(policies, Answer::Dropped),
            Self::Not(policy) => not(policy.would(trace, hash)),
            Self::Composite(composite) => {
                let answers = composite.parts.iter().map(|part| part.policy.would(trace, hash));
                answers.into_iter().find(|answer| *answer != Answer::NotSampled).unwrap_or(Answer::NotSampled)
            }
            fixed => fixed.foresee(trace).unwrap_or_else(|| fixed.at_the_end(trace)),
        }
    }

    /// The policies that it consists of.
    pub fn parts(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::And(policies) | Self::Drop(policies) => Box::new(policies.iter()),
            Self::Not(policy) => Box::new(std::iter::once(&**policy)),
            Self::Composite(composite) => Box::new(composite.parts.iter().map(|part| &part.policy)),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Whether a hash has a say in it.
    pub fn is_random(&self) -> bool {
        matches!(self, Self::Probabilistic { .. }) || self.parts().any(Self::is_random)
    }

    /// Whether what it says depends on what it was asked before, or on what may still come.
    pub fn is_stateful(&self) -> bool {
        match self {
            Self::Always | Self::Probabilistic { .. } => false,
            Self::Found { passes, .. } => *passes,
            Self::SpanCount { max, .. } => max.is_some(),
            Self::Number { .. } | Self::Limit { .. } => true,
            Self::And(_) | Self::Drop(_) | Self::Not(_) | Self::Composite(_) => self.parts().any(Self::is_stateful),
        }
    }
}

impl Composite {
    fn ask(&mut self, trace: &Subject<'_>, now: f64) -> Answer {
        let second = now as u64;
        if self.second != second {
            self.second = second;
            self.parts.iter_mut().for_each(|part| part.spans = 0.0);
        }
        for part in &mut self.parts {
            match part.policy.ask(trace, now) {
                Answer::Error => return Answer::Error,
                Answer::Sampled => {
                    let spans = part.spans + trace.spans as f64;
                    let fits = spans <= part.share && spans <= self.max_total;
                    if fits {
                        part.spans = spans;
                    }
                    return yes(fits);
                }
                Answer::NotSampled | Answer::Dropped => {}
            }
        }
        Answer::NotSampled
    }
}

fn yes(sampled: bool) -> Answer {
    if sampled { Answer::Sampled } else { Answer::NotSampled }
}

fn not(answer: Answer) -> Answer {
    match answer {
        Answer::Sampled => Answer::NotSampled,
        Answer::NotSampled => Answer::Sampled,
        other => other,
    }
}

fn all(policies: &mut [Policy], trace: &Subject<'_>, now: f64, agreed: Answer) -> Answer {
    for policy in policies {
        match policy.ask(trace, now) {
            Answer::Sampled | Answer::Dropped => {}
            other => return other,
        }
    }
    agreed
}

fn foresee_all(policies: &[Policy], trace: &Subject<'_>, agreed: Answer) -> Option<Answer> {
    let mut open = false;
    for policy in policies {
        match policy.foresee(trace) {
            Some(Answer::Sampled | Answer::Dropped) => {}
            // One that cannot be asked counts as little as one that says no.
            Some(_) => return Some(Answer::NotSampled),
            None => open = true,
        }
    }
    (!open).then_some(agreed)
}

/// What an attribute comes to. `None` if no span has it and that is not the question.
fn value(trace: &Subject<'_>, total: usize, number: Number) -> Option<f64> {
    let total = trace.facts.totals.get(total).copied().unwrap_or_else(Total::default);
    match number {
        Number::Count => Some(total.count as f64),
        _ if total.count == 0 => None,
        Number::Sum => Some(total.sum),
        Number::Max => Some(total.max),
    }
}
