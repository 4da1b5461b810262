//! What a cluster has of certificates at one moment, for a command that asks and ends.

use std::path::Path;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

use super::WATCH;
use super::configurations::{called_host, kinds};
use super::secret::{Holding, Keeping};
use crate::certificate::Pair;
use crate::certificate::custody::Contents;
use crate::cluster::client::{self, ConnectError};
use crate::cluster::write;

/// Who can be asked.
#[derive(Clone)]
pub struct Inspector {
    client: Client,
    namespace: String,
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// How the API server calls one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `mutating` or `validating`.
    pub kind: &'static str,
    /// The webhook's name.
    pub webhook: String,
    /// The name or address that the certificate must be for.
    pub host: String,
    /// Whom it trusts (`caBundle`), as PEM; empty: whom the machine trusts.
    pub bundle: Vec<u8>,
}

impl Inspector {
    /// Prepares to ask. The API server need not be there.
    ///
    /// # Errors
    ///
    /// There is no telling where it is, or who asks.
    pub async fn new(kubeconfig: Option<&Path>) -> Result<Self, ConnectError> {
        let config = client::config(kubeconfig, WATCH).await?;
        let client = client::client(&config)?;
        Ok(Self { client, namespace: config.default_namespace.clone() })
    }

    /// The namespace of whoever asks.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What a Secret holds, whoever has filled it; `None`: it is not there.
    ///
    /// # Errors
    ///
    /// What the API server says.
    pub async fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Contents, Pair)>, String> {
        let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let keeping = Keeping::new(self.client.clone(), namespace, name, "");
        Ok(write::read(&api, name).await?.map(|secret| {
            let contents = Holding::of(&secret).contents;
            let pair = keeping.pair(&contents);
            (contents, pair)
        }))
    }

    /// How the API server calls the webhooks of both configurations of this name.
    ///
    /// # Errors
    ///
    /// What the API server says.
    pub async fn calls(&self, name: &str) -> Result<Vec<Call>, String> {
        let mut calls = Vec::new();
        for (kind, resource) in kinds() {
            let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
            let object = write::read(&api, name).await?;
            let webhooks = object.as_ref().and_then(|object| object.data.get("webhooks"));
            let webhooks = webhooks.and_then(Value::as_array).into_iter().flatten();
            calls.extend(webhooks.map(|webhook| call(kind, webhook)));
        }
        Ok(calls)
    }
}

fn call(kind: &'static str, webhook: &Value) -> Call {
    let bundle = webhook.pointer("/clientConfig/caBundle").cloned();
    let bundle = bundle.and_then(|it| serde_json::from_value::<ByteString>(it).ok());
    let bundle = bundle.unwrap_or_default().0;
    let host = called_host(webhook);
    let name = webhook.get("name").and_then(Value::as_str).unwrap_or_default();
    Call { kind, webhook: name.to_owned(), host, bundle }
}
