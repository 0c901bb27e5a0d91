//! OTLP clients without the interpreter: a thread of its own connects, compresses, sends, and reads answers.
//!
//! A [`Client`] takes batches, each with a number, and gathers how the [`call`]s ended in an [`outbox`] until somebody
//! takes that. Calls share the connections of a [`pool`], which [`dial`]s the addresses of a [`target`] and keeps a
//! [`link`] for each connection. What is sent and what an answer means is said by [`grpc`] and [`http`].
//!
//! A batch is sent again by the client itself only where the server has surely not seen it. What else may be sent again
//! is decided by whoever takes the outcome.

mod body;
mod call;
mod dial;
mod failure;
mod growth;
mod grpc;
mod http;
mod http2;
mod lane;
mod link;
pub mod outbox;
mod pool;
mod security;
pub mod settings;
mod target;
mod tunnel;

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::timeout;

use self::body::Payload;
use self::call::{Caller, Template};
use self::outbox::{Outbox, Outcome};
use self::security::Security;
use self::settings::{Protocol, Settings, Tls};
use super::tls::TlsError;
use crate::rope::SpanBatch;

/// How long connections may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why a client cannot start.
#[derive(Debug)]
pub enum StartError {
    Tls(TlsError),
    Io(io::Error),
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

enum Order {
    Send { call: u64, payload: Payload },
    Cancel { call: u64 },
    Secure(Security),
    Header(HeaderName, HeaderValue),
    Close,
}

pub struct Client {
    pub outbox: Arc<Outbox>,
    orders: mpsc::UnboundedSender<Order>,
    protocol: Protocol,
    thread: Mutex<Option<JoinHandle<()>>>,
    end: Arc<End>,
}

impl Client {
    /// Starts the thread. It connects when there is something to send. `wake` is called when a call has ended and
    /// whoever takes was told that there is nothing, and at the end.
    pub fn start(settings: Settings, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, StartError> {
        let security = settings.tls.as_ref().map(|tls| Security::new(tls, settings.protocol)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        let outbox = Outbox::new(Box::new(wake));
        let (orders, taken) = mpsc::unbounded_channel();
        let end = Arc::new(End::default());
        let (finished, over) = (outbox.clone(), end.clone());
        let (template, protocol) = (Template::new(&settings)?, settings.protocol);
        let thread = thread::Builder::new().name("otlp-client".to_owned()).spawn(move || {
            let _over = Over(over, finished.clone());
            LocalSet::new().block_on(&runtime, async {
                run(Caller::new(template, settings, security, finished.clone()), taken, finished).await;
            });
            // Something may still be compressed there: nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { outbox, orders, protocol, thread: Mutex::new(Some(thread)), end })
    }

    /// Sends a batch. How that ends is found in the outbox under the number of the call.
    pub fn send(&self, call: u64, batch: SpanBatch) {
        let _ = self.orders.send(Order::Send { call, payload: Payload::Spans(batch) });
    }

    /// The same for a request of another signal, which is sent as it is but for the compression.
    pub fn send_request(&self, call: u64, data: Bytes) {
        let _ = self.orders.send(Order::Send { call, payload: Payload::Whole(data) });
    }

    /// Breaks a call off. It may have ended already; otherwise nothing more is heard of it.
    pub fn cancel(&self, call: u64) {
        let _ = self.orders.send(Order::Cancel { call });
    }

    /// Sends this header with calls that begin from now on. Gives the name back if that cannot be a header.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), String> {
        let (Ok(header), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
            return Err(name.to_owned());
        };
        value.set_sensitive(true);
        let _ = self.orders.send(Order::Header(header, value));
        Ok(())
    }

    /// Secures new connections in another way; those that are open stay. For a client that speaks TLS.
    pub fn set_tls(&self, tls: &Tls) -> Result<(), TlsError> {
        let _ = self.orders.send(Order::Secure(Security::new(tls, self.protocol)?));
        Ok(())
    }

    /// Breaks all calls off and closes the connections.
    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
    }

    /// Waits until all is over after `close`, for a time. Says whether it is.
    pub fn wait(&self, patience: Duration) -> bool {
        if !self.end.wait(patience) {
            return false;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        true
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
        self.wait(2 * GOODBYE);
    }
}

async fn run(caller: Caller, mut orders: mpsc::UnboundedReceiver<Order>, outbox: Arc<Outbox>) {
    let caller = Rc::new(caller);
    let mut calls: HashMap<u64, AbortHandle> = HashMap::new();
    // How many there may be before those that have ended are forgotten.
    let mut sweep = 64;
    while let Some(order) = orders.recv().await {
        match order {
            Order::Send { call, payload } => {
                if calls.len() >= sweep {
                    calls.retain(|_, handle| !handle.is_finished());
                    sweep = 2 * calls.len().max(32);
                }
                let (caller, outbox) = (caller.clone(), outbox.clone());
                let task = spawn_local(async move {
                    let mut promise = Promise { outbox, call, kept: false };
                    let outcome = caller.call(payload).await;
                    promise.keep(outcome);
                });
                calls.insert(call, task.abort_handle());
            }
            Order::Cancel { call } => {
                if let Some(handle) = calls.remove(&call) {
                    handle.abort();
                }
            }
            Order::Secure(security) => caller.secure(security),
            Order::Header(name, value) => caller.set_header(name, value),
            Order::Close => break,
        }
    }
    for handle in calls.into_values() {
        handle.abort();
    }
    let _ = timeout(GOODBYE, caller.close()).await;
}

/// Sees to it that somebody hears of a call even if a bug ends it.
struct Promise {
    outbox: Arc<Outbox>,
    call: u64,
    kept: bool,
}

impl Promise {
    fn keep(&mut self, outcome: Outcome) {
        self.kept = true;
        self.outbox.put(self.call, outcome);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.kept && thread::panicking() {
            self.keep(Outcome::bug());
        }
    }
}

/// Whether the thread has ended.
#[derive(Default)]
struct End {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl End {
    fn wait(&self, patience: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(ended, patience, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says that the thread has ended, however it did.
struct Over(Arc<End>, Arc<Outbox>);

impl Drop for Over {
    fn drop(&mut self) {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
        self.1.ring();
    }
}
