use serde_json::{Value, json};

use super::super::rbac::{Binding, Role};
use super::*;

fn role(name: &str, namespace: Option<&str>, rules: Value) -> Role {
    let mut document = json!({"metadata": {"name": name, "namespace": namespace}});
    document["rules"] = rules;
    serde_json::from_value(document).unwrap()
}

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> Value {
    json!([{"verbs": verbs, "apiGroups": [group], "resources": resources}])
}

fn binding(namespace: Option<&str>, role: (&str, &str), subject: Value) -> Binding {
    let (kind, name) = role;
    let mut document = json!({
        "metadata": {"name": "b", "namespace": namespace},
        "roleRef": {"kind": kind, "name": name},
    });
    document["subjects"] = Value::Array(vec![subject]);
    serde_json::from_value(document).unwrap()
}

fn group(name: &str) -> Value {
    json!({"kind": "Group", "name": name})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

fn found(roles: Vec<Role>, bindings: Vec<Binding>) -> Vec<(&'static str, Severity)> {
    let survey = Survey { rbac: Some(Rbac { roles, bindings }), ..Survey::default() };
    diagnose(&survey).iter().map(|it| (it.code.as_str(), it.severity)).collect()
}

/// What is found of one ClusterRole that a subject has everywhere.
fn everywhere(rules: Value, subject: Value) -> Vec<(&'static str, Severity)> {
    let binding = binding(None, ("ClusterRole", "r"), subject);
    found(vec![role("r", None, rules)], vec![binding])
}

#[test]
fn each_power_is_found() {
    let of = |verb: &str, api: &str, resource: &str| {
        let found = everywhere(rule(&[verb], api, &[resource]), group("dev"));
        found.first().map(|(code, _)| *code).unwrap_or("nothing")
    };
    assert_eq!(of("bind", ROLES, "clusterroles"), "rbac-grant");
    assert_eq!(of("escalate", ROLES, "roles"), "rbac-grant");
    assert_eq!(of("create", ROLES, "clusterrolebindings"), "nothing", "what they have themselves");
    assert_eq!(of("create", "", "serviceaccounts/token"), "rbac-impersonate");
    assert_eq!(of("patch", "", "pods/ephemeralcontainers"), "rbac-debug");
    assert_eq!(of("update", "", "pods/ephemeralcontainers"), "rbac-debug");
    assert_eq!(of("get", "", "pods/ephemeralcontainers"), "nothing");
    assert_eq!(of("create", "", "pods/exec"), "rbac-exec");
    assert_eq!(of("get", "", "pods/exec"), "rbac-exec", "a WebSocket is a GET");
    assert_eq!(of("create", "", "pods/attach"), "rbac-attach");
    assert_eq!(of("create", "", "pods/portforward"), "rbac-port-forward");
    assert_eq!(of("create", "", "pods"), "rbac-create-pods");
    assert_eq!(of("create", "batch", "cronjobs"), "rbac-postern");
    assert_eq!(of("list", "", "secrets"), "rbac-secrets");
    assert_eq!(of("get", "", "nodes/proxy"), "rbac-nodes");
    assert_eq!(of("impersonate", "", "groups"), "rbac-impersonate");
    assert_eq!(of("patch", HOOKS, "mutatingwebhookconfigurations"), "rbac-webhooks");
    assert_eq!(of("delete", HOOKS, "validatingwebhookconfigurations"), "rbac-webhooks");
    assert_eq!(of("update", "postern.dev", "debugpolicies"), "rbac-policies");
    assert_eq!(of("patch", "apps", "deployments"), "rbac-postern");
    assert_eq!(of("list", "", "pods"), "nothing");
}

#[test]
fn wildcards_are_read_as_the_api_server_reads_them() {
    let of = |verb: &str, api: &str, resource: &str| {
        let found = everywhere(rule(&[verb], api, &[resource]), group("dev"));
        found.iter().any(|(code, _)| *code == "rbac-exec")
    };
    assert!(of("*", "", "pods/exec"));
    assert!(of("create", "*", "pods/exec"));
    assert!(of("create", "", "*"), "in roles a star covers subresources");
    assert!(of("create", "", "*/exec"));
    assert!(!of("create", "", "pods/*"), "which means nothing in a role");
    assert!(!of("create", "", "pods"));
}

#[test]
fn everybody_is_critical_and_kubernetes_itself_is_left_out() {
    let exec = || rule(&["create"], "", &["pods/exec"]);
    for name in ["system:authenticated", "system:unauthenticated", "system:serviceaccounts"] {
        let all = everywhere(exec(), group(name));
        assert_eq!(all, [("rbac-everybody", Severity::Critical)], "{name}");
    }
    assert_eq!(everywhere(exec(), group("system:masters")), []);
    assert_eq!(everywhere(exec(), account("kube-system", "generic-garbage-collector")), []);
    let of_a_namespace = everywhere(exec(), group("system:serviceaccounts:shop"));
    assert_eq!(of_a_namespace, [("rbac-exec", Severity::Info)]);
}

#[test]
fn programs_weigh_less_than_people_and_postern_may_write_its_own() {
    let hooks = || rule(&["update"], HOOKS, &["validatingwebhookconfigurations"]);
    let severity = |subject| everywhere(hooks(), subject).first().map(|(_, severity)| *severity);
    assert_eq!(severity(group("ops")), Some(Severity::High));
    assert_eq!(severity(account("cert-manager", "cainjector")), Some(Severity::Medium));
    assert_eq!(severity(account("postern-system", "postern")), None);
    assert_eq!(severity(account("other", "postern")), Some(Severity::Medium));
    let secrets = || rule(&["get", "update"], "", &["secrets"]);
    assert_eq!(everywhere(secrets(), account("postern-system", "postern")), []);
}

/// With `fullnameOverride` the chart calls the account otherwise, and the configurations too.
#[test]
fn postern_is_known_by_the_name_of_its_configurations() {
    let of = |account_name: &str| {
        let rules = rule(&["patch"], HOOKS, &["validatingwebhookconfigurations"]);
        let bindings =
            vec![binding(None, ("ClusterRole", "r"), account("postern-system", account_name))];
        let rbac = Rbac { roles: vec![role("r", None, rules)], bindings };
        let configuration = "door".to_owned();
        diagnose(&Survey { configuration, rbac: Some(rbac), ..Survey::default() }).len()
    };
    assert_eq!((of("door"), of("window")), (0, 1));
}

#[test]
fn administrators_are_listed_once() {
    let all = everywhere(rule(&["*"], "*", &["*"]), group("kubeadm:cluster-admins"));
    assert_eq!(all, [("rbac-administrators", Severity::Info)]);
    let everybody = everywhere(rule(&["*"], "*", &["*"]), group("system:authenticated"));
    assert!(everybody.iter().all(|(code, _)| *code == "rbac-everybody"), "{everybody:?}");
}

#[test]
fn a_role_binding_gives_nothing_outside_of_its_namespace() {
    let rules = || {
        json!([
            {"verbs": ["*"], "apiGroups": [HOOKS, "postern.dev"], "resources": ["*"]},
            {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes/proxy", "users", "secrets"]},
            {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/exec"]},
        ])
    };
    let inside = |namespace: &str| {
        let binding = binding(Some(namespace), ("ClusterRole", "r"), group("dev"));
        let found = found(vec![role("r", None, rules())], vec![binding]);
        found.iter().map(|(code, _)| *code).collect::<Vec<_>>()
    };
    assert_eq!(inside("shop"), ["rbac-exec"]);
    assert_eq!(inside(NAMESPACE), ["rbac-postern", "rbac-secrets", "rbac-exec"]);
}

#[test]
fn whoever_escalates_in_a_namespace_writes_no_cluster_roles() {
    let inside = |verb: &str, resource: &str| {
        let bound = vec![binding(Some("shop"), ("ClusterRole", "r"), group("dev"))];
        found(vec![role("r", None, rule(&[verb], ROLES, &[resource]))], bound)
    };
    assert_eq!(inside("escalate", "clusterroles"), []);
    for (verb, resource) in [("bind", "clusterroles"), ("bind", "roles"), ("escalate", "roles")] {
        assert_eq!(inside(verb, resource), [("rbac-grant", Severity::High)], "{verb} {resource}");
    }
}

#[test]
fn pods_elsewhere_do_not_replace_postern() {
    let bound = vec![binding(Some("shop"), ("ClusterRole", "r"), group("dev"))];
    let rules = rule(&["create", "get"], "", &["pods", "secrets"]);
    assert_eq!(found(vec![role("r", None, rules)], bound), [("rbac-create-pods", Severity::Info)]);
}

#[test]
fn a_role_is_found_by_kind_and_namespace() {
    let exec = || rule(&["create"], "", &["pods/exec"]);
    let role_of = |namespace| vec![role("r", namespace, exec())];
    let bound = || vec![binding(Some("shop"), ("Role", "r"), group("dev"))];
    assert_eq!(found(role_of(Some("shop")), bound()).len(), 1);
    assert_eq!(found(role_of(Some("other")), bound()), []);
    assert_eq!(found(role_of(None), bound()), [], "a ClusterRole of the same name is another");
}

/// The controller fills aggregated roles a moment later, and on a cluster without it never.
#[test]
fn aggregated_roles_hold_what_they_take_in() {
    let selector =
        |label: &str| json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    let roles = json!([
        {"metadata": {"name": "admin"}, "aggregationRule": selector("to-admin")},
        {"metadata": {"name": "edit", "labels": {"to-admin": "true"}},
         "aggregationRule": selector("to-edit"), "rules": null},
        {"metadata": {"name": "exec", "labels": {"to-edit": "true"}},
         "rules": rule(&["create"], "", &["pods/exec"])},
    ]);
    let roles: Vec<Role> = serde_json::from_value(roles).unwrap();
    let bound = vec![binding(Some("shop"), ("ClusterRole", "admin"), group("dev"))];
    assert_eq!(found(roles, bound), [("rbac-exec", Severity::Info)]);
}

#[test]
fn evidence_says_who_by_which_binding_and_for_which_names() {
    let mut rules = rule(&["impersonate", "get"], "", &["users"]);
    rules[0]["resourceNames"] = json!(["alice"]);
    let bound = vec![binding(None, ("ClusterRole", "r"), group("ops"))];
    let rbac = Rbac { roles: vec![role("r", None, rules)], bindings: bound };
    let all = diagnose(&Survey { rbac: Some(rbac), ..Survey::default() });
    let seen = &all[0].evidence[0];
    assert_eq!(seen.object, "Group ops");
    let by = "ClusterRole/r by ClusterRoleBinding/b, everywhere (impersonate users alice)";
    assert_eq!(seen.value, by);
    assert!(all[0].remedy.starts_with("kubectl get clusterrolebinding b -o yaml; "));
}
