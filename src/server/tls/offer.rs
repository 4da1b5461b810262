//! What a handshake offers and asks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::clients::Named;
use super::origin::Pems;
use super::{Demands, TlsError, misfit, provider};
use crate::certificate::Pem;
use crate::certificate::facts::{Facts, facts};
use crate::certificate::read::{self, Certificate, ReadError};
use crate::policy::text::Quoted;

/// A configuration of the TLS library, and what is to be known of what is in it.
pub(super) struct Offer {
    pub(super) config: Arc<ServerConfig>,
    pub(super) leaf: Certificate,
    pub(super) client_ca_expires: Option<Timestamp>,
}

type ClientVerifier = (Arc<dyn ClientCertVerifier>, Option<Timestamp>);

impl Offer {
    pub(super) fn new(pems: &Pems, demands: &Demands) -> Result<Self, TlsError> {
        let Pems { pair, client_ca } = pems;
        let provider = Arc::new(provider());
        let chain = read::certificates(&pair.certificate)?;
        let place = || pair.certificate.place.clone();
        let no_certificate = || ReadError::NoCertificate { place: place() };
        let leaf = chain.first().ok_or_else(no_certificate)?.clone();
        let chain = chain.into_iter().map(|certificate| certificate.der).collect();
        let wrong = |error| {
            let (key, why) = (pair.key.place.clone(), misfit(&error));
            TlsError::Pair { certificate: place(), key, why }
        };
        let certified =
            CertifiedKey::from_der(chain, read::key(&pair.key)?, &provider).map_err(wrong)?;
        let (verifier, client_ca_expires) = match client_ca {
            Some(client_ca) => clients(client_ca, &demands.client_names, &provider)?,
            None => (WebPkiClientVerifier::no_client_auth(), None),
        };
        let versions = if demands.only_tls_1_3 { &[&TLS13][..] } else { &[&TLS13, &TLS12][..] };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(wrong)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), leaf, client_ca_expires })
    }
}

/// Before there is a certificate: every handshake fails.
pub(super) fn nothing() -> Result<Arc<ServerConfig>, TlsError> {
    let none = || "none yet".to_owned();
    let wrong = |error| TlsError::Pair { certificate: none(), key: none(), why: misfit(&error) };
    let config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Nothing));
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Nothing;

impl ResolvesServerCert for Nothing {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Whether anybody could be let in by it.
fn vouches(authority: &Certificate, provider: &Arc<CryptoProvider>) -> Result<(), String> {
    let Facts { subject, issuer, is_authority, .. } = facts(&authority.der);
    if is_authority || stands_for_itself(authority, provider) {
        return Ok(());
    }
    let is_own = subject == issuer;
    let (subject, issuer) = (Quoted(&subject), Quoted(&issuer));
    Err(match is_own {
        true => format!("({subject}) is no authority, and no client could show it either"),
        false => format!("({subject}) is no authority; give the one that signed it ({issuer})"),
    })
}

/// A client that has signed its own certificate needs nobody else.
fn stands_for_itself(certificate: &Certificate, provider: &Arc<CryptoProvider>) -> bool {
    let Certificate { der, validity } = certificate;
    let mut roots = RootCertStore::empty();
    let Ok(begin) = u64::try_from(validity.from.as_second()) else { return false };
    let begin = UnixTime::since_unix_epoch(Duration::from_secs(begin));
    let provider = Arc::clone(provider);
    roots.add(der.clone()).is_ok()
        && WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .is_ok_and(|verifier| verifier.verify_client_cert(der, &[], begin).is_ok())
}

fn clients(
    pem: &Pem,
    names: &[String],
    provider: &Arc<CryptoProvider>,
) -> Result<ClientVerifier, TlsError> {
    let unusable = |why: String| TlsError::ClientCa { place: pem.place.clone(), why };
    let authorities = read::certificates(pem)?;
    let expires = authorities.iter().map(|authority| authority.validity.until).min();
    let mut roots = RootCertStore::empty();
    for (position, authority) in authorities.into_iter().enumerate() {
        vouches(&authority, provider)
            .map_err(|why| unusable(format!("certificate {} {why}", position + 1)))?;
        roots.add(authority.der).map_err(|error| unusable(error.to_string()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
    let verifier = if names.is_empty() { verifier } else { Named::verifier(verifier, names) };
    Ok((verifier, expires))
}
