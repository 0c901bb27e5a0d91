//! OTLP/gRPC: one method of one service, raw bytes in, an empty message out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Frame, Incoming};
use tokio::time::timeout;

use super::answer::{Answer, Code, Refusal};
use super::exchange::{Exchange, Format, Unread};
use super::health;
use super::listener::Peer;
use super::server::Life;
use super::service::{Body, plain};
use crate::base64;
use crate::compress::{self, Encoding};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const OTHER_SIGNALS: [(&str, &str); 3] = [
    ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "metrics"),
    ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", "logs"),
    ("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", "profiles"),
];

/// Bytes of a health check. The name of a service fits.
const LARGEST_CHECK: usize = 1024;

/// A flag and a length stand before each message.
pub const PREFIX: usize = 5;

/// Answers a request when the pipeline has.
pub async fn respond(exchange: &Exchange, head: &Parts, body: &mut Incoming, peer: &Peer) -> Response<Body> {
    if head.method != Method::POST || !is_grpc(&head.headers) {
        let advice = "this port speaks OTLP over gRPC; OTLP over HTTP has a port of its own, usually 4318\n";
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, advice);
    }
    if head.uri.path() == health::CHECK {
        return checked(exchange, body).await;
    }
    let answer = answer(exchange, head, body, peer);
    let answer = match deadline(&head.headers) {
        None => answer.await,
        Some(left) => timeout(left, answer).await.unwrap_or_else(|_| {
            Answer::Refused(Refusal::new(Code::DeadlineExceeded, "the client's own deadline has passed"))
        }),
    };
    response(&answer)
}

/// Whether a request says that it is gRPC. `application/grpc-web` is another protocol.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get("content-type").and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

async fn answer(exchange: &Exchange, head: &Parts, body: &mut Incoming, peer: &Peer) -> Answer {
    if let Err(rejection) = exchange.admit(&head.headers).await {
        return Answer::Refused(Refusal::new(Code::Unauthenticated, rejection.reason));
    }
    if head.uri.path() != EXPORT {
        return Answer::Refused(unimplemented(head.uri.path()));
    }
    let encoding = match encoding(&head.headers) {
        Ok(encoding) => encoding,
        Err(refusal) => return unread(exchange, refusal),
    };
    if let Err(refusal) = exchange.let_in(peer) {
        return Answer::Refused(refusal);
    }
    let mut share = exchange.share();
    let whole = |chunk: &[u8]| length(chunk).map(|length| length.saturating_add(PREFIX));
    let data = match exchange.read(body, exchange.max_message + PREFIX, &mut share, whole).await {
        Ok(data) => data,
        Err(why) => return Answer::Refused(exchange.refuse(why, Code::Internal)),
    };
    let (is_compressed, message) = match unframed(&data, exchange.max_message) {
        Ok(message) => message,
        Err(Unframed::TooLarge) => return Answer::Refused(exchange.refuse(Unread::TooLarge, Code::Internal)),
        Err(Unframed::NotOne) => return unread(exchange, Refusal::new(Code::Internal, "not one whole gRPC message")),
    };
    let message = match (is_compressed, encoding) {
        (false, _) => message,
        (true, Encoding::Identity) => {
            return unread(exchange, Refusal::new(Code::Internal, "a compressed message without grpc-encoding"));
        }
        (true, encoding) => match exchange.inflate(encoding, message, &mut share).await {
            Ok(message) => message,
            Err(why) => return Answer::Refused(exchange.refuse(why, Code::Internal)),
        },
    };
    exchange.deliver(message, Format::Protobuf, exchange.origin(head, peer), share, peer).await
}

/// Answers a health check, whoever asks.
async fn checked(exchange: &Exchange, body: &mut Incoming) -> Response<Body> {
    let read = exchange.read(body, LARGEST_CHECK, &mut exchange.share(), |_| None).await;
    let message =
        read.ok().and_then(|data| unframed(&data, LARGEST_CHECK).ok()).filter(|(is_compressed, _)| !is_compressed);
    let checked = match message {
        Some((_, request)) => health::check(&request, *exchange.life.borrow() == Life::Serving),
        None => Err(Refusal::new(Code::InvalidArgument, "not a health check")),
    };
    match checked {
        Ok(message) => success(message),
        Err(refusal) => response(&Answer::Refused(refusal)),
    }
}

fn unread(exchange: &Exchange, refusal: Refusal) -> Answer {
    exchange.inbox.count(|counts| counts.unread += 1);
    Answer::Refused(refusal)
}

/// How a message is compressed, if its flag says so.
fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let Some(name) = headers.get("grpc-encoding").map(|value| value.to_str().unwrap_or("?")) else {
        return Ok(Encoding::Identity);
    };
    Encoding::from_name(name).ok_or_else(|| {
        let known = compress::ACCEPTED;
        Refusal::new(Code::Unimplemented, format!("compression {name:?} is not known here, only {known}"))
    })
}

/// Why a body is not one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unframed {
    /// It says that it is longer than the bound.
    TooLarge,
    NotOne,
}

