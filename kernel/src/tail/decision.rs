//! One decision about one trace, from what each policy of a list says.

use super::compile::{Compiled, Named};
use super::facts::Facts;
use super::policy::{Answer, Subject};
use super::weight::{MAX_CELLS, Weights};
use crate::traces::TraceId;

/// What becomes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sampled,
    NotSampled,
    /// A policy of the type `drop` said so.
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    /// The first policy that said so.
    pub policy: Option<u16>,
}

/// What one policy has said so far, in traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub sampled: u64,
    pub not_sampled: u64,
    pub dropped: u64,
    /// How often it could not be asked.
    pub failed: u64,
}

impl Tally {
    fn count(&mut self, answer: Answer) {
        *match answer {
            Answer::Sampled => &mut self.sampled,
            Answer::NotSampled => &mut self.not_sampled,
            Answer::Dropped => &mut self.dropped,
            Answer::Error => &mut self.failed,
        } += 1;
    }
}

/// Policies in the order in which they are asked: those that drop first.
#[derive(Debug)]
pub struct Policies {
    list: Vec<Named>,
    drops: usize,
    /// Whether those behind the first that says yes are not asked.
    first_match: bool,
    /// How sampled traces get their weights, if they do.
    weights: Option<Weights>,
    /// One for each.
    pub tallies: Vec<Tally>,
}

impl Policies {
    /// The policies, without what is asked of spans.
    pub fn new(compiled: Compiled, first_match: bool) -> Self {
        let tallies = vec![Tally::default(); compiled.policies.len()];
        Self { list: compiled.policies, drops: compiled.drops, first_match, weights: None, tallies }
    }

    /// Has sampled traces weighed from now on, or says why that cannot be.
    pub fn weigh(&mut self) -> Result<(), String> {
        self.weights = Weights::of(self.list.iter().map(|named| &named.policy));
        let enough = self.weights.is_some();
        enough.then_some(()).ok_or_else(|| {
            format!("weights cannot be told: the shares and salts of probabilistic policies make more than {MAX_CELLS} cases")
        })
    }

    /// How many traces a sampled one stands for.
    pub fn weight(&self, trace: &Subject<'_>) -> f64 {
        let policies = self.list.iter().map(|named| &named.policy);
        self.weights.as_ref().map_or(1.0, |weights| weights.weight(policies, trace))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|named| named.name.as_str())
    }

    pub fn name(&self, policy: u16) -> &str {
        self.list.get(usize::from(policy)).map_or("", |named| &named.name)
    }

    pub fn position(&self, name: &str) -> Option<u16> {
        self.list.iter().position(|named| named.name == name).map(|place| place as u16)
    }

    /// The first policy whose answers depend on more than the spans that it is shown.
    pub fn stateful(&self) -> Option<&str> {
        self.list.iter().find(|named| named.policy.is_stateful()).map(|named| named.name.as_str())
    }

    /// Decides about a trace with what is there of it.
    pub fn decide(&mut self, trace: &Subject<'_>, now: f64) -> Decision {
        let mut sampled = None;
        for (place, (named, tally)) in self.list.iter_mut().zip(&mut self.tallies).enumerate() {
            let answer = named.policy.ask(trace, now);
            tally.count(answer);
            match answer {
                Answer::Dropped => return Decision { outcome: Outcome::Dropped, policy: Some(place as u16) },
                Answer::Sampled => {
                    sampled = sampled.or(Some(place as u16));
                    if self.first_match {
                        break;
                    }
                }
                Answer::NotSampled | Answer::Error => {}
            }
        }
        let outcome = if sampled.is_some() { Outcome::Sampled } else { Outcome::NotSampled };
        Decision { outcome, policy: sampled }
    }

    /// Decides about a trace if nothing that may still come of it can change the decision.
    pub fn foresee(&mut self, trace: &Subject<'_>) -> Option<Decision> {
        let (drops, others) = self.list.split_at(self.drops);
        let mut drop_open = false;
        for (place, named) in drops.iter().enumerate() {
            match named.policy.foresee(trace) {
                Some(Answer::Dropped) => {
                    self.tallies[place].count(Answer::Dropped);
                    return Some(Decision { outcome: Outcome::Dropped, policy: Some(place as u16) });
                }
                Some(_) => {}
                None => drop_open = true,
            }
        }
        if drop_open {
            return None;
        }
        let mut open = false;
        let mut sampled = None;
        for (place, named) in others.iter().enumerate() {
            match named.policy.foresee(trace) {
                Some(Answer::Sampled) => {
                    let is_random = self.weights.is_some() && named.policy.is_random();
                    sampled = sampled.or(Some((self.drops + place, is_random)));
                }
                Some(_) => {}
                None => open = true,
            }
        }
        match sampled {
            // Who samples by chance leaves open how likely it was: others may still come to sample it for certain.
            Some((_, true)) if open => None,
            Some((place, _)) => {
                self.tallies[place].count(Answer::Sampled);
                Some(Decision { outcome: Outcome::Sampled, policy: Some(place as u16) })
            }
            None if open => None,
            None => {
                self.tallies.iter_mut().for_each(|tally| tally.count(Answer::NotSampled));
                Some(Decision { outcome: Outcome::NotSampled, policy: None })
            }
        }
    }

    /// Decides by the spans that just came, without the others. `None` if that is for others to say.
    pub fn ingest(&mut self, id: &TraceId, spans: usize, size: usize, facts: &Facts, now: f64) -> Option<Decision> {
        let trace = Subject { id, spans, size, facts };
        let mut drop_open = false;
        for (place, (named, tally)) in self.list.iter_mut().zip(&mut self.tallies).enumerate() {
            let is_drop = place < self.drops;
            if !is_drop && drop_open {
                break;
            }
            let answer = named.policy.ask(&trace, now);
            tally.count(answer);
            match answer {
                Answer::Dropped => return Some(Decision { outcome: Outcome::Dropped, policy: Some(place as u16) }),
                Answer::Error => {}
                _ if is_drop => drop_open = true,
                Answer::Sampled => return Some(Decision { outcome: Outcome::Sampled, policy: Some(place as u16) }),
                Answer::NotSampled => {}
            }
        }
        None
    }
}
