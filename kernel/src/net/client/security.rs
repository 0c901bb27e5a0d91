//! TLS of a client: a handshake behind each connection, which also says which HTTP is spoken.

use std::{fmt, io};

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::super::stream::Duplex;
use super::super::tls::{self, TlsError, Trust};
use super::failure::describe;
use super::settings::{Protocol, Tls};

#[derive(Clone)]
pub struct Security {
    connector: TlsConnector,
    name: ServerName<'static>,
    /// Whether a server that has never heard of ALPN is spoken to in HTTP/2.
    http2: bool,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Security {
    pub fn new(tls: &Tls, protocol: Protocol) -> Result<Self, TlsError> {
        let trust = match tls.skip_verify {
            true => Trust::Anybody,
            false => Trust::Authorities { ca: tls.ca.clone(), system: tls.system_ca },
        };
        let name = ServerName::try_from(tls.server_name.clone()).map_err(|error| TlsError {
            option: "server_name_override",
            message: format!("{:?} is not the name of a server: {error}", tls.server_name),
        })?;
        let config = tls::client(&tls.settings, &trust)?;
        Ok(Self { connector: TlsConnector::from(config), name, http2: protocol == Protocol::Grpc })
    }

    /// Shakes hands, and says whether HTTP/2 is spoken.
    pub async fn secure(&self, io: Box<dyn Duplex>) -> Result<(Box<dyn Duplex>, bool), String> {
        let stream = self.connector.connect(self.name.clone(), io).await.map_err(|error| reason(&error))?;
        let protocol = stream.get_ref().1.alpn_protocol();
        let http2 = protocol.map_or(self.http2, |name| name == b"h2");
        Ok((Box::new(stream), http2))
    }
}

/// Why there is no TLS, and what an operator can do about it.
fn reason(error: &io::Error) -> String {
    use rustls::{CertificateError, Error};
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(problem)) => {
            let advice = match problem {
                CertificateError::UnknownIssuer => "; if that is right, give its authority as ca_file",
                CertificateError::Other(_) => "; if it is right, give it as ca_file",
                _ => "",
            };
            format!("the server's certificate is not valid: {problem}{advice}")
        }
        Some(Error::InvalidMessage(_)) => NO_TLS.to_owned(),
        Some(Error::AlertReceived(alert)) => format!("the server refuses our TLS: {alert:?}"),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "the server hung up when it was to speak TLS".to_owned(),
        _ => format!("TLS failed: {}", describe(error)),
    }
}

/// What Python looks for, to add what may be wrong with the configuration.
const NO_TLS: &str = "the server answers without TLS";
