//! A listener with a thread of its own: it accepts, serves, and drains when it is told to.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::auth::Guard;
use super::budget::Budget;
use super::connection::{self, FOREVER, seconds};
use super::crowd::Crowd;
use super::exchange::Exchange;
pub use super::exchange::Front;
pub use super::fairness::Fairness;
use super::handshake::Shown;
use super::inbox::{Inbox, Wake};
pub use super::listener::Bound;
use super::listener::{Accepted, Endpoint, Listener, Peer};
use super::pings::Patience;
use super::service::{Protocol, Service};
use super::stream::Duplex;

/// Where to listen, and what bounds there are. Durations are seconds, and 0 is never.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub endpoint: Endpoint,
    pub protocol: Protocol,
    pub max_connections: usize,
    pub max_message: usize,
    /// Bytes of requests on their way, on all connections together.
    pub max_in_flight: usize,
    /// Requests at a time on one connection; 0 is no bound of ours.
    pub max_streams: u32,
    /// For the first bytes of a connection, and for each head of HTTP/1.1.
    pub read_header_timeout: f64,
    /// For each body.
    pub read_timeout: f64,
    /// Whether a connection of HTTP/1.1 may bring several requests.
    pub keep_alives: bool,
    pub max_connection_idle: f64,
    pub max_connection_age: f64,
    pub max_connection_age_grace: f64,
    pub keepalive_time: f64,
    pub keepalive_timeout: f64,
    /// The least time between two pings of a client of HTTP/2; 0 is no bound.
    pub ping_min_time: f64,
    /// Whether it may ping as often without a request under way.
    pub ping_without_stream: bool,
    pub include_metadata: bool,
}

impl Settings {
    /// How often clients may ping.
    pub fn pings(&self) -> Option<Patience> {
        let min_time = seconds(self.ping_min_time)?;
        Some(Patience { min_time, without_stream: self.ping_without_stream })
    }
}

/// How a server is doing, and what it shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    Serving,
    /// Accept nothing more, finish what is under way.
    Draining,
    /// Break off.
    Stopping,
}

/// After an error of `accept`, such as too many open files: trying again at once would spin.
const PAUSE: Duration = Duration::from_millis(50);

pub struct Server {
    pub inbox: Arc<Inbox>,
    /// The bound port; 0 where there is none.
    pub port: u16,
    front: Arc<RwLock<Front>>,
    /// The socket, for a server that is to follow this one, while it listens.
    bound: Mutex<Option<Bound>>,
    shown: Option<Arc<Shown>>,
    life: watch::Sender<Life>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Receiver<bool>,
}

impl Server {
    /// Listens, and serves on a thread of its own. `wake` is called when there is something to take, and at the end.
    /// With a plan in `front`, requests go through it and are never there to be taken. With `tls`, nothing else is spoken.
    /// Without a socket of a server that is about to end, it makes one.
    #[allow(clippy::too_many_arguments)] // each of them is a part of its own
    pub fn start(
        settings: Settings,
        bound: Option<Bound>,
        front: Front,
        tls: Option<Arc<ServerConfig>>,
        guard: Option<Arc<Guard>>,
        fairness: Option<Arc<Fairness>>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let bound = match bound {
            Some(bound) => bound,
            None => settings.endpoint.bind()?,
        };
        let (port, spare) = (bound.port()?, bound.try_clone()?);
        let shown = tls.map(Shown::new);
        let front = Arc::new(RwLock::new(front));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        let wake = Arc::new(wake);
        let (life, living) = watch::channel(Life::Serving);
        let (end, ended) = watch::channel(false);
        let call = wake.clone();
        let inbox = Inbox::new(Box::new(move || call()) as Wake);
        let exchange = Exchange {
            inbox: inbox.clone(),
            front: front.clone(),
            budget: Budget::new(settings.max_in_flight),
            max_message: settings.max_message,
            read_timeout: seconds(settings.read_timeout).unwrap_or(FOREVER),
            include_metadata: settings.include_metadata,
            guard,
            fairness,
            life: living.clone(),
        };
        let service = Service { exchange, protocol: settings.protocol.clone() };
        let tls = shown.clone();
        let thread = thread::Builder::new().name("otlp-server".to_owned()).spawn(move || {
            let crowd = Crowd::new(settings.max_connections);
            let context = Rc::new(Context { service: Rc::new(service), settings, tls, life: living, crowd });
            LocalSet::new().block_on(&runtime, async {
                match bound.listen() {
                    Ok(listener) => context.run(listener).await,
                    Err(_) => context.service.exchange.inbox.close(),
                }
            });
            end.send_replace(true);
            wake();
        })?;
        let (bound, thread) = (Mutex::new(Some(spare)), Mutex::new(Some(thread)));
        Ok(Self { inbox, port, front, bound, shown, life, thread, ended })
    }

