//! What answers the requests of a listener.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Deserialize;

use super::exchange::Exchange;
use super::grpc;
use super::http::Http;

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
    pub async fn respond(&self, request: Request<Incoming>, peer: &str) -> Response<Body> {
        let (head, body) = request.into_parts();
        match &self.protocol {
            Protocol::Grpc => grpc::respond(&self.exchange, &head, body, peer).await,
            Protocol::Http(http) => http.respond(&self.exchange, &head, body, peer).await,
        }
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
