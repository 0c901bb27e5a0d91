//! OTLP/gRPC: one method of one service, raw bytes in, an empty message out.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Body as _;
use hyper::body::Incoming;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{Answer, Code, Refusal, grpc_trailers};
use super::budget::{Budget, Share};
use super::clock;
use super::inbox::Inbox;
use crate::compress::{self, Encoding, InflateError, inflate};
use crate::error::Malformed;
use crate::origin::Origin;
use crate::plan::Plan;
use crate::rope::SpanBatch;

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const OTHER_SIGNALS: [(&str, &str); 3] = [
    ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "metrics"),
    ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", "logs"),
    ("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", "profiles"),
];

/// A flag and a length stand before each message.
const PREFIX: usize = 5;
/// From here on a body is inflated and checked off the thread that serves all connections.
const LARGE: usize = 256 * 1024;

/// What all requests of a server have in common.
pub struct Service {
    pub inbox: Arc<Inbox>,
    /// The front of the pipeline, where the kernel runs it. Otherwise requests go into the inbox.
    pub plan: Option<Arc<Plan>>,
    pub budget: Arc<Budget>,
    /// The largest message in bytes, inflated.
    pub max_message: usize,
    pub needs_origin: bool,
    pub include_metadata: bool,
}

impl Service {
    /// Answers a request when the pipeline has.
    pub async fn respond(&self, request: Request<Incoming>, peer: &str) -> Response<Body> {
        let (head, body) = request.into_parts();
        let is_grpc =
            head.headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        if head.method != Method::POST || !is_grpc {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this port speaks OTLP over gRPC\n");
        }
        let answer = match deadline(&head.headers) {
            None => self.answer(&head.uri, &head.headers, body, peer).await,
            Some(left) => timeout(left, self.answer(&head.uri, &head.headers, body, peer)).await.unwrap_or_else(|_| {
                Answer::Refused(Refusal::new(Code::DeadlineExceeded, "the client's own deadline has passed"))
            }),
        };
        grpc(&answer)
    }

    async fn answer(&self, uri: &http::Uri, headers: &HeaderMap, body: Incoming, peer: &str) -> Answer {
        if uri.path() != EXPORT {
            return Answer::Refused(unimplemented(uri.path()));
        }
        let mut share = self.budget.share();
        let message = match self.read(headers, body, &mut share).await {
            Ok(message) => message,
            Err(refusal) => {
                self.inbox.count(|counts| counts.unread += 1);
                return Answer::Refused(refusal);
            }
        };
        let origin = self.needs_origin.then(|| Arc::new(self.origin(headers, peer)));
        match check(message, origin).await {
            Err(refusal) => {
                self.inbox.count(|counts| counts.malformed += 1);
                Answer::Refused(refusal)
            }
            Ok(batch) if batch.is_empty() => {
                self.inbox.count(|counts| counts.empty += 1);
                Answer::Accepted
            }
            Ok(batch) if self.plan.is_some() => self.offload(batch).await,
            Ok(batch) => {
                let reply = self.inbox.put(batch, share);
                let abandoned = Abandoned(Some(&self.inbox));
                let answer = reply.await;
                abandoned.defuse();
                answer.unwrap_or_else(|_| Answer::Refused(Refusal::for_now("the collector is shutting down")))
            }
        }
    }

    /// Has the plan take a request, or refuse it.
    async fn offload(&self, batch: SpanBatch) -> Answer {
        let Some(plan) = self.plan.clone() else { return Answer::Accepted };
        let (spans, repaired, large) = (batch.len() as u64, batch.repaired(), batch.size() >= LARGE);
        let consume = move || catch_unwind(AssertUnwindSafe(|| plan.consume(batch, clock::now())));
        let consumed =
            if large { spawn_blocking(consume).await.unwrap_or_else(|_| Err(Box::new(()))) } else { consume() };
        self.inbox.count_quietly(|counts| {
            counts.repaired += repaired;
            if matches!(consumed, Ok(Ok(()))) {
                counts.accepted += 1;
                counts.accepted_spans += spans;
            } else {
                counts.refused += 1;
                counts.refused_spans += spans;
                counts.broken += u64::from(consumed.is_err());
            }
        });
        match consumed {
            Ok(Ok(())) => Answer::Accepted,
            Ok(Err(refused)) => Answer::Refused(Refusal::not_now(refused.message, refused.retry_after)),
            Err(_) => Answer::Refused(Refusal::new(Code::Internal, "internal error")),
        }
    }

