//! The load generator: connections, each with some requests on the way, that take what is due.
//!
//! Started with [`Settings`], it prints `ready`, then runs each [`Run`] it is told and prints `done` behind it. What
//! it counts is printed ten times a second.

mod client;
mod prompt;
mod schedule;
mod tally;
mod tls;

use std::cell::RefCell;
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{interval, sleep, timeout};

use self::client::{Client, Failure, Head, Protocol};
use self::schedule::{Schedule, Step};
use self::tally::Tally;
use crate::compression::{Compression, Deflater};
use crate::control::{commands, now, seconds, tell};
use crate::ids::{SENDERS, SpanNumber};
use crate::outcomes::Outcome;
use crate::plan::Plan;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    plan: PathBuf,
    /// Where to write what became of each request.
    outcomes: PathBuf,
    /// Host and port.
    target: String,
    protocol: Protocol,
    compression: Compression,
    connections: u16,
    /// Requests on the way, on each connection.
    in_flight: usize,
    /// How long a client keeps a request that it cannot send, from when it was due.
    hold_ms: u64,
    /// How long it waits for the answer, from when it sent it.
    timeout_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    steps: Vec<Step>,
}

struct Load {
    plan: Plan,
    settings: Settings,
    head: Head,
    deflater: RefCell<Deflater>,
    tally: RefCell<Tally>,
    schedule: RefCell<Option<Rc<Schedule>>>,
}

const PROGRESS: Duration = Duration::from_millis(100);
const RECONNECT: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    if !settings.protocol.is_grpc() && settings.in_flight != 1 {
        return Err("HTTP/1.1 has one request at a time on a connection".into());
    }
    if usize::from(settings.connections) > SENDERS {
        return Err("that many connections are too many".into());
    }
    let load = Rc::new(Load {
        plan: Plan::read(&settings.plan)?,
        head: Head::new(&settings.target, settings.protocol, settings.compression)?,
        deflater: RefCell::new(Deflater::new(settings.compression)),
        tally: RefCell::default(),
        schedule: RefCell::default(),
        settings,
    });
    let connections: Vec<_> = (0..load.settings.connections).map(|sender| Connection::open(&load, sender)).collect();
    let mut runs = commands::<Run>();
    let mut ticks = interval(PROGRESS);
    connected(&connections).await;
    tell(&json!({"event": "ready"}));
    while let Some(run) = runs.recv().await {
        let schedule = Rc::new(Schedule::start(&run.steps)?);
        load.schedule.replace(Some(schedule.clone()));
        load.tally.borrow_mut().begin_run();
        tell(&json!({"event": "begun", "t": seconds()}));
        let mut slots = JoinSet::new();
        for connection in &connections {
            for _ in 0..load.settings.in_flight {
                slots.spawn_local(slot(load.clone(), connection.clone(), schedule.clone()));
            }
        }
        let mut over = Box::pin(schedule.over());
        let mut is_over = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => load.progress(),
                () = &mut over, if !is_over => {
                    is_over = true;
                    tell(&json!({"event": "over", "t": seconds(), "totals": load.totals()}));
                }
                ended = slots.join_next() => if ended.transpose()?.is_none() && is_over { break },
            }
        }
        load.done(&schedule)?;
    }
    Ok(())
}

impl Load {
    /// Counts of spans since the process started.
    fn totals(&self) -> serde_json::Value {
        let (tally, schedule) = (self.tally.borrow(), self.schedule.borrow());
        let spans = self.plan.spans_per_request;
        let offered = tally.offered_before + schedule.as_ref().map_or(0, |schedule| schedule.offered());
        json!({
            "offered": offered * spans,
            "accepted": tally.accepted * spans,
            "refused": tally.refused * spans,
            "unanswered": tally.unanswered * spans,
            "unsent": tally.unsent * spans,
        })
    }

    fn progress(&self) {
        tell(&json!({"event": "progress", "t": seconds(), "totals": self.totals()}));
    }

    /// Ends a run: what was due and never taken is unsent.
    fn done(&self, schedule: &Schedule) -> Result<(), Box<dyn Error>> {
        self.schedule.replace(None);
        let mut tally = self.tally.borrow_mut();
        tally.unsent += schedule.left();
        tally.offered_before += schedule.offered();
        tally.outcomes.write(&self.settings.outcomes)?;
        let mut expected = 0;
        tally.outcomes.each(|sender, request, outcome| {
            if outcome == Outcome::Accepted as u8 {
                expected += self.plan.kept(sender, request);
            }
        });
        let run = tally.run();
        drop(tally);
        tell(&json!({"event": "done", "t": seconds(), "totals": self.totals(), "expected": expected, "run": run}));
        Ok(())
    }

