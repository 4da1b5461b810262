//! Expressions of policies and of ValidatingAdmissionPolicies, asked by one API server about one
//! request: Postern and the API server itself must say the same of each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::desk::{Desk, Shared};
use super::support::Output;

/// Half of the table each: the audit log keeps at most 50 failures of one request.
const NAMESPACES: [&str; 2] = ["team-expressions-a", "team-expressions-b"];
const CASES: &str = include_str!("../../corpus/expressions/cases.json");
const DOCUMENTS: &str = include_str!("../../corpus/expressions/variables.json");
/// How long the API server may take to put its policies in force.
const PATIENCE: Duration = Duration::from_secs(60);

/// The table's expressions that only name what a ValidatingAdmissionPolicy has, by number, and
/// whether the table says that they are expressions at all. The namespace is left out because this
/// Postern watches no cluster.
fn expressions() -> Vec<(String, String, bool)> {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let ours = |text: &str| {
        ["container.", "(container", "image.", "pod.", "namespaceObject"].iter().any(|variable| {
            text.match_indices(variable).any(|(at, _)| !text[..at].ends_with(['.', '_']))
        })
    };
    let expressions = cases.iter().enumerate().filter_map(|(number, case)| {
        let text = case["expression"].as_str().unwrap();
        let is_expression = case["expect"] != "rejected";
        (!ours(text)).then(|| (format!("expression-{number:03}"), text.to_owned(), is_expression))
    });
    expressions.collect()
}

/// A policy for each expression that is one, which notes what it finds and refuses nothing.
pub(super) fn policies() -> String {
    let mut documents = String::new();
    for (name, expression, _) in expressions().iter().filter(|(.., is_one)| *is_one) {
        let policy = json!({
            "apiVersion": "postern.dev/v1alpha1",
            "kind": "DebugPolicy",
            "metadata": {"name": name},
            "spec": {
                "effect": "Require",
                "enforcement": "Audit",
                "match": {"namespaces": {"names": ["team-expressions-*"]}},
                "containers": {"rules": [{"name": name, "expression": expression}]},
            },
        });
        writeln!(documents, "---\n{policy}").unwrap();
    }
    documents
}

fn admission_policy(name: &str, expression: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, "labels": {"test": "expressions"}},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                "resources": ["pods/ephemeralcontainers"],
            }]},
            "validations": [{"expression": expression}],
        },
    })
}

fn binding(name: &str, action: &str, namespaces: &[&str]) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": {"test": "expressions"}},
        "spec": {
            "policyName": name,
            "validationActions": [action],
            "matchResources": {"namespaceSelector": {
                "matchExpressions": [{
                    "key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces,
                }],
            }},
        },
    })
}

