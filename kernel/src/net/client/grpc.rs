//! gRPC: one message there, one back, and a status behind it.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, and `http-grpc-status-mapping.md` beside it.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::super::grpc::PREFIX;
use super::body::{Message, Outgoing, Payload};
use super::failure::{Failure, describe};
use super::outbox::Outcome;
use crate::base64;
use crate::compress::{Encoding, inflate};

const OK: u16 = 0;
const CANCELLED: u16 = 1;
const UNKNOWN: u16 = 2;
pub const DEADLINE_EXCEEDED: u16 = 4;
const PERMISSION_DENIED: u16 = 7;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;
const INTERNAL: u16 = 13;
const UNAVAILABLE: u16 = 14;
const UNAUTHENTICATED: u16 = 16;

/// The largest answer in bytes, compressed and not, as usual with gRPC.
const MAX_ANSWER: usize = 4 << 20;

/// The headers of all requests.
pub fn headers(encoding: Encoding) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("te", HeaderValue::from_static("trailers"));
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
    if encoding != Encoding::Identity {
        headers.insert("grpc-encoding", HeaderValue::from_static(encoding.name()));
    }
    headers
}

/// The message of a request.
pub fn body(payload: Payload, compressed: bool) -> Outgoing {
    Outgoing::new(Message::framed(payload, compressed), false)
}

/// What is left until a deadline: digits, eight at most, and a unit.
pub fn timeout(left: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    // Rounded up, so that it mostly says the same, which the compression of headers likes.
    let milliseconds = left.as_micros().div_ceil(1000);
    let text = if milliseconds <= MOST {
        format!("{milliseconds}m")
    } else {
        format!("{}S", milliseconds.div_ceil(1000).min(MOST))
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0m"))
}

/// Reads an answer, and says whether it was read to its end.
pub async fn read(response: Response<Incoming>) -> (Outcome, bool) {
    let (head, mut body) = response.into_parts();
    if head.headers.contains_key("grpc-status") {
        return (status(&head.headers).unwrap_or_else(nothing_said), true);
    }
    let content_type = head.headers.get("content-type").map(HeaderValue::as_bytes).unwrap_or_default();
    if head.status != StatusCode::OK {
        let (code, text) = (of_http(head.status), format!("the server answers with HTTP status {}", head.status));
        return (own(code, text), false);
    }
    if !content_type.starts_with(b"application/grpc") {
        let kind = String::from_utf8_lossy(content_type).into_owned();
        return (own(UNKNOWN, format!("the server does not speak gRPC: it answers with content type {kind:?}")), false);
    }
    let mut data: Vec<u8> = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(chunk)) if data.len() + chunk.len() > MAX_ANSWER + PREFIX => {
                // Not RESOURCE_EXHAUSTED, which would say that the request was too large.
                return (own(INTERNAL, format!("the answer is larger than {MAX_ANSWER} bytes")), false);
            }
            Ok(Ok(chunk)) => data.extend_from_slice(&chunk),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok().or(trailers),
            Err(error) => return (broken_off(&error), false),
        }
    }
    let Some(outcome) = trailers.as_ref().and_then(status) else {
        return (own(UNKNOWN, "the server gives no status".to_owned()), true);
    };
    if outcome.status != OK {
        return (outcome, true);
    }
    let encoding = head.headers.get("grpc-encoding").and_then(|name| Encoding::from_name(name.to_str().ok()?));
    match message(data.into(), encoding) {
        Ok(body) => (Outcome { body, ..outcome }, true),
        Err(error) => (own(INTERNAL, error.to_owned()), true),
    }
}

fn nothing_said() -> Outcome {
    own(UNKNOWN, "the server gives no status".to_owned())
}

/// The one message of an answer.
fn message(data: Bytes, encoding: Option<Encoding>) -> Result<Bytes, &'static str> {
    let Some((prefix, rest)) = data.split_first_chunk::<PREFIX>() else {
        return Err("the server's answer has no message");
    };
    let [flag, length @ ..] = *prefix;
    if u32::from_be_bytes(length) as usize != rest.len() {
        return Err("the server's answer is not one whole message");
    }
    let message = data.slice(PREFIX..);
    match (flag, encoding) {
        (0, _) => Ok(message),
        (1, Some(encoding)) => {
            inflate(encoding, message, MAX_ANSWER).map_err(|_| "the server's answer cannot be decompressed")
        }
        _ => Err("the server's answer is compressed in an unknown way"),
    }
}