    /// A request as it goes onto the wire. Its spans have the times they would have had if it left when it was due.
    fn message(&self, sender: u16, request: u64, due: Instant) -> Bytes {
        let template = self.plan.template(sender, request);
        let prefix = self.settings.protocol.prefix();
        let mut out = BytesMut::with_capacity(prefix + template.len());
        out.put_bytes(0, prefix);
        let first = SpanNumber { sender, sequence: request * self.plan.spans_per_request };
        let due = now() - due.elapsed().as_nanos() as u64;
        template.fill(&mut out, self.plan.key, first, due);
        let mut out = self.deflater.borrow_mut().deflate(out, prefix);
        if prefix > 0 {
            let length = (out.len() - prefix) as u32;
            out[0] = u8::from(self.settings.compression != Compression::None);
            out[1..prefix].copy_from_slice(&length.to_be_bytes());
        }
        out.freeze()
    }
}

/// A connection to the subject, made again whenever it ends.
struct Connection {
    sender: u16,
    client: RefCell<Option<Client>>,
    connected: Notify,
}

impl Connection {
    fn open(load: &Rc<Load>, sender: u16) -> Rc<Self> {
        let connection = Rc::new(Self { sender, client: RefCell::default(), connected: Notify::new() });
        let (load, kept) = (load.clone(), connection.clone());
        spawn_local(async move {
            loop {
                if let Ok((client, work)) = Client::connect(&load.settings.target, load.settings.protocol).await {
                    kept.put(client);
                    work.await;
                    kept.client.replace(None);
                }
                sleep(RECONNECT).await;
            }
        });
        connection
    }

    fn put(&self, client: Client) {
        self.client.replace(Some(client));
        self.connected.notify_waiters();
        // HTTP/1.1 has one slot a connection, which may ask just now.
        self.connected.notify_one();
    }

    /// Waits for a client, at most until the schedule is over.
    async fn client(&self, schedule: &Schedule) -> Option<Client> {
        loop {
            let connected = self.connected.notified();
            let client = self.client.take();
            if let Some(Client::Grpc(client)) = &client {
                self.client.replace(Some(Client::Grpc(client.clone())));
            }
            if client.is_some() {
                return client;
            }
            tokio::select! {
                () = connected => {}
                () = schedule.over() => return None,
            }
        }
    }
}

/// Waits until all have a connection, for a while: whether they get one is for the load to show.
async fn connected(connections: &[Rc<Connection>]) {
    let patience = Instant::now() + PATIENCE;
    while connections.iter().any(|connection| connection.client.borrow().is_none()) && Instant::now() < patience {
        sleep(RECONNECT).await;
    }
}

/// One request after the other, until the schedule is over.
async fn slot(load: Rc<Load>, connection: Rc<Connection>, schedule: Rc<Schedule>) {
    let (hold, patience) = (load.settings.hold_ms, load.settings.timeout_ms);
    let (hold, patience) = (Duration::from_millis(hold), Duration::from_millis(patience));
    let sender = connection.sender;
    let mut free = Instant::now();
    loop {
        // Whoever has no connection takes nothing: others may have one.
        let Some(mut client) = connection.client(&schedule).await else { return };
        let Some(due) = schedule.next().await else {
            if let Client::Http(_) = client {
                connection.put(client);
            }
            return;
        };
        let request = load.tally.borrow_mut().outcomes.begin(sender);
        let message = (due.elapsed() < hold).then(|| load.message(sender, request, due));
        let lag = due.max(free).elapsed();
        let (outcome, answer) = match message {
            None => (Outcome::Unsent, "overdue".to_owned()),
            Some(message) => loop {
                match timeout(patience, client.send(message.clone(), &load.head)).await {
                    Err(_) => break (Outcome::Unanswered, "timeout".to_owned()),
                    Ok((answer, again)) => {
                        if let Some(client) = again {
                            connection.put(client);
                        }
                        match answer {
                            Ok(answer) if answer.accepted => break (Outcome::Accepted, answer.status),
                            Ok(answer) => break (Outcome::Refused, answer.status),
                            Err(Failure::Disconnected) => break (Outcome::Unanswered, "disconnected".to_owned()),
                            Err(Failure::NotSent) => {}
                        }
                    }
                }
                // It was not looked at: once more, on a connection that works.
                sleep(RECONNECT).await;
                match timeout(hold.saturating_sub(due.elapsed()), connection.client(&schedule)).await {
                    Ok(Some(next)) => client = next,
                    _ => break (Outcome::Unsent, "no connection".to_owned()),
                }
            },
        };
        let mut tally = load.tally.borrow_mut();
        if outcome != Outcome::Unsent {
            tally.lag(lag);
        }
        tally.end(sender, request, outcome, &answer, due.elapsed());
        free = Instant::now();
    }
}
