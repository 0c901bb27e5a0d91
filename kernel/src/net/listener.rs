//! Where a server listens: an address of TCP, or the path of a unix socket.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use socket2::TcpKeepalive;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

const BACKLOG: i32 = 1024;

/// Asks silent clients whether they are still there, as Go does.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(15));

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Tcp { host: IpAddr, port: u16 },
    Unix { path: PathBuf },
}

/// A socket that listens, before there is a runtime.
pub enum Bound {
    Tcp(std::net::TcpListener),
    Unix(StdUnixListener, Arc<Socket>),
}

impl Endpoint {
    pub fn bind(&self) -> io::Result<Bound> {
        match self {
            Self::Tcp { host, port } => tcp(SocketAddr::new(*host, *port)).map(Bound::Tcp),
            Self::Unix { path } => {
                remove_what_was_left(path)?;
                let listener = StdUnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Ok(Bound::Unix(listener, Arc::new(Socket(path.clone()))))
            }
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
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

/// Removes the socket of a process that has gone without doing so. One that somebody listens at stays, and is in use.
fn remove_what_was_left(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && StdUnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        return fs::remove_file(path);
    }
    Ok(())
}

impl Bound {
    /// The port, where there is one.
    pub fn port(&self) -> io::Result<u16> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.port()),
            Self::Unix(..) => Ok(0),
        }
    }

    /// The same socket once more: whoever accepts first has a connection.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener, socket) => Self::Unix(listener.try_clone()?, socket.clone()),
        })
    }

    pub fn listen(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
            Self::Unix(listener, socket) => Listener::Unix(UnixListener::from_std(listener)?, socket),
        })
    }
}

/// Accepts connections.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<Socket>),
}

/// The path of a socket. It is removed when nobody listens any more.
pub struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Address and port, or `unix:`.
    pub address: String,
    /// No other connection of this process has it.
    pub number: u64,
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

impl Peer {
    fn new(address: String) -> Self {
        Self { address, number: CONNECTIONS.fetch_add(1, Ordering::Relaxed) }
    }

    /// The address without the port.
    pub fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or(&self.address, |(host, _)| host)
    }
}

impl Listener {
    /// A connection, and its client.
    pub async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                // Clients vanish without a word.
                socket2::SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
                Ok((Accepted::Tcp(stream), Peer::new(peer.to_string())))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Accepted::Unix(stream), Peer::new("unix:".to_owned())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_is_taken_over_and_one_in_use_is_not() {
        let path = std::env::temp_dir().join(format!("spanmill-listener-{}.sock", std::process::id()));
        drop(StdUnixListener::bind(&path).unwrap());
        let endpoint = Endpoint::Unix { path: path.clone() };
        let listener = endpoint.bind().unwrap().listen().unwrap();
        assert_eq!(endpoint.bind().err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        drop(listener);
        assert!(!path.exists());

        let bound = endpoint.bind().unwrap();
        let successor = bound.try_clone().unwrap();
        drop(bound);
        drop(StdUnixStream::connect(&path).unwrap());
        drop(successor);
        assert!(!path.exists());
        fs::write(&path, "not a socket").unwrap();
        assert!(endpoint.bind().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"not a socket");
        fs::remove_file(&path).unwrap();
    }
}
