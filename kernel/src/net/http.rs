//! OTLP/HTTP: a POST of protobuf or JSON to one path, and an answer in the same encoding.

use std::collections::HashSet;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Deserialize;

use super::answer::{Answer, Code, Refusal};
use super::cors::Cors;
use super::exchange::{Exchange, Format};
use super::grpc::{self, is_grpc};
use super::listener::Peer;
use super::service::{Body, plain};
use crate::compress::Encoding;

/// What is said with an answer that names no encoding of OTLP.
const SUPPORTED: &str = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
const NOT_ALLOWED: &str = "405 method not allowed, supported: [POST]";

/// Paths where SDKs send other signals.
const OTHER_SIGNALS: [(&str, &str); 3] =
    [("/v1/metrics", "metrics"), ("/v1/logs", "logs"), ("/v1development/profiles", "profiles")];

/// What is particular to OTLP/HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub traces_url_path: String,
    /// Names in `Content-Encoding` that are taken; the empty one stands for none.
    pub encodings: HashSet<String>,
    pub cors: Option<Cors>,
}

impl Http {
    /// Answers a request when the pipeline has.
    pub async fn respond(&self, exchange: &Exchange, head: &Parts, body: &mut Incoming, peer: &Peer) -> Response<Body> {
        let Some(cors) = &self.cors else { return self.answer(exchange, head, body, peer).await };
        if cors.is_preflight(head) {
            return cors.preflight(&head.headers);
        }
        let mut response = self.answer(exchange, head, body, peer).await;
        cors.mark(&head.headers, response.headers_mut());
        response
    }

    async fn answer(&self, exchange: &Exchange, head: &Parts, body: &mut Incoming, peer: &Peer) -> Response<Body> {
        if is_grpc(&head.headers) {
            return self.wrong_port();
        }
        let format = format(&head.headers);
        if let Err(rejection) = exchange.admit(&head.headers).await {
            let refusal = Refusal::new(Code::Unauthenticated, rejection.reason);
            let mut response = refuse(StatusCode::UNAUTHORIZED, &refusal, format);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, rejection.challenge);
            return response;
        }
        if head.uri.path() != self.traces_url_path {
            return refuse(StatusCode::NOT_FOUND, &self.not_found(head.uri.path()), format);
        }
        if head.method != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let Some(format) = format else {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, SUPPORTED);
        };
        let refusal = match self.export(exchange, head, body, peer, format).await {
            Answer::Accepted => return success(format),
            Answer::Refused(refusal) => refusal,
        };
        let status = status(&refusal);
        let mut response = refuse(status, &refusal, Some(format));
        let is_cut = matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT);
        if is_cut && head.version < Version::HTTP_2 {
            // The rest of the body stands in the way of any other request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn export(
        &self,
        exchange: &Exchange,
        head: &Parts,
        body: &mut Incoming,
        peer: &Peer,
        format: Format,
    ) -> Answer {
        let blame = Code::InvalidArgument;
        let encoding = match self.encoding(&head.headers) {
            Ok(encoding) => encoding,
            Err(refusal) => {
                exchange.inbox.count(|counts| counts.unread += 1);
                return Answer::Refused(refusal);
            }
        };
        if let Err(refusal) = exchange.let_in(peer) {
            return Answer::Refused(refusal);
        }
        let mut share = exchange.share();
        let mut message = exchange.read(body, exchange.max_message, &mut share, |_| None).await;
        if encoding != Encoding::Identity
            && let Ok(data) = message
        {
            message = exchange.inflate(encoding, data, &mut share).await;
        }
        match message {
            Ok(message) => exchange.deliver(message, format, exchange.origin(head, peer), share, peer).await,
            Err(why) => Answer::Refused(exchange.refuse(why, blame)),
        }
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, Refusal> {
        let mut names = headers.get_all(header::CONTENT_ENCODING).iter();
        let name = names.next().map_or(Ok(""), HeaderValue::to_str).unwrap_or("?").trim().to_ascii_lowercase();
        let name = if name == "identity" { "" } else { &name };
        let encoding = match name {
            _ if names.next().is_some() || !self.encodings.contains(name) => None,
            "" => Some(Encoding::Identity),
            "zlib" => Some(Encoding::Deflate),
            name => Encoding::from_name(name),
        };
        encoding.ok_or_else(|| {
            let mut known: Vec<_> = self.encodings.iter().filter(|name| !name.is_empty()).map(String::as_str).collect();
            known.sort_unstable();
            let message = format!("unsupported Content-Encoding: {name}, supported: [{}]", known.join(", "));
            Refusal::new(Code::InvalidArgument, message)
        })
    }

    fn not_found(&self, path: &str) -> Refusal {
        match OTHER_SIGNALS.iter().find(|(other, _)| *other == path) {
            Some((_, signal)) => Refusal::other_signal(signal),
            None => {
                let message = format!("nothing is at {path}: send traces to {}", self.traces_url_path);
                Refusal::new(Code::Unimplemented, message)
            }
        }
    }

    /// What a client of gRPC understands, which looks at the status of gRPC first, and anybody else as well.
    fn wrong_port(&self) -> Response<Body> {
        let message = "this port speaks OTLP over HTTP; OTLP over gRPC has a port of its own, usually 4317";
        let refusal = Refusal::new(Code::Unimplemented, message);
        let mut response = plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "");
        response.headers_mut().extend(grpc::trailers(&Answer::Refused(refusal)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response
    }
}

/// How the body of a request is encoded; parameters such as a charset change nothing.
fn format(headers: &HeaderMap) -> Option<Format> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next()?.trim();
    if media_type.eq_ignore_ascii_case(Format::Protobuf.media_type()) {
        Some(Format::Protobuf)
    } else if media_type.eq_ignore_ascii_case(Format::Json.media_type()) {
        Some(Format::Json)
    } else {
        None
    }
}

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

