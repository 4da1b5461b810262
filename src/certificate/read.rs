//! What is in a PEM text.

use jiff::Timestamp;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;

use super::Pem;

/// Larger texts are no certificates.
pub const READ_AT_MOST: u64 = 1024 * 1024;

/// What some editors begin every text with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A PEM block that is not one.
    #[error("`{place}` is not PEM: {why}")]
    Pem {
        /// Where.
        place: String,
        /// In words; the content is not shown, it may be a key.
        why: &'static str,
    },
    /// A key that only a password opens.
    #[error("`{place}` is encrypted; `openssl pkey -in FILE -out FILE` takes that away")]
    Encrypted {
        /// Where.
        place: String,
    },
    /// There is no certificate in it.
    #[error("`{place}` holds no certificate in PEM")]
    NoCertificate {
        /// Where.
        place: String,
    },
    /// A certificate as it travels.
    #[error("`{place}` is DER, not PEM; `openssl x509 -inform der -in FILE -out FILE` turns it")]
    Der {
        /// Where.
        place: String,
    },
    /// A PEM block that is no certificate.
    #[error("certificate {position} of `{place}` is none that can be used: {why}")]
    Certificate {
        /// Where.
        place: String,
        /// From 1.
        position: usize,
        /// What the parser says.
        why: String,
    },
    /// None, or several.
    #[error("`{place}` holds {number} private keys that can be read, one is wanted")]
    Keys {
        /// Where.
        place: String,
        /// How many.
        number: usize,
    },
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`
    pub from: Timestamp,
    /// `notAfter`
    pub until: Timestamp,
}

impl Validity {
    /// Whether it is valid at this moment.
    #[must_use]
    pub fn holds(self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }
}

/// A certificate, and when it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// As it travels.
    pub der: CertificateDer<'static>,
    /// When it is valid.
    pub validity: Validity,
}

/// Every certificate of a text, in order, at least one.
///
/// # Errors
///
/// A block of it cannot be read, or there is none.
pub fn certificates(pem: &Pem) -> Result<Vec<Certificate>, ReadError> {
    let place = || pem.place.clone();
    let mut certificates = Vec::new();
    for (kind, der) in blocks(pem)? {
        // A text that holds the key as well is not wrong for that.
        if kind != SectionKind::Certificate {
            continue;
        }
        let position = certificates.len() + 1;
        let wrong = |why| ReadError::Certificate { place: place(), position, why };
        certificates.push(certificate(CertificateDer::from(der)).map_err(wrong)?);
    }
    match (certificates.is_empty(), validity(&pem.text)) {
        (false, _) => Ok(certificates),
        (true, Ok(_)) => Err(ReadError::Der { place: place() }),
        (true, Err(_)) => Err(ReadError::NoCertificate { place: place() }),
    }
}

/// A certificate that travelled without PEM.
///
/// # Errors
///
/// What the parser says.
pub fn certificate(der: CertificateDer<'static>) -> Result<Certificate, String> {
    let validity = validity(&der)?;
    Ok(Certificate { der, validity })
}

/// The one private key of a text.
///
/// # Errors
///
/// A block of it cannot be read, there is none, or there are several.
pub fn key(pem: &Pem) -> Result<PrivateKeyDer<'static>, ReadError> {
    let mut keys: Vec<_> = blocks(pem)?
        .into_iter()
        .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .collect();
    let number = keys.len();
    match (keys.pop(), number) {
        (Some(key), 1) => Ok(key),
        _ => Err(ReadError::Keys { place: pem.place.clone(), number }),
    }
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

/// Every PEM block of a text whose label is known. One that cannot be read is an error: to skip it
/// would be to serve half a chain.
fn blocks(pem: &Pem) -> Result<Vec<(SectionKind, Vec<u8>)>, ReadError> {
    let broken = |why| ReadError::Pem { place: pem.place.clone(), why };
    if u64::try_from(pem.text.len()).is_ok_and(|length| length > READ_AT_MOST) {
        return Err(broken("it is too large"));
    }
    let text = pem.text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&pem.text);
    let is_encrypted = |mark: &[u8]| text.windows(mark.len()).any(|part| part == mark);
    if is_encrypted(b"BEGIN ENCRYPTED PRIVATE KEY") || is_encrypted(b"Proc-Type: 4,ENCRYPTED") {
        return Err(ReadError::Encrypted { place: pem.place.clone() });
    }
    PemObject::pem_slice_iter(text)
        .map(|block| block.map_err(|error| broken(in_words(&error))))
        .collect()
}

/// The library's own words show the bytes.
fn in_words(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no end",
        pem::Error::IllegalSectionStart { .. } => "a block's first line is not well formed",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "a block cannot be read",
    }
}
