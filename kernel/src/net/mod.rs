//! OTLP servers and clients without the interpreter: threads of their own accept, inflate, check and count requests.
//!
//! A [`server`] has a [`listener`] and, for [`tls`], a [`handshake`] with each client; a [`connection`] speaks HTTP/1.1 or HTTP/2 with one client, and a [`service`] answers requests
//! of [`grpc`] or of [`http`]. What both do with the body of a request is an [`exchange`]. Where there is not enough room for all,
//! [`fairness`] shares it.
//!
//! Requests that passed gather in an [`inbox`]. Whoever runs the pipeline takes all that is there as one *ticket*, and
//! answering the ticket answers each request in it. The busier the pipeline is, the more requests share its cost. Where the
//! front of the pipeline is a [`crate::plan`], requests go through it at once, and nobody has to take them.

pub mod answer;
pub mod auth;
pub mod budget;
pub mod client;
mod clock;
mod connection;
mod cors;
mod crowd;
mod exchange;
mod fairness;
pub mod grpc;
mod handshake;
mod health;
mod htpasswd;
mod http;
pub mod inbox;
mod listener;
mod pings;
mod pinned;
pub mod server;
mod service;
mod stream;
pub mod tls;
mod traffic;
