//! Which spans arrived, and how often: two bits for each id.

use std::time::Duration;

use memchr::memmem::Finder;
use serde::Serialize;

use crate::ids::{SENDERS, SpanNumber};
use crate::latency::Latencies;
use crate::outcomes::{Outcome, Outcomes};
use crate::plan::Plan;
use crate::wire::{Broken, each_span};

/// What the sink counted, in spans unless the name says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub requests: u64,
    pub malformed_requests: u64,
    /// Requests with a secret in them.
    pub leaked: u64,
    pub delivered: u64,
    pub duplicated: u64,
    /// Ids that cannot have been sent.
    pub foreign: u64,
}

/// What became of all spans, by the load generator's outcomes and the sink's arrivals together.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub delivered: u64,
    /// Of these, what nobody acknowledged.
    pub unacknowledged: u64,
    pub dropped: u64,
    pub lost: u64,
    pub wrongly_kept: u64,
    /// Arrived, and were never sent.
    pub foreign: u64,
}

pub struct Arrivals {
    plan: Plan,
    secrets: Vec<Finder<'static>>,
    seen: Vec<Pages>,
    pub counts: Counts,
    pub latencies: Latencies,
}

/// Sequences beyond this are damaged ids: one connection does not send so many spans in a day.
const PLAUSIBLE: u64 = 1 << 33;
/// Spans in a page. A damaged id that looks plausible costs a page, not all that lies before it.
const PAGE: u64 = 1 << 16;
type Pages = Vec<Option<Box<[u8; PAGE as usize / 4]>>>;

impl Arrivals {
    pub fn new(plan: Plan) -> Self {
        let secrets = plan.secrets.iter().map(|secret| Finder::new(secret).into_owned()).collect();
        Self { plan, secrets, seen: Vec::new(), counts: Counts::default(), latencies: Latencies::default() }
    }

    /// Takes a request that arrives at `now`, in nanoseconds since 1970.
    pub fn take(&mut self, request: &[u8], now: u64) -> Result<(), Broken> {
        self.counts.requests += 1;
        self.counts.leaked += u64::from(self.secrets.iter().any(|secret| secret.find(request).is_some()));
        let taken = each_span(request, |mut span| {
            let (mut id, mut trace, mut end) = (None, false, None);
            while let Some(field) = span.next()? {
                match field.number {
                    1 => trace = field.bytes.len() == 16,
                    2 => id = field.bytes.try_into().ok(),
                    8 => end = field.bytes.try_into().ok(),
                    _ => {}
                }
            }
            let (Some(id), true, Some(end)) = (id, trace, end) else {
                return Err("a span without a proper id, trace id or end");
            };
            self.span(id, u64::from_le_bytes(end), now);
            Ok(())
        });
        self.counts.malformed_requests += u64::from(taken.is_err());
        taken
    }

    fn span(&mut self, id: [u8; 8], end: u64, now: u64) {
        let span = self.plan.key.span_number(id);
        if usize::from(span.sender) >= SENDERS || span.sequence >= PLAUSIBLE {
            self.counts.foreign += 1;
            return;
        }
        match self.note(span) {
            0 => {
                self.counts.delivered += 1;
                let due = end + self.plan.span(span).ended_before;
                self.latencies.record(Duration::from_nanos(now.saturating_sub(due)));
            }
            _ => self.counts.duplicated += 1,
        }
    }

    /// Notes an arrival, and gives how many there were before: 0, 1, 2, or 3 for more.
    fn note(&mut self, span: SpanNumber) -> u8 {
        let sender = usize::from(span.sender);
        if self.seen.len() <= sender {
            self.seen.resize_with(sender + 1, Vec::new);
        }
        let (page, cell, shift) = place(span.sequence);
        let pages = &mut self.seen[sender];
        if pages.len() <= page {
            pages.resize(page + 1, None);
        }
        let cell = &mut pages[page].get_or_insert_with(|| Box::new([0; _]))[cell];
        let before = *cell >> shift & 3;
        *cell += u8::from(before < 3) << shift;
        before
    }

    fn arrived(&self, span: SpanNumber) -> bool {
        let (page, cell, shift) = place(span.sequence);
        let pages = self.seen.get(usize::from(span.sender));
        let page = pages.and_then(|pages| pages.get(page)).and_then(Option::as_ref);
        page.is_some_and(|page| page[cell] >> shift & 3 > 0)
    }

