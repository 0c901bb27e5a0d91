//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::crowd::Crowd;
use super::listener::Peer;
use super::server::{Life, Settings};
use super::service::Service;
use super::stream::Stream;
use super::traffic::Traffic;

/// How much a client may send before somebody has read it: a request or two, and not so much that slow ones fill memory.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// How long a client without requests may take to hang up when it is asked to, and how long one that has just come may
/// take to begin.
pub const GOODBYE: Duration = Duration::from_secs(1);
/// How long a client without requests is kept when there is no room for others.
const PATIENCE_IN_A_CROWD: Duration = Duration::from_secs(10);
/// Of the head of a request. HTTP/1.1 also has no more than 100 headers.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// Streams that a client has reset, which it may open anew at once: more are an attack.
const MAX_RESET_STREAMS: usize = 100;

/// Serves a connection until it ends.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    service: &Rc<Service>,
    settings: &Settings,
    crowd: &Crowd,
    mut life: watch::Receiver<Life>,
    stream: S,
    peer: Peer,
) {
    let traffic = Rc::new(Traffic::new(settings.pings()));
    let (served, seen, peer) = (service.clone(), traffic.clone(), Rc::new(peer));
    let respond = service_fn(move |request| {
        let (service, peer, running) = (served.clone(), peer.clone(), seen.request());
        async move {
            let response = service.respond(request, &peer).await;
            running.answered(!response.status().is_success());
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(settings);
    let connection = builder.serve_connection(TokioIo::new(Stream::new(stream, traffic.clone())), respond);
    tokio::pin!(connection);
    let counts = &service.exchange.inbox;
    let grace = tokio::select! {
        // What is answered at the end says that the connection closes, so the end is heard of first.
        biased;
        _ = life.wait_for(|life| *life > Life::Serving) => None,
        ended = connection.as_mut() => {
            if ended.is_err_and(|error| is_against_the_rules(&*error)) {
                counts.count(|counts| counts.broken += 1);
            }
            return;
        }
        () = traffic.dawdled(seconds(settings.read_header_timeout).unwrap_or(FOREVER)) => {
            counts.count(|counts| counts.slow += 1);
            return;
        }
        () = traffic.pinged_too_often() => {
            counts.count(|counts| counts.broken += 1);
            None
        }
        () = outlived(settings, &traffic, crowd) => seconds(settings.max_connection_age_grace),
    };
    // A client that has just come is told like all others. Before it has said what it speaks, it would only be cut off.
    tokio::select! {
        biased;
        () = traffic.introduced() => {}
        _ = connection.as_mut() => return,
        () = sleep(GOODBYE) => {}
        _ = life.wait_for(|life| *life == Life::Stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    // Its time to hang up begins now.
    traffic.restart();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = sleep(grace.unwrap_or(FOREVER)) => {}
        () = traffic.quiet_for(|| GOODBYE) => {}
        _ = life.wait_for(|life| *life == Life::Stopping) => {}
    }
}

/// Waits until a connection is too old, or was idle for too long.
async fn outlived(settings: &Settings, traffic: &Traffic, crowd: &Crowd) {
    let old = Instant::now() + seconds(settings.max_connection_age).unwrap_or(FOREVER);
    let idle = seconds(settings.max_connection_idle).unwrap_or(FOREVER);
    tokio::select! {
        () = sleep_until(old) => {}
        () = traffic.quiet_for(|| if crowd.is_full() { idle.min(PATIENCE_IN_A_CROWD) } else { idle }) => {}
    }
}

/// Whether a client spoke something else than HTTP. How its connection ends otherwise is its own business.
fn is_against_the_rules(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let is_over = error.downcast_ref::<hyper::Error>().is_some_and(|error| {
            error.is_incomplete_message() || error.is_canceled() || error.is_closed() || error.is_body_write_aborted()
        });
        if is_over || error.is::<io::Error>() {
            return false;
        }
        next = error.source();
    }
    true
}

fn builder(settings: &Settings) -> auto::Builder<Local> {
    let mut builder = auto::Builder::new(Local);
    builder
        .http1()
        .timer(TokioTimer::new())
        // It would also end connections that are idle.
        .header_read_timeout(None)
        .keep_alive(settings.keep_alives)
        .max_buf_size(MAX_HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_RESET_STREAMS)
        .max_concurrent_streams((settings.max_streams > 0).then_some(settings.max_streams));
    if let Some(time) = seconds(settings.keepalive_time) {
        builder
            .http2()
            .keep_alive_interval(time)
            .keep_alive_timeout(seconds(settings.keepalive_timeout).unwrap_or(Duration::from_secs(20)));
    }
    builder
}

/// Longer than any connection lives, and short enough for timers.
pub const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A setting in seconds, of which 0 is never.
pub fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok().filter(|duration| !duration.is_zero()).map(|it| it.min(FOREVER))
}

/// Runs what belongs to a connection on the server's thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, work: F) {
        spawn_local(async { drop(work.await) });
    }
}
