//! Where a client connects: addresses, once their names are known.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::settings::Target;

/// Something that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Finds the addresses of a target, each once, in the order of the operating system. There is at least one.
pub async fn resolve(target: &Target) -> Result<Vec<Address>, String> {
    let hosts = match target {
        Target::Unix(path) => return Ok(vec![Address::Unix(path.into())]),
        Target::Hosts(hosts) => hosts,
    };
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut error = "no address".to_owned();
    for (host, port) in hosts {
        match tokio::net::lookup_host((host.as_str(), *port)).await {
            Ok(addresses) => found.extend(addresses.filter(|address| seen.insert(*address)).map(Address::Tcp)),
            Err(failed) => error = format!("cannot resolve {host}: {failed}"),
        }
    }
    if found.is_empty() { Err(error) } else { Ok(found) }
}
