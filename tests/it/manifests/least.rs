//! What Postern may do: each rule with its reason, and nothing that is not here.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::helm::render;
use super::{SETS, all, list, texts};

/// A right: API group, resource, the one name or none, verb.
type Right = (String, String, String, String);

/// Why Postern has each.
const REASONS: [(&str, &str, &str, &[&str], &str); 9] = [
    ("postern.dev", "debugpolicies", "", &["list", "watch"], "policies are read and followed"),
    (
        "postern.dev",
        "debugpolicies/status",
        "",
        &["patch"],
        "their authors see what became of them",
    ),
    ("", "namespaces", "", &["list", "watch"], "policies select them by label"),
    (
        "authorization.k8s.io",
        "subjectaccessreviews",
        "",
        &["create"],
        "policies ask whether somebody may use them",
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "postern",
        &["get", "list", "watch", "patch"],
        "the authority is written into its own one",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "postern",
        &["get", "list", "watch", "patch"],
        "the authority is written into its own one",
    ),
    ("events.k8s.io", "events", "", &["create"], "who looks at a pod sees who was let in"),
    (
        "",
        "pods",
        "",
        &["get", "list"],
        "what became of a container is recorded, and what nothing allowed is found",
    ),
    // In its own namespace.
    (
        "coordination.k8s.io",
        "leases",
        "postern-tls",
        &["get", "create", "patch"],
        "one server at a time renews the certificate",
    ),
];

/// In its own namespace, too.
const SECRET: (&str, &str, &str, &[&str], &str) = (
    "",
    "secrets",
    "postern-tls",
    &["list", "watch", "create", "patch"],
    "the certificate that it makes is kept there",
);

const SIGNING_KEY: (&str, &str, &str, &[&str], &str) = (
    "",
    "secrets",
    "postern-signing-key",
    &["get", "create", "patch"],
    "the key that signs the ledger is kept there",
);

const CHECKPOINTS: (&str, &str, &str, &[&str], &str) = (
    "",
    "configmaps",
    "postern-checkpoints",
    &["create", "patch"],
    "the newest checkpoint is kept there",
);

fn rights(role: &Value) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in list(role, "/rules") {
        let names = match texts(rule, "/resourceNames") {
            names if names.is_empty() => vec![String::new()],
            names => names,
        };
        for group in texts(rule, "/apiGroups") {
            for resource in texts(rule, "/resources") {
                for name in &names {
                    for verb in texts(rule, "/verbs") {
                        let right = (group.clone(), resource.clone(), name.clone(), verb);
                        assert!(!format!("{right:?}").contains('*'), "{right:?}");
                        assert!(rights.insert(right.clone()), "twice: {right:?}");
                    }
                }
            }
        }
    }
    rights
}

/// What the roles that are bound to Postern give it.
fn given(objects: &[Value]) -> BTreeSet<Right> {
    let mut given = BTreeSet::new();
    for (binding, role) in [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")] {
        for bound in all(objects, binding) {
            let subjects = list(bound, "/subjects");
            assert_eq!(subjects.len(), 1);
            assert_eq!(subjects[0]["kind"], "ServiceAccount");
            assert_eq!(subjects[0]["namespace"], "postern-system");
            assert_eq!(bound["roleRef"]["kind"], role);
            let (name, namespace) = (&bound["roleRef"]["name"], &bound["metadata"]["namespace"]);
            let is_it = |it: &&&Value| {
                it["metadata"]["name"] == *name && it["metadata"]["namespace"] == *namespace
            };
            let roles = all(objects, role);
            given.extend(rights(roles.iter().find(is_it).unwrap()));
        }
    }
    given
}

fn expected(reasons: &[(&str, &str, &str, &[&str], &str)]) -> BTreeSet<Right> {
    let mut expected = BTreeSet::new();
    for (group, resource, name, verbs, why) in reasons {
        assert!(!why.is_empty());
        for verb in *verbs {
            let texts = [group, resource, name, verb].map(|it| (*it).to_owned());
            expected.insert(texts.into());
        }
    }
    expected
}

