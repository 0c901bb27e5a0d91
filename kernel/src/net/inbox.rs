//! Where checked requests wait for the pipeline, and how they hear of its verdict.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::answer::{Answer, Refusal};
use super::budget::Share;
use crate::rope::SpanBatch;

/// Called when there is something to take and whoever takes was told that there is nothing.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What a server has counted since it was asked last. Requests that are taken as tickets are counted by who takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Without spans: they are accepted at once.
    pub empty: u64,
    pub malformed: u64,
    /// Refused before they were read: no room, too large, or from nobody we know.
    pub unread: u64,
    /// Those of them that came from nobody we know.
    pub unauthenticated: u64,
    /// Requests that a plan took, and their spans.
    pub accepted: u64,
    pub accepted_spans: u64,
    /// Requests that a plan refused, and their spans.
    pub refused: u64,
    pub refused_spans: u64,
    /// Strings of both that were repaired.
    pub repaired: u64,
    /// Requests among the refused that met a bug.
    pub bugs: u64,
    /// Connections and requests that were cut because a head or a body took too long.
    pub slow: u64,
    /// Connections that ended because of what their clients sent.
    pub broken: u64,
    /// Connections that came to no TLS.
    pub strangers: u64,
    /// Requests that were refused because their client had its part.
    pub throttled: u64,
    /// Times that there was no room for another connection.
    pub crowded: u64,
}

pub struct Inbox {
    state: Mutex<State>,
    wake: Wake,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arrival>,
    /// Whether the next arrival must wake the taker.
    armed: bool,
    closed: bool,
    counts: Counts,
}

/// A request that passed the check, and whom to tell.
struct Arrival {
    batch: SpanBatch,
    reply: Reply,
}

/// The way back to the client of one request. Without an answer it is told to come back.
#[derive(Debug)]
pub struct Reply {
    sender: Option<oneshot::Sender<Answer>>,
    /// The request's bytes count until it is answered.
    _share: Share,
}

