//! What a certificate says of itself, and whether a client would believe it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// What is written in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// The common name of the subject; servers are not called by it, clients are.
    pub common_name: Option<String>,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// The public key, with its algorithm.
    pub public_key: Vec<u8>,
}

/// Reads it. What cannot be read is left out.
#[must_use]
pub fn facts(der: &[u8]) -> Facts {
    let Ok((_, certificate)) = parse_x509_certificate(der) else { return Facts::default() };
    Facts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names(&certificate),
        common_name: certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| Some(name.as_str().ok()?.to_owned())),
        is_authority: certificate.is_ca(),
        public_key: certificate.public_key().raw.to_vec(),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(v6)
}

/// SHA-256 over the certificate, in hexadecimal.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether a client that trusts these authorities and calls this name believes the chain, as the
/// API server would.
///
/// # Errors
///
/// Why not.
pub fn believed(
    authorities: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
    name: &str,
    now: Timestamp,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?;
    let (leaf, between) = chain.split_first().ok_or("there is no certificate")?;
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("`{name}` is no name of a server"))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier
        .verify_server_cert(leaf, between, &server, &[], at)
        .map(drop)
        .map_err(|error| plain(&error))
}

fn plain(error: &rustls::Error) -> String {
    use rustls::CertificateError as Wrong;
    let rustls::Error::InvalidCertificate(wrong) = error else { return error.to_string() };
    match wrong {
        Wrong::UnknownIssuer => "no trusted authority has signed it".to_owned(),
        Wrong::BadSignature => "the signature is not that of the authority it names".to_owned(),
        // As in `Other(OtherError(CaUsedAsEndEntity))`, for which there is no word yet.
        Wrong::Other(why) => format!("it is not fit for a server: {why}"),
        other => other.to_string(),
    }
}
