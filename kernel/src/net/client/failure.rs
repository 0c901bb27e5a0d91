//! Why a request has no response, and whether the server can have seen it.

use std::error::Error;

use h2::Reason;
use http::Request;
use hyper::client::conn::TrySendError;

use super::body::Outgoing;

/// Why there is no response.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request did not leave.
    Unsent(String),
    /// It did, and the server says that it has done nothing with it.
    Refused(String),
    /// The server has reset the stream.
    Reset(Reason),
    /// The connection broke, and nobody knows what became of the request.
    Broken(String),
}

impl Failure {
    pub fn of(error: TrySendError<Request<Outgoing>>) -> Self {
        let mut error = error;
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        let text = describe(&error);
        if unsent {
            return Self::Unsent(text);
        }
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            if let Some(cause) = cause.downcast_ref::<h2::Error>() {
                return match cause.reason() {
                    // What came before the stream that it names was done, or is still.
                    _ if cause.is_go_away() && cause.is_remote() => Self::Refused(text),
                    Some(Reason::REFUSED_STREAM) if cause.is_remote() => Self::Refused(text),
                    Some(reason) if cause.is_reset() && cause.is_remote() => Self::Reset(reason),
                    _ => Self::Broken(text),
                };
            }
            next = cause.source();
        }
        Self::Broken(text)
    }
}

/// What went wrong, from the innermost error.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    let text = last.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
