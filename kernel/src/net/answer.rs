//! How requests end, and how that reads in gRPC.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::base64;
use crate::wire::{put_bytes, put_message, put_varint_field};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Accepted,
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    /// Milliseconds after which the client may come back. Without it, the same request will never pass.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// Nothing is wrong with the request, but it cannot be taken now.
    pub fn for_now(message: impl Into<String>) -> Self {
        Self::not_now(message, None)
    }

    /// The same, where the one who refuses knows after how many seconds it may come again.
    pub fn not_now(message: impl Into<String>, retry_after: Option<f64>) -> Self {
        let wait = retry_after.map_or(DEFAULT_RETRY_AFTER_MS, |seconds| (1000.0 * seconds).round() as u64);
        Self { retry_after_ms: Some(wait), ..Self::new(Code::Unavailable, message) }
    }
}

/// Where the one who refuses does not know better.
const DEFAULT_RETRY_AFTER_MS: u64 = 1000;

/// Statuses of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

/// The trailers of a gRPC response.
pub fn grpc_trailers(answer: &Answer) -> HeaderMap {
    const STATUS: HeaderName = HeaderName::from_static("grpc-status");
    let mut trailers = HeaderMap::with_capacity(3);
    let Answer::Refused(refusal) = answer else {
        trailers.insert(STATUS, HeaderValue::from_static("0"));
        return trailers;
    };
    trailers.insert(STATUS, HeaderValue::from(refusal.code as u16));
    trailers.insert("grpc-message", percent_encoded(&refusal.message));
    if let Some(milliseconds) = refusal.retry_after_ms {
        let details = base64::encode(&status_with_retry_info(refusal, milliseconds));
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

/// A `google.rpc.Status` that holds a `google.rpc.RetryInfo`.
fn status_with_retry_info(refusal: &Refusal, milliseconds: u64) -> Vec<u8> {
    let mut status = Vec::new();
    put_varint_field(&mut status, 1, refusal.code as u64);
    put_bytes(&mut status, 2, refusal.message.as_bytes());
    put_message(&mut status, 3, |any| {
        put_bytes(any, 1, b"type.googleapis.com/google.rpc.RetryInfo");
        put_message(any, 2, |info| {
            put_message(info, 1, |duration| {
                put_varint_field(duration, 1, milliseconds / 1000);
                put_varint_field(duration, 2, milliseconds % 1000 * 1_000_000);
            });
        });
    });
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_header() {
        assert_eq!(percent_encoded("100 % sure, naïve\n"), "100 %25 sure, na%C3%AFve%0A");
    }

    #[test]
    fn a_refusal_for_now_says_when_to_come_back() {
        let trailers = grpc_trailers(&Answer::Refused(Refusal::for_now("no room")));
        assert_eq!(trailers["grpc-status"], "14");
        assert_eq!(trailers["grpc-message"], "no room");
        assert!(trailers.contains_key("grpc-status-details-bin"));

        let never = grpc_trailers(&Answer::Refused(Refusal::new(Code::Internal, "never")));
        assert!(!never.contains_key("grpc-status-details-bin"));
        assert_eq!(grpc_trailers(&Answer::Accepted).len(), 1);
    }
}
