//! What every rendering keeps to, whatever values it is of.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::helm::{NAMESPACE, objects, printed, render, template};
use super::{SETS, SEVERAL, all, list, one, texts};

/// Each rendered set with its name.
fn rendered() -> impl Iterator<Item = (&'static str, Vec<Value>)> {
    SETS.iter().map(|(name, values)| (*name, render(values)))
}

fn is<T: DeserializeOwned>(object: &Value) {
    if let Err(error) = serde_json::from_value::<T>(object.clone()) {
        panic!("{error}: {object}");
    }
}

#[test]
fn every_object_is_what_it_says_it_is() {
    for (name, objects) in rendered() {
        objects.iter().for_each(|object| is_what_it_says(object, name));
    }
}

/// Numbers and booleans are no names: where one is read as such, this panics.
pub(super) fn is_what_it_says(object: &Value, name: &str) {
    match object["kind"].as_str().unwrap() {
        "Namespace" => is::<Namespace>(object),
        "ConfigMap" => is::<ConfigMap>(object),
        "ClusterRole" => is::<ClusterRole>(object),
        "ClusterRoleBinding" => is::<ClusterRoleBinding>(object),
        "Role" => is::<Role>(object),
        "RoleBinding" => is::<RoleBinding>(object),
        "ServiceAccount" => is::<ServiceAccount>(object),
        "Service" => is::<Service>(object),
        "Deployment" => is::<Deployment>(object),
        "Pod" => is::<Pod>(object),
        "PersistentVolumeClaim" => is::<PersistentVolumeClaim>(object),
        "ResourceQuota" => is::<ResourceQuota>(object),
        "NetworkPolicy" => is::<NetworkPolicy>(object),
        "PodDisruptionBudget" => is::<PodDisruptionBudget>(object),
        "MutatingWebhookConfiguration" => is::<MutatingWebhookConfiguration>(object),
        "ValidatingWebhookConfiguration" => is::<ValidatingWebhookConfiguration>(object),
        "CustomResourceDefinition" | "Certificate" | "Issuer" => {}
        kind => panic!("{name}: {kind} is checked by nobody"),
    }
}

/// An object without its namespace would land wherever `kubectl` happens to point.
#[test]
fn every_object_says_where_it_goes_and_whose_it_is() {
    let cluster_wide = BTreeSet::from([
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ]);
    for (name, objects) in rendered() {
        for object in &objects {
            let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
            let namespace =
                if cluster_wide.contains(kind) { json!(null) } else { json!(NAMESPACE) };
            assert_eq!(metadata["namespace"], namespace, "{name}: {kind}");
            assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "postern", "{kind}");
            // Nothing that only a running Postern could take away again.
            assert!(metadata["finalizers"].is_null(), "{name}: {kind}");
            let hook = &metadata["annotations"]["helm.sh/hook"];
            // Webhook configurations that a hook makes are not there for GitOps, and stay behind.
            assert!(hook.is_null() || (kind == "Pod" && hook == "test"), "{name}: {kind} {hook}");
        }
    }
}

#[test]
fn labels_and_annotations_that_all_shall_have_are_on_all() {
    let (_, values) =
        SETS.iter().find(|(_, it)| it.contains(&"commonLabels.team=platform")).unwrap();
    for object in render(values) {
        assert_eq!(object["metadata"]["labels"]["team"], "platform", "{object}");
        let kind = object["kind"].as_str().unwrap();
        if kind != "Pod" {
            let owner = &object["metadata"]["annotations"]["owner"];
            assert_eq!(owner, "platform@example.com", "{kind}");
        }
    }
}

/// Pod Security's own rules are asked by the API server; these are stricter.
#[test]
fn pods_have_no_rights_on_their_node_and_no_limit_of_cpu() {
    for (name, objects) in rendered() {
        let pods =
            all(&objects, "Deployment").into_iter().map(|it| &it["spec"]["template"]["spec"]);
        for spec in pods.chain(all(&objects, "Pod").into_iter().map(|it| &it["spec"])) {
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{name}");
            let profile = &spec["securityContext"]["seccompProfile"]["type"];
            assert_eq!(profile, "RuntimeDefault", "{name}");
            for container in list(spec, "/containers") {
                let expected = json!({
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                });
                assert_eq!(container["securityContext"], expected, "{name}");
                let resources = &container["resources"];
                assert!(resources["limits"]["cpu"].is_null(), "{name}");
                assert!(resources["limits"]["memory"].is_string(), "{name}");
                assert!(resources["requests"]["memory"].is_string(), "{name}");
                assert!(resources["requests"]["cpu"].is_string(), "{name}");
            }
        }
    }
}

