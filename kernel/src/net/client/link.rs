//! One connection: HTTP/1.1 with one request at a time, or HTTP/2 with many.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::super::crowd::Crowd;
use super::super::stream::Duplex;
use super::body::Outgoing;
use super::failure::{Failure, describe};
use super::http2::{self as many, Http2};
use super::settings::Settings;

/// Of the head of an answer.
pub const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// A connection that ends so soon, and without an answer, has failed.
const VAIN: Duration = Duration::from_secs(1);

pub struct Link {
    sender: Sender,
    active: Cell<usize>,
    idle_since: Cell<Instant>,
    made: Instant,
    /// Whether the server has said anything to a request, or need not have.
    answered: Cell<bool>,
}

type Single = http1::SendRequest<Outgoing>;

enum Sender {
    /// Not there while a request is under way, nor afterwards if that was broken off.
    Http1(RefCell<Option<Single>>),
    Http2(http2::SendRequest<Outgoing>, Rc<Http2>),
}

impl Link {
    pub async fn open(
        io: Box<dyn Duplex>,
        http2: bool,
        settings: &Settings,
        crowd: &Rc<Crowd>,
    ) -> Result<Self, String> {
        let sender = match http2 {
            true => many::open(io, settings, crowd).await.map(|(sender, http2)| Sender::Http2(sender, http2))?,
            false => speak_http1(io, crowd).await.map_err(|error| describe(&error))?,
        };
        let now = Instant::now();
        Ok(Self { sender, active: Cell::new(0), idle_since: Cell::new(now), made: now, answered: Cell::new(false) })
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

    /// Whether it was of no use, where it has ended.
    pub fn was_vain(&self) -> bool {
        !self.answered.get() && self.made.elapsed() < VAIN
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
        let sent = match &self.sender {
            Sender::Http1(place) => {
                // Whoever breaks a request off ends the connection, and the server cannot help it.
                self.answered.set(true);
                let mut sender = place.take().ok_or_else(|| Failure::Unsent("the connection is gone".to_owned()))?;
                sender.ready().await.map_err(|error| Failure::Unsent(describe(&error)))?;
                let response = sender.try_send_request(request).await.map_err(Failure::of);
                response.map(|response| (response, Rest { back: Some((place, sender)) }))
            }
            Sender::Http2(sender, _) => {
                let response = sender.clone().try_send_request(request).await.map_err(Failure::of);
                response.map(|response| (response, Rest { back: None }))
            }
        };
        if matches!(sent, Ok(_) | Err(Failure::Refused(_) | Failure::Reset(_))) {
            self.answered.set(true);
        }
        sent
    }
}

/// What is owed to a connection when the body of a response was read.
pub struct Rest<'l> {
    back: Option<(&'l RefCell<Option<Single>>, Single)>,
}

impl Rest<'_> {
    /// The body was read to its end: the connection may be used again.
    pub fn done(self) {
        if let Some((place, sender)) = self.back {
            place.replace(Some(sender));
        }
    }
}

async fn speak_http1(io: Box<dyn Duplex>, crowd: &Rc<Crowd>) -> hyper::Result<Sender> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEADER_BYTES as usize).handshake(TokioIo::new(io)).await?;
    let member = crowd.join();
    spawn_local(async move {
        let _ = connection.await;
        drop(member);
    });
    Ok(Sender::Http1(RefCell::new(Some(sender))))
}
