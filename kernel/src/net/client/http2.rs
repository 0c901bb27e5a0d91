//! A connection of HTTP/2: who drives it, and what the server allows on it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::super::connection::seconds;
use super::super::crowd::Crowd;
use super::super::stream::Duplex;
use super::body::Outgoing;
use super::failure::describe;
use super::link::MAX_HEADER_BYTES;
use super::settings::Settings;

/// What a server may send before somebody has read it: answers are small.
const WINDOW: u32 = 1 << 20;

type Work = http2::Connection<TokioIo<Box<dyn Duplex>>, Outgoing, Local>;

/// What is known of a connection with many requests.
#[derive(Default)]
pub struct Http2 {
    /// Sends requests, and knows how many the peer allows. Not there before the handshake, nor once it is done.
    work: RefCell<Option<Work>>,
    /// Whether the peer has said how many, or will not any more.
    settled: Cell<bool>,
    changed: Notify,
    error: RefCell<Option<String>>,
}

impl Http2 {
    /// How many requests the peer allows: none until it has said so.
    pub fn most(&self) -> usize {
        self.work.borrow().as_ref().map_or(0, Work::current_max_send_streams)
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

/// Begins a connection, and waits until the server has said how many requests it takes.
pub async fn open(
    io: Box<dyn Duplex>,
    settings: &Settings,
    crowd: &Rc<Crowd>,
) -> Result<(http2::SendRequest<Outgoing>, Rc<Http2>), String> {
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
    Ok((sender, http2))
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