fn success(format: Format) -> Response<Body> {
    // What the Go collector says, in either encoding.
    let body = match format {
        Format::Protobuf => Bytes::new(),
        Format::Json => Bytes::from_static(b"{\"partialSuccess\":{}}"),
    };
    response(StatusCode::OK, format.media_type(), body)
}

/// A refusal in the encoding of the request, or as text if that is not known.
fn refuse(status: StatusCode, refusal: &Refusal, format: Option<Format>) -> Response<Body> {
    let mut response = match format {
        Some(format @ Format::Protobuf) => response(status, format.media_type(), refusal.to_protobuf().into()),
        Some(format @ Format::Json) => response(status, format.media_type(), refusal.to_json().into()),
        None => plain(status, &refusal.message),
    };
    if let Some(milliseconds) = refusal.retry_after_ms {
        let seconds = milliseconds.div_ceil(1000).max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn response(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// How a refusal reads in HTTP.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal.code {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unimplemented => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
        Code::ResourceExhausted if refusal.retry_after_ms.is_some() => StatusCode::TOO_MANY_REQUESTS,
        Code::ResourceExhausted => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Unknown | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn http(encodings: &[&str]) -> Http {
        let encodings = encodings.iter().map(|name| (*name).to_owned()).collect();
        Http { traces_url_path: "/v1/traces".to_owned(), encodings, cors: None }
    }

    #[test]
    fn parameters_of_a_content_type_change_nothing() {
        let of = |text| format(&headers(&[("content-type", text)]));
        assert_eq!(of("application/json"), Some(Format::Json));
        assert_eq!(of("Application/JSON ; charset=utf-8"), Some(Format::Json));
        assert_eq!(of("application/x-protobuf"), Some(Format::Protobuf));
        for other in ["application/protobuf", "text/plain", "", "application/jsonl", "application/grpc"] {
            assert_eq!(of(other), None, "{other:?}");
        }
        assert_eq!(format(&HeaderMap::new()), None);
    }

    #[test]
    fn takes_the_encodings_it_is_told_to() {
        let all = http(&["", "gzip", "zstd", "zlib", "deflate"]);
        let of = |http: &Http, text| http.encoding(&headers(&[("content-encoding", text)])).ok();
        assert_eq!(all.encoding(&HeaderMap::new()), Ok(Encoding::Identity));
        assert_eq!(of(&all, "identity"), Some(Encoding::Identity));
        assert_eq!(of(&all, "GZIP"), Some(Encoding::Gzip));
        assert_eq!(of(&all, "zlib"), Some(Encoding::Deflate));
        assert_eq!(of(&all, "deflate"), Some(Encoding::Deflate));
        assert_eq!(of(&all, "zstd"), Some(Encoding::Zstd));
        for other in ["snappy", "lz4", "br", "gzip, gzip"] {
            assert_eq!(of(&all, other), None, "{other}");
        }
        let twice = headers(&[("content-encoding", "gzip"), ("content-encoding", "gzip")]);
        assert!(all.encoding(&twice).is_err());

        let few = http(&["gzip"]);
        assert_eq!(of(&few, "gzip"), Some(Encoding::Gzip));
        assert_eq!(of(&few, "zstd"), None);
        assert!(few.encoding(&HeaderMap::new()).is_err());
    }

    #[test]
    fn refusals_read_as_the_table_says() {
        let never = |code| status(&Refusal::new(code, ""));
        assert_eq!(never(Code::InvalidArgument), 400);
        assert_eq!(never(Code::ResourceExhausted), 413);
        assert_eq!(never(Code::Internal), 500);
        assert_eq!(status(&Refusal::for_now("")), 503);
        assert_eq!(status(&Refusal { code: Code::ResourceExhausted, ..Refusal::for_now("") }), 429);
    }

    #[test]
    fn says_in_whole_seconds_when_to_come_back() {
        let after = |milliseconds| {
            let refusal = Refusal { retry_after_ms: Some(milliseconds), ..Refusal::for_now("") };
            refuse(StatusCode::SERVICE_UNAVAILABLE, &refusal, None).headers()["retry-after"].clone()
        };
        assert_eq!(after(0), "1");
        assert_eq!(after(1000), "1");
        assert_eq!(after(1001), "2");
    }
}
