//! The life of a release: installed, upgraded, uninstalled by the real helm.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::helm::{CHART, NAMESPACE, helm, printed, said};
use super::installed::admin;
use super::list;
use crate::cluster::support::Cluster;

/// A helm that talks to this cluster as its admin.
fn helm_in(cluster: &Cluster, line: &str) -> Command {
    let mut command = helm(&line.split_whitespace().collect::<Vec<_>>());
    command.args(["--namespace", NAMESPACE, "--kubeconfig"]).arg(cluster.kubeconfig("admin"));
    command
}

const WEBHOOK: &str = "validatingwebhookconfiguration/postern";
const BUNDLE_HOLDER: &str = "ValidatingWebhookConfiguration/postern";

const KINDS: &str = "validatingwebhookconfigurations,mutatingwebhookconfigurations,clusterroles,\
                     clusterrolebindings,roles,rolebindings,serviceaccounts,services,deployments,\
                     networkpolicies,resourcequotas,persistentvolumeclaims,\
                     customresourcedefinitions";

/// Each object of the release, without the marks that any write leaves.
fn state(cluster: &Cluster) -> BTreeMap<String, Value> {
    let line = format!("get {KINDS} -n {NAMESPACE} -l app.kubernetes.io/instance=postern -o json");
    let output = admin(cluster, &line);
    assert!(output.success(), "{}", output.stderr);
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    let mut state = BTreeMap::new();
    for object in list(&found, "/items") {
        let mut object = object.clone();
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        let name = metadata["name"].as_str().unwrap().to_owned();
        state.insert(format!("{}/{name}", object["kind"].as_str().unwrap()), object);
    }
    state
}

/// What Postern writes into its webhook configuration, with no more than its own rights.
fn write_bundle(cluster: &Cluster) {
    let authority = rcgen::generate_simple_self_signed(vec!["postern".to_owned()]).unwrap();
    let bundle = BASE64.encode(authority.cert.pem());
    let webhook = json!({"name": "validate.postern.dev", "clientConfig": {"caBundle": bundle}});
    let patch = json!({"webhooks": [webhook]}).to_string();
    let arguments = ["patch", WEBHOOK, "--type=strategic", "--field-manager=postern", "-p", &patch];
    // The authorizer takes a moment to hear of a role.
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let output = cluster.kubectl("postern").args(arguments).run();
        if output.success() {
            return;
        }
        assert!(Instant::now() < end, "{}", output.stderr);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_release_is_upgraded_to_itself_and_uninstalled_webhooks_first() {
    let cluster = Cluster::start();
    printed(&mut helm_in(&cluster, &format!("install postern {CHART} --create-namespace")));
    assert!(state(&cluster).len() >= 17);
    write_bundle(&cluster);
    unchanged_by_an_upgrade(&cluster);
    closed_by_an_upgrade(&cluster);
    removed_in_order(&cluster);
}

/// The authority that Postern has written stays, too.
fn unchanged_by_an_upgrade(cluster: &Cluster) {
    let before = state(cluster);
    assert!(before[BUNDLE_HOLDER]["webhooks"][0]["clientConfig"]["caBundle"].is_string());
    printed(&mut helm_in(cluster, &format!("upgrade postern {CHART}")));
    for (name, object) in state(cluster) {
        assert_eq!(object, before[&name], "{name}");
    }
}

/// Somebody leaves a namespace out; the next upgrade does not let that stand silently.
fn closed_by_an_upgrade(cluster: &Cluster) {
    let hole = r#"[{"op":"replace","path":"/webhooks/0/namespaceSelector","value":{"matchLabels":{"guarded":"yes"}}}]"#;
    let patch = ["patch", WEBHOOK, "--type=json", "-p", hole];
    cluster.kubectl("admin").args(patch).ok();
    let upgrade = format!("upgrade postern {CHART}");
    let output = helm_in(cluster, &upgrade).output().unwrap();
    assert!(said(&output).contains("namespaceSelector"), "{}", said(&output));
    printed(&mut helm_in(cluster, &format!("{upgrade} --force-conflicts")));
    let selector = &cluster.get("default", WEBHOOK)["webhooks"][0]["namespaceSelector"];
    assert_eq!(*selector, json!({}));
}

fn removed_in_order(cluster: &Cluster) {
    let output = helm_in(cluster, "uninstall postern --debug").output().unwrap();
    let log = said(&output);
    assert!(output.status.success(), "{log}");
    let deleted: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("deleting resource owned by this release"))
        .filter_map(|line| line.split("kind=").nth(1)?.split(' ').next())
        .collect();
    assert!(deleted.len() >= 15, "{log}");
    let first = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
    assert_eq!(deleted[..2], first, "{deleted:?}");
    // The policies and the ledger outlive the release; nothing else does.
    let left: Vec<String> = state(cluster).into_keys().collect();
    let kept = [
        "CustomResourceDefinition/debugpolicies.postern.dev",
        "PersistentVolumeClaim/postern-ledger",
    ];
    assert_eq!(left, kept);
    // Nobody is in the way of a second installation, which takes over what was kept.
    printed(&mut helm_in(cluster, &format!("install postern {CHART}")));
}
