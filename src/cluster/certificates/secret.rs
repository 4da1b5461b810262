//! The Secret, as certificates and back.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::certificate::custody::{Asked, Contents};
use crate::certificate::{Pair, Pem};
use crate::cluster::write::{self, Unwritten};

/// On a Secret that Postern has filled. Another is somebody's own and left alone.
const MADE_HERE: &str = "postern.dev/certificates";
const GENERATED: &str = "generated";
/// The fingerprint of the certificate that somebody wants to have replaced.
pub(in crate::cluster) const REPLACE: &str = "postern.dev/replace-certificate";
/// The fingerprint of the authority.
pub(in crate::cluster) const REPLACE_AUTHORITY: &str = "postern.dev/replace-authority";

/// The keys of the Secret.
const KEYS: [&str; 4] = ["tls.crt", "tls.key", "ca.crt", "ca.key"];

/// Where they are kept.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    api: Api<Secret>,
    namespace: String,
    name: String,
    by: String,
}

/// What a Secret holds.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) contents: Contents,
    pub(super) asked: Asked,
    /// The version that was read; `None`: it is not there.
    pub(super) version: Option<String>,
    /// Filled by somebody else.
    pub(super) foreign: bool,
}

impl Keeping {
    pub(super) fn new(client: Client, namespace: &str, name: &str, by: &str) -> Self {
        let (namespace, name, by) = (namespace.to_owned(), name.to_owned(), by.to_owned());
        Self { api: Api::namespaced(client, &namespace), namespace, name, by }
    }

    /// As logs name it.
    pub(super) fn place(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    /// What is to be served.
    pub(super) fn pair(&self, contents: &Contents) -> Pair {
        let pem = |key: &str, text: &[u8]| Pem {
            place: format!("{key} of {}", self.place()),
            text: text.to_vec(),
        };
        Pair {
            certificate: pem("tls.crt", &contents.certificate),
            key: pem("tls.key", &contents.key),
        }
    }

    /// Writes these contents in place of that version, or where nothing is.
    pub(super) async fn write(
        &self,
        contents: &Contents,
        version: Option<&str>,
    ) -> Result<Secret, Unwritten> {
        write::secret(&self.api, &self.name, &self.by, version, fields(contents)).await
    }
}

fn fields(contents: &Contents) -> Value {
    let Contents { certificate, key, authorities, authority_key } = contents;
    let values = [certificate, key, authorities, authority_key];
    let data: BTreeMap<&str, ByteString> =
        KEYS.into_iter().zip(values.map(|value| ByteString(value.clone()))).collect();
    json!({"metadata": {"annotations": {MADE_HERE: GENERATED}}, "data": data})
}

impl Holding {
    /// Nothing is there.
    pub(super) fn nothing() -> Self {
        let (contents, asked) = Default::default();
        Self { contents, asked, version: None, foreign: false }
    }

    pub(super) fn of(secret: &Secret) -> Self {
        let data = secret.data.as_ref();
        let value = |key: &str| {
            data.and_then(|data| data.get(key)).map(|value| value.0.clone()).unwrap_or_default()
        };
        let [certificate, key, authorities, authority_key] = KEYS.map(value);
        let annotation = |key: &str| secret.metadata.annotations.as_ref()?.get(key).cloned();
        let ours = annotation(MADE_HERE).as_deref() == Some(GENERATED);
        let is_empty = data.is_none_or(BTreeMap::is_empty);
        Self {
            contents: Contents { certificate, key, authorities, authority_key },
            asked: Asked {
                certificate: annotation(REPLACE),
                authority: annotation(REPLACE_AUTHORITY),
            },
            version: secret.metadata.resource_version.clone(),
            foreign: !ours && !is_empty,
        }
    }
}
