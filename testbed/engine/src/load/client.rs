//! One request to the subject, over gRPC (HTTP/2) or over OTLP/HTTP (HTTP/1.1).

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::prompt::Prompt;
use super::tls;
use crate::compression::Compression;
use crate::wire::Message;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Grpc,
    GrpcTls,
    Http,
    HttpTls,
    /// OTLP/HTTP with JSON.
    Json,
}

impl Protocol {
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcTls)
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::GrpcTls | Self::HttpTls)
    }

    /// Bytes in front of a message: gRPC has a flag and a length.
    pub fn prefix(self) -> usize {
        if self.is_grpc() { 5 } else { 0 }
    }
}

/// What the subject said.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub accepted: bool,
    /// `OK`, the name of a gRPC status, or the number of an HTTP one.
    pub status: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The subject has not looked at the request: it may be sent again without harm.
    NotSent,
    /// Nobody knows.
    Disconnected,
}

/// Bytes in both directions.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A connection that works, ready for a request.
pub enum Client {
    Grpc(SendRequest<Bytes>),
    Http(http1::SendRequest<Full<Bytes>>),
}

const WINDOW: u32 = 1 << 20;

impl Client {
    /// Connects, and gives the client with the work that keeps the connection going until it ends.
    pub async fn connect(
        target: &str,
        protocol: Protocol,
    ) -> Result<(Self, impl Future<Output = ()> + use<>), Box<dyn std::error::Error>> {
        let stream = Prompt::connect(target).await?;
        let alpn: &[u8] = if protocol.is_grpc() { b"h2" } else { b"http/1.1" };
        let stream: Box<dyn Duplex> =
            if protocol.has_tls() { Box::new(tls::handshake(stream, alpn).await?) } else { Box::new(stream) };
        let (client, grpc, http) = if protocol.is_grpc() {
            let (client, connection) = h2::client::Builder::new()
                .initial_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .enable_push(false)
                .handshake(stream)
                .await?;
            (Self::Grpc(client), Some(connection), None)
        } else {
            let (client, connection) = http1::handshake(TokioIo::new(stream)).await?;
            (Self::Http(client), None, Some(connection))
        };
        let work = async {
            // Why a connection ends is seen by the requests on it.
            if let Some(connection) = grpc {
                let _ = connection.await;
            } else if let Some(connection) = http {
                let _ = connection.await;
            }
        };
        Ok((client, work))
    }

    /// Sends a message. HTTP/1.1 has one request at a time on a connection, so the client comes back with the answer.
    pub async fn send(self, message: Bytes, head: &Head) -> (Result<Answer, Failure>, Option<Self>) {
        match self {
            Self::Grpc(client) => (call(client, message, head).await, None),
            Self::Http(mut client) => {
                let answer = post(&mut client, message, head).await;
                let again = answer.is_ok().then_some(Self::Http(client));
                (answer, again)
            }
        }
    }
}

/// What all requests have in their head.
pub struct Head {
    uri: http::Uri,
    headers: HeaderMap,
}

impl Head {
    pub fn new(target: &str, protocol: Protocol, compression: Compression) -> Result<Self, http::Error> {
        let (path, content_type, encoding) = match protocol {
            Protocol::Grpc | Protocol::GrpcTls => {
                ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc", "grpc-encoding")
            }
            Protocol::Http | Protocol::HttpTls => ("/v1/traces", "application/x-protobuf", "content-encoding"),
            Protocol::Json => ("/v1/traces", "application/json", "content-encoding"),
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse()?);
        headers.insert("user-agent", "spanmill-testbed".parse()?);
        if let Some(name) = compression.name() {
            headers.insert(encoding, name.parse()?);
        }
        if protocol.is_grpc() {
            headers.insert("te", "trailers".parse()?);
        } else {
            headers.insert("host", target.parse()?);
        }
        let uri = if protocol.is_grpc() { format!("http://{target}{path}") } else { path.to_owned() };
        Ok(Self { uri: uri.parse()?, headers })
    }

    fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

async fn call(client: SendRequest<Bytes>, message: Bytes, head: &Head) -> Result<Answer, Failure> {
    let mut client = client.ready().await.map_err(|_| Failure::NotSent)?;
    let (response, mut stream) = client.send_request(head.request(()), false).map_err(failure)?;
    stream.send_data(message, true).map_err(failure)?;
    let response = response.await.map_err(failure)?;
    if let Some(status) = grpc_status(response.headers()) {
        return Ok(Answer { accepted: status == "OK", status });
    }
    let mut body = response.into_body();
    let mut answer = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(failure)?;
        let _ = body.flow_control().release_capacity(chunk.len());
        answer.extend_from_slice(&chunk);
    }
    let trailers = body.trailers().await.map_err(failure)?.unwrap_or_default();
    let status = grpc_status(&trailers).ok_or(Failure::Disconnected)?;
    Ok(judged(status == "OK", status, answer.get(5..).unwrap_or_default()))
}

/// Streams that a server has not looked at, because it is going away or has too many, may be sent again.
fn failure(error: h2::Error) -> Failure {
    let untouched = error.reason() == Some(Reason::REFUSED_STREAM)
        || error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
    if untouched { Failure::NotSent } else { Failure::Disconnected }
}

async fn post(client: &mut http1::SendRequest<Full<Bytes>>, message: Bytes, head: &Head) -> Result<Answer, Failure> {
    client.ready().await.map_err(|_| Failure::NotSent)?;
    let response = client
        .send_request(head.request(Full::new(message)))
        .await
        .map_err(|error| if error.is_canceled() { Failure::NotSent } else { Failure::Disconnected })?;
    let (status, ok) = (response.status().as_str().to_owned(), response.status().is_success());
    let body = response.into_body().collect().await.map_err(|_| Failure::Disconnected)?.to_bytes();
    Ok(judged(ok, if ok { "OK".to_owned() } else { status }, &body))
}

/// A success may still have rejected some spans: `ExportTracePartialSuccess.rejected_spans`.
fn judged(accepted: bool, status: String, response: &[u8]) -> Answer {
    if response.first() == Some(&b'{') {
        let partial = accepted && memchr::memmem::find(response, b"rejectedSpans").is_some();
        return Answer { accepted, status: if partial { "partial success".to_owned() } else { status } };
    }
    let rejected = Message::new(response).find(1).and_then(|partial| partial.message().find(1));
    let partial = accepted && rejected.is_some_and(|field| field.varint > 0);
    Answer { accepted, status: if partial { "partial success".to_owned() } else { status } }
}

fn grpc_status(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let code = headers.get("grpc-status")?.to_str().ok()?;
    let name = code.parse::<usize>().ok().and_then(|code| NAMES.get(code));
    Some(name.map_or_else(|| format!("status {code}"), |&name| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_that_rejected_spans_is_told_apart() {
        let status = |response: &[u8]| judged(true, "OK".to_owned(), response).status;
        assert_eq!(status(&[]), "OK");
        assert_eq!(status(&[0x0a, 0x00]), "OK");
        assert_eq!(status(&[0x0a, 0x02, 0x08, 0x03]), "partial success");
        assert_eq!(status(b"{\"partialSuccess\":{}}"), "OK");
        assert_eq!(status(b"{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}"), "partial success");
    }

    #[test]
    fn statuses_have_names() {
        let status =
            |code: &str| grpc_status(&HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]));
        assert_eq!(status("14").unwrap(), "UNAVAILABLE");
        assert_eq!(status("99").unwrap(), "status 99");
        assert_eq!(grpc_status(&HeaderMap::new()), None);
    }
}
