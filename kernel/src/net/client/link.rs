//! One connection: HTTP/1.1 with one request at a time, or HTTP/2 with many.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use h2::Reason;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::super::connection::seconds;
use super::super::crowd::Crowd;
use super::body::Outgoing;
use super::dial::Io;
use super::settings::Settings;

/// What a server may send before somebody has read it: answers are small.
const WINDOW: u32 = 1 << 20;
const MAX_HEADER_BYTES: u32 = 64 * 1024;

pub struct Link {
    sender: Sender,
    active: Cell<usize>,
    idle_since: Cell<Instant>,
}

enum Sender {
    /// Not there while a request is under way, nor afterwards if that was broken off.
    Http1(RefCell<Option<http1::SendRequest<Outgoing>>>),
    Http2(http2::SendRequest<Outgoing>, Rc<RefCell<Option<Http2>>>),
}

/// The work of a connection, which also knows what the peer allows. Not there once it is done.
type Http2 = http2::Connection<TokioIo<Box<dyn Io>>, Outgoing, Local>;

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

impl Link {
    pub async fn open(io: Box<dyn Io>, http2: bool, settings: &Settings, crowd: &Rc<Crowd>) -> Result<Self, String> {
        let sender = if http2 { speak_http2(io, settings, crowd).await } else { speak_http1(io, crowd).await };
        let sender = sender.map_err(|error| describe(&error))?;
        Ok(Self { sender, active: Cell::new(0), idle_since: Cell::new(Instant::now()) })
    }

    pub fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(..))
    }

    /// Whether it can still be used. One that is in use counts as such.
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => {
                self.active.get() > 0 || sender.borrow().as_ref().is_some_and(|sender| !sender.is_closed())
            }
            Sender::Http2(sender, _) => !sender.is_closed(),
        }
    }

    /// Requests under way.
    pub fn active(&self) -> usize {
        self.active.get()
    }

    /// Whether the peer takes another request now.
    pub fn has_room(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => self.active.get() == 0,
            Sender::Http2(_, work) => {
                let most = work.borrow().as_ref().map_or(0, Http2::current_max_send_streams);
                self.active.get() < most
            }
        }
    }

    pub fn idle_since(&self) -> Option<Instant> {
        (self.active.get() == 0).then(|| self.idle_since.get())
    }

    pub fn begin(&self) {
        self.active.set(self.active.get() + 1);
    }

    pub fn end(&self) {
        self.active.set(self.active.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
    }

    /// Sends a request, and gives the response once its head is there. Dropping either breaks the request off.
    pub async fn send(&self, request: Request<Outgoing>) -> Result<(Response<Incoming>, Rest<'_>), Failure> {
        match &self.sender {
            Sender::Http1(place) => {
                let mut sender = place.take().ok_or_else(|| Failure::Unsent("the connection is gone".to_owned()))?;
                sender.ready().await.map_err(|error| Failure::Unsent(describe(&error)))?;
                let response = sender.try_send_request(request).await.map_err(Failure::of)?;
                Ok((response, Rest { back: Some((place, sender)) }))
            }
            Sender::Http2(sender, _) => {
                let response = sender.clone().try_send_request(request).await.map_err(Failure::of)?;
                Ok((response, Rest { back: None }))
            }
        }
    }
}

/// What is owed to a connection when the body of a response was read.
pub struct Rest<'l> {
    back: Option<(&'l RefCell<Option<http1::SendRequest<Outgoing>>>, http1::SendRequest<Outgoing>)>,
}

impl Rest<'_> {
    /// The body was read to its end: the connection may be used again.
    pub fn done(self) {
        if let Some((place, sender)) = self.back {
            place.replace(Some(sender));
        }
    }
}

async fn speak_http1(io: Box<dyn Io>, crowd: &Rc<Crowd>) -> hyper::Result<Sender> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEADER_BYTES as usize).handshake(TokioIo::new(io)).await?;
    let member = crowd.join();
    spawn_local(async move {
        let _ = connection.await;
        drop(member);
    });
    Ok(Sender::Http1(RefCell::new(Some(sender))))
}

async fn speak_http2(io: Box<dyn Io>, settings: &Settings, crowd: &Rc<Crowd>) -> hyper::Result<Sender> {
    let mut builder = http2::Builder::new(Local(crowd.clone()));
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_while_idle(settings.keepalive_idle);
    if let Some(time) = seconds(settings.keepalive_time) {
        let timeout = seconds(settings.keepalive_timeout).unwrap_or(Duration::from_secs(20));
        builder.keep_alive_interval(time).keep_alive_timeout(timeout);
    }
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    let work = Rc::new(RefCell::new(Some(connection)));
    let done = work.clone();
    hyper::rt::Executor::execute(
        &Local(crowd.clone()),
        poll_fn(move |context| {
            let mut work = done.borrow_mut();
            let poll = work.as_mut().map_or(Poll::Ready(Ok(())), |work| Pin::new(work).poll(context));
            if poll.is_ready() {
                work.take();
            }
            poll
        }),
    );
    Ok(Sender::Http2(sender, work))
}

impl Failure {
    fn of(error: TrySendError<Request<Outgoing>>) -> Self {
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

/// Runs what belongs to a connection on the client's thread, and counts it.
#[derive(Clone)]
struct Local(Rc<Crowd>);

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, work: F) {
        let member = self.0.join();
        spawn_local(async move {
            drop(work.await);
            drop(member);
        });
    }
}
