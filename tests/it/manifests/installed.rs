//! A real API server takes every rendering, and `kubectl debug` goes through what was installed.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::helm::{CHART, NAMESPACE, objects, printed, render, template};
use super::{SETS, all, list, one, texts};
use crate::cluster::support::{Cluster, Output, Postern, pod};

/// An API server without anything of Postern.
pub(super) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

pub(super) fn admin(cluster: &Cluster, line: &str) -> Output {
    cluster.kubectl("admin").args(line.split_whitespace()).run()
}

/// Server-side apply knows every field and refuses one that it does not know.
fn apply(cluster: &Cluster, objects: &[Value], options: &[&str]) -> Output {
    let text: String = objects.iter().map(|object| format!("---\n{object}\n")).collect();
    let apply = ["apply", "--server-side", "-f", "-"];
    cluster.kubectl("admin").args(apply).args(options).stdin(text).run()
}

#[test]
fn the_api_server_takes_every_rendering() {
    let cluster = cluster();
    // Dry runs need the namespace to be there.
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    cluster.apply(&namespace.to_string());
    for (name, values) in SETS {
        let mut objects = render(values);
        // Of cert-manager, which is not installed here.
        objects.retain(|it| !it["apiVersion"].as_str().unwrap().starts_with("cert-manager.io/"));
        let output = apply(cluster, &objects, &["--dry-run=server", "--force-conflicts"]);
        assert!(output.success(), "{name}: {}", output.stderr);
        assert!(!output.stderr.contains("Warning"), "{name}: {}", output.stderr);
    }
}

/// `deploy/base` as a user applies it, in a cluster of its own.
struct Installed {
    cluster: Cluster,
    postern: Postern,
}

/// With `kubectl`, from the file that users download.
fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let cluster = Cluster::start();
        let line = "apply --server-side -f deploy/base/install.yaml";
        let mut output = admin(&cluster, line);
        assert!(output.success(), "{}", output.stderr);
        // A second time nothing is different.
        output = admin(&cluster, line);
        assert!(output.success(), "{}", output.stderr);
        let diff = admin(&cluster, "diff --server-side -f deploy/base/install.yaml");
        assert_eq!((diff.status, diff.stdout.as_str()), (Some(0), ""), "{}", diff.stderr);

        let deployment = cluster.get(NAMESPACE, "deployment/postern");
        let arguments = texts(&deployment, "/spec/template/spec/containers/0/args");
        let program = Path::new(env!("CARGO_BIN_EXE_postern"));
        let mut postern = Postern::start_installed(&cluster, program, &arguments);
        postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
        // Nobody here is called by the name of a Service, so they are made anew with a URL.
        cluster.remove_webhooks();
        postern.install_untrusted(&cluster);
        Installed { cluster, postern }
    })
}

fn debug(cluster: &Cluster, user: &str, image: &str, name: &str) -> Output {
    let line = format!("debug api -n payments --image={image} -c {name}");
    cluster.kubectl(user).args(line.split(' ')).run()
}

#[test]
fn kubectl_debug_goes_through_what_was_installed() {
    let Installed { cluster, postern } = installed();
    cluster.create_namespace("payments", &[]);
    cluster.create_pod(&pod("payments", "api"));
    let refused = debug(cluster, "alice", "busybox:1.36", "early");
    assert!(refused.stderr.contains("no policy"), "{}", refused.stderr);

    for name in ["developers", "on-call", "guard-rails"] {
        let output = admin(cluster, &format!("apply -f deploy/examples/{name}.yaml"));
        assert!(output.success(), "{}", output.stderr);
    }
    let loaded = "wait --for=condition=Ready debugpolicies --all --timeout=20s";
    assert!(admin(cluster, loaded).success(), "{}", postern.log());
    let allowed = debug(cluster, "alice", "busybox:1.36", "late");
    assert!(allowed.success(), "{}", allowed.stderr);
    let stored = cluster.get("payments", "pod/api");
    let container = &list(&stored, "/spec/ephemeralContainers")[0];
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "hardened");
    let refused = debug(cluster, "alice", "nicolaka/netshoot", "other");
    assert!(refused.stderr.contains("is not approved here"), "{}", refused.stderr);

    // Under the name that outlives the pod.
    let records = postern.audit(&["-n", "payments"]);
    assert!(records.len() >= 3, "{records:#?}");
    assert!(records.iter().all(|record| record["writer"] == "postern"), "{records:#?}");
    // It had every right that it needed, Events and statuses too.
    assert!(!postern.log().contains("forbidden"), "{}", postern.log());
}

