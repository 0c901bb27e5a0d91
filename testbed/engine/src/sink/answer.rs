//! What the sink answers, in gRPC or in HTTP.

use std::convert::Infallible;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use prost::encoding::{bytes as field, int64, string};

use super::mood::Refusal;

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer, whatever the protocol.
#[derive(Debug)]
pub enum Answer {
    Taken,
    Refused(Refusal, Option<u64>),
    Malformed(&'static str),
}

pub fn grpc(answer: &Answer) -> Response<Body> {
    let mut head = HeaderMap::new();
    head.insert("content-type", HeaderValue::from_static("application/grpc"));
    let (status, message) = match answer {
        Answer::Taken => {
            let trailers =
                HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
            // An empty message behind its flag and length.
            let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async { Some(Ok(trailers)) });
            return respond(StatusCode::OK, head, body.boxed_unsync());
        }
        Answer::Refused(refusal, retry_after_ms) => {
            if let Some(milliseconds) = retry_after_ms {
                let details = BASE64_STANDARD_NO_PAD.encode(retry_info(*refusal, *milliseconds));
                head.insert("grpc-status-details-bin", HeaderValue::try_from(details).expect("base64 is ASCII"));
            }
            (refusal.grpc(), "the sink was told to refuse")
        }
        Answer::Malformed(what) => ("3", *what),
    };
    head.insert("grpc-status", HeaderValue::from_static(status));
    head.insert("grpc-message", HeaderValue::from_static(message));
    respond(StatusCode::OK, head, Full::default().boxed_unsync())
}

pub fn http(answer: &Answer) -> Response<Body> {
    let mut head = HeaderMap::new();
    head.insert("content-type", HeaderValue::from_static("application/x-protobuf"));
    let status = match answer {
        Answer::Taken => 200,
        Answer::Malformed(_) => 400,
        Answer::Refused(refusal, retry_after_ms) => {
            if let Some(milliseconds) = retry_after_ms {
                head.insert("retry-after", HeaderValue::from(milliseconds.div_ceil(1000)));
            }
            refusal.http()
        }
    };
    respond(StatusCode::from_u16(status).expect("one of ours"), head, Full::default().boxed_unsync())
}

fn respond(status: StatusCode, head: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = head;
    response
}

/// A `google.rpc.Status` with a `google.rpc.RetryInfo` in it.
fn retry_info(refusal: Refusal, milliseconds: u64) -> Vec<u8> {
    let (mut duration, mut info, mut any, mut status) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    int64::encode(1, &(milliseconds as i64 / 1000), &mut duration);
    int64::encode(2, &(milliseconds as i64 % 1000 * 1_000_000), &mut duration);
    field::encode(1, &duration, &mut info);
    string::encode(1, &"type.googleapis.com/google.rpc.RetryInfo".to_owned(), &mut any);
    field::encode(2, &info, &mut any);
    int64::encode(1, &refusal.grpc().parse().unwrap_or(2), &mut status);
    field::encode(3, &any, &mut status);
    status
}
