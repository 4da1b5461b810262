//! What is rendered is read as it was meant, whatever the values are.

use super::all;
use super::helm::{CHART, NAMESPACE, helm, objects, printed, render};
use super::promises::is_what_it_says;

/// `123` and `true` are names to Kubernetes, and something else to YAML.
#[test]
fn names_that_look_like_numbers_stay_names() {
    let odd = [
        "serviceAccount.name=0x1",
        "ledger.sqlite.persistence.existingClaim=2",
        "ledger.signingKey.existingSecret=3",
        "policies.existingConfigMap=4",
        "settingsFile.existingConfigMap=5",
        "priorityClassName=1.5",
        "tls.clientCA.existingSecret=7",
        "tls.tokenSecret=8",
        "imagePullSecrets[0].name=9",
    ];
    let switches = "namespace.create=true,grafana.dashboard.enabled=true";
    for (names, more) in [
        ("nameOverride=true,fullnameOverride=null", "rbac.create=true"),
        ("nameOverride=e,fullnameOverride=y,tls.secretName=1", "certManager.enabled=true"),
        (
            "fullnameOverride=off,tls.existingSecret=6,tls.caBundle=-----BEGIN CERTIFICATE-----",
            "crds.keep=true",
        ),
    ] {
        let mut command = helm(&["template", "1e3", CHART, "--namespace", "456"]);
        command.args(["--set", switches, "--set", more, "--set-string", names]);
        command.args(odd.iter().flat_map(|it| ["--set-string", it]));
        for object in objects(&printed(&mut command)) {
            is_what_it_says(&object, names);
            let metadata = &object["metadata"];
            for label in ["name", "instance"] {
                let label = &metadata["labels"][format!("app.kubernetes.io/{label}")];
                assert!(label.is_string(), "{names}: {object}");
            }
            assert!(metadata["name"].is_string(), "{names}: {object}");
            assert!(!metadata["namespace"].is_number(), "{names}: {object}");
        }
    }
}

/// A key that is there twice is one too many for some readers, and another one to each of the rest.
#[test]
fn what_is_said_twice_is_written_once() {
    let objects = render(&[
        "namespace.create=true",
        "serviceMonitor.enabled=true",
        "serviceMonitor.interval=30s",
        "serviceMonitor.endpoint.interval=10s",
        "grafana.dashboard.enabled=true",
        "commonLabels.team=all",
        "commonLabels.grafana_dashboard=none",
        "commonLabels.pod-security\\.kubernetes\\.io/enforce=privileged",
        "podLabels.team=pods",
        "serviceMonitor.labels.team=monitors",
        "commonAnnotations.kubectl\\.kubernetes\\.io/default-container=other",
        "podAnnotations.owner=pods",
        "commonAnnotations.owner=all",
    ]);
    let pods = &all(&objects, "Deployment")[0]["spec"]["template"]["metadata"];
    assert_eq!(pods["labels"]["team"], "pods");
    assert_eq!(pods["annotations"]["owner"], "pods");
    assert_eq!(pods["annotations"]["kubectl.kubernetes.io/default-container"], "other");
    let monitor = &all(&objects, "ServiceMonitor")[0];
    assert_eq!(monitor["metadata"]["labels"]["team"], "monitors");
    assert_eq!(monitor["spec"]["endpoints"][0]["interval"], "10s");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], "health");
    assert_eq!(all(&objects, "ConfigMap")[0]["metadata"]["labels"]["grafana_dashboard"], "1");
    let namespace = &all(&objects, "Namespace")[0]["metadata"]["labels"];
    assert_eq!(namespace["pod-security.kubernetes.io/enforce"], "restricted");
}

/// What is printed after an installation with these values.
fn notes(values: &[&str]) -> String {
    notes_in(NAMESPACE, values)
}

fn notes_in(namespace: &str, values: &[&str]) -> String {
    let mut command = helm(&["install", "postern", CHART, "--dry-run=client", "-n", namespace]);
    command.args(values.iter().flat_map(|it| ["--set", it]));
    let text = printed(&mut command);
    text.split_once("\nNOTES:\n").unwrap().1.to_owned()
}

#[test]
fn the_notes_say_what_is_so() {
    let usual = notes(&[]);
    assert!(usual.contains("pod-security.kubernetes.io/enforce=restricted"), "{usual}");
    assert!(!usual.contains("nobody answers"), "{usual}");
    // Where others have pods, the label would keep them out.
    assert!(!notes_in("kube-system", &[]).contains("enforce=restricted"));
    assert!(notes(&["replicaCount=0"]).contains("so every debug container is refused"));
    let open = ["replicaCount=0", "webhook.validating.failurePolicy=Ignore"];
    assert!(notes(&open).contains("nobody answers, so everybody gets in"));
    let node = notes(&["hostNetwork=true"]);
    assert!(node.contains("let few make pods in it") && !node.contains("enforce="), "{node}");
    assert!(!node.contains("a node of its own"), "{node}");
    let shared = ["ledger.type=postgres", "ledger.postgres.existingSecret=pg"];
    let many = ["replicaCount=2", "hostNetwork=true", "ledger.signingKey.generate=true"];
    assert!(notes(&[shared.as_slice(), &many].concat()).contains("needs a node of its own"));
}