/// What `helm test` asks from another pod.
#[test]
fn postern_ready_says_what_the_server_says() {
    let postern = &installed().postern;
    let url = format!("http://{}", postern.health());
    let ready = postern.run(&["ready", &url]);
    assert_eq!(ready.status, Some(0), "{ready:?}");
    assert!(postern.probe("/readyz").ends_with(&ready.stdout) && ready.stdout.contains("[+]"));
    let ready = postern.run(&["ready", "-o", "json", &url]);
    let said: Value = serde_json::from_str(&ready.stdout).unwrap();
    assert_eq!(said["ready"], true, "{ready:?}");
    assert!(said["checks"].to_string().contains("[+]ledger ok"), "{ready:?}");
    // Nobody listens there, and nobody comes.
    let away = postern.run(&["ready", "--wait", "1s", "http://127.0.0.1:1"]);
    assert_eq!((away.status, away.stdout.as_str()), (Some(2), ""), "{away:?}");
    assert!(away.stderr.contains("127.0.0.1:1: Connection refused"), "{away:?}");
}

/// Nothing that it has and nobody gave a reason for.
#[test]
fn postern_may_do_what_it_needs_and_nothing_else() {
    let cluster = &installed().cluster;
    let may = |verb: &str, what: &str, namespace: &str| {
        let account = "--as=system:serviceaccount:postern-system:postern";
        let line = format!(
            "auth can-i {verb} {} -n {namespace} {account}",
            what.replace(" of ", " --subresource=")
        );
        admin(cluster, &line).success()
    };
    for (verb, what, namespace) in [
        ("watch", "debugpolicies", "default"),
        ("patch", "debugpolicies of status", "default"),
        ("list", "namespaces", "default"),
        ("create", "subjectaccessreviews", "default"),
        ("create", "events.events.k8s.io", "payments"),
        ("list", "pods", "payments"),
        ("patch", "secrets/postern-tls", NAMESPACE),
        ("create", "secrets/postern-tls", NAMESPACE),
        ("patch", "leases/postern-tls", NAMESPACE),
        ("patch", "validatingwebhookconfigurations/postern", "default"),
    ] {
        assert!(may(verb, what, namespace), "may not {verb} {what} in {namespace}");
    }
    for (verb, what, namespace) in [
        ("get", "secrets/postern-tls", NAMESPACE),
        ("watch", "secrets/postern-ledger", NAMESPACE),
        ("list", "secrets", NAMESPACE),
        ("create", "secrets", NAMESPACE),
        ("delete", "secrets/postern-tls", NAMESPACE),
        ("watch", "secrets/postern-tls", "payments"),
        ("get", "configmaps", NAMESPACE),
        ("patch", "leases/other", NAMESPACE),
        ("patch", "validatingwebhookconfigurations/other", "default"),
        ("delete", "validatingwebhookconfigurations/postern", "default"),
        ("create", "mutatingwebhookconfigurations", "default"),
        ("create", "debugpolicies", "default"),
        ("patch", "debugpolicies", "default"),
        ("patch", "pods", "payments"),
        ("watch", "pods", "payments"),
        ("create", "pods", "payments"),
        ("patch", "pods of ephemeralcontainers", "payments"),
        ("create", "pods of exec", "payments"),
        ("create", "pods of attach", "payments"),
        ("get", "nodes of proxy", "default"),
        ("create", "serviceaccounts of token", NAMESPACE),
        ("impersonate", "users", "default"),
        ("escalate", "clusterroles", "default"),
        ("bind", "clusterroles", "default"),
        ("patch", "deployments", NAMESPACE),
    ] {
        assert!(!may(verb, what, namespace), "may {verb} {what} in {namespace}");
    }
}

/// The admission of Pod Security judges the pods that the Deployment would make, and the one of
/// `helm test`. A pod that asks for more is refused beside them.
#[test]
fn a_restricted_namespace_admits_the_pods() {
    let cluster = cluster();
    let namespace = "restricted-home";
    let enforce = [
        ("pod-security.kubernetes.io/enforce", "restricted"),
        ("pod-security.kubernetes.io/enforce-version", "latest"),
    ];
    cluster.create_namespace(namespace, &enforce);
    for (number, (name, values)) in SETS.iter().enumerate() {
        let rendered = render(values);
        let mut template = all(&rendered, "Deployment")[0]["spec"]["template"].clone();
        template["metadata"]["name"] = json!(format!("server-{number}"));
        let mut test = all(&rendered, "Pod")[0].clone();
        test["metadata"]["name"] = json!(format!("test-{number}"));
        for mut pod in [template, test] {
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod["metadata"]["namespace"] = json!(namespace);
            let output = apply(cluster, &[pod], &[]);
            assert!(output.success(), "{name}: {}", output.stderr);
            assert!(!output.stderr.contains("Warning"), "{name}: {}", output.stderr);
        }
    }
    let mut other = pod(namespace, "other");
    other["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let output = apply(cluster, &[other], &[]);
    assert!(output.stderr.contains("violates PodSecurity \"restricted:latest\""), "{output:?}");
}

/// The namespace that the file makes is one of these.
#[test]
fn the_namespace_that_is_made_enforces_it() {
    let made = render(&["namespace.create=true"]);
    let labels = &one(&made, "Namespace", NAMESPACE)["metadata"]["labels"];
    for mode in ["enforce", "warn", "audit"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "restricted");
    }
}

