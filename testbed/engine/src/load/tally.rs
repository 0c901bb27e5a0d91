//! What the load generator counts, in requests: all of them, or since the last run began.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::latency::{Latencies, Summary};
use crate::outcomes::{Outcome, Outcomes};

#[derive(Default)]
pub struct Tally {
    pub outcomes: Outcomes,
    /// Requests of runs that are over.
    pub offered_before: u64,
    pub accepted: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub unsent: u64,
    answers: BTreeMap<String, u64>,
    latencies: Latencies,
    lags: Latencies,
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub struct Run {
    answers: BTreeMap<String, u64>,
    latency: Option<Summary>,
    lag: Option<Summary>,
}

impl Tally {
    /// Forgets the distributions; what is counted by request stays.
    pub fn begin_run(&mut self) {
        self.answers.clear();
        self.latencies.clear();
        self.lags.clear();
    }

    pub fn run(&self) -> Run {
        Run { answers: self.answers.clone(), latency: self.latencies.summary(), lag: self.lags.summary() }
    }

    pub fn lag(&mut self, lag: Duration) {
        self.lags.record(lag);
    }

    /// Notes how a request ended: the outcome, and what to call it.
    pub fn end(&mut self, sender: u16, request: u64, outcome: Outcome, answer: &str, latency: Duration) {
        self.outcomes.end(sender, request, outcome);
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Unanswered => self.unanswered += 1,
            Outcome::Unsent => self.unsent += 1,
        }
        if outcome == Outcome::Accepted {
            self.latencies.record(latency);
        }
        match self.answers.get_mut(answer) {
            Some(count) => *count += 1,
            None => _ = self.answers.insert(answer.to_owned(), 1),
        }
    }
}
