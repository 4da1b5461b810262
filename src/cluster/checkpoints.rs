//! The newest checkpoint of each writer, in a ConfigMap: where whoever owns the cluster sees it,
//! and whoever owns the ledger cannot take it back.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{self, ConnectError};
use super::watch::plain;

/// How long the API server may take.
const WAIT: Duration = Duration::from_secs(10);

/// One key of a ConfigMap, in the hands of one server.
#[derive(Debug, Clone)]
pub struct CheckpointMap {
    api: Api<ConfigMap>,
    name: String,
    writer: String,
}

impl CheckpointMap {
    /// Prepares to write. The API server need not be there yet.
    ///
    /// # Errors
    ///
    /// There is no telling where it is, or who asks.
    pub async fn connect(
        kubeconfig: Option<&Path>,
        namespace: &str,
        name: &str,
        writer: &str,
    ) -> Result<Self, ConnectError> {
        let client = client::client(&client::config(kubeconfig, WAIT).await?)?;
        Ok(Self::new(Api::namespaced(client, namespace), name, writer))
    }

    fn new(api: Api<ConfigMap>, name: &str, writer: &str) -> Self {
        Self { api, name: name.to_owned(), writer: writer.to_owned() }
    }

    /// Puts this note under the writer's key; makes the ConfigMap where there is none. Each server
    /// is a field manager of its own, so that none touches another's key.
    ///
    /// # Errors
    ///
    /// What the API server says, or what kept it from saying anything.
    pub async fn put(&self, note: &str) -> Result<(), String> {
        let params = PatchParams::apply(&format!("postern-{}", self.writer)).force();
        let patch = Patch::Apply(self.object(note));
        match timeout(WAIT, self.api.patch(&self.name, &params, &patch)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) => Err(status.message.clone()),
            Ok(Err(error)) => Err(plain(&error)),
            Err(_) => Err("the API server does not answer".to_owned()),
        }
    }

    fn object(&self, note: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name},
            "data": {&self.writer: note},
        })
    }
}

#[cfg(test)]
mod tests {
    use kube::Api;
    use serde_json::json;

    use super::CheckpointMap;
    use crate::cluster::testing::{api_server, refusal};

    #[tokio::test]
    async fn only_the_writers_own_key_is_applied() {
        let (client, asked) = api_server(|_| async { (200, json!({"metadata": {}})) });
        let map = CheckpointMap::new(Api::namespaced(client, "ns"), "seals", "postern-0");
        map.put("a\n\n— k\n").await.unwrap();
        let asked = asked.lock().unwrap();
        let (line, body) = asked.first().unwrap();
        assert!(line.starts_with("PATCH /api/v1/namespaces/ns/configmaps/seals?"), "{line}");
        assert!(line.contains("fieldManager=postern-postern-0"), "{line}");
        assert!(line.contains("force=true"), "{line}");
        let expected = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seals"},
            "data": {"postern-0": "a\n\n— k\n"},
        });
        assert_eq!(*body, expected);
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_api_servers_words() {
        let (client, _) = api_server(|_| async { refusal(403, "Forbidden", "configmaps: no") });
        let map = CheckpointMap::new(Api::namespaced(client, "ns"), "seals", "w");
        assert_eq!(map.put("a").await, Err("configmaps: no".to_owned()));
    }
}
