//! Webhook configurations that leave holes, and those that lead nowhere.

use serde_json::{Value, json};

use super::breakage::{breakage, rule};
use super::{codes, finding, ward};

const SUB: &str = "pods/ephemeralcontainers";

#[test]
fn each_fault_of_the_validating_webhook_is_found() {
    let mut ward = ward();
    let of = |field, value, found| breakage("validating", field, value, found);
    let scope = |scope: &str| {
        let mut rules = rule("", "v1", "UPDATE", SUB);
        rules[0]["scope"] = scope.into();
        rules
    };
    let labels = |key: &str, value: &str| json!({"matchLabels": {key: value}});
    let condition = |expression: &str| json!([{"name": "c", "expression": expression}]);
    let faults = [
        of("failurePolicy", json!("Ignore"), &["failure-policy-ignore"]),
        of(
            "rules",
            rule("", "v1", "UPDATE", "pods"),
            &["door-open", "rules-miss-resource", "rules-too-wide"],
        ),
        of(
            "rules",
            rule("", "v1", "UPDATE", "pods/status"),
            &["door-open", "rules-miss-resource", "rules-too-wide"],
        ),
        of("rules", rule("apps", "v1", "UPDATE", SUB), &["door-open", "rules-miss-resource"]),
        of("rules", rule("", "v1", "CREATE", SUB), &["door-open", "rules-miss-update"]),
        of("rules", rule("", "v2", "UPDATE", SUB), &["door-open", "rules-miss-version"]),
        of("rules", scope("Cluster"), &["door-open", "rules-wrong-scope"]),
        of("rules", rule("", "v1", "*", "pods/*"), &["rules-too-wide"]),
        of("matchPolicy", json!("Exact"), &["match-policy-exact"]),
        of(
            "namespaceSelector",
            labels("kubernetes.io/metadata.name", "shop"),
            &["namespaces-excluded"],
        ),
        of("namespaceSelector", labels("guarded", "yes"), &["door-open", "namespaces-excluded"]),
        of("objectSelector", labels("app", "other"), &["door-open", "pods-excluded"]),
        of(
            "matchConditions",
            condition("request.userInfo.username != 'admin'"),
            &["conditions-exclude", "door-open"],
        ),
        of("matchConditions", condition("!('glass' in request.userInfo.groups)"), &[]),
        of(
            "matchConditions",
            condition("request.userInfo.extra['none'].size() > 0"),
            &["conditions-exclude", "conditions-fail"],
        ),
        of("timeoutSeconds", json!(1), &["timeout-short"]),
        of("timeoutSeconds", json!(30), &["timeout-long"]),
    ];
    for fault in faults {
        fault.is_found_in(&ward);
    }
    ward.mend();
    assert_eq!(ward.found(""), [""; 0], "mended");
}

#[test]
fn each_fault_of_the_mutating_webhook_is_found_and_weighs_less() {
    let ward = ward();
    let of = |field, value, found| breakage("mutating", field, value, found);
    let faults = [
        of("reinvocationPolicy", json!("Never"), &["reinvocation-never"]),
        of("rules", rule("", "v1", "CREATE", SUB), &["mutating-unanswered", "rules-miss-update"]),
        of(
            "clientConfig",
            json!({"url": "https://127.0.0.1:1/mutate", "caBundle": bundle(&ward)}),
            &["mutating-unanswered"],
        ),
    ];
    for fault in faults {
        fault.is_found_in(&ward);
        for finding in ward.report("")["findings"].as_array().unwrap() {
            assert!(!["critical", "high"].contains(&finding["severity"].as_str().unwrap()));
        }
    }
}

fn bundle(ward: &super::Ward) -> Value {
    ward.good[0]["webhooks"][0]["clientConfig"]["caBundle"].clone()
}

#[test]
fn what_is_missing_is_found() {
    let mut ward = ward();
    ward.admin("delete mutatingwebhookconfiguration postern");
    ward.cluster.settle_webhooks();
    assert_eq!(ward.found(""), ["mutating-missing"]);
    ward.admin("delete validatingwebhookconfiguration postern");
    ward.cluster.settle_webhooks();
    let report = ward.report("--as alice --as-group dev");
    assert_eq!(codes(&report), ["door-open", "webhook-missing"]);
    assert_eq!(finding(&report, "door-open")["severity"], "critical");
    ward.mend();
    assert_eq!(ward.found(""), [""; 0], "mended");
}

#[test]
fn namespaces_that_are_left_out_are_named() {
    let ward = ward();
    let out = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name",
        "operator": "NotIn", "values": ["kube-system", "shop"]}]});
    ward.change("validating", |webhook| webhook["namespaceSelector"] = out);
    let report = ward.report("");
    let found = finding(&report, "namespaces-excluded");
    assert_eq!(found["evidence"][1]["value"], "kube-system, shop");
    assert!(found["what"].as_str().unwrap().contains("leaves out 2 of "), "{found}");
}

