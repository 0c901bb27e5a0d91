//! TLS: what a server shows and whom a client believes, from PEM and names of options to rustls.
//!
//! Suites and curves are called as in the Go collector, whose `cipher_suites` are those of TLS 1.2 as well: the ones of 1.3
//! are always there.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use serde::Deserialize;

use super::pinned::Pinned;

/// What both sides have in common. All certificates and keys are PEM.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Our own certificate and its chain; empty is none.
    pub cert: String,
    pub key: String,
    /// `1.2` or `1.3`; empty is no bound.
    pub min_version: String,
    pub max_version: String,
    /// For TLS 1.2; none is all there are.
    pub cipher_suites: Vec<String>,
    /// The preferred one first; none is all there are.
    pub curve_preferences: Vec<String>,
    /// Protocols on top, the preferred one first.
    pub alpn: Vec<String>,
}

/// An option that cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// Its name, without `_file` or `_pem` where there are both.
    pub option: &'static str,
    pub message: String,
}

impl TlsError {
    fn new(option: &'static str, message: impl Into<String>) -> Self {
        Self { option, message: message.into() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.option, self.message)
    }
}

impl std::error::Error for TlsError {}

/// What a server shows. With `client_ca`, clients must show a certificate of those authorities.
pub fn server(settings: &Settings, client_ca: Option<&str>) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(provider(settings)?);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(settings)?)
        .map_err(without_a_suite)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(text) => {
            let roots = Arc::new(authorities(text, "client_ca_file")?);
            let usual = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let usual = usual.map_err(|error| TlsError::new("client_ca_file", error.to_string()))?;
            let given = certificates(text, "client_ca_file")?;
            builder.with_client_cert_verifier(Arc::new(Pinned::new(usual, given)))
        }
    };
    let (chain, key) = identity(settings)?;
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = alpn(settings);
    Ok(Arc::new(config))
}

/// Whom a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities in this PEM, if any, and those of the operating system, if it says so.
    Authorities {
        ca: Option<String>,
        system: bool,
    },
    Anybody,
}

/// What a client shows, if it has a certificate, and whom it believes.
pub fn client(settings: &Settings, trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(provider(settings)?);
    let algorithms = provider.signature_verification_algorithms;
    let verifying = provider.clone();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings)?)
        .map_err(without_a_suite)?;
    let builder = match trust {
        Trust::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(BelieveAnybody { algorithms })),
        Trust::Authorities { ca, system } => {
            let mut roots = ca.as_ref().map_or_else(|| Ok(RootCertStore::empty()), |text| authorities(text, "ca"))?;
            if *system {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            if roots.is_empty() {
                return Err(TlsError::new("ca", "the operating system has no authorities: name a file of them"));
            }
            let given = ca.as_ref().map_or_else(|| Ok(Vec::new()), |text| certificates(text, "ca"))?;
            let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), verifying).build();
            let usual = usual.map_err(|error| TlsError::new("ca", error.to_string()))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned::new(usual, given)))
        }
    };
    let mut config = if settings.cert.is_empty() {
        builder.with_no_client_auth()
    } else {
        let (chain, key) = identity(settings)?;
        builder.with_client_auth_cert(chain, key).map_err(unusable)?
    };
    config.alpn_protocols = alpn(settings);
    Ok(Arc::new(config))
}

fn alpn(settings: &Settings) -> Vec<Vec<u8>> {
    settings.alpn.iter().map(|name| name.clone().into_bytes()).collect()
}

fn identity(settings: &Settings) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&settings.cert, "cert")?;
    let key = PrivateKeyDer::from_pem_slice(settings.key.as_bytes()).map_err(|error| {
        let message = match error {
            // PKCS#8 says so in its label, older forms in a header (RFC 1421) that ends up as a mistake in the base64.
            _ if settings.key.contains("ENCRYPTED") => "the key is encrypted: write it without a password".to_owned(),
            pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
            error => format!("is not PEM: {error}"),
        };
        TlsError::new("key", message)
    })?;
    Ok((chain, key))
}

fn certificates(text: &str, option: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| TlsError::new(option, format!("is not PEM: {error}")))?;
    if found.is_empty() { Err(TlsError::new(option, "there is no certificate in it")) } else { Ok(found) }
}

fn authorities(text: &str, option: &'static str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in certificates(text, option)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|_| {
            TlsError::new(option, format!("certificate {} in it is not one that can be read", number + 1))
        })?;
    }
    Ok(roots)
}

fn unusable(error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::new("key", "the key does not belong to the certificate")
        }
        rustls::Error::InvalidCertificate(error) => TlsError::new("cert", error.to_string()),
        rustls::Error::General(_) => TlsError::new(
            "key",
            "keys of this kind are not known here, only RSA of 2048 to 8192 bits, ECDSA on P256 or P384, and Ed25519",
        ),
        error => TlsError::new("key", error.to_string()),
    }
}

fn without_a_suite(_: rustls::Error) -> TlsError {
    TlsError::new("cipher_suites", "none of them belongs to a version of TLS that is allowed")
}

