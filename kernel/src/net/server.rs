//! A listener with a thread of its own: it accepts, serves, and drains when it is told to.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::budget::Budget;
use super::counted::Counted;
use super::grpc::Service;
use super::inbox::{Inbox, Wake};

/// Where to listen, and what bounds there are. Durations are seconds, and 0 is never.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub host: IpAddr,
    pub port: u16,
    pub max_message: usize,
    /// Bytes of requests on their way, on all connections together.
    pub max_in_flight: usize,
    /// Requests at a time on one connection; 0 is no bound of ours.
    pub max_streams: u32,
    pub max_connection_idle: f64,
    pub max_connection_age: f64,
    pub max_connection_age_grace: f64,
    pub keepalive_time: f64,
    pub keepalive_timeout: f64,
    pub needs_origin: bool,
    pub include_metadata: bool,
}

/// How a server is doing, and what it shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    Serving,
    /// Accept nothing more, finish what is under way.
    Draining,
    /// Break off.
    Stopping,
}

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
const BACKLOG: i32 = 1024;
/// After an error of `accept`, such as too many open files: trying again at once would spin.
const PAUSE: Duration = Duration::from_millis(50);

pub struct Server {
    pub inbox: Arc<Inbox>,
    /// The bound address.
    pub address: SocketAddr,
    life: watch::Sender<Life>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Receiver<bool>,
}

impl Server {
    /// Listens, and serves on a thread of its own. `wake` is called when there is something to take, and at the end.
    pub fn start(settings: Settings, wake: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let listener = bind(SocketAddr::new(settings.host, settings.port))?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        let wake = Arc::new(wake);
        let (life, living) = watch::channel(Life::Serving);
        let (end, ended) = watch::channel(false);
        let call = wake.clone();
        let inbox = Inbox::new(Box::new(move || call()) as Wake);
        let service = Service {
            inbox: inbox.clone(),
            budget: Budget::new(settings.max_in_flight),
            max_message: settings.max_message,
            needs_origin: settings.needs_origin,
            include_metadata: settings.include_metadata,
        };
        let thread = thread::Builder::new().name("otlp-grpc".to_owned()).spawn(move || {
            let context =
                Rc::new(Context { service, settings, life: living, open: Cell::new(0), closed: watch::channel(()).0 });
            LocalSet::new().block_on(&runtime, async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => context.run(listener).await,
                    Err(_) => context.service.inbox.close(),
                }
            });
            end.send_replace(true);
            wake();
        })?;
        Ok(Self { inbox, address, life, thread: Mutex::new(Some(thread)), ended })
    }

    /// Accepts nothing more and finishes what is under way.
    pub fn drain(&self) {
        self.reach(Life::Draining);
    }

    /// Breaks off: whoever waits is told to come back.
    pub fn stop(&self) {
        self.reach(Life::Stopping);
        self.inbox.close();
    }

    fn reach(&self, life: Life) {
        self.life.send_if_modified(|now| {
            let later = *now < life;
            *now = life.max(*now);
            later
        });
    }

    /// Whether everything is over.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits for the thread, which has ended or is told to.
    pub fn join(&self) {
        self.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.join();
    }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What the connections of a server share.
struct Context {
    service: Service,
    settings: Settings,
    life: watch::Receiver<Life>,
    open: Cell<usize>,
    closed: watch::Sender<()>,
}

impl Context {
    async fn run(self: Rc<Self>, listener: TcpListener) {
        let mut life = self.life.clone();
        loop {
            tokio::select! {
                accepted = self.clone().accept(&listener) => if accepted.is_err() { sleep(PAUSE).await },
                _ = life.wait_for(|life| *life > Life::Serving) => break,
            }
        }
        drop(listener);
        let mut closed = self.closed.subscribe();
        while self.open.get() > 0 {
            tokio::select! {
                _ = closed.changed() => {}
                _ = life.wait_for(|life| *life == Life::Stopping) => break,
            }
        }
        self.service.inbox.close();
    }

    async fn accept(self: Rc<Self>, listener: &TcpListener) -> io::Result<()> {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(self.serve(stream, peer.to_string()));
        Ok(())
    }

    /// Serves a connection until it ends.
    async fn serve(self: Rc<Self>, stream: TcpStream, peer: String) {
        self.open.set(self.open.get() + 1);
        let _guard = Open(self.clone());
        let traffic = Rc::new(Traffic::default());
        let (context, seen, peer) = (self.clone(), traffic.clone(), Rc::new(peer));
        let service = service_fn(move |request| {
            let (context, peer, running) = (context.clone(), peer.clone(), Running::new(&seen));
            async move {
                let response = context.service.respond(request, &peer).await;
                drop(running);
                Ok::<_, Infallible>(response)
            }
        });
        let stream = Counted::new(stream);
        let read = stream.read();
        let connection = self.builder().serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut life = self.life.clone();
        let grace = tokio::select! {
            // How a connection ends is the business of its client.
            _ = connection.as_mut() => return,
            () = never_introduced(&read) => return,
            () = self.outlived(&traffic) => seconds(self.settings.max_connection_age_grace),
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
    async fn outlived(&self, traffic: &Traffic) {
        let old = Instant::now() + seconds(self.settings.max_connection_age).unwrap_or(FOREVER);
        let idle = seconds(self.settings.max_connection_idle).unwrap_or(FOREVER);
        tokio::select! {
            () = sleep_until(old) => {}
            () = traffic.quiet_for(idle) => {}
        }
    }

    fn builder(&self) -> http2::Builder<Local> {
        let mut builder = http2::Builder::new(Local);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
            .max_local_error_reset_streams(MAX_RESET_STREAMS)
            .max_concurrent_streams((self.settings.max_streams > 0).then_some(self.settings.max_streams));
        if let Some(time) = seconds(self.settings.keepalive_time) {
            builder.keep_alive_interval(time);
            builder.keep_alive_timeout(seconds(self.settings.keepalive_timeout).unwrap_or(Duration::from_secs(20)));
        }
        builder
    }
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

/// Counts a connection as open until it is dropped.
struct Open(Rc<Context>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.closed.send_replace(());
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
