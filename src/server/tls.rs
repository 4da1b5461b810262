//! Certificate, key and client authority: loaded, checked, and loaded again when they change.
//!
//! A pair that cannot be used never replaces one that can. Connections keep what they were made
//! with; every new one takes the newest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use tracing::{info, warn};
use x509_parser::parse_x509_certificate;

use super::metrics::{CertificateKind, Metrics};
use super::probes::Check;
use crate::watch::Watch;

/// Larger files are no certificates.
const READ_AT_MOST: u64 = 1024 * 1024;

/// Where the PEM files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, first, and whatever stands between it and the authority.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// Authorities of the clients that are let in. Nothing lets in everybody.
    pub client_ca: Option<PathBuf>,
}

impl Files {
    /// All of them, to be watched.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let Self { certificate, key, client_ca } = self;
        [certificate, key].into_iter().chain(client_ca).cloned().collect()
    }
}

/// What is shown to clients and asked of them, always the newest that could be loaded.
#[derive(Debug)]
pub struct Certificates {
    files: Files,
    config: RustlsConfig,
    state: ArcSwap<State>,
}

#[derive(Debug)]
struct State {
    expires: Timestamp,
    client_ca_expires: Option<Timestamp>,
    /// What is wrong with the files as they are now.
    not_taken_over: Option<String>,
}

/// What is wrong with certificate, key or authority. At the start it ends the program; later the
/// old ones stay in use and loading is tried again.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file system says no.
    #[error("`{}` cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A PEM block that is not one.
    #[error("`{}` is not PEM: {why}", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// In words; the content is not shown, it may be a key.
        why: &'static str,
    },
    /// There is no certificate in it.
    #[error("`{}` holds no certificate", path.display())]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// A PEM block that is no certificate.
    #[error("certificate {position} of `{}` is none that can be used: {why}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// From 1.
        position: usize,
        /// What the parser says.
        why: String,
    },
    /// None, or several.
    #[error("`{}` holds {number} private keys that can be read, one is wanted", path.display())]
    Keys {
        /// Which file.
        path: PathBuf,
        /// How many.
        number: usize,
    },
    /// Certificate and key are not a pair, or of a kind that is not supported.
    #[error("`{}` and `{}` cannot be used together: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library says.
        source: rustls::Error,
    },
    /// The authorities cannot be used.
    #[error("`{}` cannot be used as client authority: {why}", path.display())]
    ClientCa {
        /// Which file.
        path: PathBuf,
        /// What the TLS library says.
        why: String,
    },
    /// Not yet, or no longer.
    #[error("the certificate in `{}` is valid from {from} until {until}, not now", path.display())]
    NotNow {
        /// Which file.
        path: PathBuf,
        /// `notBefore`
        from: Timestamp,
        /// `notAfter`
        until: Timestamp,
    },
}

impl Certificates {
    /// Loads everything for the first time. A certificate that is not valid now is accepted: it
    /// may be replaced in a moment, and until then readiness says so.
    ///
    /// # Errors
    ///
    /// What is wrong, with the file.
    pub fn load(files: Files) -> Result<Self, TlsError> {
        let Loaded { config, validity: Validity { until: expires, .. }, client_ca_expires } =
            Loaded::read(&files)?;
        let state = State { expires, client_ca_expires, not_taken_over: None };
        Ok(Self {
            files,
            config: RustlsConfig::from_config(config),
            state: ArcSwap::from_pointee(state),
        })
    }

    /// Loads everything again.
    ///
    /// # Errors
    ///
    /// What is wrong; then nothing has changed.
    pub fn reload(&self, now: Timestamp) -> Result<(), TlsError> {
        let outcome = Loaded::read(&self.files).and_then(|loaded| {
            let Validity { from, until } = loaded.validity;
            // An old pair that still works is better than a new one that does not.
            if now < from || until < now {
                let path = self.files.certificate.clone();
                return Err(TlsError::NotNow { path, from, until });
            }
            Ok(loaded)
        });
        let old = self.state.load();
        let (state, outcome) = match outcome {
            Ok(Loaded { config, validity, client_ca_expires }) => {
                self.config.reload_from_config(config);
                let expires = validity.until;
                (State { expires, client_ca_expires, not_taken_over: None }, Ok(()))
            }
            Err(error) => {
                let State { expires, client_ca_expires, not_taken_over: _ } = **old;
                let not_taken_over = Some(error.to_string());
                (State { expires, client_ca_expires, not_taken_over }, Err(error))
            }
        };
        self.state.store(Arc::new(state));
        outcome
    }

    /// Loads everything again whenever `watch` says so, for ever.
    pub async fn keep_fresh(self: Arc<Self>, mut watch: Watch, metrics: Arc<Metrics>) {
        self.count(&metrics);
        let mut last_failure = None;
        loop {
            let changed = watch.changed_or_retry(last_failure.is_some()).await;
            match self.reload(Timestamp::now()) {
                Ok(()) => {
                    last_failure = None;
                    self.count(&metrics);
                    info!("Certificates loaded, valid until {}", self.state.load().expires);
                }
                Err(error) => {
                    let failure = Some(error.to_string());
                    if changed || failure != last_failure {
                        metrics.certificate_reload_failed();
                        warn!("The old certificates stay in use: {error}");
                    }
                    last_failure = failure;
                }
            }
        }
    }

