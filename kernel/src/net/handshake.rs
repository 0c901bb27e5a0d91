//! The beginning of a connection with TLS, within a bound and beside all others.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::GOODBYE;
use super::inbox::Inbox;
use super::server::Life;

/// How long a client may take for its part.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a server shows to those who come from now on.
pub struct Shown(Mutex<Arc<ServerConfig>>);

impl Shown {
    pub fn new(config: Arc<ServerConfig>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(config)))
    }

    /// Shows something else. Connections that are there keep what they have.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Agrees on TLS with a client. Whoever cannot is counted and gone, and so is who dawdles.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        inbox: &Inbox,
        life: &mut watch::Receiver<Life>,
    ) -> Option<TlsStream<S>> {
        let handshake = TlsAcceptor::from(self.config()).accept(stream);
        let done = tokio::select! {
            done = timeout(HANDSHAKE, handshake) => done,
            () = told_to_go(life) => return None,
        };
        match done {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => inbox.count(|counts| counts.strangers += 1),
            // Who only looks whether the port is open hangs up.
            Ok(Err(_)) => {}
            Err(_) => inbox.count(|counts| counts.slow += 1),
        }
        None
    }
}

/// Waits until it is too late to begin: a client that has just come is served before the server ends.
async fn told_to_go(life: &mut watch::Receiver<Life>) {
    let _ = life.wait_for(|life| *life > Life::Serving).await;
    let _ = timeout(GOODBYE, life.wait_for(|life| *life == Life::Stopping)).await;
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// A server without a certificate: nobody gets so far here.
    fn shown() -> Arc<Shown> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Shown::new(Arc::new(builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()))))
    }

    /// What is counted when a client sends this and then nothing, or hangs up.
    async fn counts(sent: &[u8], hangs_up: bool) -> (u64, u64) {
        let inbox = Inbox::new(Box::new(|| {}));
        let (_life, mut living) = watch::channel(Life::Serving);
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(sent).await.unwrap();
        let client = (!hangs_up).then_some(client);
        assert!(shown().handshake(server, &inbox, &mut living).await.is_none());
        drop(client);
        let counts = inbox.counts();
        (counts.slow, counts.strangers)
    }

    #[tokio::test(start_paused = true)]
    async fn who_dawdles_and_who_speaks_no_tls_is_counted() {
        let began = tokio::time::Instant::now();
        assert_eq!(counts(b"", false).await, (1, 0));
        assert_eq!(counts(b"\x16\x03\x01\x02\x00\x01", false).await, (1, 0));
        assert_eq!(began.elapsed().as_secs(), 20);
        assert_eq!(counts(b"POST /v1/traces HTTP/1.1\r\n\r\n", false).await, (0, 1));
        assert_eq!(counts(b"", true).await, (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_for_no_handshake() {
        let inbox = Inbox::new(Box::new(|| {}));
        let (life, mut living) = watch::channel(Life::Serving);
        life.send_replace(Life::Draining);
        let (_client, server) = tokio::io::duplex(64);
        assert!(shown().handshake(server, &inbox, &mut living).await.is_none());
        assert_eq!(inbox.counts().slow, 0);
    }
}
