//! Rights that lead around Postern, rights that are missing to look, and tries that prove nothing.

use serde_json::json;

use super::super::support::pod;
use super::{Ward, codes, finding, ward};

impl Ward {
    /// What is found once a subject has a right.
    fn with_right(&self, subject: &str, verb: &str, resource: &str, options: &str) -> Vec<String> {
        let role = format!("create clusterrole fault --verb={verb} --resource={resource}");
        self.admin(&role);
        self.admin(&format!("create clusterrolebinding fault --clusterrole=fault {subject}"));
        let found = self.found(&format!("-n shop {options}"));
        self.admin("delete clusterrolebinding fault");
        self.admin("delete clusterrole fault");
        found
    }
}

#[test]
fn each_right_that_leads_around_postern_is_found() {
    let ward = ward();
    let hooks = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    for (subject, verb, resource, wanted) in [
        ("--group=system:authenticated", "create", "pods/exec", "rbac-everybody"),
        ("--group=ops", "update", hooks, "rbac-webhooks"),
        ("--serviceaccount=shop:default", "delete", hooks, "rbac-webhooks"),
        ("--user=bob", "impersonate", "users", "rbac-impersonate"),
        ("--user=bob", "create", "serviceaccounts/token", "rbac-impersonate"),
        ("--group=ops", "bind", "clusterroles.rbac.authorization.k8s.io", "rbac-grant"),
        ("--group=ops", "get", "nodes/proxy", "rbac-nodes"),
        ("--group=ops", "patch", "deployments.apps", "rbac-postern"),
        ("--group=ops", "get", "secrets", "rbac-secrets"),
    ] {
        let found = ward.with_right(subject, verb, resource, "");
        assert_eq!(found, [wanted], "{subject} {verb} {resource}");
    }
    for (subject, verb, resource) in [
        ("--group=system:masters", "update", hooks),
        ("--serviceaccount=postern-system:postern", "patch", hooks),
        ("--group=ops", "create", "pods/exec"),
        ("--group=ops", "patch", "pods/ephemeralcontainers"),
        ("--serviceaccount=postern-system:postern", "get", "secrets"),
    ] {
        let found = ward.with_right(subject, verb, resource, "");
        assert_eq!(found, [""; 0], "{subject} {verb} {resource}");
    }
}

#[test]
fn a_finding_that_is_meant_does_not_count() {
    let ward = ward();
    let hooks = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    ward.admin(&format!("create clusterrole fault --verb=update --resource={hooks}"));
    ward.admin("create clusterrolebinding fault --clusterrole=fault --group=ops");
    let status = |options: &str| ward.doctor("admin", &format!("-n shop {options}")).status;
    let said = [
        status(""),
        status("--fail-on critical"),
        status("--accept rbac-webhooks"),
        status("--accept rbac-webhooks=ops"),
        status("--accept rbac-webhooks=dev"),
        status("--accept rbac-webhooks="),
        status("--accept nonsense"),
    ];
    ward.admin("delete clusterrolebinding fault");
    ward.admin("delete clusterrole fault");
    assert_eq!(said, [Some(1), Some(0), Some(0), Some(0), Some(1), Some(64), Some(64)]);
}

#[test]
fn a_try_that_proves_nothing_says_so() {
    let ward = ward();
    assert_eq!(ward.found("-n shop --as mallory"), ["trial-rights"]);
    assert_eq!(ward.found("-n default"), ["not-tried"]);
    assert_eq!(ward.found("-n shop --pod none"), ["not-tried"]);

    let level = ("pod-security.kubernetes.io/enforce", "restricted");
    ward.cluster.create_namespace("a-strict", &[]);
    ward.cluster.create_pod(&pod("a-strict", "api"));
    ward.admin(&format!("label namespace a-strict {}={}", level.0, level.1));
    let report = ward.report("-n a-strict");
    let elsewhere = ward.report("");
    ward.admin("delete pod api -n a-strict --force");
    assert_eq!(elsewhere["triedOn"], "shop/api", "the first tells nothing, so the next is tried");
    assert_eq!(codes(&elsewhere), [""; 0]);
    assert_eq!(codes(&report), ["trial-elsewhere"]);
    let found = finding(&report, "trial-elsewhere")["what"].as_str().unwrap();
    assert_eq!(found, "Pod Security admission refused before Postern was asked");
}

