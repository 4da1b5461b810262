//! What there is in a Secret, of which anything may be missing or spoilt.

use jiff::Timestamp;
use pem::{EncodeConfig, LineEnding};
use rustls::pki_types::CertificateDer;

use super::Contents;
use crate::certificate::Pem;
use crate::certificate::facts::{believed, facts};
use crate::certificate::issue::public_key;
use crate::certificate::read::{self, Certificate, ReadError};

/// What of the contents can be used, and why the rest cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The serving certificate, if it would be believed by whoever trusts the authorities.
    pub leaf: Result<Leaf, String>,
    /// Every authority that can be read, valid or not.
    pub authorities: Vec<Certificate>,
    /// The one whose key is there.
    pub issuer: Result<Certificate, String>,
}

/// A serving certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate.
    pub certificate: Certificate,
    /// What it is for.
    pub names: Vec<String>,
    /// The authority that signed it.
    pub signer: CertificateDer<'static>,
}

impl Inventory {
    /// Looks through them at this moment.
    #[must_use]
    pub fn of(contents: &Contents, now: Timestamp) -> Self {
        let Contents { certificate, key, authorities, authority_key } = contents;
        let (authorities, unread) = match certificates("ca.crt", authorities) {
            Ok(authorities) => (authorities, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let issuer = match unread {
            Some(why) => Err(why),
            None => issuer(&authorities, authority_key, now),
        };
        let leaf = leaf(certificate, key, &authorities, now);
        Self { leaf, authorities, issuer }
    }
}

fn certificates(place: &str, text: &[u8]) -> Result<Vec<Certificate>, String> {
    if text.is_empty() {
        return Err(format!("there is no `{place}`"));
    }
    read::certificates(&Pem { place: place.to_owned(), text: text.to_vec() })
        .map_err(|error: ReadError| error.to_string())
}

fn issuer(authorities: &[Certificate], key: &[u8], now: Timestamp) -> Result<Certificate, String> {
    if key.is_empty() {
        return Err("there is no `ca.key`".to_owned());
    }
    let public = public_key(key).ok_or("`ca.key` is no key")?;
    let issuer = authorities
        .iter()
        .find(|authority| facts(&authority.der).public_key == public)
        .ok_or("`ca.key` is of no authority in `ca.crt`")?;
    let until = issuer.validity.until;
    match (facts(&issuer.der).is_authority, issuer.validity.holds(now)) {
        (false, _) => Err("`ca.crt` holds what is no authority".to_owned()),
        (true, false) if until < now => Err(format!("the authority ended at {until}")),
        (true, false) => Err("the authority is not valid yet".to_owned()),
        (true, true) => Ok(issuer.clone()),
    }
}

fn leaf(
    certificate: &[u8],
    key: &[u8],
    authorities: &[Certificate],
    now: Timestamp,
) -> Result<Leaf, String> {
    let chain = certificates("tls.crt", certificate)?;
    let leaf = chain.first().ok_or("there is no `tls.crt`")?;
    let facts = facts(&leaf.der);
    if public_key(key).as_deref() != Some(facts.public_key.as_slice()) {
        return Err("`tls.key` is not the key of `tls.crt`".to_owned());
    }
    let until = leaf.validity.until;
    if until < now {
        return Err(format!("it ended at {until}"));
    }
    let name = facts.names.first().ok_or("it is for no name")?;
    // Nobody calls a server `*`; any name below will do.
    let name = &name.strip_prefix("*.").map_or_else(|| name.clone(), |rest| format!("x.{rest}"));
    let chain: Vec<_> = chain.iter().map(|it| it.der.clone()).collect();
    let mut why = "there is no authority".to_owned();
    for authority in authorities {
        match believed(std::slice::from_ref(&authority.der), &chain, name, now) {
            Ok(()) => {
                let (signer, names) = (authority.der.clone(), facts.names);
                return Ok(Leaf { certificate: leaf.clone(), names, signer });
            }
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The text of `ca.crt`.
pub(super) fn bundle<'a>(authorities: impl IntoIterator<Item = &'a Certificate>) -> Vec<u8> {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let text = |authority: &Certificate| {
        pem::encode_config(&pem::Pem::new("CERTIFICATE", authority.der.to_vec()), config)
    };
    authorities.into_iter().map(text).collect::<String>().into_bytes()
}