#[test]
fn postern_has_the_rights_that_have_a_reason_and_no_others() {
    let everything = [&REASONS[..], &[SECRET, CHECKPOINTS, SIGNING_KEY]].concat();
    let values = ["checkpoints.configMap.enabled=true", "ledger.signingKey.generate=true"];
    assert_eq!(given(&render(&values)), expected(&everything));
}

/// Wherever they are, and no others in that namespace.
#[test]
fn the_config_maps_that_checkpoints_are_sent_to_can_be_written() {
    let to = "checkpoints.to={configmap:postern-system/more,configmap:vault/seals,file:/var/lib/postern/a}";
    let objects = render(&[to]);
    let of = |namespace: &str| {
        let there = |it: &&Value| it["metadata"]["namespace"] == namespace;
        let objects: Vec<_> = objects.iter().filter(there).cloned().collect();
        given(&objects).into_iter().filter(|(_, resource, ..)| resource == "configmaps").collect()
    };
    for (namespace, name) in [("postern-system", "more"), ("vault", "seals")] {
        let reason = (CHECKPOINTS.0, CHECKPOINTS.1, name, CHECKPOINTS.3, CHECKPOINTS.4);
        let rights: BTreeSet<Right> = of(namespace);
        assert_eq!(rights, expected(&[reason]), "{namespace}");
    }
    let both = render(&["checkpoints.configMap.enabled=true", to]);
    let own: Vec<_> = all(&both, "Role").into_iter().flat_map(rights).collect();
    for name in ["postern-checkpoints", "more", "seals"] {
        assert_eq!(own.iter().filter(|(_, _, it, _)| it == name).count(), 2, "{name}");
    }
}

/// What is not used is not given.
#[test]
fn whoever_does_without_something_gives_no_right_to_it() {
    let without = |values: &[&str], gone: &[&str]| {
        let rights = given(&render(values));
        let all = [&REASONS[..], &[SECRET]].concat();
        let kept: Vec<_> = all.into_iter().filter(|reason| !gone.contains(&reason.1)).collect();
        assert_eq!(rights, expected(&kept), "{values:?}");
    };
    without(&[], &[]);
    let certificates =
        ["mutatingwebhookconfigurations", "validatingwebhookconfigurations", "leases", "secrets"];
    without(&["certManager.enabled=true"], &certificates);
    without(&["tls.existingSecret=a", "tls.caBundle=-----BEGIN CERTIFICATE-----"], &certificates);
    without(&["settings.podEvents=false"], &["events"]);
    for zero in ["0s", "0h"] {
        let (follow, scan) =
            (format!("settings.followLimit={zero}"), format!("settings.scanInterval={zero}"));
        without(&[&follow, &scan], &["pods"]);
    }
    // Either alone still reads pods.
    without(&["settings.followLimit=0s"], &[]);
    assert!(given(&render(&["rbac.create=false"])).is_empty());
}

/// What people may do is bound to nobody.
#[test]
fn roles_for_people_are_bound_to_nobody() {
    for (name, values) in SETS {
        let objects = render(values);
        let bound: Vec<_> = all(&objects, "ClusterRoleBinding");
        assert_eq!(bound.len(), 1, "{name}");
        let secrets = all(&objects, "ClusterRole").into_iter().flat_map(rights);
        for (_, resource, _, _) in secrets {
            assert!(resource != "secrets" && resource != "pods/exec", "{name}: {resource}");
        }
    }
    assert_eq!(all(&render(&["rbac.userRoles=false"]), "ClusterRole").len(), 1);
}

/// For whoever reads the manifests and not this file.
#[test]
fn beside_each_rule_stands_why() {
    let text = fs::read_to_string("deploy/base/install.yaml").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut rules = 0;
    for (number, line) in
        lines.iter().enumerate().filter(|(_, it)| it.starts_with("- apiGroups: ["))
    {
        rules += 1;
        let before = lines[number - 1];
        assert!(before.starts_with("# "), "line {}: {line} after {before}", number + 1);
    }
    assert!(rules >= 14, "{rules}");
}
