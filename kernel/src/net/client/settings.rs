//! What a client is told when it starts.

use serde::Deserialize;

use super::super::tls;
use crate::compress::Encoding;

/// Where to send what, and what bounds there are. Durations are seconds, and 0 is never.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub target: Target,
    /// What stands at the target is a proxy, which is to open a way.
    pub tunnel: Option<Tunnel>,
    /// The same, and it is told with every request where that goes.
    pub absolute_form: bool,
    /// Plaintext unless it is there.
    pub tls: Option<Tls>,
    pub protocol: Protocol,
    /// What requests say they are for: the host of the endpoint, mostly.
    pub authority: String,
    pub path: String,
    /// Sent with every request. Values are as they go over the wire.
    pub headers: Vec<(String, String)>,
    #[serde(deserialize_with = "encoding")]
    pub encoding: Encoding,
    /// How hard to compress; the usual level unless it is given.
    pub level: Option<i32>,
    /// For the whole call, waiting for a connection included.
    pub timeout: f64,
    pub connect_timeout: f64,
    /// How long a failed connection keeps the next from being tried: at first, and at most.
    pub backoff: (f64, f64),
    /// Spread calls over all addresses of a name, instead of taking the first that works.
    pub spread: bool,
    /// Let calls wait for a connection, where otherwise they fail with the attempt to make one.
    pub wait_for_ready: bool,
    /// Connections to one address.
    pub max_connections: usize,
    /// Connections without calls that are kept.
    pub max_idle_connections: usize,
    /// How long they are.
    pub idle_timeout: f64,
    pub keepalive_time: f64,
    pub keepalive_timeout: f64,
    /// Ping while no call is under way.
    pub keepalive_idle: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Names or addresses, with ports.
    Hosts(Vec<(String, u16)>),
    /// The path of a socket.
    Unix(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Where the way leads: host and port.
    pub authority: String,
    /// What the proxy wants to hear.
    pub authorization: Option<String>,
}

/// TLS, and whom to expect at the other end.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub settings: tls::Settings,
    /// Believe any certificate.
    pub skip_verify: bool,
    /// Authorities to believe, as PEM.
    pub ca: Option<String>,
    /// Believe those of the operating system.
    pub system_ca: bool,
    /// The name that is asked for, and that the certificate has to have.
    pub server_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Grpc,
    /// OTLP over HTTP, spans as protobuf or as JSON.
    Protobuf,
    Json,
}

fn encoding<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Encoding, D::Error> {
    let name = String::deserialize(deserializer)?;
    Encoding::from_name(&name).ok_or_else(|| serde::de::Error::custom(format!("no encoding {name:?}")))
}