/// The one message of a body, and whether it is compressed.
pub fn unframed(data: &Bytes, max_message: usize) -> Result<(bool, Bytes), Unframed> {
    match (data.first(), length(data)) {
        (Some(flag @ (0 | 1)), Some(length)) if length == data.len() - PREFIX => Ok((*flag == 1, data.slice(PREFIX..))),
        (_, Some(length)) if length > max_message => Err(Unframed::TooLarge),
        _ => Err(Unframed::NotOne),
    }
}

/// The length that stands in front of a message.
fn length(data: &[u8]) -> Option<usize> {
    let length = data.get(1..PREFIX)?;
    Some(u32::from_be_bytes(length.try_into().ok()?) as usize)
}

fn unimplemented(path: &str) -> Refusal {
    match OTHER_SIGNALS.iter().find(|(other, _)| *other == path) {
        Some((_, signal)) => Refusal::other_signal(signal),
        None => Refusal::new(Code::Unimplemented, format!("there is no method {path} here")),
    }
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

fn response(answer: &Answer) -> Response<Body> {
    if *answer == Answer::Accepted {
        return success(Bytes::from_static(&[0; PREFIX]));
    }
    // Without a message the trailers are the headers.
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.headers_mut() = trailers(answer);
    response.headers_mut().insert("content-length", HeaderValue::from_static("0"));
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(compress::ACCEPTED));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A message, which has its frame already.
fn success(message: Bytes) -> Response<Body> {
    let success = Success { message: Some(message), trailers: Some(trailers(&Answer::Accepted)) };
    let mut response = Response::new(success.boxed_unsync());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A message and trailers. It does not tell its length, which would become a `content-length`, and clients that
/// know no gRPC are content with that and never see the trailers.
struct Success {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl hyper::body::Body for Success {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let success = self.get_mut();
        let message = success.message.take().map(Frame::data);
        Poll::Ready(message.or_else(|| success.trailers.take().map(Frame::trailers)).map(Ok))
    }
}

/// The trailers of a gRPC response.
pub fn trailers(answer: &Answer) -> HeaderMap {
    const STATUS: HeaderName = HeaderName::from_static("grpc-status");
    let mut trailers = HeaderMap::with_capacity(3);
    let Answer::Refused(refusal) = answer else {
        trailers.insert(STATUS, HeaderValue::from_static("0"));
        return trailers;
    };
    trailers.insert(STATUS, HeaderValue::from(refusal.code as u16));
    trailers.insert("grpc-message", percent_encoded(&refusal.message));
    if refusal.retry_after_ms.is_some() {
        let details = base64::encode(&refusal.to_protobuf());
        if let Ok(value) = HeaderValue::try_from(details.trim_end_matches('=')) {
            trailers.insert("grpc-status-details-bin", value);
        }
    }
    trailers
}

/// Messages are percent-encoded UTF-8: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
fn percent_encoded(message: &str) -> HeaderValue {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(out).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
    }

    #[test]
    fn reads_the_deadlines_of_clients() {
        let read = |text: &'static str| deadline(&header("grpc-timeout", text));
        assert_eq!(read("10S"), Some(Duration::from_secs(10)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        for wrong in ["", "S", "10", "123456789S", "-1S", "10x"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_body_is_one_message() {
        let take = |data: &'static [u8]| unframed(&Bytes::from_static(data), 9);
        assert_eq!(take(b"\0\0\0\0\x02ab"), Ok((false, Bytes::from_static(b"ab"))));
        assert_eq!(take(b"\x01\0\0\0\0"), Ok((true, Bytes::new())));
        assert_eq!(take(b"\0\0\0\0\x0aab"), Err(Unframed::TooLarge));
        for wrong in [&b""[..], b"\0", b"\0\0\0\0", b"\x02\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x02abc"] {
            assert_eq!(take(wrong), Err(Unframed::NotOne), "{wrong:?}");
        }
    }

    #[test]
    fn knows_its_own_content_types() {
        for own in ["application/grpc", "application/grpc+proto", "application/grpc; charset=utf-8"] {
            assert!(is_grpc(&header("content-type", own)), "{own}");
        }
        for other in ["application/grpc-web", "application/grpc-web+proto", "application/x-protobuf", ""] {
            assert!(!is_grpc(&header("content-type", other)), "{other}");
        }
    }

    #[test]
    fn knows_the_compressions_it_has() {
        assert_eq!(encoding(&HeaderMap::new()), Ok(Encoding::Identity));
        assert_eq!(encoding(&header("grpc-encoding", "gzip")), Ok(Encoding::Gzip));
        assert_eq!(encoding(&header("grpc-encoding", "lz4")).unwrap_err().code, Code::Unimplemented);
    }

    #[test]
    fn messages_survive_the_header() {
        assert_eq!(percent_encoded("100 % sure, naïve\n"), "100 %25 sure, na%C3%AFve%0A");
    }

    #[test]
    fn a_refusal_for_now_says_when_to_come_back() {
        let refused = trailers(&Answer::Refused(Refusal::for_now("no room")));
        assert_eq!(refused["grpc-status"], "14");
        assert_eq!(refused["grpc-message"], "no room");
        assert!(refused.contains_key("grpc-status-details-bin"));

        let never = trailers(&Answer::Refused(Refusal::new(Code::Internal, "never")));
        assert!(!never.contains_key("grpc-status-details-bin"));
        assert_eq!(trailers(&Answer::Accepted).len(), 1);
    }
}