fn versions(settings: &Settings) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let number = |option, text: &str, default| match text {
        "" => Ok(default),
        "1.2" => Ok(2),
        "1.3" => Ok(3),
        old => Err(TlsError::new(option, format!("TLS {old} is broken and not spoken here, only 1.2 and 1.3"))),
    };
    let allowed = number("min_version", &settings.min_version, 2)?..=number("max_version", &settings.max_version, 3)?;
    let known = [(2, &TLS12), (3, &TLS13)];
    Ok(known.into_iter().filter(|(number, _)| allowed.contains(number)).map(|(_, version)| version).collect())
}

fn provider(settings: &Settings) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        let named = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        let known: Vec<_> = provider.cipher_suites.iter().map(named).collect();
        if let Some(unknown) = settings.cipher_suites.iter().find(|name| !known.contains(name)) {
            let message = format!("{unknown} is not known here, only {}", known.join(", "));
            return Err(TlsError::new("cipher_suites", message));
        }
        provider
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || settings.cipher_suites.contains(&named(suite)));
    }
    if !settings.curve_preferences.is_empty() {
        let wanted: Result<Vec<_>, _> = settings.curve_preferences.iter().map(|name| curve(name)).collect();
        provider.kx_groups = wanted?;
    }
    Ok(provider)
}

fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, TlsError> {
    match name {
        "X25519" => Ok(ring::kx_group::X25519),
        "P256" => Ok(ring::kx_group::SECP256R1),
        "P384" => Ok(ring::kx_group::SECP384R1),
        name => {
            Err(TlsError::new("curve_preferences", format!("{name} is not known here, only X25519, P256 and P384")))
        }
    }
}

/// Checks that the other side has the key of its certificate, and not whose certificate it is.
#[derive(Debug)]
struct BelieveAnybody {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for BelieveAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        client(&settings, &Trust::Anybody).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_spoken_is_refused_by_name() {
        assert!(problem(|it| it.min_version = "1.0".into()).starts_with("min_version: TLS 1.0 is broken"));
        assert!(problem(|it| it.max_version = "1.1".into()).starts_with("max_version: TLS 1.1 is broken"));
        assert!(problem(|it| it.curve_preferences = vec!["P521".into()]).starts_with("curve_preferences: P521 is not"));
        let suites = problem(|it| it.cipher_suites = vec!["TLS_RSA_WITH_AES_128_CBC_SHA".into()]);
        assert!(suites.starts_with("cipher_suites: TLS_RSA_WITH_AES_128_CBC_SHA is not known here, only TLS_"));
        assert!(suites.contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
        let newer = |it: &mut Settings| {
            it.max_version = "1.2".into();
            it.cipher_suites = vec!["TLS_AES_128_GCM_SHA256".into()];
        };
        assert_eq!(problem(newer), "cipher_suites: none of them belongs to a version of TLS that is allowed");
    }

    #[test]
    fn what_is_no_pem_is_refused_by_name() {
        let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
        assert_eq!(problem(|it| it.cert = "nothing".into()), "cert: there is no certificate in it");
        assert_eq!(problem(|it| it.cert = pem("CERTIFICATE")), "key: there is no private key in it");
        let encrypted = problem(|it| (it.cert, it.key) = (pem("CERTIFICATE"), pem("ENCRYPTED PRIVATE KEY")));
        assert_eq!(encrypted, "key: the key is encrypted: write it without a password");
        let header = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n";
        let older = format!("{header}-----END RSA PRIVATE KEY-----\n");
        assert_eq!(problem(|it| (it.cert, it.key) = (pem("CERTIFICATE"), older)), encrypted);
        let authority = Trust::Authorities { ca: Some(pem("CERTIFICATE")), system: false };
        let error = client(&Settings::default(), &authority).unwrap_err();
        assert_eq!(error.to_string(), "ca: certificate 1 in it is not one that can be read");
        let no_authority = Trust::Authorities { ca: Some("nothing".into()), system: false };
        let error = client(&Settings::default(), &no_authority).unwrap_err();
        assert_eq!(error.to_string(), "ca: there is no certificate in it");
    }

    #[test]
    fn suites_of_1_3_are_always_there_and_curves_are_in_the_order_of_preference() {
        let settings = Settings {
            cipher_suites: vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into()],
            curve_preferences: vec!["P384".into(), "X25519".into()],
            ..Settings::default()
        };
        let provider = provider(&settings).unwrap();
        assert_eq!(provider.cipher_suites.iter().filter(|suite| suite.tls13().is_none()).count(), 1);
        assert!(provider.cipher_suites.iter().any(|suite| suite.tls13().is_some()));
        assert_eq!(
            provider.kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>(),
            [rustls::NamedGroup::secp384r1, rustls::NamedGroup::X25519]
        );
    }

    #[test]
    fn versions_lie_between_the_bounds() {
        let between = |min: &str, max: &str| {
            versions(&Settings { min_version: min.into(), max_version: max.into(), ..Settings::default() })
                .unwrap()
                .len()
        };
        assert_eq!((between("", ""), between("1.2", "1.2"), between("1.3", ""), between("1.2", "1.3")), (2, 1, 1, 2));
    }
}