#[test]
fn what_is_mounted_is_a_volume_and_only_the_ledger_can_be_written() {
    for (name, objects) in rendered() {
        let spec = &all(&objects, "Deployment")[0]["spec"]["template"]["spec"];
        let volumes: Vec<_> = list(spec, "/volumes").iter().map(|it| &it["name"]).collect();
        let mounts = list(spec, "/containers/0/volumeMounts");
        assert_eq!(mounts.iter().map(|it| &it["name"]).collect::<Vec<_>>(), volumes, "{name}");
        for mount in mounts {
            let writable = mount["mountPath"] == "/var/lib/postern";
            assert_eq!(mount["readOnly"] == true, !writable, "{name}: {mount}");
        }
        // A key that everybody in the pod may read is refused by Postern.
        for volume in list(spec, "/volumes").iter().filter(|it| it["secret"].is_object()) {
            assert_eq!(volume["secret"]["defaultMode"], 0o440, "{name}: {volume}");
        }
        let arguments = texts(spec, "/containers/0/args");
        for argument in arguments.iter().filter(|it| it.contains("=/etc/postern/")) {
            let path = argument.split_once('=').unwrap().1;
            let folder = Path::new(path).parent().unwrap().to_str().unwrap();
            let mounted =
                |mount: &Value| [path, folder].contains(&mount["mountPath"].as_str().unwrap());
            assert!(mounts.iter().any(mounted), "{name}: {argument}");
        }
    }
}

#[test]
fn the_service_finds_the_pods_and_nothing_else() {
    for (name, objects) in rendered() {
        let service = all(&objects, "Service")[0];
        let selector = service["spec"]["selector"].as_object().unwrap();
        let deployment = all(&objects, "Deployment")[0];
        let pod_labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let selects =
            |labels: &Value| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        assert!(selects(pod_labels), "{name}");
        assert!(!selects(&all(&objects, "Pod")[0]["metadata"]["labels"]), "{name}");
        assert_eq!(&deployment["spec"]["selector"]["matchLabels"], &service["spec"]["selector"]);
        let ports = list(&deployment["spec"]["template"]["spec"], "/containers/0/ports");
        for port in list(service, "/spec/ports") {
            assert!(ports.iter().any(|it| it["name"] == port["targetPort"]), "{name}: {port}");
        }
    }
}

/// A door that is not watched is the one that gets used.
#[test]
fn webhooks_judge_one_subresource_and_leave_no_namespace_out() {
    for (name, objects) in rendered() {
        let service = all(&objects, "Service")[0]["metadata"]["name"].clone();
        for (kind, path, policy) in
            [("Mutating", "/mutate", "Ignore"), ("Validating", "/validate", "Fail")]
        {
            let configurations = all(&objects, &format!("{kind}WebhookConfiguration"));
            assert_eq!(configurations.len(), 1);
            let webhooks = list(configurations[0], "/webhooks");
            assert_eq!(webhooks.len(), 1);
            let webhook = &webhooks[0];
            let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                               "resources": ["pods/ephemeralcontainers"], "scope": "Namespaced"}]);
            assert_eq!(webhook["rules"], rules, "{name}");
            assert_eq!(webhook["failurePolicy"], policy, "{name}");
            assert_eq!(webhook["sideEffects"], "NoneOnDryRun");
            // Written down, so that applying again closes what somebody opened.
            assert_eq!(webhook["namespaceSelector"], json!({}), "{name}");
            assert_eq!(webhook["objectSelector"], json!({}), "{name}");
            let called = &webhook["clientConfig"]["service"];
            let expected =
                json!({"name": service, "namespace": NAMESPACE, "path": path, "port": 443});
            assert_eq!(*called, expected, "{name}");
            let conditions = !list(webhook, "/matchConditions").is_empty();
            assert_eq!(conditions, name == "with emergencies", "{name}");
        }
    }
}

