//! Cross-origin resource sharing: which web pages may send spans from a browser. As rs/cors does it, which the Go
//! collector uses.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;

use super::service::Body;

/// Headers that a page may always send.
const IMPLIED: [&str; 3] = ["accept", "content-type", "x-requested-with"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Exact origins, or with one `*` for any text.
    pub allowed_origins: Vec<String>,
    /// Beside the implied ones; `*` is any.
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    /// Seconds that a browser may remember a preflight; 0 leaves that to it.
    pub max_age: u64,
}

impl Cors {
    /// Whether a browser asks before it sends.
    pub fn is_preflight(&self, head: &Parts) -> bool {
        head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Tells a browser whether it may send. Without permission the answer just does not give it.
    pub fn preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Empty::<Bytes>::new().boxed_unsync());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        headers.insert(header::VARY, HeaderValue::from_static(vary));
        let Some(origin) = self.allowed(request) else { return response };
        let is_post = request.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| method == "POST");
        let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if !is_post || !wanted.is_none_or(|wanted| self.allows_headers(wanted)) {
            return response;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(wanted) = wanted {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        if self.max_age > 0 {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age));
        }
        response
    }

    /// Lets the page that sent a request read its answer, if it may.
    pub fn mark(&self, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed(request) else { return };
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if !self.exposed_headers.is_empty()
            && let Ok(names) = HeaderValue::try_from(self.exposed_headers.join(", "))
        {
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
    }

    /// What to call the origin of a request, if it is one of those that may send.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        if self.allowed_origins.iter().any(|pattern| pattern == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.allowed_origins.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &text)).then(|| origin.clone())
    }

    fn allows_headers(&self, wanted: &HeaderValue) -> bool {
        let is_allowed = |name: &str| {
            HeaderName::try_from(name).is_ok()
                && (IMPLIED.iter().any(|implied| implied.eq_ignore_ascii_case(name))
                    || self.allowed_headers.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(name)))
        };
        let names = wanted.to_str().unwrap_or("?").split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).all(is_allowed)
    }
}

/// Whether a text is what a pattern says, in which the first `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, behind)) => {
            text.len() >= before.len() + behind.len() && text.starts_with(before) && text.ends_with(behind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], headers: &[&str]) -> Cors {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Cors { allowed_origins: owned(origins), allowed_headers: owned(headers), exposed_headers: vec![], max_age: 60 }
    }

    fn ask(cors: &Cors, origin: &str, method: &str, headers: Option<&str>) -> Response<Body> {
        let mut request = HeaderMap::new();
        request.insert("origin", origin.parse().unwrap());
        request.insert("access-control-request-method", method.parse().unwrap());
        if let Some(headers) = headers {
            request.insert("access-control-request-headers", headers.parse().unwrap());
        }
        let response = cors.preflight(&request);
        assert_eq!(response.status(), 204);
        response
    }

    fn permits(cors: &Cors, origin: &str, method: &str, headers: Option<&str>) -> bool {
        ask(cors, origin, method, headers).headers().contains_key("access-control-allow-origin")
    }

    #[test]
    fn one_star_stands_for_any_text() {
        assert!(matches("https://*.example.com", "https://a.b.example.com"));
        assert!(!matches("https://*.example.com", "https://example.com"));
        assert!(!matches("ab*ba", "aba"));
        assert!(matches("https://app", "https://app"));
        assert!(!matches("https://app", "https://app.evil"));
    }

    #[test]
    fn a_preflight_is_told_what_may_be_sent() {
        let cors = cors(&["https://*.example.com"], &["x-token"]);
        let answer = ask(&cors, "https://App.example.com", "POST", Some("content-type,x-token"));
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://App.example.com");
        assert_eq!(answer.headers()["access-control-allow-headers"], "content-type,x-token");
        assert_eq!(answer.headers()["access-control-allow-methods"], "POST");
        assert_eq!(answer.headers()["access-control-max-age"], "60");
        assert!(permits(&cors, "https://app.example.com", "POST", None));
        assert!(!permits(&cors, "https://evil.com", "POST", None));
        assert!(!permits(&cors, "https://app.example.com", "DELETE", None));
        assert!(!permits(&cors, "https://app.example.com", "POST", Some("x-other")));
    }

    #[test]
    fn a_star_is_everybody_and_every_header() {
        let cors = cors(&["*"], &["*"]);
        let answer = ask(&cors, "https://anywhere", "POST", Some("x-any"));
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }

    #[test]
    fn answers_say_who_may_read_them() {
        let cors = Cors { exposed_headers: vec!["x-a".into(), "x-b".into()], ..cors(&["https://app"], &[]) };
        let mut response = HeaderMap::new();
        cors.mark(&HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("https://app"))]), &mut response);
        assert_eq!(response["access-control-allow-origin"], "https://app");
        assert_eq!(response["access-control-expose-headers"], "x-a, x-b");
        let mut response = HeaderMap::new();
        cors.mark(&HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("https://b"))]), &mut response);
        assert!(!response.contains_key("access-control-allow-origin"));
        assert_eq!(response["vary"], "Origin");
    }
}
