//! The side that asks: one kept connection, as one person's kubectl has it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Cluster, pod};
use crate::ways::Way;

/// A pod of a service with its helpers.
const CONTAINERS: [&str; 6] = ["tomcat", "proxy", "logs", "metrics", "config", "cache"];

pub(crate) struct Api {
    client: Client,
    server: String,
    token: String,
}

impl Api {
    /// As this user of the cluster.
    pub(crate) fn of(cluster: &Cluster, user: &str) -> anyhow::Result<Self> {
        // A second installation of the same one is refused, and nothing is lost by that.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let config: Value = serde_json::from_slice(&fs::read(cluster.kubeconfig(user))?)?;
        let text = |pointer: &str| {
            let value = config.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("a kubeconfig without {pointer}"))
        };
        let authority = fs::read(text("/clusters/0/cluster/certificate-authority")?)?;
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&authority)?])
            .no_proxy()
            .build()?;
        let (server, token) = (cluster.server().to_owned(), text("/users/0/user/token")?);
        Ok(Self { client, server, token })
    }

    pub(crate) async fn create_pod(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let mut pod = pod(namespace, name);
        pod["metadata"]["labels"] = json!({"app": "tomcat"});
        pod["spec"]["nodeName"] = json!("node-a");
        let container = pod["spec"]["containers"][0].clone();
        let containers = CONTAINERS.map(|name| {
            let mut container = container.clone();
            container["name"] = json!(name);
            container["env"] = json!([{"name": "ROLE", "value": name}]);
            container
        });
        pod["spec"]["containers"] = json!(containers);
        let path = format!("namespaces/{namespace}/pods");
        let (status, answer) = self.ask(Method::POST, &path, &pod).await?;
        ensure!(status == StatusCode::CREATED, "no pod was made: {answer}");
        Ok(())
    }

    pub(crate) async fn delete_pod(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let path = format!("namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0");
        let (status, answer) = self.ask(Method::DELETE, &path, &json!({})).await?;
        ensure!(status.is_success(), "a pod was not deleted: {answer}");
        Ok(())
    }

    /// How long that took.
    pub(crate) async fn add_container(&self, way: Way, pod: &str) -> anyhow::Result<Duration> {
        let patch = json!({"spec": {"ephemeralContainers": [{
            "name": "debugger",
            "image": "registry.example.com/debug/tools:1.4",
            "stdin": true,
            "tty": true,
            "terminationMessagePolicy": "File",
        }]}});
        let path = format!("namespaces/{}/pods/{pod}/ephemeralcontainers", way.namespace());
        let began = Instant::now();
        let (status, answer) = self.ask(Method::PATCH, &path, &patch).await?;
        let took = began.elapsed();
        ensure!(status == StatusCode::OK, "{}: not added: {answer}", way.as_str());
        let answer: Value = serde_json::from_str(&answer)?;
        let target = &answer["spec"]["ephemeralContainers"][0]["targetContainerName"];
        ensure!(target.is_string() == way.hardens(), "{}: the target is {target}", way.as_str());
        Ok(took)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, String)> {
        let kind = match method {
            Method::PATCH => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        let url = format!("{}/api/v1/{path}", self.server);
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let answer = request.header("content-type", kind).body(body.to_string()).send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}