    /// Has requests go another way from now on.
    pub fn set_front(&self, front: Front) {
        *self.front.write().unwrap_or_else(PoisonError::into_inner) = front;
    }

    /// The socket, for a server that is to follow this one. `None` once it listens no more.
    pub fn bound(&self) -> io::Result<Option<Bound>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Bound::try_clone).transpose()
    }

    /// Shows another certificate to those who come from now on. Without TLS at the start it has no effect.
    pub fn set_tls(&self, config: Arc<ServerConfig>) {
        if let Some(shown) = &self.shown {
            shown.replace(config);
        }
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
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        self.set_front(Front::default());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.join();
    }
}

/// What the connections of a server share.
struct Context {
    service: Rc<Service>,
    settings: Settings,
    tls: Option<Arc<Shown>>,
    life: watch::Receiver<Life>,
    crowd: Rc<Crowd>,
}

impl Context {
    async fn run(self: Rc<Self>, listener: Listener) {
        let mut life = self.life.clone();
        loop {
            tokio::select! {
                accepted = self.clone().accept(&listener) => if accepted.is_err() { sleep(PAUSE).await },
                _ = life.wait_for(|life| *life > Life::Serving) => break,
            }
        }
        drop(listener);
        tokio::select! {
            () = self.crowd.gone() => {}
            _ = life.wait_for(|life| *life == Life::Stopping) => {}
        }
        self.service.exchange.inbox.close();
    }

    async fn accept(self: Rc<Self>, listener: &Listener) -> io::Result<()> {
        if self.crowd.is_full() {
            self.service.exchange.inbox.count(|counts| counts.crowded += 1);
            self.crowd.room().await;
        }
        let (accepted, peer) = listener.accept().await?;
        let member = self.crowd.join();
        spawn_local(async move {
            match (accepted, self.tls.clone()) {
                // The most usual kind without an indirection.
                (Accepted::Tcp(stream), None) => self.serve(stream, peer).await,
                (Accepted::Tcp(stream), Some(tls)) => self.serve_tls(&tls, stream, peer).await,
                (Accepted::Unix(stream), None) => self.serve(Box::new(stream) as Box<dyn Duplex>, peer).await,
                (Accepted::Unix(stream), Some(tls)) => self.serve_tls(&tls, stream, peer).await,
            }
            drop(member);
        });
        Ok(())
    }

    async fn serve_tls<S: Duplex + 'static>(&self, tls: &Shown, stream: S, peer: Peer) {
        let inbox = &self.service.exchange.inbox;
        if let Some(stream) = tls.handshake(stream, inbox, &mut self.life.clone()).await {
            self.serve(Box::new(stream) as Box<dyn Duplex>, peer).await;
        }
    }

    async fn serve<S: Duplex + 'static>(&self, stream: S, peer: Peer) {
        connection::serve(&self.service, &self.settings, &self.crowd, self.life.clone(), stream, peer).await;
    }
}
