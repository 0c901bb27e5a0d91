//! OTLP over HTTP: a body there, a body back.

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::body::{Message, Outgoing, Payload};
use super::failure::{Failure, describe};
use super::outbox::Outcome;
use super::settings::{Protocol, Settings};

/// What of an answer is read. The Go collector reads as much.
const MAX_ANSWER: usize = 64 << 10;

/// The headers of all requests, but for those that are given: the name of the compression is one of them.
pub fn headers(settings: &Settings) -> HeaderMap {
    let json = settings.protocol == Protocol::Json;
    let mut headers = HeaderMap::new();
    let kind = if json { "application/json" } else { "application/x-protobuf" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers
}

/// The body of a request.
pub fn body(payload: Payload) -> Outgoing {
    Outgoing::new(Message::bare(payload), true)
}

/// Reads an answer, and says whether it was read to its end.
pub async fn read(response: Response<Incoming>) -> (Outcome, bool) {
    let (head, mut body) = response.into_parts();
    let text = |name: HeaderName| {
        let value = head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        value.unwrap_or_default()
    };
    let mut data: Vec<u8> = Vec::new();
    let mut problem = String::new();
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(chunk)) => {
                let room = MAX_ANSWER - data.len();
                data.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    whole = false;
                    break;
                }
            }
            Ok(Err(_)) => {}
            Err(error) => {
                // The status has come, and that is what counts.
                problem = describe(&error);
                whole = false;
                break;
            }
        }
    }
    let outcome = Outcome {
        status: head.status.as_u16(),
        message: problem,
        body: data.into(),
        content_type: text(CONTENT_TYPE),
        retry_after: text(RETRY_AFTER),
        location: text(LOCATION),
        ..Outcome::default()
    };
    (outcome, whole)
}

/// Why there is no answer.
pub fn failed(failure: Failure) -> Outcome {
    let message = match failure {
        Failure::Unsent(why) | Failure::Refused(why) | Failure::Broken(why) => why,
        Failure::Reset(reason) => format!("the server broke the request off: {reason}"),
    };
    Outcome { message, ..Outcome::default() }
}
