//! What is installed: as it is written, and as the API server takes it.

use serde_json::{Value, json};

use super::site::site;
use super::support::installed;

/// What `kind` of webhook promises. No selector, no condition, no namespace left out.
fn check(webhooks: &Value, kind: &str) {
    let webhooks = webhooks.as_array().unwrap();
    assert_eq!(webhooks.len(), 1);
    let webhook = &webhooks[0];
    assert_eq!(
        webhook["rules"],
        json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                "resources": ["pods/ephemeralcontainers"], "scope": "Namespaced"}])
    );
    let (failure_policy, reinvocation) = match kind {
        "Mutating" => ("Ignore", json!("IfNeeded")),
        _ => ("Fail", Value::Null),
    };
    assert_eq!(webhook["failurePolicy"], failure_policy);
    assert_eq!(webhook["reinvocationPolicy"], reinvocation);
    assert_eq!(webhook["sideEffects"], "NoneOnDryRun");
    assert_eq!(webhook["timeoutSeconds"], 3);
    assert_eq!(webhook["matchPolicy"], "Equivalent");
    assert_eq!(webhook["admissionReviewVersions"], json!(["v1", "v1beta1"]));
    assert_eq!(webhook["matchConditions"], Value::Null);
    for hole in ["namespaceSelector", "objectSelector"] {
        // The API server spells "none" as an empty one.
        assert!(webhook[hole].is_null() || webhook[hole] == json!({}), "{hole}");
    }
}

#[test]
fn the_webhooks_are_what_they_promise_to_be() {
    for kind in ["Mutating", "Validating"] {
        let objects = installed(&[&format!("{kind}WebhookConfiguration")]);
        assert_eq!(objects.len(), 1);
        let object = &objects[0];
        assert_eq!(object["metadata"]["name"], "postern");
        check(&object["webhooks"], kind);
        let path = if kind == "Mutating" { "/mutate" } else { "/validate" };
        assert_eq!(
            object["webhooks"][0]["clientConfig"],
            json!({"service": {"name": "postern", "namespace": "postern-system", "path": path,
                               "port": 443}})
        );
    }
}

#[test]
fn the_api_server_leaves_the_webhooks_as_they_are() {
    let site = site();
    let _undisturbed = site.shared();
    for kind in ["Mutating", "Validating"] {
        let object = format!("{}webhookconfiguration/postern", kind.to_lowercase());
        check(&site.cluster.get("default", &object)["webhooks"], kind);
    }
}

#[test]
fn the_definition_and_the_examples_are_accepted_and_explained() {
    let cluster = &site().cluster;
    let definition = std::fs::read_to_string("deploy/crds/debugpolicies.postern.dev.yaml").unwrap();
    cluster.apply(&definition);
    let admin = |words: &str| cluster.kubectl("admin").args(words.split(' '));
    admin("wait --for=condition=Established crd/debugpolicies.postern.dev --timeout=20s").ok();
    for name in ["developers", "on-call", "guard-rails"] {
        admin(&format!("apply -f deploy/examples/{name}.yaml")).ok();
    }
    // For another cluster than this one, where they would let people in.
    admin("apply --dry-run=server -f deploy/library").ok();
    let listed = admin("get dbgp").ok();
    assert!(listed.starts_with("NAME"), "{listed}");
    assert!(listed.contains("EFFECT") && listed.contains("ENFORCEMENT"), "{listed}");
    assert!(admin("get postern -o name").ok().contains("developers"));
    let explained = admin("explain debugpolicies.spec.containers.images.requireDigest").ok();
    assert!(explained.contains("digest"), "{explained}");
}
