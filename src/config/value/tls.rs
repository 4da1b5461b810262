//! Shapes of settings about certificates and keys.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::SignedDuration;

use super::Wanted;

/// Shorter ones would be replaced without end.
const MIN_LIFETIME: SignedDuration = SignedDuration::from_secs(10);
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// An object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ObjectName(pub(in crate::config) String);

/// A Secret, and the namespace that it is in if it is not the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    /// The namespace.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// Where the key is that signs the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// A file.
    File(PathBuf),
    /// A Secret of the cluster.
    Secret(SecretName),
}

/// A DNS name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName(pub String);

/// What a client's certificate may call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ClientName(pub(in crate::config) String);

/// How long a certificate lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Lifetime(pub(in crate::config) SignedDuration);

/// The oldest TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 and 1.3.
    V1_2,
    /// 1.3 alone.
    V1_3,
}

impl TlsVersion {
    /// As settings spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

impl FromStr for TlsVersion {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        [Self::V1_2, Self::V1_3]
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or(Wanted("1.2 or 1.3"))
    }
}

impl FromStr for ServerName {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        let text = text.trim_matches(' ');
        // As it is read back from a certificate.
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_string()));
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        // As in 10.0.0.300, which nobody is called by.
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = text.len() <= 253
            && name.split('.').all(is_label)
            && !name.rsplit('.').next().is_some_and(is_number);
        is_name.then(|| Self(text.to_owned())).ok_or(Wanted("a DNS name or an IP address"))
    }
}

impl FromStr for ClientName {
    type Err = Wanted;

    /// No certificate calls anybody nothing, nor by a name with blanks around it.
    fn from_str(text: &str) -> Result<Self, Wanted> {
        let name = text.trim();
        let is_name = !name.is_empty();
        is_name
            .then(|| Self(name.to_owned()))
            .ok_or(Wanted("the name of a client, as in kube-apiserver, or several divided by `,`"))
    }
}

impl FromStr for ObjectName {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        is_object(text).then(|| Self(text.to_owned())).ok_or(Wanted("the name of an object"))
    }
}

impl FromStr for SecretName {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let fits = is_object(name) && namespace.is_none_or(|it| is_object(it) && !it.contains('.'));
        fits.then(|| Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
            .ok_or(Wanted("NAME or NAMESPACE/NAME of a Secret"))
    }
}

impl FromStr for KeyPlace {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        match text.strip_prefix("secret:") {
            Some(name) => name
                .parse()
                .map(Self::Secret)
                .map_err(|_| Wanted("secret:NAME or secret:NAMESPACE/NAME, or a file")),
            None if text.is_empty() => Err(Wanted("a file, or secret:NAME")),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Secret(SecretName { namespace: Some(namespace), name }) => {
                write!(f, "secret:{namespace}/{name}")
            }
            Self::Secret(SecretName { namespace: None, name }) => write!(f, "secret:{name}"),
        }
    }
}

impl FromStr for Lifetime {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        super::with_days(text)
            .filter(|lifetime| (MIN_LIFETIME..=MAX_LIFETIME).contains(lifetime))
            .map(Self)
            .ok_or(Wanted("a duration from 10s to 3650d, as in 90d or 24h"))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_object(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(is_label)
        && !name.bytes().any(|b| b.is_ascii_uppercase())
}
