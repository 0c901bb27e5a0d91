//! What every protocol does with a request: read its body within bounds, inflate it, check it, wait for the pipeline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{Answer, Code, Refusal};
use super::auth::{Guard, Rejection};
use super::budget::{Budget, Share};
use super::clock;
use super::fairness::{Claim, Fairness, HadEnough};
use super::inbox::Inbox;
use super::listener::Peer;
use super::server::Life;
use crate::compress::{Encoding, InflateError, inflate};
use crate::json;
use crate::origin::Origin;
use crate::plan::{Plan, Taken, Told};
use crate::rope::SpanBatch;

/// From here on a message is checked and processed off the thread that serves all connections. That takes a few
/// milliseconds, beside which handing over a smaller one, whose bytes this thread's cache holds, costs more than it saves.
const LARGE: usize = 1 << 20;
/// From here on a body is inflated off that thread.
const LARGE_COMPRESSED: usize = 256 << 10;
/// What a smaller body may inflate to on that thread.
const INFLATED_AT_ONCE: usize = 1 << 20;

/// What all requests of a server have in common.
pub struct Exchange {
    pub inbox: Arc<Inbox>,
    pub front: Arc<RwLock<Front>>,
    pub budget: Arc<Budget>,
    /// The largest message in bytes, as it comes and inflated.
    pub max_message: usize,
    /// How long a body may take to arrive.
    pub read_timeout: Duration,
    pub include_metadata: bool,
    /// Who decides whose requests are taken; without it, anybody's.
    pub guard: Option<Arc<Guard>>,
    /// Who shares what there is room for; without it, whoever comes at the right moment has it.
    pub fairness: Option<Arc<Fairness>>,
    /// Whether the server is about to end.
    pub life: watch::Receiver<Life>,
}

/// What comes next. It may be another one from one request to the next.
#[derive(Default)]
pub struct Front {
    /// The front of the pipeline, where the kernel runs it. Otherwise requests go into the inbox.
    pub plan: Option<Arc<Plan>>,
    /// Whether somebody behind wants to know who sent a request.
    pub needs_origin: bool,
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Protobuf,
    Json,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    NoRoom,
    TooLarge,
    TooSlow,
    BrokenOff,
    /// It is not compressed as it says.
    Garbled,
}

impl Exchange {
    /// Refuses a request of somebody we do not know, and counts it.
    pub async fn admit(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let admitted = guard.admit(headers).await;
        if admitted.is_err() {
            self.inbox.count(|counts| {
                counts.unread += 1;
                counts.unauthenticated += 1;
            });
        }
        admitted
    }

    /// Refuses a request, before it is read, of a client that has had its part of what there is room for.
    pub fn let_in(&self, peer: &Peer) -> Result<(), Refusal> {
        let Some(fairness) = self.fairness.as_ref().filter(|fairness| fairness.is_measuring()) else { return Ok(()) };
        fairness.check(peer, clock::now()).map_err(|had_enough| {
            self.inbox.count_quietly(|counts| counts.unread += 1);
            self.turn_away(had_enough)
        })
    }

    fn turn_away(&self, HadEnough(wait): HadEnough) -> Refusal {
        self.inbox.count_quietly(|counts| counts.throttled += 1);
        let message = "this client sends more than its part of what there is room for";
        Refusal { code: Code::ResourceExhausted, ..Refusal::not_now(message, Some(wait)) }
    }

    /// A share of nothing yet of the memory for all requests.
    pub fn share(&self) -> Share {
        self.budget.share()
    }

