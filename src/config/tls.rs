//! What the settings say of certificates.

use std::path::PathBuf;

use jiff::SignedDuration;

use super::value::{ClientName, Lifetime, ObjectName, SecretName, ServerName, TlsVersion};
use super::{Given, SettingError};

/// Where the certificate comes from, and what clients must bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where the certificate comes from.
    pub serving: Serving,
    /// `--client-ca`
    pub client_ca: Option<PathBuf>,
    /// `--client-names`
    pub client_names: Vec<String>,
    /// `--token-file`
    pub token_file: Option<PathBuf>,
    /// `--tls-min-version`
    pub min_version: TlsVersion,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// Somebody brings it.
    Files {
        /// `--tls-cert`
        certificate: PathBuf,
        /// `--tls-key`
        key: PathBuf,
        /// `--tls-names`; none: nobody has said how the API server calls.
        names: Vec<String>,
    },
    /// Postern makes it.
    Secret(TlsSecret),
}

/// The certificate that Postern makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSecret {
    /// `--tls-secret`, its namespace; else the one that this server runs in.
    pub namespace: Option<String>,
    /// `--tls-secret`, its name.
    pub name: String,
    /// `--tls-names`; none: those of the Service.
    pub names: Vec<String>,
    /// `--webhook-configurations`
    pub webhook_configurations: String,
    /// `--tls-lifetime`
    pub lifetime: SignedDuration,
    /// `--tls-ca-lifetime`
    pub authority_lifetime: SignedDuration,
    /// `--kubeconfig`
    pub kubeconfig: Option<PathBuf>,
}

const LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

impl Given {
    pub(super) fn tls(&self) -> Result<TlsSettings, SettingError> {
        if self.client_ca.is_none() && !self.client_names.is_empty() {
            let why = "names of clients need `--client-ca`, which tells who they are".to_owned();
            return Err(SettingError::Value { name: "client-names", why });
        }
        Ok(TlsSettings {
            serving: self.serving()?,
            client_ca: self.client_ca.clone(),
            client_names: self.client_names.iter().map(|ClientName(name)| name.clone()).collect(),
            token_file: self.token_file.clone(),
            min_version: self.tls_min_version.unwrap_or(TlsVersion::V1_2),
        })
    }

    fn serving(&self) -> Result<Serving, SettingError> {
        let names = self.tls_names.iter().map(|ServerName(name)| name.clone()).collect();
        let Some(secret) = &self.tls_secret else {
            let (certificate, key) = self.files()?;
            return Ok(Serving::Files { certificate, key, names });
        };
        if self.names_a_file() {
            let why = "Postern makes the certificate itself, or is given one by `--tls-cert` and \
                       `--tls-key`; not both"
                .to_owned();
            return Err(SettingError::Value { name: "tls-secret", why });
        }
        let SecretName { namespace, name } = secret.clone();
        let lifetime = self.tls_lifetime.map_or(LIFETIME, |Lifetime(it)| it);
        let authority_lifetime = self.tls_ca_lifetime.map_or(AUTHORITY_LIFETIME, |it| it.0);
        if authority_lifetime < lifetime {
            let why = "want no less than `--tls-lifetime`".to_owned();
            return Err(SettingError::Value { name: "tls-ca-lifetime", why });
        }
        Ok(Serving::Secret(TlsSecret {
            namespace,
            name,
            names,
            webhook_configurations: self
                .webhook_configurations
                .as_ref()
                .map_or_else(|| "postern".to_owned(), |ObjectName(name)| name.clone()),
            lifetime,
            authority_lifetime,
            kubeconfig: self.kubeconfig.clone(),
        }))
    }

    pub(super) fn names_a_file(&self) -> bool {
        self.tls_cert.is_some() || self.tls_key.is_some()
    }

    fn files(&self) -> Result<(PathBuf, PathBuf), SettingError> {
        for (name, given) in [
            ("webhook-configurations", self.webhook_configurations.is_some()),
            ("tls-lifetime", self.tls_lifetime.is_some()),
            ("tls-ca-lifetime", self.tls_ca_lifetime.is_some()),
        ] {
            if given {
                let why = "is for certificates that Postern makes; want `--tls-secret` as well";
                return Err(SettingError::Value { name, why: why.to_owned() });
            }
        }
        let wanted = "want a PEM file (POSTERN_TLS_CERT); `postern certs issue` makes one, \
                      `--tls-secret` in a cluster";
        let missing = |name| SettingError::Missing { name, wanted };
        let certificate = self.tls_cert.clone().ok_or_else(|| missing("tls-cert"))?;
        let wanted = "want a PEM file (POSTERN_TLS_KEY); `postern certs issue` makes one";
        let missing = |name| SettingError::Missing { name, wanted };
        let key = self.tls_key.clone().ok_or_else(|| missing("tls-key"))?;
        Ok((certificate, key))
    }
}

impl TlsSettings {
    /// As a record names them.
    pub(super) fn named(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.display().to_string();
        let mut named = match &self.serving {
            Serving::Files { certificate, key, names } => {
                let pair = vec![("tls-cert", path(certificate)), ("tls-key", path(key))];
                let names = (!names.is_empty()).then(|| ("tls-names", names.join(",")));
                pair.into_iter().chain(names).collect()
            }
            Serving::Secret(secret) => secret.named(),
        };
        named.extend(self.client_ca.iter().map(|it| ("client-ca", path(it))));
        named.extend(self.token_file.iter().map(|it| ("token-file", path(it))));
        if !self.client_names.is_empty() {
            named.push(("client-names", self.client_names.join(",")));
        }
        named.push(("tls-min-version", self.min_version.as_str().to_owned()));
        named
    }
}

impl TlsSecret {
    fn named(&self) -> Vec<(&'static str, String)> {
        let Self { namespace, name, names, webhook_configurations, .. } = self;
        let prefix = namespace.iter().map(|namespace| format!("{namespace}/"));
        vec![
            ("tls-secret", prefix.collect::<String>() + name),
            ("tls-names", names.join(",")),
            ("webhook-configurations", webhook_configurations.clone()),
            ("tls-lifetime", format!("{:#}", self.lifetime)),
            ("tls-ca-lifetime", format!("{:#}", self.authority_lifetime)),
        ]
    }
}