    /// Reads the one message of a request, and inflates it.
    async fn read(&self, headers: &HeaderMap, mut body: Incoming, share: &mut Share) -> Result<Bytes, Refusal> {
        let encoding = match headers.get("grpc-encoding").map(|value| value.to_str().unwrap_or("?")) {
            None => Encoding::Identity,
            Some(name) => Encoding::from_name(name).ok_or_else(|| {
                Refusal::new(
                    Code::Unimplemented,
                    format!("compression {name:?} is not known here, only {}", compress::ACCEPTED),
                )
            })?,
        };
        let bound = self.max_message + PREFIX;
        let mut data = Vec::with_capacity(body.size_hint().lower().min(bound as u64) as usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::new(Code::Internal, "the request was broken off"))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if !share.grow(chunk.len()) {
                return Err(Refusal::for_now("too many bytes of requests are on their way already"));
            }
            if data.len() + chunk.len() > bound {
                return Err(self.too_large());
            }
            if data.is_empty()
                && let Some(length) = length(&chunk)
            {
                data.reserve_exact((length + PREFIX).min(bound));
            }
            data.extend_from_slice(&chunk);
        }
        let malformed = || Refusal::new(Code::Internal, "not one whole gRPC message");
        let flag = match (data.first(), length(&data)) {
            (Some(flag @ (0 | 1)), Some(length)) if length == data.len() - PREFIX => *flag,
            (_, Some(length)) if length > self.max_message => return Err(self.too_large()),
            _ => return Err(malformed()),
        };
        let data = Bytes::from(data).slice(PREFIX..);
        if flag == 0 {
            return Ok(data);
        }
        if encoding == Encoding::Identity {
            return Err(Refusal::new(Code::Internal, "a compressed message without grpc-encoding"));
        }
        let limit = self.max_message;
        let inflated = if data.len() < LARGE {
            inflate(encoding, data, limit)
        } else {
            spawn_blocking(move || inflate(encoding, data, limit)).await.unwrap_or(Err(InflateError::Broken))
        };
        let data = inflated.map_err(|error| match error {
            InflateError::TooLarge => self.too_large(),
            InflateError::Broken => Refusal::new(Code::Internal, "the message cannot be decompressed"),
        })?;
        if !share.grow(data.len()) {
            return Err(Refusal::for_now("too many bytes of requests are on their way already"));
        }
        Ok(data)
    }

    fn too_large(&self) -> Refusal {
        // Other collectors split a batch when they read words like these.
        Refusal::new(Code::ResourceExhausted, format!("received message larger than max ({} bytes)", self.max_message))
    }

    fn origin(&self, headers: &HeaderMap, peer: &str) -> Origin {
        let mut metadata: Vec<(String, Vec<String>)> = Vec::new();
        for name in headers.keys().filter(|_| self.include_metadata) {
            let values = headers.get_all(name).iter();
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            metadata.push((name.as_str().to_owned(), values.map(text).collect()));
        }
        Origin { peer: peer.to_owned(), metadata }
    }
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

/// Checks a message. A panic, which would be a bug, is this request's problem and nobody else's.
async fn check(message: Bytes, origin: Option<Arc<Origin>>) -> Result<SpanBatch, Refusal> {
    let large = message.len() >= LARGE;
    let decode = move || catch_unwind(AssertUnwindSafe(|| SpanBatch::decode(message, origin)));
    let decoded = if large { spawn_blocking(decode).await.unwrap_or_else(|_| Err(Box::new(()))) } else { decode() };
    match decoded {
        Ok(decoded) => {
            decoded.map_err(|malformed: Malformed| Refusal::new(Code::InvalidArgument, malformed.to_string()))
        }
        Err(_) => Err(Refusal::new(Code::Internal, "internal error")),
    }
}

/// The length that stands in front of a message.
fn length(data: &[u8]) -> Option<usize> {
    let length = data.get(1..PREFIX)?;
    Some(u32::from_be_bytes(length.try_into().ok()?) as usize)
}

fn unimplemented(path: &str) -> Refusal {
    let message = match OTHER_SIGNALS.iter().find(|(other, _)| *other == path) {
        Some((_, signal)) => {
            format!("this collector takes traces only: send {signal} elsewhere, or switch their export off")
        }
        None => format!("there is no method {path} here"),
    };
    Refusal::new(Code::Unimplemented, message)
}

/// `grpc-timeout`: digits and a unit, <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

fn grpc(answer: &Answer) -> Response<Body> {
    let mut trailers = grpc_trailers(answer);
    let accepted = *answer == Answer::Accepted;
    let body = if accepted {
        Full::new(Bytes::from_static(&[0; PREFIX])).with_trailers(async { Some(Ok(trailers)) }).boxed_unsync()
    } else {
        // Without a message the trailers are the headers.
        trailers.insert("content-length", HeaderValue::from_static("0"));
        let mut response = Response::new(Empty::new().boxed_unsync());
        *response.headers_mut() = trailers;
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(compress::ACCEPTED));
        return response;
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_deadlines_of_clients() {
        let read = |text: &'static str| {
            deadline(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static(text))]))
        };
        assert_eq!(read("10S"), Some(Duration::from_secs(10)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        for wrong in ["", "S", "10", "123456789S", "-1S", "10x"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
