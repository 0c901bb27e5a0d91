//! A listener with a thread of its own: it accepts, serves, and drains when it is told to.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::budget::Budget;
use super::connection;
use super::grpc::Service;
use super::inbox::{Inbox, Wake};
use crate::plan::Plan;

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
pub enum Life {
    Serving,
    /// Accept nothing more, finish what is under way.
    Draining,
    /// Break off.
    Stopping,
}

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
    /// With a `plan`, only what the server cannot answer by itself is left to take: nothing.
    pub fn start(
        settings: Settings,
        plan: Option<Arc<Plan>>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
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
            plan,
            budget: Budget::new(settings.max_in_flight),
            max_message: settings.max_message,
            needs_origin: settings.needs_origin,
            include_metadata: settings.include_metadata,
        };
        let thread = thread::Builder::new().name("otlp-grpc".to_owned()).spawn(move || {
            let context = Rc::new(Context {
                service: Rc::new(service),
                settings,
                life: living,
                open: Cell::new(0),
                closed: watch::channel(()).0,
            });
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
    service: Rc<Service>,
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
        let open = Open::new(self.clone());
        spawn_local(async move {
            connection::serve(&self.service, &self.settings, self.life.clone(), stream, peer.to_string()).await;
            drop(open);
        });
        Ok(())
    }
}

/// Counts a connection as open until it is dropped.
struct Open(Rc<Context>);

impl Open {
    fn new(context: Rc<Context>) -> Self {
        context.open.set(context.open.get() + 1);
        Self(context)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.closed.send_replace(());
    }
}
