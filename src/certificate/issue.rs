//! Makes authorities, and serving certificates that they sign: ECDSA on P-256.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::CertificateDer;

use super::facts::facts;
use super::read::Validity;

/// A little before now, for clocks that are behind.
pub const HEAD_START: SignedDuration = SignedDuration::from_hours(1);

/// A certificate and its key, both as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// It holds a key.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

/// Valid from a little before now, so long.
#[must_use]
pub fn span(now: Timestamp, lifetime: SignedDuration) -> Validity {
    // What lives for seconds must not seem to have lived for an hour already.
    let head_start = HEAD_START.min(lifetime / 10);
    let from = now.checked_sub(head_start).unwrap_or(Timestamp::MIN);
    let until = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    Validity { from, until }
}

/// A new authority for that time.
///
/// # Errors
///
/// The machine has no randomness.
pub fn authority(valid: Validity) -> Result<Issued, Error> {
    let mut params = CertificateParams::default();
    // Two of them are told apart by people too.
    params.distinguished_name = named(&format!("Postern authority {:.0}", valid.from));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, valid);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    Ok(Issued { certificate: issuer.pem(), key: issuer.key().serialize_pem() })
}

/// A new serving certificate for these names and addresses, signed by an authority.
///
/// # Errors
///
/// The key is not one, a name is not one, or the machine has no randomness.
pub fn serving(
    authority: &CertificateDer<'_>,
    authority_key: &str,
    names: &[String],
    valid: Validity,
) -> Result<Issued, Error> {
    // Only the name is taken from the authority: rcgen panics at some of what one can hold.
    // One that was not made here is not believed in the end, and that is looked at.
    let mut by = CertificateParams::default();
    by.distinguished_name = named(&facts(authority).common_name.unwrap_or_default());
    by.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = Issuer::new(by, KeyPair::from_pem(authority_key)?);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("Postern");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, valid);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// The public half of a private key, as certificates carry it; `None`: it is no key.
pub(super) fn public_key(key: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(key).ok()?;
    Some(KeyPair::from_pem(text).ok()?.subject_public_key_info())
}

fn set_validity(params: &mut CertificateParams, valid: Validity) {
    params.not_before = SystemTime::from(valid.from).into();
    params.not_after = SystemTime::from(valid.until).into();
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
