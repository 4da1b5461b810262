//! The key that signs the ledger, in a Secret: made by the first server that needs it, read by the
//! others.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use super::client::{self, ConnectError};
use super::write::{self, Unwritten};
use crate::ledger::keyring::{Kept, KeptError, Keys, Rotated};
use crate::ledger::note::VerifyingKey;

/// The keys of the Secret, as files would be called.
const KEY: &str = "ledger.key";
const PUBLIC: &str = "ledger.pub";
const ROTATIONS: &str = "ledger.rotations";
/// How long the API server may be silent.
const WAIT: Duration = Duration::from_secs(10);
/// How often somebody else may be quicker. One that has made the key is enough.
const ATTEMPTS: usize = 5;

/// A Secret for the key that signs.
#[derive(Debug, Clone)]
pub struct SigningSecret {
    api: Api<Secret>,
    namespace: String,
    name: String,
    by: String,
}

/// What there is, and the version that was read; none: it is not there.
struct Found {
    kept: Option<Kept>,
    version: Option<String>,
}

impl SigningSecret {
    /// Prepares to read it. No namespace: the one that this server is in. `by` is who makes it.
    ///
    /// # Errors
    ///
    /// There is no telling where the cluster is, or who asks.
    pub async fn connect(
        kubeconfig: Option<&Path>,
        namespace: Option<&str>,
        name: &str,
        by: &str,
    ) -> Result<Self, ConnectError> {
        let config = client::config(kubeconfig, WAIT).await?;
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        let api = Api::namespaced(client::client(&config)?, &namespace);
        Ok(Self { api, namespace, name: name.to_owned(), by: by.to_owned() })
    }

    /// The key in it; makes one where there is none. Of several servers that start at once, one
    /// makes it.
    ///
    /// # Errors
    ///
    /// What the API server says, or that what is there is no key.
    pub async fn load_or_make(&self) -> Result<Keys, String> {
        for _ in 0..ATTEMPTS {
            let Found { kept, version } = self.find().await?;
            if let Some(kept) = kept {
                return self.keys(&kept);
            }
            let made = Kept::generate().map_err(|error| error.to_string())?;
            if self.write(&made, version.as_deref()).await? {
                return Ok(Keys { is_new: true, ..self.keys(&made)? });
            }
        }
        Err(self.busy())
    }

    /// Makes a new key in its place, to which it hands over; both public keys, the old one first.
    ///
    /// # Errors
    ///
    /// As for [`Self::load_or_make`], or there is none.
    pub async fn rotate(&self) -> Result<(VerifyingKey, VerifyingKey), String> {
        for _ in 0..ATTEMPTS {
            let Found { kept, version } = self.find().await?;
            let kept = kept.ok_or_else(|| format!("there is no {}", self.place()))?;
            let Rotated { old, new, kept } = kept.rotated().map_err(|error| self.wrong(&error))?;
            if self.write(&kept, version.as_deref()).await? {
                return Ok((old, new));
            }
        }
        Err(self.busy())
    }

    async fn find(&self) -> Result<Found, String> {
        let read = write::read(&self.api, &self.name).await;
        let secret = read.map_err(|why| format!("{}: {why}", self.place()))?;
        let Some(secret) = secret else { return Ok(Found { kept: None, version: None }) };
        let version = secret.metadata.resource_version;
        let data = secret.data.unwrap_or_default();
        if data.is_empty() {
            return Ok(Found { kept: None, version });
        }
        let text = |key: &str| -> Result<String, String> {
            let value = data.get(key).map(|value| value.0.clone()).unwrap_or_default();
            String::from_utf8(value).map_err(|_| format!("{}: `{key}` is no text", self.place()))
        };
        // What somebody else keeps there is left alone.
        if !data.contains_key(KEY) {
            return Err(format!("{} has no `{KEY}`, but something else", self.place()));
        }
        let kept = Kept { key: text(KEY)?, public: text(PUBLIC)?, rotations: text(ROTATIONS)? };
        Ok(Found { kept: Some(kept), version })
    }

    /// Writes it in place of that version, or where nothing is; `false`: somebody was quicker.
    async fn write(&self, kept: &Kept, version: Option<&str>) -> Result<bool, String> {
        let written = write::secret(&self.api, &self.name, &self.by, version, fields(kept)).await;
        match written {
            Ok(_) => Ok(true),
            Err(Unwritten::Outrun) => Ok(false),
            Err(Unwritten::Refused(why)) => Err(format!("{}: {why}", self.place())),
        }
    }

    fn keys(&self, kept: &Kept) -> Result<Keys, String> {
        kept.keys().map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &KeptError) -> String {
        match error {
            KeptError::Key(why) => format!("`{KEY}` of {}: {why}", self.place()),
            KeptError::Rotations(_) => format!("`{ROTATIONS}` of {}: {error}", self.place()),
        }
    }

    fn place(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    fn busy(&self) -> String {
        format!("{} is changed by others again and again", self.place())
    }
}

fn fields(Kept { key, public, rotations }: &Kept) -> Value {
    let values = [(KEY, key), (PUBLIC, public), (ROTATIONS, rotations)];
    let values = values.into_iter().filter(|(_, text)| !text.is_empty());
    let data: BTreeMap<&str, ByteString> =
        values.map(|(key, text)| (key, ByteString(text.clone().into_bytes()))).collect();
    json!({"data": data})
}

#[cfg(test)]
mod tests;