    /// Looks up each span that was sent.
    pub fn judge(&self, outcomes: &Outcomes) -> Verdict {
        let mut verdict = Verdict::default();
        outcomes.each(|sender, request, outcome| {
            let first = request * self.plan.spans_per_request;
            for sequence in first..first + self.plan.spans_per_request {
                let span = SpanNumber { sender, sequence };
                let (arrived, accepted) = (self.arrived(span), outcome == Outcome::Accepted as u8);
                verdict.delivered += u64::from(arrived);
                verdict.unacknowledged += u64::from(arrived && !accepted);
                match (arrived, self.plan.keeps(span)) {
                    (true, false) => verdict.wrongly_kept += 1,
                    (false, true) => verdict.lost += u64::from(accepted),
                    (false, false) => verdict.dropped += u64::from(accepted),
                    (true, true) => {}
                }
            }
        });
        verdict.foreign = self.counts.foreign + self.counts.delivered - verdict.delivered;
        verdict
    }
}

/// The page of a span, the cell on it, and where in the cell its two bits are.
fn place(sequence: u64) -> (usize, usize, u64) {
    ((sequence / PAGE) as usize, (sequence % PAGE / 4) as usize, sequence % 4 * 2)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::plan::tests::plan;

    fn sent(plan: &Plan, request: u64) -> BytesMut {
        let mut out = BytesMut::new();
        let first = SpanNumber { sender: 0, sequence: request * plan.spans_per_request };
        plan.template(0, request).fill(&mut out, plan.key, first, 1_000_000_000);
        out
    }

    fn outcomes(each: &[Outcome]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for &outcome in each {
            let request = outcomes.begin(0);
            outcomes.end(0, request, outcome);
        }
        outcomes
    }

    #[test]
    fn tells_lost_from_refused_and_from_delivered() {
        let plan = plan(10, false, None);
        let requests: Vec<_> = (0..3).map(|request| sent(&plan, request)).collect();
        let mut arrivals = Arrivals::new(plan);
        arrivals.take(&requests[0], 1_250_000_000).unwrap();

        let verdict = arrivals.judge(&outcomes(&[Outcome::Accepted, Outcome::Accepted, Outcome::Refused]));
        assert_eq!(verdict, Verdict { delivered: 10, lost: 10, ..Verdict::default() });
        assert_eq!(arrivals.latencies.summary().unwrap().p50.round(), 250.0);
    }

    #[test]
    fn counts_what_arrives_again_and_what_nobody_sent() {
        let plan = plan(4, false, None);
        let request = sent(&plan, 0);
        let mut arrivals = Arrivals::new(plan);
        for _ in 0..5 {
            arrivals.take(&request, 1_000_000_000).unwrap();
        }
        arrivals.take(&crate::samples::request(2), 0).unwrap();

        assert_eq!((arrivals.counts.delivered, arrivals.counts.duplicated), (4, 16));
        assert_eq!(arrivals.counts.foreign, 2);
        assert_eq!(arrivals.judge(&outcomes(&[])).foreign, 6, "nor were the first four sent");
    }

    #[test]
    fn tells_rightly_dropped_from_lost_and_from_wrongly_kept() {
        let plan = plan(10, true, None);
        let all = sent(&plan, 0);
        let mut arrivals = Arrivals::new(plan);
        assert_eq!(arrivals.judge(&outcomes(&[Outcome::Accepted])).dropped, 1);
        assert_eq!(arrivals.judge(&outcomes(&[Outcome::Accepted])).lost, 9);
        arrivals.take(&all, 1_000_000_000).unwrap();
        assert_eq!(arrivals.judge(&outcomes(&[Outcome::Accepted])).wrongly_kept, 1);
    }

    #[test]
    fn finds_secrets_and_broken_requests() {
        let mut plan = plan(1, false, None);
        plan.secrets = vec!["sample".to_owned()];
        let request = sent(&plan, 0);
        let mut arrivals = Arrivals::new(plan);
        arrivals.take(&request, 1_000_000_000).unwrap();
        assert!(arrivals.take(&request[..20], 0).is_err());
        assert_eq!((arrivals.counts.leaked, arrivals.counts.malformed_requests), (1, 1));
    }
}
