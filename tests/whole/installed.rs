//! Postern as `deploy/overlays/high-availability` installs it, in pods.

use std::path::Path;
use std::process::Output as Ended;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::support::{Cluster, Output};
use crate::town::wait_until;

pub(crate) const NAMESPACE: &str = "postern-system";
const OVERLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/overlays/high-availability");
const CONFIGURATIONS: [&str; 2] =
    ["mutatingwebhookconfiguration/postern", "validatingwebhookconfiguration/postern"];

/// Postern in a cluster, three of it.
pub(crate) struct Installed {
    /// Its ledger.
    pub(crate) ledger: String,
}

impl Installed {
    /// Installs it and waits until it serves.
    pub(crate) fn install(cluster: &Cluster, ledger: &str) -> Installed {
        let installed = Installed { ledger: ledger.to_owned() };
        cluster.create_namespace(NAMESPACE, &[]);
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "postern-ledger", "namespace": NAMESPACE},
            "stringData": {"url": ledger},
        });
        cluster.apply(&secret.to_string());
        installed.apply(cluster);
        installed.rolled_out(cluster);
        for configuration in CONFIGURATIONS {
            wait_until("an authority to trust", Duration::from_secs(60), || {
                let found = cluster.get("default", configuration);
                found["webhooks"][0]["clientConfig"]["caBundle"].is_string()
            });
        }
        cluster.settle_webhooks();
        installed
    }

    /// Applies the manifests, changed only in what would have a test wait.
    fn apply(&self, cluster: &Cluster) {
        let manifests = cluster.kubectl("admin").args(["kustomize", OVERLAY]).ok();
        let interval = "--scan-interval=10m";
        assert!(manifests.contains(interval), "{manifests}");
        let lifetime = "--scan-interval=5s\n        - --tls-lifetime=10m";
        let manifests = manifests.replace(interval, lifetime);
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        cluster.kubectl("admin").args(apply).stdin(manifests).ok();
    }

    /// Puts the webhook configurations back as they were.
    pub(crate) fn restore_webhooks(&self, cluster: &Cluster) {
        for configuration in CONFIGURATIONS {
            // What the manifests do not speak of stays unless it is removed.
            let remove = r#"[{"op": "remove", "path": "/webhooks/0/matchConditions"}]"#;
            let patch = ["patch", configuration, "--type=json", "-p", remove];
            drop(cluster.kubectl("admin").args(patch).run());
        }
        self.apply(cluster);
        cluster.settle_webhooks();
    }

    /// Waits until everything is as the manifests say.
    pub(crate) fn rolled_out(&self, cluster: &Cluster) {
        let limit = Duration::from_secs(120);
        let waited = cluster
            .kubectl("admin")
            .args(["rollout", "status", "-n", NAMESPACE, "deployment/postern", "--timeout=100s"])
            .timeout(limit)
            .run();
        assert!(waited.success(), "{waited:?}\n{}", self.told(cluster));
    }

    /// Waits until three serve and nothing else is left.
    pub(crate) fn settle(&self, cluster: &Cluster) {
        self.rolled_out(cluster);
        let only = || self.pods(cluster).len() == 3;
        wait_until("three pods", Duration::from_secs(60), only);
    }

    /// So many servers, none of them on its way in or out.
    pub(crate) fn scale(&self, cluster: &Cluster, servers: usize) {
        cluster
            .kubectl("admin")
            .args(["scale", "-n", NAMESPACE, "deployment/postern"])
            .args([format!("--replicas={servers}")])
            .ok();
        self.rolled_out(cluster);
        let so = || self.pods(cluster).len() == servers;
        wait_until("as many pods as wanted", Duration::from_secs(60), so);
    }

    /// The pods.
    pub(crate) fn pods(&self, cluster: &Cluster) -> Vec<Value> {
        let list = cluster
            .kubectl("admin")
            .args(["get", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=postern"])
            .args(["-o", "json"])
            .ok();
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// Which of the pods holds the Lease.
    pub(crate) fn holder(&self, cluster: &Cluster) -> Option<String> {
        let lease = cluster.get(NAMESPACE, "lease/postern-tls");
        let holder = lease["spec"]["holderIdentity"].as_str()?;
        names(&self.pods(cluster)).into_iter().find(|pod| holder.contains(pod))
    }

    /// The program, called by the admin on the cluster's network.
    pub(crate) fn program(&self, cluster: &Cluster, arguments: &[&str]) -> Ended {
        let mut command = cluster.network().command(Path::new(env!("CARGO_BIN_EXE_postern")));
        command.env("KUBECONFIG", cluster.kubeconfig("admin")).args(arguments);
        command.output().unwrap()
    }

    /// `postern audit`, asked about its ledger.
    pub(crate) fn audit(&self, cluster: &Cluster, arguments: &[&str]) -> String {
        let ledger = ["--ledger", &self.ledger];
        let asked = self.program(cluster, &[&["audit"], arguments, &ledger].concat());
        assert!(asked.status.success(), "{asked:?}");
        String::from_utf8_lossy(&asked.stdout).into_owned()
    }

    /// What the pods and their logs say, for a test that failed.
    pub(crate) fn told(&self, cluster: &Cluster) -> String {
        let asked = |arguments: &[&str]| {
            let Output { stdout, stderr, .. } =
                cluster.kubectl("admin").args(arguments).args(["-n", NAMESPACE]).run();
            stdout + &stderr
        };
        let mut told = asked(&["get", "pods", "-o", "wide"]);
        told += &asked(&["get", "events"]);
        told + &asked(&["logs", "-l", "app.kubernetes.io/name=postern", "--tail=30", "--prefix"])
    }
}

/// The names of pods.
pub(crate) fn names(pods: &[Value]) -> Vec<String> {
    pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}
