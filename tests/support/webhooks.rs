//! Tells the API server to call Postern, with the configurations that users install.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Cluster, installed};

/// A webhook that nobody answers. It judges one label that only the canary's own object carries.
const CANARY: &str = "postern.dev/canary";

impl Cluster {
    /// Installs the webhook configurations that users install, changed only in how they are
    /// reached: these URLs, with certificates of this authority, or of nobody yet. Returns when
    /// the API server calls them.
    pub(crate) fn install_webhooks(&self, mutate_url: &str, validate_url: &str, ca_pem: &str) {
        for (kind, url) in [
            ("MutatingWebhookConfiguration", mutate_url),
            ("ValidatingWebhookConfiguration", validate_url),
        ] {
            let objects = installed(&[kind]);
            assert_eq!(objects.len(), 1, "{kind}");
            for mut object in objects {
                for webhook in
                    object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten()
                {
                    webhook["clientConfig"] = json!({"url": url});
                    if !ca_pem.is_empty() {
                        webhook["clientConfig"]["caBundle"] = json!(BASE64.encode(ca_pem));
                    }
                }
                self.apply(&object.to_string());
            }
        }
        self.settle_webhooks();
    }

    /// Removes both configurations. Returns when the API server calls neither any more.
    pub(crate) fn remove_webhooks(&self) {
        for kind in ["mutating", "validating"] {
            let object = format!("{kind}webhookconfiguration/postern");
            self.kubectl("admin").args(["delete", "--ignore-not-found", &object]).ok();
        }
        self.settle_webhooks();
    }

    /// Waits until every change of webhook configurations made so far is in effect.
    ///
    /// The API server learns of its own configurations by a watch, a moment after it has stored
    /// them. The watch keeps their order: once a canary configured last is in effect, so is all
    /// before it.
    pub(crate) fn settle_webhooks(&self) {
        for (kind, path) in [
            ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
            ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        ] {
            self.apply(&canary(kind));
            self.wait_for_canary(kind);
            self.kubectl("admin").args(["delete", path, "canary"]).ok();
        }
    }

    fn wait_for_canary(&self, kind: &str) {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "canary", "namespace": "default", "labels": {CANARY: kind}},
        });
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let tried = self
                .kubectl("admin")
                .args(["create", "--dry-run=server", "-f", "-"])
                .stdin(object.to_string())
                .run();
            if tried.stderr.contains("canary.postern.dev") {
                return;
            }
            assert!(Instant::now() < end, "the API server took no notice of a new {kind}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn canary(kind: &str) -> String {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "canary"},
        "webhooks": [{
            "name": "canary.postern.dev",
            "admissionReviewVersions": ["v1"],
            // Nothing listens there, so the call fails at once.
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "objectSelector": {"matchLabels": {CANARY: kind}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                       "resources": ["configmaps"]}],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 1,
        }],
    })
    .to_string()
}
