//! How requests end, and how that reads as a `google.rpc.Status`.

use crate::text::put_quoted;
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

    /// What a collector says that takes traces only.
    pub fn other_signal(signal: &str) -> Self {
        let advice = format!("this collector takes traces only: send {signal} elsewhere, or switch their export off");
        Self::new(Code::Unimplemented, advice)
    }

    /// A `google.rpc.Status`, with a `google.rpc.RetryInfo` if the client may come back.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut status = Vec::new();
        put_varint_field(&mut status, 1, self.code as u64);
        put_bytes(&mut status, 2, self.message.as_bytes());
        if let Some(milliseconds) = self.retry_after_ms {
            put_message(&mut status, 3, |any| {
                put_bytes(any, 1, RETRY_INFO.as_bytes());
                put_message(any, 2, |info| {
                    put_message(info, 1, |duration| {
                        put_varint_field(duration, 1, milliseconds / 1000);
                        put_varint_field(duration, 2, milliseconds % 1000 * 1_000_000);
                    });
                });
            });
        }
        status
    }

    /// The same in protobuf's JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut status = format!("{{\"code\":{},\"message\":", self.code as u16).into_bytes();
        put_quoted(self.message.as_bytes(), &mut status, |_| false);
        if let Some(milliseconds) = self.retry_after_ms {
            let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
            let delay = if rest == 0 { format!("{seconds}s") } else { format!("{seconds}.{rest:03}s") };
            let details = format!(",\"details\":[{{\"@type\":\"{RETRY_INFO}\",\"retryDelay\":\"{delay}\"}}]");
            status.extend_from_slice(details.as_bytes());
        }
        status.push(b'}');
        status
    }
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Where the one who refuses does not know better.
const DEFAULT_RETRY_AFTER_MS: u64 = 1000;

/// Statuses of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_the_same_in_both_encodings() {
        let refusal = Refusal { retry_after_ms: Some(1500), ..Refusal::for_now("no \"room\"") };
        let json: serde_json::Value = serde_json::from_slice(&refusal.to_json()).unwrap();
        assert_eq!(json["code"], 14);
        assert_eq!(json["message"], "no \"room\"");
        assert_eq!(json["details"][0]["@type"], RETRY_INFO);
        assert_eq!(json["details"][0]["retryDelay"], "1.500s");
        let protobuf = refusal.to_protobuf();
        assert!(protobuf.starts_with(b"\x08\x0e\x12\x09no \"room\"\x1a"));
        assert!(protobuf.ends_with(b"\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01"));
    }

    #[test]
    fn a_refusal_for_good_has_no_details() {
        let refusal = Refusal::new(Code::InvalidArgument, "broken\n");
        assert_eq!(refusal.to_json(), b"{\"code\":3,\"message\":\"broken\\n\"}");
        assert_eq!(refusal.to_protobuf(), b"\x08\x03\x12\x07broken\n");
    }
}
