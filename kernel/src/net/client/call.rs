//! One request, from the order to its outcome.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use hyper::body::Incoming;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::super::connection::{FOREVER, seconds};
use super::body::{Outgoing, Payload};
use super::failure::Failure;
use super::outbox::{Outbox, Outcome};
use super::pool::Pool;
use super::security::Security;
use super::settings::{Protocol, Settings};
use super::{grpc, http as otlp_http};
use crate::compress::{Encoding, compress};
use crate::json;

/// From here on a batch is compressed off the thread that serves all connections.
const LARGE: usize = 64 * 1024;
/// How often a request that did not even leave is tried on another connection.
const UNSENT: usize = 3;

/// What all requests of a client have in common.
pub struct Template {
    authority: Authority,
    scheme: Scheme,
    path: PathAndQuery,
    headers: HeaderMap,
    absolute: bool,
}

impl Template {
    pub fn new(settings: &Settings) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} cannot be sent"));
        let mut headers = match settings.protocol {
            Protocol::Grpc => grpc::headers(settings.encoding),
            Protocol::Protobuf | Protocol::Json => otlp_http::headers(settings),
        };
        for (name, value) in &settings.headers {
            let value = HeaderValue::from_str(value).map_err(|_| wrong(name))?;
            headers.insert(HeaderName::try_from(name.as_str()).map_err(|_| wrong(name))?, value);
        }
        Ok(Self {
            authority: settings.authority.parse().map_err(|_| wrong(&settings.authority))?,
            scheme: if settings.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP },
            path: settings.path.parse().map_err(|_| wrong(&settings.path))?,
            headers,
            absolute: settings.absolute_form,
        })
    }

    /// A request without a body, as the version of HTTP wants it.
    fn request(&self, http2: bool, body: Outgoing) -> Request<Outgoing> {
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.path.clone());
        if http2 || self.absolute {
            uri.authority = Some(self.authority.clone());
            uri.scheme = Some(self.scheme.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        if http2 {
            *request.version_mut() = Version::HTTP_2;
        } else if !self.headers.contains_key("host")
            && let Ok(host) = HeaderValue::from_str(self.authority.as_str())
        {
            request.headers_mut().insert("host", host);
        }
        request
    }
}

pub struct Caller {
    template: RefCell<Template>,
    pool: Rc<Pool>,
    protocol: Protocol,
    encoding: Encoding,
    level: Option<i32>,
    timeout: Option<Duration>,
    outbox: Arc<Outbox>,
}

impl Caller {
    pub fn new(template: Template, settings: Settings, security: Option<Security>, outbox: Arc<Outbox>) -> Self {
        Self {
            template: RefCell::new(template),
            protocol: settings.protocol,
            encoding: settings.encoding,
            level: settings.level,
            timeout: seconds(settings.timeout),
            pool: Pool::new(settings, security, outbox.clone()),
            outbox,
        }
    }

    /// Sends this header as well.
    pub fn set_header(&self, name: HeaderName, value: HeaderValue) {
        self.template.borrow_mut().headers.insert(name, value);
    }

    /// Secures new connections in another way.
    pub fn secure(&self, security: Security) {
        self.pool.security.replace(Some(security));
    }

    /// Sends a request and reads the answer.
    pub async fn call(&self, payload: Payload) -> Outcome {
        let deadline = Instant::now() + self.timeout.unwrap_or(FOREVER);
        let outcome = timeout_at(deadline, async { self.deliver(self.encode(payload).await, deadline).await }).await;
        outcome.unwrap_or_else(|_| self.too_late())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The body of a request.
    async fn encode(&self, payload: Payload) -> Payload {
        let (encoding, level, json) = (self.encoding, self.level, self.protocol == Protocol::Json);
        let is_ready = !json || matches!(payload, Payload::Whole(_));
        if encoding == Encoding::Identity && is_ready {
            return payload;
        }
        let large = payload.len() >= LARGE;
        let encode = move || match (payload, json, encoding) {
            (Payload::Whole(data), ..) => compress(encoding, level, [&data[..]].into_iter()),
            (Payload::Spans(batch), true, Encoding::Identity) => json::encode(&batch),
            (Payload::Spans(batch), true, _) => compress(encoding, level, [&json::encode(&batch)[..]].into_iter()),
            (Payload::Spans(batch), false, _) => {
                compress(encoding, level, batch.chunks().iter().map(|chunk| &chunk.data[..]))
            }
        };
        let encoded = match large {
            true => spawn_blocking(encode).await.unwrap_or_default(),
            false => encode(),
        };
        Payload::Whole(Bytes::from(encoded))
    }

    async fn deliver(&self, payload: Payload, deadline: Instant) -> Outcome {
        let (mut unsent, mut refused) = (0, 0);
        loop {
            let lease = match self.pool.link().await {
                Ok(lease) => lease,
                Err(error) => return self.failed(Failure::Unsent(error)),
            };
            let request = self.request(payload.clone(), lease.link.is_http2(), deadline);
            let failure = match lease.link.send(request).await {
                Ok((response, rest)) => {
                    let (outcome, whole) = self.read(response).await;
                    if whole {
                        rest.done();
                    }
                    return outcome;
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Unsent(_) if unsent < UNSENT => unsent += 1,
                Failure::Refused(_) if refused == 0 => refused += 1,
                failure => return self.failed(failure),
            }
            self.outbox.count(|counts| counts.resent += 1);
        }
    }

    fn request(&self, payload: Payload, http2: bool, deadline: Instant) -> Request<Outgoing> {
        match self.protocol {
            Protocol::Grpc => {
                let mut request =
                    self.template.borrow().request(http2, grpc::body(payload, self.encoding != Encoding::Identity));
                if self.timeout.is_some() {
                    let left = deadline.saturating_duration_since(Instant::now());
                    request.headers_mut().insert("grpc-timeout", grpc::timeout(left));
                }
                request
            }
            Protocol::Protobuf | Protocol::Json => self.template.borrow().request(http2, otlp_http::body(payload)),
        }
    }

    /// Reads an answer, and says whether it was read to its end.
    async fn read(&self, response: http::Response<Incoming>) -> (Outcome, bool) {
        match self.protocol {
            Protocol::Grpc => grpc::read(response).await,
            Protocol::Protobuf | Protocol::Json => otlp_http::read(response).await,
        }
    }

    fn failed(&self, failure: Failure) -> Outcome {
        match self.protocol {
            Protocol::Grpc => grpc::failed(failure),
            Protocol::Protobuf | Protocol::Json => otlp_http::failed(failure),
        }
    }

    fn too_late(&self) -> Outcome {
        let message = format!("no answer within {} seconds", self.timeout.unwrap_or_default().as_secs_f64());
        match self.protocol {
            Protocol::Grpc => Outcome { status: grpc::DEADLINE_EXCEEDED, message, ..Outcome::default() },
            Protocol::Protobuf | Protocol::Json => Outcome { message, ..Outcome::default() },
        }
    }
}