#[test]
fn a_webhook_that_cannot_be_called_is_told_with_the_api_servers_words() {
    let ward = ward();
    ward.change("validating", |webhook| {
        webhook["clientConfig"]["url"] = "https://127.0.0.1:1/validate".into();
    });
    let report = ward.report("");
    assert_eq!(codes(&report), ["webhook-failing"]);
    let found = finding(&report, "webhook-failing");
    let answer = found["evidence"][0]["value"].as_str().unwrap();
    assert!(answer.contains("connection refused"), "{answer}");
}

#[test]
fn each_fault_of_the_service_is_found() {
    let ward = ward();
    let bundle = bundle(&ward);
    let found = |namespace: &str, port: u16| {
        ward.change("validating", |webhook| {
            webhook["clientConfig"] = json!({"caBundle": bundle, "service": {
                "namespace": namespace, "name": "postern", "path": "/validate", "port": port}});
        });
        ward.found("-n shop")
    };
    assert_eq!(found("nowhere", 443), ["namespace-missing", "webhook-failing"]);
    ward.cluster.create_namespace("behind", &[]);
    assert_eq!(found("behind", 443), ["service-missing", "webhook-failing"]);
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "postern", "namespace": "behind"},
        "spec": {"ports": [{"port": 443}], "selector": {"app": "postern"}}});
    ward.cluster.apply(&service.to_string());
    assert_eq!(found("behind", 8443), ["service-port", "webhook-failing"]);
    assert_eq!(found("behind", 443), ["service-empty", "webhook-failing"]);
    let labels = json!({"app": "postern"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "postern", "namespace": "behind"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "postern", "image": "example.com/postern:0.0.1"}]}}}});
    ward.cluster.apply(&deployment.to_string());
    assert_eq!(found("behind", 443), ["service-empty", "version-skew", "webhook-failing"]);
}

#[test]
fn another_configuration_that_leads_here_is_stale() {
    let ward = ward();
    let mut other = ward.good[1].clone();
    other["metadata"]["name"] = "postern-old".into();
    other["webhooks"][0]["name"] = "old.example.com".into();
    ward.cluster.apply(&other.to_string());
    ward.cluster.settle_webhooks();
    let found = ward.found("");
    ward.admin("delete validatingwebhookconfiguration postern-old");
    ward.cluster.settle_webhooks();
    // Whichever of the two refuses first.
    let found: Vec<_> = found.iter().filter(|code| *code != "trial-elsewhere").collect();
    assert_eq!(found, ["stale-configuration"]);
}

#[test]
fn other_engines_that_forget_debug_containers_are_found() {
    let ward = ward();
    let engine = |name: &str, resources: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "engine.example.com",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"],
                           "operations": ["CREATE", "UPDATE"], "resources": resources}],
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "timeoutSeconds": 1,
            }],
        })
    };
    ward.cluster.apply(&engine("engine", json!(["pods"])).to_string());
    ward.cluster.settle_webhooks();
    let found = ward.found("");
    ward.admin("delete validatingwebhookconfiguration engine");
    assert_eq!(found, ["other-misses-debug"]);

    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "images"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}]},
            "validations": [{"expression": "true"}],
        },
    });
    ward.cluster.apply(&policy.to_string());
    assert_eq!(ward.found(""), [""; 0], "without a binding it does nothing");
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "images"},
        "spec": {"policyName": "images", "validationActions": ["Deny"]},
    });
    ward.cluster.apply(&binding.to_string());
    let found = ward.found("");
    ward.admin("delete validatingadmissionpolicybinding images");
    ward.admin("delete validatingadmissionpolicy images");
    assert_eq!(found, ["other-misses-debug"]);
}

#[test]
fn what_passed_because_nobody_answered_is_counted() {
    let mut ward = ward();
    ward.change("validating", |webhook| {
        webhook["failurePolicy"] = "Ignore".into();
        webhook["clientConfig"]["url"] = "https://127.0.0.1:1/validate".into();
    });
    let before = ward.found("-n shop");
    let after = ward.report("-n shop");
    // Its counters start anew, so that no other test hears of this.
    ward.cluster.kill_api_server();
    ward.cluster.start_api_server_again();
    assert_eq!(before, ["door-open", "failure-policy-ignore"]);
    assert_eq!(codes(&after), ["door-open", "fail-open", "failure-policy-ignore"]);
    let seen = &finding(&after, "fail-open")["evidence"][0];
    let field = seen["field"].as_str().unwrap();
    assert!(field.contains("name=\"validate.postern.dev\",type=\"validating\""), "{field}");
    ward.mend();
    assert_eq!(ward.found("-n shop"), [""; 0], "mended");
}