    fn count(&self, metrics: &Metrics) {
        let state = self.state.load();
        metrics.certificate_loaded(CertificateKind::Serving, state.expires);
        if let Some(expires) = state.client_ca_expires {
            metrics.certificate_loaded(CertificateKind::ClientCa, expires);
        }
    }

    /// For the listener.
    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// For readiness.
    #[must_use]
    pub fn check(&self, now: Timestamp) -> Check {
        let State { expires, not_taken_over, .. } = &**self.state.load();
        let state = match not_taken_over {
            _ if *expires < now => Err(format!("expired at {expires}")),
            Some(why) => Ok(Some(format!("the old one stays in use: {why}"))),
            None => Ok(None),
        };
        Check { name: "certificate", state }
    }
}

/// The cryptography behind everything here.
#[must_use]
pub fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

struct Loaded {
    config: Arc<ServerConfig>,
    validity: Validity,
    client_ca_expires: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Validity {
    from: Timestamp,
    until: Timestamp,
}

impl Loaded {
    fn read(files: &Files) -> Result<Self, TlsError> {
        let Files { certificate, key, client_ca } = files;
        let provider = Arc::new(provider());
        let (chain, validities) = read_certificates(certificate)?;
        let no_certificate = || TlsError::NoCertificate { path: certificate.clone() };
        let validity = *validities.first().ok_or_else(no_certificate)?;
        let pair =
            |source| TlsError::Pair { certificate: certificate.clone(), key: key.clone(), source };
        let certified = CertifiedKey::from_der(chain, read_key(key)?, &provider).map_err(pair)?;
        let client_ca =
            client_ca.as_deref().map(|path| client_verifier(path, &provider)).transpose()?;
        let (verifier, client_ca_expires) = match client_ca {
            Some((verifier, expires)) => (verifier, expires),
            None => (WebPkiClientVerifier::no_client_auth(), None),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(pair)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), validity, client_ca_expires })
    }
}

type ClientVerifier = (Arc<dyn ClientCertVerifier>, Option<Timestamp>);

fn client_verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientVerifier, TlsError> {
    let unusable = |why: String| TlsError::ClientCa { path: path.to_owned(), why };
    let (authorities, validities) = read_certificates(path)?;
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| unusable(error.to_string()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
    Ok((verifier, validities.iter().map(|validity| validity.until).min()))
}

/// Every certificate of a file, in order, at least one.
fn read_certificates(
    path: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Vec<Validity>), TlsError> {
    let mut certificates = Vec::new();
    let mut validities = Vec::new();
    for (kind, der) in read_blocks(path)? {
        // A file that holds the key as well is not wrong for that.
        if kind != SectionKind::Certificate {
            continue;
        }
        let position = certificates.len() + 1;
        let validity = validity(&der).map_err(|why| TlsError::Certificate {
            path: path.to_owned(),
            position,
            why,
        })?;
        validities.push(validity);
        certificates.push(CertificateDer::from(der));
    }
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok((certificates, validities))
}

fn validity(der: &[u8]) -> Result<Validity, String> {
    let (rest, certificate) =
        parse_x509_certificate(der).map_err(|_| "it is not X.509".to_owned())?;
    if !rest.is_empty() {
        return Err("something follows it".to_owned());
    }
    let validity = certificate.validity();
    let moment = |seconds| Timestamp::from_second(seconds).map_err(|error| error.to_string());
    let from = moment(validity.not_before.timestamp())?;
    let until = moment(validity.not_after.timestamp())?;
    Ok(Validity { from, until })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let mut keys: Vec<_> = read_blocks(path)?
        .into_iter()
        .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .collect();
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (None, number) => Err(TlsError::Keys { path: path.to_owned(), number }),
        (Some(_), others) => Err(TlsError::Keys { path: path.to_owned(), number: others + 1 }),
    }
}

/// Every PEM block of a file whose label is known. One that cannot be read is an error: to skip it
/// would be to serve half a chain.
fn read_blocks(path: &Path) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
    let read = |source| TlsError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(read)?;
    let length = file.take(READ_AT_MOST + 1).read_to_end(&mut text).map_err(read)?;
    let broken = |why| TlsError::Pem { path: path.to_owned(), why };
    if u64::try_from(length).is_ok_and(|length| length > READ_AT_MOST) {
        return Err(broken("it is too large"));
    }
    PemObject::pem_slice_iter(&text)
        .map(|block| block.map_err(|error| broken(pem_error(&error))))
        .collect()
}

/// The library's own words show the bytes.
fn pem_error(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no end",
        pem::Error::IllegalSectionStart { .. } => "a block's first line is not well formed",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "a block cannot be read",
    }
}

#[cfg(test)]
mod tests;
