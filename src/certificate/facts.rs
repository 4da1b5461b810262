//! What a certificate says of itself, and whether a client would believe it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519};
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;

/// The keys that a server can sign with.
pub const KEYS: &str = "RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, Ed25519";

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

/// Whether its key is one of [`KEYS`]. The server asks the private one, and comes to the same.
#[must_use]
pub fn can_be_served(der: &[u8]) -> bool {
    let Ok((_, certificate)) = parse_x509_certificate(der) else { return false };
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => (2048..=8192).contains(&rsa.key_size()),
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|it| it.as_oid().ok());
            curve.is_some_and(|it| [OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521].contains(&it))
        }
        _ => key.algorithm.algorithm == OID_SIG_ED25519,
    }
}

/// Whether whoever calls this name or address gets there; a name with a `*` must be in it as it is.
#[must_use]
pub fn is_for(der: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(server) = ServerName::try_from(name) else {
        return facts(der).names.iter().any(|it| it.eq_ignore_ascii_case(name));
    };
    ParsedCertificate::try_from(der)
        .is_ok_and(|certificate| verify_server_name(&certificate, &server).is_ok())
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
    if name.is_empty() {
        return Err("it names nobody whom it is for (subjectAltName)".to_owned());
    }
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("`{name}` is no name of a server"))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    match verifier.verify_server_cert(leaf, between, &server, &[], at) {
        // As in Go: what is trusted itself needs nobody to vouch for it.
        Err(error) if authorities.contains(leaf) && needs_a_voucher(&error) => {
            is_for(leaf, name).then_some(()).ok_or_else(|| format!("it is not for `{name}`"))
        }
        outcome => outcome.map(drop).map_err(|error| in_words(&error)),
    }
}

/// Whether nothing else is wrong but who has signed it, or that it may sign others.
#[must_use]
pub fn needs_a_voucher(error: &rustls::Error) -> bool {
    use rustls::CertificateError as Wrong;
    use rustls::Error::InvalidCertificate;
    matches!(error, InvalidCertificate(Wrong::UnknownIssuer | Wrong::Other(_)))
}

/// Why a certificate is not believed.
#[must_use]
pub fn in_words(error: &rustls::Error) -> String {
    use rustls::CertificateError as Wrong;
    let rustls::Error::InvalidCertificate(wrong) = error else { return error.to_string() };
    match wrong {
        Wrong::UnknownIssuer => "no trusted authority has signed it".to_owned(),
        Wrong::BadSignature => "the signature is not that of the authority it names".to_owned(),
        Wrong::Expired | Wrong::ExpiredContext { .. } => "a certificate of it has ended".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "a certificate of it has not begun".to_owned()
        }
        // There is no word of the library's for it yet.
        Wrong::Other(why) if why.to_string() == "CaUsedAsEndEntity" => {
            "the first certificate is an authority's, where the server's own is wanted".to_owned()
        }
        Wrong::Other(why) => format!("it is not fit for a server: {why}"),
        other => other.to_string(),
    }
}
