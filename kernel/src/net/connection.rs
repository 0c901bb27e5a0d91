//! One connection, from its first byte to its last.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::counted::Counted;
use super::grpc::Service;
use super::server::{Life, Settings};

/// How much a client may send before somebody has read it: a request or two, and not so much that slow ones fill memory.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Bytes that every client sends first, and how long it may take for that.
const PREFACE: usize = 24;
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How long a client without requests may take to hang up when it is asked to.
const GOODBYE: Duration = Duration::from_secs(1);
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// Streams that a client has reset, which it may open anew at once: more are an attack.
const MAX_RESET_STREAMS: usize = 100;

/// Serves a connection until it ends.
pub async fn serve(
    service: &Rc<Service>,
    settings: &Settings,
    mut life: watch::Receiver<Life>,
    stream: TcpStream,
    peer: String,
) {
    let traffic = Rc::new(Traffic::default());
    let (service, seen, peer) = (service.clone(), traffic.clone(), Rc::new(peer));
    let service = service_fn(move |request| {
        let (service, peer, running) = (service.clone(), peer.clone(), Running::new(&seen));
        async move {
            let response = service.respond(request, &peer).await;
            drop(running);
            Ok::<_, Infallible>(response)
        }
    });
    let stream = Counted::new(stream);
    let read = stream.read();
    let connection = builder(settings).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let grace = tokio::select! {
        // How a connection ends is the business of its client.
        _ = connection.as_mut() => return,
        () = never_introduced(&read) => return,
        () = outlived(settings, &traffic) => seconds(settings.max_connection_age_grace),
        _ = life.wait_for(|life| *life > Life::Serving) => None,
    };
    if read.get() < PREFACE {
        return;
    }
    connection.as_mut().graceful_shutdown();
    // Its time to hang up begins now.
    traffic.since.set(Instant::now());
    tokio::select! {
        _ = connection.as_mut() => {}
        () = sleep(grace.unwrap_or(FOREVER)) => {}
        () = traffic.quiet_for(GOODBYE) => {}
        _ = life.wait_for(|life| *life == Life::Stopping) => {}
    }
}

/// Waits until a connection is too old, or was idle for too long.
async fn outlived(settings: &Settings, traffic: &Traffic) {
    let old = Instant::now() + seconds(settings.max_connection_age).unwrap_or(FOREVER);
    let idle = seconds(settings.max_connection_idle).unwrap_or(FOREVER);
    tokio::select! {
        () = sleep_until(old) => {}
        () = traffic.quiet_for(idle) => {}
    }
}

fn builder(settings: &Settings) -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_RESET_STREAMS)
        .max_concurrent_streams((settings.max_streams > 0).then_some(settings.max_streams));
    if let Some(time) = seconds(settings.keepalive_time) {
        builder.keep_alive_interval(time);
        builder.keep_alive_timeout(seconds(settings.keepalive_timeout).unwrap_or(Duration::from_secs(20)));
    }
    builder
}

/// Waits until a client has had its time to introduce itself and has not, which may be for ever.
async fn never_introduced(read: &Cell<usize>) {
    sleep(INTRODUCTION).await;
    if read.get() >= PREFACE {
        std::future::pending().await
    }
}

/// Longer than any connection lives, and short enough for timers.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok().filter(|duration| !duration.is_zero()).map(|it| it.min(FOREVER))
}

/// Requests on a connection, and since when there is none.
struct Traffic {
    running: Cell<usize>,
    since: Cell<Instant>,
}

impl Traffic {
    /// Waits until there has been no request for so long.
    async fn quiet_for(&self, pause: Duration) {
        loop {
            let now = Instant::now();
            let since = if self.running.get() > 0 { now } else { self.since.get() };
            if now >= since + pause {
                return;
            }
            sleep_until(since + pause).await;
        }
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self { running: Cell::new(0), since: Cell::new(Instant::now()) }
    }
}

struct Running(Rc<Traffic>);

impl Running {
    fn new(traffic: &Rc<Traffic>) -> Self {
        traffic.running.set(traffic.running.get() + 1);
        Self(traffic.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.since.set(Instant::now());
    }
}

/// Runs what belongs to a connection on the server's thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, work: F) {
        spawn_local(async { drop(work.await) });
    }
}