/// The role of `docs/doctor.md`, and not one right more.
#[test]
fn the_documented_role_is_enough() {
    let ward = ward();
    let page = std::fs::read_to_string("docs/doctor.md").unwrap();
    let role = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    ward.cluster.apply(role);
    ward.admin("create clusterrolebinding doctor --clusterrole=postern-doctor --user=mallory");
    let asked = ward.doctor("mallory", "-o json -n shop");
    let report: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
    let unseen = |report: &serde_json::Value| {
        let findings = report["findings"].as_array().unwrap().clone();
        let unseen = findings.iter().filter(|it| it["code"] == "not-looked-at");
        unseen.map(|it| it["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(unseen(&report), [""; 0]);
    assert_eq!(finding(&report, "door-guarded")["severity"], "info");
    assert_eq!(codes(&report), [""; 0], "{report:#}");
    // What the role leaves out: to act as others.
    let asked = ward.doctor("mallory", "-o json -n shop --as alice --as-group dev");
    let other: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!(codes(&other), ["trial-rights"], "{other:#}");
    let what = finding(&other, "trial-rights")["what"].as_str().unwrap();
    assert_eq!(what, "Whoever runs this may not act as alice, so nothing was tried");
    ward.admin("delete clusterrolebinding doctor");
    ward.admin("delete clusterrole postern-doctor");

    // Without it nothing is seen, and that is not called guarded.
    let asked = ward.doctor("mallory", "-o json -n shop");
    assert_eq!(asked.status, Some(1), "{asked:?}");
    let report: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!(codes(&report), ["not-tried"]);
    for rest in ["--fail-on high", "--accept not-tried", "--fail-on critical --pod api"] {
        let asked = ward.doctor("mallory", &format!("-n shop {rest}"));
        let foot = asked.stdout.lines().next_back().unwrap_or_default();
        assert_eq!(asked.status, Some(1), "{rest}: {foot}");
        assert!(foot.starts_with("NOT guarded: nothing tells that it is; "), "{rest}: {foot}");
        let asked = ward.doctor("mallory", &format!("-n shop -o json {rest}"));
        assert!(asked.stdout.contains("\"guarded\":false"), "{rest}: {asked:?}");
    }
    let why = finding(&report, "not-tried")["what"].as_str().unwrap();
    assert!(why.ends_with("pods could not be listed, to choose one of them"), "{why}");
    let wanted = ["webhook configurations", "namespaces", "DebugPolicies", "pods", "metrics"];
    let mut unseen = unseen(&report);
    let number = unseen.len();
    unseen.sort();
    unseen.dedup();
    assert_eq!(unseen.len(), number, "one line is there twice: {unseen:?}");
    for what in wanted {
        assert!(unseen.iter().any(|it| it.contains(what)), "{what}: {unseen:?}");
    }
    let found = finding(&report, "not-looked-at");
    let answer = found["evidence"][0]["value"].as_str().unwrap();
    assert!(answer.contains("User \"mallory\" cannot"), "{answer}");
}

#[test]
fn a_cluster_that_is_not_there_is_no_answer() {
    let ward = ward();
    let asked = ward.doctor("admin", "--context nowhere");
    assert_eq!(asked.status, Some(2), "{asked:?}");
    let nobody = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {}}],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, nobody.to_string()).unwrap();
    let asked = ward.postern.run(&["doctor", "--kubeconfig", file.to_str().unwrap()]);
    assert_eq!(asked.status, Some(2), "{asked:?}");
    let said = "the API server at `https://127.0.0.1:1/` cannot be asked: client error";
    assert!(asked.stderr.contains(said), "{asked:?}");
    assert_eq!(ward.doctor("admin", "--pod ../x").status, Some(64));
}
