//! How many traces a sampled one stands for: one over the probability with which it was sampled.
//!
//! What is random about a decision are the hashes of `probabilistic` policies. A hash decides by the interval that it
//! falls into, so the policies are asked once for each combination of intervals, and the intervals in which they say yes
//! are added up. Rates have no probability; a trace that one has let pass counts as if it always did.

use super::policy::{Answer, Policy, Subject};

/// Combinations of intervals that are asked at most.
pub const MAX_CELLS: usize = 1024;

/// The hashes that policies depend on, each with the limits that matter.
#[derive(Debug, Default)]
pub struct Weights {
    axes: Vec<Axis>,
}

#[derive(Debug)]
struct Axis {
    /// What names the hash: its state after the salt.
    state: u64,
    /// Ascending, each once.
    limits: Vec<u64>,
}

impl Weights {
    /// Finds what is random about policies. `None` if there are more combinations than can be asked.
    pub fn of<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Option<Self> {
        let mut weights = Self::default();
        policies.into_iter().for_each(|policy| weights.visit(policy));
        for axis in &mut weights.axes {
            axis.limits.sort_unstable();
            axis.limits.dedup();
        }
        let cells = weights.axes.iter().try_fold(1usize, |cells, axis| cells.checked_mul(axis.limits.len() + 1));
        cells.is_some_and(|cells| cells <= MAX_CELLS).then_some(weights)
    }

    fn visit(&mut self, policy: &Policy) {
        if let Policy::Probabilistic { state, limit: Some(limit) } = policy {
            match self.axes.iter_mut().find(|axis| axis.state == *state) {
                Some(axis) => axis.limits.push(*limit),
                None => self.axes.push(Axis { state: *state, limits: vec![*limit] }),
            }
        }
        policy.parts().for_each(|part| self.visit(part));
    }

    /// One over the probability that a list of policies samples this trace, whatever its hashes are.
    pub fn weight<'p>(&self, policies: impl Iterator<Item = &'p Policy> + Clone, trace: &Subject<'_>) -> f64 {
        if self.axes.is_empty() {
            return 1.0;
        }
        let mut hashes = vec![0; self.axes.len()];
        let probability = self.add_up(0, 1.0, &mut hashes, &mut |hashes| {
            let hash = |state| {
                let axis = self.axes.iter().position(|axis| axis.state == state);
                axis.map_or(u64::MAX, |axis| hashes[axis])
            };
            let mut sampled = false;
            for policy in policies.clone() {
                match policy.would(trace, &hash) {
                    Answer::Dropped => return false,
                    Answer::Sampled => sampled = true,
                    Answer::NotSampled | Answer::Error => {}
                }
            }
            sampled
        });
        if probability > 0.0 { 1.0 / probability } else { 1.0 }
    }

    /// The probability of all combinations that are sampled, given the hashes before this axis.
    fn add_up(&self, axis: usize, share: f64, hashes: &mut Vec<u64>, sampled: &mut impl FnMut(&[u64]) -> bool) -> f64 {
        let Some(Axis { limits, .. }) = self.axes.get(axis) else {
            return if sampled(hashes) { share } else { 0.0 };
        };
        let mut from = 0.0;
        let mut sum = 0.0;
        for limit in limits.iter().copied().chain([u64::MAX]) {
            let to = (limit as f64 + 1.0) / 2f64.powi(64);
            if to > from {
                // The last hash of an interval stands for all of it.
                hashes[axis] = limit;
                sum += self.add_up(axis + 1, share * (to - from), hashes, sampled);
                from = to;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::facts::Facts;
    use crate::tail::share::{limit, salted};

    fn share(salt: &str, percentage: f64) -> Policy {
        Policy::Probabilistic { state: salted(salt), limit: limit(percentage) }
    }

    fn weight(policies: &[Policy]) -> f64 {
        let facts = Facts::default();
        let subject = Subject { id: &[1; 16], spans: 3, size: 100, facts: &facts };
        Weights::of(policies).unwrap().weight(policies.iter(), &subject)
    }

    fn close(found: f64, expected: f64) -> bool {
        (found / expected - 1.0).abs() < 1e-9
    }

    #[test]
    fn a_share_stands_for_its_inverse_and_certainty_for_one() {
        assert!(close(weight(&[share("a", 10.0)]), 10.0));
        assert!(close(weight(&[share("a", 10.0), Policy::Always]), 1.0));
        assert!(close(weight(&[share("a", 10.0), Policy::SpanCount { min: 5, max: None }]), 10.0));
        assert!(close(weight(&[Policy::Always]), 1.0));
    }

    #[test]
    fn the_same_hash_samples_the_same_traces_and_another_one_others() {
        assert!(close(weight(&[share("a", 10.0), share("a", 25.0)]), 4.0));
        assert!(close(weight(&[share("a", 50.0), share("b", 50.0)]), 4.0 / 3.0));
        assert!(close(weight(&[Policy::And(vec![share("a", 50.0), share("b", 10.0)])]), 20.0));
        assert!(close(weight(&[Policy::And(vec![share("a", 50.0), share("a", 10.0)])]), 10.0));
        assert!(close(weight(&[Policy::Not(Box::new(share("a", 75.0)))]), 4.0));
        assert!(close(weight(&[Policy::Drop(vec![share("a", 50.0)]), share("a", 75.0)]), 4.0));
    }

    #[test]
    fn too_many_hashes_are_too_many() {
        let policies: Vec<Policy> = (0..11).map(|number| share(&number.to_string(), 10.0)).collect();
        assert!(Weights::of(&policies[..10]).is_some() && Weights::of(&policies).is_none());
    }
}