    /// Reads a body of at most `bound` bytes. `whole` tells from the first chunk how long it will be, if it can.
    pub async fn read(
        &self,
        body: &mut Incoming,
        bound: usize,
        share: &mut Share,
        whole: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Bytes, Unread> {
        let read = timeout(self.read_timeout, collect(body, bound, share, whole)).await;
        read.unwrap_or_else(|_| {
            self.inbox.count(|counts| counts.slow += 1);
            Err(Unread::TooSlow)
        })
    }

    /// Inflates what was read.
    pub async fn inflate(&self, encoding: Encoding, data: Bytes, share: &mut Share) -> Result<Bytes, Unread> {
        let limit = self.max_message;
        let mut inflated = Err(InflateError::TooLarge);
        if data.len() < LARGE_COMPRESSED {
            inflated = inflate(encoding, data.clone(), limit.min(INFLATED_AT_ONCE));
        }
        if inflated == Err(InflateError::TooLarge) && (data.len() >= LARGE_COMPRESSED || limit > INFLATED_AT_ONCE) {
            // A bomb keeps nobody waiting.
            let inflating = spawn_blocking(move || inflate(encoding, data, limit));
            inflated = inflating.await.unwrap_or(Err(InflateError::Broken));
        }
        let data = inflated.map_err(|error| match error {
            InflateError::TooLarge => Unread::TooLarge,
            InflateError::Broken => Unread::Garbled,
        })?;
        if share.grow(data.len()) { Ok(data) } else { Err(Unread::NoRoom) }
    }

    /// Counts a request that was not read, and says why. `blame` is the protocol's word for what a client did wrong.
    pub fn refuse(&self, why: Unread, blame: Code) -> Refusal {
        self.inbox.count(|counts| counts.unread += 1);
        match why {
            Unread::NoRoom => Refusal::for_now("too many bytes of requests are on their way already"),
            // Other collectors split a batch when they read words like these.
            Unread::TooLarge => Refusal::new(
                Code::ResourceExhausted,
                format!("received message larger than max ({} bytes)", self.max_message),
            ),
            Unread::TooSlow => Refusal::new(Code::DeadlineExceeded, "the request took too long to arrive"),
            Unread::BrokenOff => Refusal::new(blame, "the request was broken off"),
            Unread::Garbled => Refusal::new(blame, "the message cannot be decompressed"),
        }
    }

    /// Checks a message and gives the pipeline's answer.
    pub async fn deliver(
        &self,
        message: Bytes,
        format: Format,
        origin: Option<Arc<Origin>>,
        share: Share,
        peer: &Peer,
    ) -> Answer {
        let batch = match check(message, format, origin).await {
            Err(refusal) => {
                self.inbox.count(|counts| counts.malformed += 1);
                return Answer::Refused(refusal);
            }
            Ok(batch) if batch.is_empty() => {
                self.inbox.count(|counts| counts.empty += 1);
                return Answer::Accepted;
            }
            Ok(batch) => batch,
        };
        let claim = match self.claim(peer, &batch) {
            Ok(claim) => claim,
            Err(refusal) => {
                self.tally(&batch).count(false, false);
                return Answer::Refused(refusal);
            }
        };
        let answer = if let Some(plan) = self.plan() {
            self.offload(plan, batch).await
        } else {
            let reply = self.inbox.put(batch, share);
            let abandoned = Abandoned(Some(&self.inbox));
            let answer = reply.await;
            abandoned.defuse();
            answer.unwrap_or_else(|_| Answer::Refused(Refusal::for_now("the collector is shutting down")))
        };
        self.settle(claim.as_ref(), &answer);
        answer
    }

    /// Lets a request in, or not. Nothing is claimed as long as nobody is measured.
    fn claim(&self, peer: &Peer, batch: &SpanBatch) -> Result<Option<Claim>, Refusal> {
        let Some(fairness) = self.fairness.as_ref().filter(|fairness| fairness.is_measuring()) else { return Ok(None) };
        fairness.claim(peer, batch, clock::now()).map(Some).map_err(|had_enough| self.turn_away(had_enough))
    }

    /// Says what became of a request.
    fn settle(&self, claim: Option<&Claim>, answer: &Answer) {
        match (&self.fairness, answer, claim) {
            (Some(fairness), Answer::Accepted, Some(claim)) => fairness.taken(claim),
            (Some(fairness), Answer::Refused(refusal), claim) if refusal.retry_after_ms.is_some() => {
                fairness.refused(claim, clock::now());
            }
            _ => {}
        }
    }

    fn tally(&self, batch: &SpanBatch) -> Tally {
        Tally { inbox: self.inbox.clone(), spans: batch.len() as u64, repaired: batch.repaired() }
    }

    fn plan(&self) -> Option<Arc<Plan>> {
        self.front.read().unwrap_or_else(PoisonError::into_inner).plan.clone()
    }

    /// Has the plan take a request, or refuse it.
    async fn offload(&self, plan: Arc<Plan>, batch: SpanBatch) -> Answer {
        let large = batch.size() >= LARGE;
        let tally = self.tally(&batch);
        let consume = move || {
            let mut written = None;
            let told = || -> Told {
                let (sender, receiver) = oneshot::channel();
                written = Some(receiver);
                // Counted even if the client has gone by then.
                let tally = tally.clone();
                Box::new(move |outcome| {
                    tally.count(outcome.is_ok(), false);
                    let _ = sender.send(outcome);
                })
            };
            let consumed = catch_unwind(AssertUnwindSafe(|| plan.consume(batch, clock::now(), told)));
            if !matches!(consumed, Ok(Ok(Taken::Soon))) {
                tally.count(matches!(consumed, Ok(Ok(_))), consumed.is_err());
            }
            (consumed, written)
        };
        let (consumed, written) =
            if large { spawn_blocking(consume).await.unwrap_or_else(|_| (Err(Box::new(())), None)) } else { consume() };
        let outcome = match (consumed, written) {
            (Ok(Ok(Taken::Soon)), Some(written)) => written.await.map_err(|_| ()),
            (consumed, _) => consumed.map(|taken| taken.map(|_| ())).map_err(|_| ()),
        };
        match outcome {
            Ok(Ok(())) => Answer::Accepted,
            Ok(Err(refused)) if refused.forever => Answer::Refused(Refusal::new(Code::Internal, refused.message)),
            Ok(Err(refused)) => Answer::Refused(Refusal::not_now(refused.message, refused.retry_after)),
            Err(()) => Answer::Refused(Refusal::new(Code::Internal, "internal error")),
        }
    }

    /// Who sent a request, if anybody wants to know.
    pub fn origin(&self, head: &Parts, peer: &Peer) -> Option<Arc<Origin>> {
        if !self.front.read().unwrap_or_else(PoisonError::into_inner).needs_origin {
            return None;
        }
        let mut metadata: Vec<(String, Vec<String>)> = Vec::new();
        if self.include_metadata {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            for name in head.headers.keys() {
                let values = head.headers.get_all(name).iter();
                metadata.push((name.as_str().to_owned(), values.map(text).collect()));
            }
        }
        Some(Arc::new(Origin { peer: peer.address.clone(), metadata }))
    }
}

/// What is counted of a request that a plan got.
#[derive(Clone)]
struct Tally {
    inbox: Arc<Inbox>,
    spans: u64,
    repaired: u64,
}

impl Tally {
    fn count(&self, accepted: bool, bug: bool) {
        self.inbox.count_quietly(|counts| {
            counts.repaired += self.repaired;
            if accepted {
                counts.accepted += 1;
                counts.accepted_spans += self.spans;
            } else {
                counts.refused += 1;
                counts.refused_spans += self.spans;
                counts.bugs += u64::from(bug);
            }
        });
    }
}

async fn collect(
    body: &mut Incoming,
    bound: usize,
    share: &mut Share,
    whole: impl Fn(&[u8]) -> Option<usize>,
) -> Result<Bytes, Unread> {
    let announced = body.size_hint().lower();
    if announced > bound as u64 {
        return Err(Unread::TooLarge);
    }
    let mut data = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::BrokenOff)?;
        let Ok(chunk) = frame.into_data() else { continue };
        if !share.grow(chunk.len()) {
            return Err(Unread::NoRoom);
        }
        if data.len() + chunk.len() > bound {
            return Err(Unread::TooLarge);
        }
        if data.is_empty() {
            // Whole requests mostly come at once, and memory is given to those who have begun to send.
            let expected = whole(&chunk).unwrap_or(announced as usize);
            data.reserve_exact(expected.clamp(chunk.len(), bound));
        }
        data.extend_from_slice(&chunk);
    }
    Ok(data.into())
}

/// Checks a message. A panic, which would be a bug, is this request's problem and nobody else's.
async fn check(message: Bytes, format: Format, origin: Option<Arc<Origin>>) -> Result<SpanBatch, Refusal> {
    let large = message.len() >= LARGE;
    let decode = move || catch_unwind(AssertUnwindSafe(|| decode(message, format, origin)));
    let decoded = if large { spawn_blocking(decode).await.unwrap_or_else(|_| Err(Box::new(()))) } else { decode() };
    decoded.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "internal error")))
}

fn decode(message: Bytes, format: Format, origin: Option<Arc<Origin>>) -> Result<SpanBatch, Refusal> {
    let decoded = match format {
        // Nothing is no JSON, but nobody is served by refusing it.
        Format::Json if !message.is_empty() => json::read(&message, origin).map_err(|error| error.to_string()),
        _ => SpanBatch::decode(message, origin).map_err(|error| error.to_string()),
    };
    decoded.map_err(|what| Refusal::new(Code::InvalidArgument, what))
}

/// Rings when a client goes away before it was answered: its request may be taken back.
struct Abandoned<'i>(Option<&'i Inbox>);

impl Abandoned<'_> {
    fn defuse(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(inbox) = self.0 {
            inbox.ring();
        }
    }
}