#[test]
fn several_servers_are_never_all_away() {
    let objects = render(SEVERAL);
    let deployment = one(&objects, "Deployment", "postern");
    let strategy = json!({"type": "RollingUpdate",
                          "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    assert_eq!(deployment["spec"]["strategy"], strategy);
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(list(spec, "/topologySpreadConstraints").len(), 2);
    for constraint in list(spec, "/topologySpreadConstraints") {
        let selected = &constraint["labelSelector"]["matchLabels"];
        assert_eq!(*selected, deployment["spec"]["selector"]["matchLabels"]);
    }
    let budget = one(&objects, "PodDisruptionBudget", "postern");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"]);
    // The URL holds a password: it is in no argument and in no object of ours.
    let text = serde_json::to_string(&objects).unwrap();
    assert!(!text.contains("--ledger=") && !text.contains("--writer="), "{text}");
    let environment = &spec["containers"][0]["env"][0];
    let from = json!({"secretKeyRef": {"name": "postern-ledger", "key": "url"}});
    assert_eq!(
        (&environment["name"], &environment["valueFrom"]),
        (&json!("POSTERN_LEDGER"), &from)
    );

    // One server has one file, which two must never open.
    let objects = render(&[]);
    let deployment = one(&objects, "Deployment", "postern");
    assert_eq!(deployment["spec"]["strategy"], json!({"type": "Recreate"}));
    assert!(all(&objects, "PodDisruptionBudget").is_empty());
}

#[test]
fn a_pod_has_more_time_to_end_than_it_takes() {
    for (name, objects) in rendered() {
        let spec = &all(&objects, "Deployment")[0]["spec"]["template"]["spec"];
        let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
        let seconds = |flag: &str| {
            let arguments = texts(spec, "/containers/0/args");
            let value = arguments.iter().find_map(|it| it.strip_prefix(flag)).unwrap();
            value.trim_end_matches('s').parse::<u64>().unwrap()
        };
        assert!(grace > seconds("--drain-delay=") + seconds("--deadline=") + 5, "{name}");
        for (probe, path) in
            [("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")]
        {
            let asked = &spec["containers"][0][format!("{probe}Probe")]["httpGet"];
            assert_eq!(*asked, json!({"path": path, "port": "health"}), "{name}");
        }
    }
}

#[test]
fn the_network_lets_in_two_ports_and_out_what_is_used() {
    let objects = render(SEVERAL);
    let policy = &one(&objects, "NetworkPolicy", "postern")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let ingress = list(policy, "/ingress");
    assert_eq!(ingress.len(), 2);
    // The API server's address cannot be selected.
    assert!(ingress[0]["from"].is_null() && !list(&ingress[1], "/from").is_empty());
    let ports = |side: &str| -> Vec<String> {
        let rules = list(policy, side).iter().flat_map(|rule| list(rule, "/ports"));
        rules.map(|port| port["port"].to_string()).collect()
    };
    assert_eq!(ports("/ingress"), ["\"https\"", "\"health\""]);
    assert_eq!(
        ports("/egress"),
        ["53", "53", "5353", "5353", "443", "6443", "8443", "16443", "5432"]
    );
    let alone = render(&[]);
    let egress = list(one(&alone, "NetworkPolicy", "postern"), "/spec/egress");
    assert_eq!(egress.len(), 2, "no database, no port of one");
    let sends = [
        "forward.to={https://siem:8088/a,syslog+tls://[::1],stdout:,file:///var/lib/postern/a,https://siem:8088/b}",
        "checkpoints.to={https://a.example}",
        "otlpEndpoint=http://collector:4318",
    ];
    let objects = render(&sends);
    let egress = list(one(&objects, "NetworkPolicy", "postern"), "/spec/egress");
    let ports: Vec<_> = list(&egress[2], "/ports").iter().map(|it| it["port"].clone()).collect();
    assert_eq!(ports, [8088, 6514, 443, 4318]);
}

#[test]
fn the_image_is_what_was_said() {
    let image = |values: &[&str]| {
        let objects = render(values);
        let spec = &all(&objects, "Deployment")[0]["spec"]["template"]["spec"];
        let asked = &all(&objects, "Pod")[0]["spec"]["containers"][0]["image"];
        assert_eq!(*asked, spec["containers"][0]["image"]);
        asked.as_str().unwrap().to_owned()
    };
    assert_eq!(image(&[]), format!("postern:{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(image(&["image.registry=a.example", "image.tag=x"]), "a.example/postern:x");
    let both = ["global.imageRegistry=b.example", "image.registry=a.example", "image.tag=x"];
    assert_eq!(image(&both), "b.example/postern:x");
}

/// A certificate that a template made would be another one at each rendering.
#[test]
fn no_rendering_holds_a_secret_and_each_is_the_same_twice() {
    for (name, values) in SETS {
        let objects = render(values);
        assert!(all(&objects, "Secret").is_empty(), "{name}");
        assert_eq!(objects, render(values), "{name}");
        assert!(!serde_json::to_string(&objects).unwrap().contains("PRIVATE KEY"), "{name}");
    }
}

#[test]
fn cert_manager_issues_what_postern_is_given_and_the_api_server_trusts() {
    let objects = render(&["certManager.enabled=true"]);
    let certificate = one(&objects, "Certificate", "postern");
    assert_eq!(certificate["spec"]["dnsNames"], json!(["postern.postern-system.svc"]));
    let secret = &certificate["spec"]["secretName"];
    let deployment = one(&objects, "Deployment", "postern");
    let volumes = list(deployment, "/spec/template/spec/volumes");
    assert!(volumes.iter().any(|it| it["secret"]["secretName"] == *secret));
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let injected = &one(&objects, kind, "postern")["metadata"]["annotations"];
        assert_eq!(injected["cert-manager.io/inject-ca-from"], "postern-system/postern");
    }
    let of_the_house = render(&["certManager.enabled=true", "certManager.issuerRef.name=house"]);
    assert!(all(&of_the_house, "Issuer").is_empty());
    assert_eq!(all(&of_the_house, "Certificate").len(), 1);
}

#[test]
fn objects_of_ones_own_are_templates() {
    let objects = render(&[
        "extraObjects[0].apiVersion=v1",
        "extraObjects[0].kind=ConfigMap",
        "extraObjects[0].metadata.name=own-{{ .Release.Name }}",
        "extraObjects[1]=apiVersion: v1\nkind: ConfigMap\nmetadata: {name: text}\n",
    ]);
    one(&objects, "ConfigMap", "own-postern");
    one(&objects, "ConfigMap", "text");
}

#[test]
fn monitoring_is_there_when_asked_for() {
    let objects = render(&[
        "serviceMonitor.enabled=true",
        "serviceMonitor.labels.release=prom",
        "serviceMonitor.interval=30s",
        "serviceMonitor.endpoint.honorLabels=true",
    ]);
    let monitor = one(&objects, "ServiceMonitor", "postern");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prom");
    let endpoint = json!([{"port": "health", "path": "/metrics", "interval": "30s",
                           "honorLabels": true}]);
    assert_eq!(monitor["spec"]["endpoints"], endpoint);
    let service = one(&objects, "Service", "postern");
    for (key, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(service["metadata"]["labels"][key], *value);
    }
}

/// The API server reads `caBundle` as base64 of what was brought.
#[test]
fn the_authority_that_is_brought_reaches_the_api_server() {
    let pem = rcgen::generate_simple_self_signed(vec!["postern".to_owned()]).unwrap().cert.pem();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &pem).unwrap();
    let mut command = template(&["tls.existingSecret=own"]);
    command.args(["--set-file", &format!("tls.caBundle={}", file.path().display())]);
    let objects = objects(&printed(&mut command));
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let bundle = &one(&objects, kind, "postern")["webhooks"][0]["clientConfig"]["caBundle"];
        assert_eq!(BASE64.decode(bundle.as_str().unwrap()).unwrap(), pem.as_bytes());
    }
}

#[test]
fn on_the_nodes_network_names_are_still_those_of_the_cluster() {
    let objects = render(&["hostNetwork=true", "ports.https=10443"]);
    let spec = &one(&objects, "Deployment", "postern")["spec"]["template"]["spec"];
    assert_eq!(spec["hostNetwork"], true);
    assert_eq!(spec["dnsPolicy"], "ClusterFirstWithHostNet");
    assert!(texts(spec, "/containers/0/args").contains(&"--listen=0.0.0.0:10443".to_owned()));
    let plain = render(&[]);
    let spec = &one(&plain, "Deployment", "postern")["spec"]["template"]["spec"];
    assert!(spec["hostNetwork"].is_null() && spec["dnsPolicy"].is_null());
}

/// Two servers cannot listen on one node.
#[test]
fn on_the_nodes_network_an_old_server_goes_before_a_new_one_comes() {
    let shared = ["replicaCount=3", "ledger.type=postgres", "ledger.postgres.existingSecret=pg"];
    let shared = [&shared[..], &["ledger.signingKey.generate=true"]].concat();
    let rolling = |values: &[&str]| {
        let objects = render(&[&shared[..], values].concat());
        one(&objects, "Deployment", "postern")["spec"]["strategy"]["rollingUpdate"].clone()
    };
    assert_eq!(rolling(&["hostNetwork=true"]), json!({"maxUnavailable": 1, "maxSurge": 0}));
    assert_eq!(rolling(&[]), json!({"maxUnavailable": 0, "maxSurge": 1}));
}

/// Whoever brings the certificate, the server knows by what name it is called.
#[test]
fn a_server_is_told_the_name_of_its_service() {
    let brought = ["tls.existingSecret=tls", "tls.caBundle=-----BEGIN CERTIFICATE-----"];
    for values in [&[][..], &["certManager.enabled=true"], &brought] {
        let objects = render(values);
        let spec = &one(&objects, "Deployment", "postern")["spec"]["template"]["spec"];
        let name = "--tls-names=postern.postern-system.svc".to_owned();
        assert!(texts(spec, "/containers/0/args").contains(&name), "{values:?}");
    }
}

/// A field that an API server does not know is an error of a server-side apply.
#[test]
fn an_older_cluster_is_told_only_what_it_knows() {
    let budget = |version: &str| {
        let output = template(SEVERAL).args(["--kube-version", version]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text.contains("unhealthyPodEvictionPolicy"))
    };
    assert_eq!(budget("1.27.0"), (true, true));
    assert_eq!(budget("1.26.5-gke.100"), (true, false));
    assert_eq!(budget("1.25.0"), (true, false));
    assert!(!budget("1.24.9").0, "ephemeral containers were not stable yet");
}

/// What an operator imports and what the chart installs are one.
#[test]
fn alerts_and_dashboard_are_the_files_of_the_chart() {
    let file = |name: &str| std::fs::read_to_string(format!("deploy/chart/files/{name}")).unwrap();
    let objects = render(&[
        "prometheusRule.enabled=true",
        "prometheusRule.labels.release=prom",
        "grafana.dashboard.enabled=true",
    ]);
    let rule = one(&objects, "PrometheusRule", "postern");
    assert_eq!(rule["metadata"]["labels"]["release"], "prom");
    let rules: Value = serde_saphyr::from_str(&file("rules.yaml")).unwrap();
    assert_eq!(rule["spec"], rules);
    let elsewhere = "https://wiki.example.com/postern";
    let objects_elsewhere =
        render(&["prometheusRule.enabled=true", &format!("prometheusRule.runbook={elsewhere}")]);
    let text = one(&objects_elsewhere, "PrometheusRule", "postern")["spec"].to_string();
    assert_eq!(text.matches(elsewhere).count(), text.matches("runbook_url").count());
    let held = one(&objects, "ConfigMap", "postern-dashboard");
    assert_eq!(held["metadata"]["labels"]["grafana_dashboard"], "1");
    let dashboard = held["data"]["postern.json"].as_str().unwrap();
    assert_eq!(dashboard.trim_end(), file("dashboard.json").trim_end());
}
