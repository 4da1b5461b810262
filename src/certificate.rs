//! Layer 3, certificates: read, issued, told about, and when which of them is to be replaced.
//!
//! Nothing here touches the world. Where the PEM comes from (files, a Secret) is for others to
//! know; when one is to be replaced is decided from what there is and what time it is.

pub mod custody;
pub mod facts;
pub mod issue;
pub mod read;

use std::fmt;

/// A certificate as it travels.
pub type Der = rustls::pki_types::CertificateDer<'static>;

/// A text that should be PEM, and where it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// As errors name it.
    pub place: String,
    /// What was found there.
    pub text: Vec<u8>,
}

/// It may be a key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, text } = self;
        write!(f, "Pem({place}, {} bytes)", text.len())
    }
}

/// What a server shows, and proves to be its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The server's certificate, first, and whatever stands between it and the authority.
    pub certificate: Pem,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: Pem,
}
