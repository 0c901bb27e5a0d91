//! The sink: a backend that takes OTLP over gRPC and HTTP, knows every span by its id, and can be in a bad mood.
//!
//! Started with [`Settings`], it prints `listening` with its address, and ten times a second what it has counted.

mod answer;
mod arrivals;
mod mood;

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{interval, sleep};

use self::answer::{Answer, Body};
use self::arrivals::Arrivals;
use self::mood::{Mood, Share};
use crate::compression::{Compression, inflate};
use crate::control::{commands, now, seconds, tell};
use crate::outcomes::Outcomes;
use crate::plan::Plan;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    plan: PathBuf,
    listen: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Command {
    Mood(Mood),
    /// From here on latencies are new.
    Mark {},
    /// Compares arrivals with a file of outcomes.
    Judge {
        outcomes: PathBuf,
    },
}

struct Sink {
    arrivals: RefCell<Arrivals>,
    mood: watch::Sender<Mood>,
    share: RefCell<Share>,
    /// When the last new span arrived, in seconds since 1970.
    last: RefCell<f64>,
}

const PROGRESS: Duration = Duration::from_millis(100);
const LARGEST: usize = 256 << 20;
/// Senders push whole batches: windows that are smaller would measure the sink.
const WINDOW: u32 = 16 << 20;

pub async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let sink = Rc::new(Sink {
        arrivals: RefCell::new(Arrivals::new(Plan::read(&settings.plan)?)),
        mood: watch::channel(Mood::Well).0,
        share: RefCell::default(),
        last: RefCell::default(),
    });
    let mut listener = Some(TcpListener::bind(settings.listen).await?);
    let address = listener.as_ref().map_or(Ok(settings.listen), TcpListener::local_addr)?;
    tell(&json!({"event": "listening", "address": address.to_string()}));
    let mut orders = commands::<Command>();
    let mut ticks = interval(PROGRESS);
    loop {
        tokio::select! {
            accepted = accept(listener.as_ref()) => {
                if let Ok((stream, _)) = accepted {
                    spawn_local(serve(sink.clone(), stream));
                }
            }
            _ = ticks.tick() => sink.progress(),
            command = orders.recv() => match command {
                None => return Ok(()),
                Some(Command::Mood(mood)) => {
                    if mood == Mood::Dead {
                        listener = None;
                    } else if listener.is_none() {
                        listener = Some(TcpListener::bind(address).await?);
                    }
                    sink.mood.send_replace(mood);
                    tell(&json!({"event": "mood", "t": seconds()}));
                }
                Some(Command::Mark {}) => {
                    sink.arrivals.borrow_mut().latencies.clear();
                    tell(&json!({"event": "marked", "t": seconds()}));
                }
                Some(Command::Judge { outcomes }) => sink.judge(&Outcomes::read(&outcomes)?),
            },
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Serves a connection until it ends, or the sink dies.
async fn serve(sink: Rc<Sink>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut mood = sink.mood.subscribe();
    let service = service_fn(|request| {
        let sink = sink.clone();
        async move { Ok::<_, Infallible>(sink.respond(request).await) }
    });
    let mut builder = Builder::new(Local);
    builder.http2().initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a connection ended is the business of its client.
        _ = connection => {}
        _ = mood.wait_for(|mood| *mood == Mood::Dead) => {}
    }
}

/// Runs what belongs to a connection on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, work: F) {
        spawn_local(async { drop(work.await) });
    }
}

impl Sink {
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let is_grpc = header("content-type").is_some_and(|value| value.starts_with("application/grpc"));
        let encoding = header(if is_grpc { "grpc-encoding" } else { "content-encoding" });
        let compression = Compression::of(encoding);
        let answer = match Limited::new(request.into_body(), LARGEST).collect().await {
            Err(_) => Answer::Malformed("a body that does not end, or is too large"),
            Ok(body) => match message(body.to_bytes(), is_grpc, compression) {
                Ok(message) => self.take(&message).await,
                Err(what) => Answer::Malformed(what),
            },
        };
        if is_grpc { answer::grpc(&answer) } else { answer::http(&answer) }
    }

    async fn take(&self, message: &[u8]) -> Answer {
        let mut moods = self.mood.subscribe();
        loop {
            let mood = moods.borrow_and_update().clone();
            match mood {
                Mood::Well => break,
                Mood::Slow { delay_ms } => {
                    sleep(Duration::from_millis(delay_ms)).await;
                    break;
                }
                Mood::Refuse { status, share, retry_after_ms } => {
                    if self.share.borrow_mut().has_next(share) {
                        return Answer::Refused(status, retry_after_ms);
                    }
                    break;
                }
                Mood::Hang | Mood::Dead => _ = moods.changed().await,
            }
        }
        let mut arrivals = self.arrivals.borrow_mut();
        let before = arrivals.counts.delivered;
        let taken = arrivals.take(message, now());
        if arrivals.counts.delivered > before {
            self.last.replace(seconds());
        }
        taken.map_or_else(Answer::Malformed, |()| Answer::Taken)
    }

    fn progress(&self) {
        tell(
            &json!({"event": "progress", "t": seconds(), "counts": self.arrivals.borrow().counts, "last": *self.last.borrow()}),
        );
    }

    fn judge(&self, outcomes: &Outcomes) {
        let arrivals = self.arrivals.borrow();
        tell(&json!({
            "event": "verdict",
            "verdict": arrivals.judge(outcomes),
            "counts": arrivals.counts,
            "last": *self.last.borrow(),
            "latency": arrivals.latencies.summary(),
        }));
    }
}

/// The message in a body: behind a flag and a length in gRPC, and inflated.
fn message(body: Bytes, is_grpc: bool, compression: Option<Compression>) -> Result<Bytes, &'static str> {
    let compression = compression.ok_or("a compression that the sink does not know")?;
    if !is_grpc {
        return inflate(compression, body);
    }
    match body.get(..5) {
        Some(&[flag @ (0 | 1), a, b, c, d]) if u32::from_be_bytes([a, b, c, d]) as usize == body.len() - 5 => {
            inflate(if flag == 1 { compression } else { Compression::None }, body.slice(5..))
        }
        _ => Err("a body that is no gRPC message"),
    }
}
