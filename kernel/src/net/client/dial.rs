//! Making one connection to one of several addresses.

use std::io;
use std::time::Duration;

use socket2::TcpKeepalive;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::stream::Duplex;
use super::target::Address;

/// How long an address has the field to itself: RFC 8305, section 5.
const HEAD_START: Duration = Duration::from_millis(250);
/// After so long a peer that acknowledges nothing is gone, though the operating system would hope for 15 minutes.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(15));

/// Connects to the first address that lets us, in order. `patience` is for each of them.
pub async fn dial(addresses: &[Address], patience: Duration) -> Result<Box<dyn Duplex>, String> {
    let mut attempts = JoinSet::new();
    let mut rest = addresses.iter().cloned();
    let mut next = rest.next();
    let mut error = "no address".to_owned();
    loop {
        if let Some(address) = next.take() {
            attempts.spawn_local(attempt(address, patience));
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => {
                match ended {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(failed)) => error = failed,
                    Err(_) => {}
                }
                next = rest.next();
            }
            () = sleep(HEAD_START), if rest.len() > 0 => next = rest.next(),
            else => return Err(error),
        }
    }
}

async fn attempt(address: Address, patience: Duration) -> Result<Box<dyn Duplex>, String> {
    let connected = timeout(patience, connect(&address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    connected.map_err(|error| format!("cannot connect to {address}: {}", reason(&error)))
}

async fn connect(address: &Address) -> io::Result<Box<dyn Duplex>> {
    Ok(match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let socket = socket2::SockRef::from(&stream);
            socket.set_tcp_keepalive(&KEEPALIVE)?;
            socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
            Box::new(stream)
        }
    })
}

/// What went wrong, without the number of it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
