//! What answers the requests of a listener.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use serde::Deserialize;
use tokio::time::timeout;

use super::exchange::Exchange;
use super::grpc;
use super::http::Http;
use super::listener::Peer;

/// Bytes of a body that are read although the answer is known.
const DISCARDED: u64 = 64 * 1024;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(1);

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a listener speaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Grpc,
    Http(Http),
}

pub struct Service {
    pub exchange: Exchange,
    pub protocol: Protocol,
}

impl Service {
    /// Answers a request when the pipeline has.
    pub async fn respond(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let (head, mut body) = request.into_parts();
        let response = match &self.protocol {
            Protocol::Grpc => grpc::respond(&self.exchange, &head, &mut body, peer).await,
            Protocol::Http(http) => http.respond(&self.exchange, &head, &mut body, peer).await,
        };
        if head.version == Version::HTTP_2 && !body.is_end_stream() {
            // Otherwise a reset goes out behind the answer, and some clients then forget the answer (RFC 9113, 8.1).
            let _ = timeout(PATIENCE, discard(&mut body)).await;
        }
        response
    }
}

/// Reads the rest of a body that nobody wants, if it is not long.
async fn discard(body: &mut Incoming) {
    let mut left = DISCARDED;
    while left > 0
        && body.size_hint().lower() <= left
        && let Some(Ok(frame)) = body.frame().await
    {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        left = left.saturating_sub(length.max(1));
    }
}

/// An answer for who speaks something else.
pub fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