/// What trailers say, or headers where there is nothing else.
fn status(trailers: &HeaderMap) -> Option<Outcome> {
    let code = trailers.get("grpc-status")?.to_str().ok()?.parse().ok().filter(|code| *code <= UNAUTHENTICATED);
    let text = trailers.get("grpc-message").map(|text| percent_decoded(text.as_bytes())).unwrap_or_default();
    let mut details = Vec::new();
    if let Some(value) = trailers.get("grpc-status-details-bin") {
        // What cannot be read is no detail.
        base64::decode(value.as_bytes(), &mut details);
    }
    Some(Outcome { status: code.unwrap_or(UNKNOWN), message: text, details: details.into(), ..Outcome::default() })
}

fn percent_decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| behind.get(..2)).flatten();
        let code = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why there is no answer.
pub fn failed(failure: Failure) -> Outcome {
    match failure {
        Failure::Unsent(why) | Failure::Refused(why) | Failure::Broken(why) => own(UNAVAILABLE, why),
        Failure::Reset(reason) => own(of_reset(reason), format!("the server broke the request off: {reason}")),
    }
}

fn broken_off(error: &hyper::Error) -> Outcome {
    use std::error::Error;
    let reset = error.source().and_then(|error| error.downcast_ref::<h2::Error>()).filter(|error| error.is_reset());
    match reset.and_then(h2::Error::reason) {
        Some(reason) => failed(Failure::Reset(reason)),
        None => own(UNAVAILABLE, describe(error)),
    }
}

fn own(status: u16, message: String) -> Outcome {
    Outcome { status, message, ..Outcome::default() }
}

/// gRPC's status for an answer that is none of gRPC: one of a proxy, mostly.
fn of_http(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

fn of_reset(reason: Reason) -> u16 {
    match reason {
        Reason::REFUSED_STREAM => UNAVAILABLE,
        Reason::CANCEL => CANCELLED,
        Reason::ENHANCE_YOUR_CALM => RESOURCE_EXHAUSTED,
        Reason::INADEQUATE_SECURITY => PERMISSION_DENIED,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn says_how_much_time_is_left() {
        for (left, text) in [
            (Duration::from_secs(5), "5000m"),
            (Duration::from_micros(4_999_001), "5000m"),
            (Duration::ZERO, "0m"),
            (Duration::from_secs(200_000), "200000S"),
            (Duration::from_secs(1 << 40), "99999999S"),
        ] {
            assert_eq!(timeout(left), text);
        }
    }

    #[test]
    fn messages_of_statuses_are_decoded() {
        for (text, read) in
            [("100 %25 sure, na%C3%AFve", "100 % sure, naïve"), ("5% off", "5% off"), ("%", "%"), ("%zz%4", "%zz%4")]
        {
            assert_eq!(percent_decoded(text.as_bytes()), read);
        }
    }

    #[test]
    fn reads_statuses() {
        let found = |value| status(&header("grpc-status", value)).map(|outcome| outcome.status);
        assert_eq!((found("0"), found("14"), found("17"), found("-1")), (Some(0), Some(14), Some(2), Some(2)));
        assert_eq!(status(&HeaderMap::new()), None);
    }

    #[test]
    fn an_answer_is_one_message() {
        let read = |data: &'static [u8], encoding| message(Bytes::from_static(data), encoding);
        assert_eq!(read(b"\0\0\0\0\x02ab", None).unwrap(), "ab");
        for wrong in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x01ab", b"\x01\0\0\0\x01a", b"\x02\0\0\0\0"] {
            assert!(read(wrong, None).is_err(), "{wrong:?}");
        }
        assert!(read(b"\x01\0\0\0\x01a", Some(Encoding::Gzip)).is_err());
    }
}
