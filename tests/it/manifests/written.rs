//! What is rendered is read as it was meant, whatever the values are.

use super::helm::{CHART, helm, objects, printed};
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
        ("nameOverride=e,tls.secretName=1", "certManager.enabled=true"),
        ("tls.existingSecret=6,tls.caBundle=-----BEGIN CERTIFICATE-----", "crds.keep=true"),
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