impl Reply {
    fn give(&mut self, answer: Answer) {
        if let Some(sender) = self.sender.take() {
            // A client that has gone away needs no answer.
            let _ = sender.send(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.give(Answer::Refused(Refusal::for_now("the request was dropped without an answer")));
    }
}

/// Requests that are worked on together.
#[derive(Debug)]
pub struct Ticket {
    pub batch: SpanBatch,
    parts: Vec<(SpanBatch, Reply)>,
}

impl Ticket {
    /// How many requests there are in it.
    pub fn requests(&self) -> usize {
        self.parts.len()
    }

    /// Whether all clients have gone away.
    pub fn is_abandoned(&self) -> bool {
        self.parts.iter().all(|(_, reply)| reply.sender.as_ref().is_none_or(oneshot::Sender::is_closed))
    }

    /// Answers all of them.
    pub fn answer(self, answer: &Answer) {
        for (_, mut reply) in self.parts {
            reply.give(answer.clone());
        }
    }

    /// A ticket for each request.
    pub fn split(self) -> Vec<Self> {
        self.parts.into_iter().map(|part| Self { batch: part.0.clone(), parts: vec![part] }).collect()
    }
}

impl Inbox {
    pub fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { armed: true, ..State::default() }), wake })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in, and gives where its answer comes from.
    pub fn put(&self, batch: SpanBatch, share: Share) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let arrival = Arrival { batch, reply: Reply { sender: Some(sender), _share: share } };
        let mut state = self.state();
        if state.closed {
            drop(state);
            drop(arrival);
            return receiver;
        }
        state.waiting.push_back(arrival);
        self.release(state);
        receiver
    }

    /// Wakes the taker, whatever it was told.
    pub fn ring(&self) {
        (self.wake)();
    }

    /// Counts something that needs nobody's attention soon.
    pub fn count(&self, count: impl FnOnce(&mut Counts)) {
        let mut state = self.state();
        count(&mut state.counts);
        self.release(state);
    }

    /// Counts something that happens all the time: whoever wants to know asks.
    pub fn count_quietly(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state().counts);
    }

    fn release(&self, mut state: MutexGuard<'_, State>) {
        let armed = std::mem::take(&mut state.armed);
        drop(state);
        if armed {
            (self.wake)();
        }
    }

    /// What was counted since the last call.
    pub fn counts(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    /// Takes what waits as one ticket: up to `bytes`, one request at least, and one only if `each`. Requests of different
    /// clients stay apart where batches carry their origin. With nothing there, the next arrival wakes.
    pub fn take(&self, bytes: usize, each: bool) -> Option<Ticket> {
        let mut state = self.state();
        let Some(first) = state.waiting.pop_front() else {
            state.armed = true;
            return None;
        };
        let mut size = first.batch.pinned();
        let mut parts = vec![(first.batch, first.reply)];
        while !each
            && let Some(next) = state.waiting.front()
            && next.batch.origin() == parts[0].0.origin()
            && size + next.batch.pinned() <= bytes
            && let Some(next) = state.waiting.pop_front()
        {
            size += next.batch.pinned();
            parts.push((next.batch, next.reply));
        }
        drop(state);
        let batch = match parts.as_slice() {
            [(only, _)] => only.clone(),
            _ => SpanBatch::join(parts.iter().map(|(batch, _)| batch)),
        };
        Some(Ticket { batch, parts })
    }

    /// Refuses what waits and all that comes from now on.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for mut arrival in waiting {
            arrival.reply.give(Answer::Refused(Refusal::for_now("the collector is shutting down")));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::super::budget::Budget;
    use super::*;
    use crate::samples::{resource_spans, span};

    fn inbox() -> (Arc<Inbox>, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        (Inbox::new(Box::new(move || _ = count.fetch_add(1, Ordering::SeqCst))), woken)
    }

    fn put(inbox: &Inbox) -> oneshot::Receiver<Answer> {
        let batch =
            SpanBatch::decode(Bytes::from(resource_spans("a", &[&[span("b", &[]), span("c", &[])]])), None).unwrap();
        inbox.put(batch, Budget::new(1000).share())
    }

    #[test]
    fn what_waits_is_one_ticket_and_one_answer() {
        let (inbox, woken) = inbox();
        let mut replies: Vec<_> = (0..3).map(|_| put(&inbox)).collect();

        let ticket = inbox.take(1 << 20, false).unwrap();
        assert_eq!((ticket.requests(), ticket.batch.len()), (3, 6));
        ticket.answer(&Answer::Accepted);

        assert!(replies.iter_mut().all(|reply| reply.try_recv() == Ok(Answer::Accepted)));
        assert_eq!(woken.load(Ordering::SeqCst), 1, "the first arrival woke, the others need not");
    }

    #[test]
    fn wakes_again_only_after_a_take_that_found_nothing() {
        let (inbox, woken) = inbox();
        let _first = put(&inbox);
        inbox.take(1, false).unwrap();
        let _second = put(&inbox);
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        inbox.take(1, false).unwrap();
        assert!(inbox.take(1, false).is_none());
        let _third = put(&inbox);
        assert_eq!(woken.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn tickets_are_bounded_and_can_be_taken_apart() {
        let (inbox, _) = inbox();
        let mut replies: Vec<_> = (0..3).map(|_| put(&inbox)).collect();
        assert_eq!(inbox.take(1, false).unwrap().requests(), 1, "one at least");
        assert_eq!(inbox.take(1 << 20, true).unwrap().requests(), 1, "one at a time");
        let parts = inbox.take(1 << 20, false).unwrap().split();
        assert_eq!(parts.len(), 1);
        drop(parts);
        assert!(matches!(replies[2].try_recv(), Ok(Answer::Refused(_))), "nobody waits for ever");
    }

    #[test]
    fn a_ticket_is_abandoned_when_all_its_clients_are() {
        let (inbox, _) = inbox();
        let (first, second) = (put(&inbox), put(&inbox));
        let ticket = inbox.take(1 << 20, false).unwrap();
        drop(first);
        assert!(!ticket.is_abandoned());
        drop(second);
        assert!(ticket.is_abandoned());
    }

    #[test]
    fn a_closed_inbox_refuses() {
        let (inbox, _) = inbox();
        let mut before = put(&inbox);
        inbox.close();
        let mut after = put(&inbox);
        for reply in [&mut before, &mut after] {
            assert!(matches!(reply.try_recv(), Ok(Answer::Refused(_))));
        }
    }
}