/// The quota allows what it counts, and only what it is named for.
#[test]
fn the_quota_is_of_the_priority_that_the_pods_have() {
    let objects = render(&[]);
    let quota = one(&objects, "ResourceQuota", "postern-priority");
    let scope = &quota["spec"]["scopeSelector"]["matchExpressions"][0];
    let class =
        &one(&objects, "Deployment", "postern")["spec"]["template"]["spec"]["priorityClassName"];
    assert_eq!(scope["values"], json!([class]));
    assert!(all(&render(&["priorityClassName=house"]), "ResourceQuota").is_empty());
}

/// A condition that is no CEL would be refused only when it is installed.
#[test]
fn who_breaks_the_glass_is_not_asked_about_and_leaves_a_trace() {
    let cluster = Cluster::start();
    let values = ["namespace.create=true", "breakGlass.group=break-glass"];
    let text = printed(template(&values).arg("--skip-tests"));
    let output = apply(&cluster, &objects(&text), &[]);
    assert!(output.success(), "{}", output.stderr);
    // Nobody answers: everybody is refused, and only who is in the group gets in.
    cluster.settle_webhooks();
    cluster.create_namespace("payments", &[]);
    cluster.create_pod(&pod("payments", "api"));
    let refused = debug(&cluster, "alice", "busybox", "not-hers");
    assert!(
        refused.stderr.contains("failed calling webhook \"validate.postern.dev\""),
        "{refused:?}"
    );
    let allowed = debug(&cluster, "grace", "busybox", "emergency");
    assert!(allowed.success(), "{}", allowed.stderr);
    // The API server's audit log says who; Postern would have signed it.
    let events = cluster.audit_events();
    let graces = |event: &&Value| event["user"]["username"] == "grace";
    let event = events.iter().rfind(graces).unwrap();
    assert_eq!(event["objectRef"]["subresource"], "ephemeralcontainers");
    let annotations = event["annotations"].as_object();
    let signed = |it: &serde_json::Map<String, Value>| it.keys().any(|key| key.contains("postern"));
    assert!(!annotations.is_some_and(signed), "{event}");
}

/// docs/emergency.md says so, and its lines are typed.
#[test]
fn the_emergency_group_is_added_to_the_conditions_that_are_there_and_taken_away_alone() {
    let cluster = Cluster::start();
    let values = [
        "webhook.validating.matchConditions[0].name=not-robots",
        "webhook.validating.matchConditions[0].expression=request.userInfo.username != 'robot'",
    ];
    let configurations = |object: &Value| {
        object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
    };
    let mut installed = render(&values);
    installed.retain(configurations);
    assert!(apply(&cluster, &installed, &[]).success());
    let names = |kind: &str| -> Vec<String> {
        let got = cluster.get(NAMESPACE, &format!("{kind}webhookconfiguration/postern"));
        list(&got, "/webhooks/0/matchConditions").iter().map(|it| it["name"].to_string()).collect()
    };
    let page = std::fs::read_to_string("docs/emergency.md").unwrap();
    let type_after = |comment: &str| {
        let mut lines = page.lines().skip_while(|line| *line != format!("# {comment}"));
        let line = lines.nth(1).unwrap_or_else(|| panic!("{comment}"));
        // Only the patch is in quotes.
        let (words, patch) = line.split_once(" -p='").unwrap();
        let words = words.split(' ').skip(1).chain(["-p", patch.strip_suffix('\'').unwrap()]);
        cluster.kubectl("admin").args(words).ok();
    };
    let (robots, glass) = ("\"not-robots\"".to_owned(), "\"not-break-glass\"".to_owned());
    type_after("a group that is not asked about");
    type_after("and in the mutating one");
    let mut both = names("validating");
    both.sort();
    assert_eq!(both, [glass.clone(), robots.clone()]);
    assert_eq!(names("mutating"), [glass]);
    type_after("the group is asked about again");
    type_after("in the mutating one as well");
    assert_eq!(names("validating"), [robots]);
    assert!(names("mutating").is_empty());
}

#[test]
fn the_chart_is_packed_with_all_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    printed(&mut super::helm::helm(&["package", CHART, "--destination", &path]));
    let packed = folder.path().join(format!("postern-{}.tgz", env!("CARGO_PKG_VERSION")));
    let packed = packed.display().to_string();
    let from_package = ["template", "postern", &packed, "-n", NAMESPACE];
    let text = printed(&mut super::helm::helm(&from_package));
    assert_eq!(objects(&text), render(&[]));
}
