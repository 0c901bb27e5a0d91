//! One connection: HTTP/1.1 with one request at a time, or HTTP/2 with many.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use h2::Reason;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
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
    Http2(http2::SendRequest<Outgoing>, Rc<Http2>),
}

/// What is known of a connection with many requests.
#[derive(Default)]
struct Http2 {
    /// Sends requests, and knows how many the peer allows. Not there before the handshake, nor once it is done.
    work: RefCell<Option<http2::Connection<TokioIo<Box<dyn Io>>, Outgoing, Local>>>,
    /// Whether the peer has said how many, or will not any more.
    settled: Cell<bool>,
    changed: Notify,
    error: RefCell<Option<String>>,
}

impl Http2 {
    /// How many requests the peer allows: none until it has said so.
    fn most(&self) -> usize {
        self.work.borrow().as_ref().map_or(0, http2::Connection::current_max_send_streams)
    }

    /// Looks whether the peer has spoken.
    fn look(&self) {
        if !self.settled.get() && self.most() > 0 {
            self.settle();
        }
    }

    fn settle(&self) {
        self.settled.set(true);
        self.changed.notify_waiters();
    }

    fn run(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut work = self.work.borrow_mut();
        let polled = work.as_mut().map_or(Poll::Ready(Ok(())), |work| Pin::new(work).poll(context));
        let Poll::Ready(ended) = polled else { return Poll::Pending };
        *self.error.borrow_mut() = ended.err().map(|error| describe(&error));
        work.take();
        drop(work);
        self.settle();
        Poll::Ready(())
    }
}

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
        let sender = match http2 {
            true => speak_http2(io, settings, crowd).await?,
            false => speak_http1(io, crowd).await.map_err(|error| describe(&error))?,
        };
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
            Sender::Http2(_, http2) => self.active.get() < http2.most(),
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

async fn speak_http2(io: Box<dyn Io>, settings: &Settings, crowd: &Rc<Crowd>) -> Result<Sender, String> {
    let http2 = Rc::new(Http2::default());
    let local = Local { crowd: crowd.clone(), http2: Rc::downgrade(&http2) };
    let mut builder = http2::Builder::new(local.clone());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        // None before the peer has said how many it allows: what is too much it would refuse.
        .initial_max_send_streams(0)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_while_idle(settings.keepalive_idle);
    if let Some(time) = seconds(settings.keepalive_time) {
        let timeout = seconds(settings.keepalive_timeout).unwrap_or(Duration::from_secs(20));
        builder.keep_alive_interval(time).keep_alive_timeout(timeout);
    }
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(|error| describe(&error))?;
    http2.work.replace(Some(connection));
    let running = http2.clone();
    hyper::rt::Executor::execute(&local, poll_fn(move |context| running.run(context)));
    while !http2.settled.get() {
        http2.changed.notified().await;
    }
    if sender.is_closed() {
        let error = http2.error.take().unwrap_or_else(|| "it was closed at once".to_owned());
        return Err(format!("the server does not speak HTTP/2: {error}"));
    }
    Ok(Sender::Http2(sender, http2))
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

/// Runs what belongs to a connection on the client's thread, counts it, and sees what the peer says.
#[derive(Clone)]
struct Local {
    crowd: Rc<Crowd>,
    /// Which has this as a part.
    http2: Weak<Http2>,
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, work: F) {
        let Self { crowd, http2 } = self.clone();
        let member = crowd.join();
        spawn_local(async move {
            let mut work = pin!(work);
            poll_fn(|context| {
                let polled = work.as_mut().poll(context).map(drop);
                if let Some(http2) = http2.upgrade() {
                    http2.look();
                }
                polled
            })
            .await;
            drop(member);
        });
    }
}