fn list(items: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// The pod of the table as an administrator would create it.
fn pod(namespace: &str) -> (Value, Value) {
    let documents: Value = serde_json::from_str(DOCUMENTS).unwrap();
    let added = documents["object"]["spec"]["ephemeralContainers"][0].clone();
    let mut pod = documents["oldObject"].clone();
    let metadata = pod["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        metadata.remove(field);
    }
    metadata.insert("namespace".to_owned(), namespace.into());
    pod.as_object_mut().unwrap().remove("status");
    // Made by a plugin that is off here, from a class that is not there.
    pod["spec"].as_object_mut().unwrap().remove("priority");
    (pod, added)
}

#[test]
fn every_expression_means_what_it_means_to_the_api_server() {
    let desk = Desk::open(NAMESPACES[0]);
    desk.cluster().create_namespace(NAMESPACES[1], &[]);
    let expressions = expressions();
    refuses_what_is_no_expression(&desk, &expressions);
    let known: Vec<_> = expressions.iter().filter(|(.., is_one)| *is_one).collect();
    let halves: Vec<_> = known.chunks(known.len().div_ceil(2)).zip(NAMESPACES).collect();
    let mut pod_name = String::new();
    for (half, namespace) in &halves {
        let (pod, _) = pod(namespace);
        desk.cluster().create_pod(&pod);
        pod["metadata"]["name"].as_str().unwrap().clone_into(&mut pod_name);
        let policies = half.iter().map(|(name, text, _)| admission_policy(name, text));
        let bindings = half.iter().map(|(name, ..)| binding(name, "Audit", &[namespace]));
        create(&desk, &policies.chain(bindings).collect::<Vec<_>>());
    }
    wait_until_in_force(&desk, &pod_name);

    let mut different = String::new();
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for (half, namespace) in halves {
        let (_, added) = pod(namespace);
        let patch = json!({"spec": {"ephemeralContainers": [added]}}).to_string();
        let patched = patches(&desk, "alice", namespace, (&pod_name, &patch), &[]);
        assert!(patched.success(), "{patched:?}");
        let (theirs, ours) = (admission_says(&desk, namespace), postern_says(&desk, namespace));
        for (name, text, _) in half {
            let told = |said: &Said| said.get(name).copied().unwrap_or("true");
            let (theirs, ours) = (told(&theirs), told(&ours));
            *answers.entry(ours).or_default() += 1;
            if theirs != ours {
                writeln!(different, "{text}: {theirs} to the API server, {ours} here").unwrap();
            }
        }
    }
    assert_eq!(different, "");
    let enough = [("true", 100), ("false", 15), ("error", 20)];
    assert!(enough.iter().all(|(answer, number)| answers[answer] >= *number), "{answers:?}");
    remove(&desk);
}

/// What did not hold, by the name of its policy, and how.
type Said = BTreeMap<String, &'static str>;

fn create(desk: &Desk<Shared>, items: &[Value]) {
    let kubectl = desk.cluster().kubectl("admin").args(["create", "-f", "-"]);
    kubectl.timeout(PATIENCE).stdin(list(items)).ok();
}

/// Neither takes them: here a test of the table sees to that.
fn refuses_what_is_no_expression(desk: &Desk<Shared>, expressions: &[(String, String, bool)]) {
    let others: Vec<_> = expressions.iter().filter(|(.., is_one)| !is_one).collect();
    assert!(others.len() >= 20, "{}", others.len());
    let policies: Vec<_> =
        others.iter().map(|(name, text, _)| admission_policy(name, text)).collect();
    let kubectl = desk.cluster().kubectl("admin").args(["create", "--dry-run=server", "-f", "-"]);
    let output = kubectl.timeout(PATIENCE).stdin(list(&policies)).run();
    assert_eq!(output.stdout, "", "taken by the API server");
    for (name, text, _) in others {
        assert!(output.stderr.contains(name), "{text} is not complained of: {}", output.stderr);
    }
}

/// A policy that refuses everything is in force once the others are, which were there before it.
fn wait_until_in_force(desk: &Desk<Shared>, pod: &str) {
    let last = "expression-last";
    create(desk, &[admission_policy(last, "1 == 2"), binding(last, "Deny", &NAMESPACES)]);
    let refuses = || {
        let patch = r#"{"spec":{"ephemeralContainers":[{"name":"probe","image":"busybox:1.36"}]}}"#;
        let dry_run = &["--dry-run=server"];
        let output = |namespace| patches(desk, "grace", namespace, (pod, patch), dry_run);
        NAMESPACES.map(|namespace| output(namespace).stderr.contains(last))
    };
    wait(&|| refuses() == [true; 2]);
    let delete = ["delete", "validatingadmissionpolicybinding", last];
    desk.cluster().kubectl("admin").args(delete).ok();
    wait(&|| refuses() == [false; 2]);
}

fn wait(is_so: &dyn Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not so after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn patches(
    desk: &Desk<Shared>,
    user: &str,
    namespace: &str,
    (pod, patch): (&str, &str),
    more: &[&str],
) -> Output {
    let kubectl = desk.cluster().kubectl(user).args(["patch", "pod", pod, "-n", namespace]);
    let kubectl = kubectl.args(["--subresource=ephemeralcontainers", "--type=strategic"]);
    kubectl.args(["-p", patch]).args(more).run()
}

/// What the API server's audit log says of the expressions that did not hold.
fn admission_says(desk: &Desk<Shared>, namespace: &str) -> Said {
    let failures = "validation.policy.admission.k8s.io/validation_failure";
    let events = desk.cluster().audit_events();
    let event = events.iter().rev().find(|event| {
        event["objectRef"]["namespace"] == namespace && event["annotations"][failures].is_string()
    });
    let text = event.unwrap()["annotations"][failures].as_str().unwrap();
    let found: Vec<Value> = serde_json::from_str(text).unwrap();
    let said = found.iter().map(|failure| {
        let is_error = failure["message"].as_str().unwrap().contains("resulted in error");
        let name = failure["policy"].as_str().unwrap().to_owned();
        (name, if is_error { "error" } else { "false" })
    });
    said.collect()
}

/// What the ledger says of them.
fn postern_says(desk: &Desk<Shared>, namespace: &str) -> Said {
    let records = desk.postern().audit(&["-n", namespace]);
    let findings = records.last().unwrap()["findings"].as_array().unwrap();
    let said = findings.iter().filter(|finding| finding["constraint"] == "spec.containers.rules");
    said.map(|finding| {
        let is_error = finding["message"].as_str().unwrap().contains("cannot be decided");
        let name = finding["policy"]["name"].as_str().unwrap().to_owned();
        (name, if is_error { "error" } else { "false" })
    })
    .collect()
}

fn remove(desk: &Desk<Shared>) {
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        let words = ["delete", kind, "-l", "test=expressions", "--wait=false"];
        desk.cluster().kubectl("admin").args(words).timeout(PATIENCE).ok();
    }
}
