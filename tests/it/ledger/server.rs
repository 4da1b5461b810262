//! What a whole server leaves in its ledger, from its start to its end.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::fixture::until;
use crate::server::{Server, Site};

pub(super) const POLICIES: &str = "\
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: developers}
spec:
  effect: Permit
  containers: {podSecurity: privileged, images: {allow: [\"docker.io/library/busybox\"]}}
";

/// A review that adds a container with these fields too.
fn review_of(more: &Value) -> String {
    let pod = |list: Value| {
        json!({"metadata": {"name": "api", "labels": {"app": "api"}},
               "spec": {"containers": [{"name": "app"}], "ephemeralContainers": list}})
    };
    let mut added = json!([{"name": "debugger", "image": "busybox", "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "env": [{"name": "DEBUG_REASON", "value": "INC-7"}, {"name": "TICKET", "value": "1"}]}]);
    let fields = more.as_object().unwrap().clone();
    added[0].as_object_mut().unwrap().extend(fields);
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": "", "kind": "Pod"},
            "resource": {"group": "", "resource": "pods"}, "subResource": "ephemeralcontainers",
            "name": "api", "namespace": "payments", "operation": "UPDATE",
            "userInfo": {"username": "alice", "groups": ["dev"]},
            "object": pod(added), "oldObject": pod(json!([])),
        }
    })
    .to_string()
}

pub(super) async fn ask(site: &Site, server: &Server) {
    let answer = answer(site, server, "/validate", review_of(&json!({}))).await;
    assert_eq!(answer["response"]["allowed"], true, "{answer}\n{}", server.log());
}

async fn answer(site: &Site, server: &Server, path: &str, review: String) -> Value {
    let client = site.client().build().unwrap();
    let request = client.post(server.url(path)).header("content-type", "application/json");
    request.body(review).send().await.unwrap().json().await.unwrap()
}

/// The words of the events, oldest first.
fn events(site: &Site) -> Vec<String> {
    let listed = site.run(&["audit", "list", "--events", "-o", "json", "--ledger", "sqlite:l.db"]);
    let mut events: Vec<_> = listed
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned()
        })
        // Readers are written down whenever the server comes to it.
        .filter(|event| event != "Read")
        .collect();
    events.reverse();
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_writes_its_own_history() {
    let site = Site::new();
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let usual = ["--ledger", "sqlite:l.db", "--writer", "postern-0", "--checkpoint-interval", "1s"];
    let mut server = site.start(&usual);
    ask(&site, &server).await;
    until("the last checkpoint is in the metrics", async || {
        let (_, metrics) = server.health("/metrics").await;
        let name = "postern_ledger_checkpoint_timestamp_seconds ";
        let signed = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let age = jiff::Timestamp::now().as_second() - signed.parse::<i64>().unwrap();
        (0..3600).contains(&age)
    })
    .await;
    site.install_policies(&[("developers.yaml", &POLICIES.replace("busybox", "alpine"))]);
    let second = "PoliciesChanged";
    for _ in 0..200 {
        if events(&site).iter().filter(|event| *event == second).count() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());
    assert_eq!(events(&site), ["Started", second, second, "Stopped"]);

    // Killed, and started again with another setting.
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let mut server = site.start(&[&usual[..], &["--deadline", "2s"]].concat());
    ask(&site, &server).await;
    server.signal("KILL");
    server.ended().await;
    let all = events(&site);
    assert_eq!(all[4..], ["SettingsChanged", "Started", second]);

    // The key was made beside the ledger; the whole of it is good, and a reader is recorded.
    assert!(site.path("l.db.key").exists());
    let mut server = site.start(&usual);
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());
    let verified =
        site.run(&["audit", "verify", "--key", "l.db.key.pub", "--ledger", "sqlite:l.db"]);
    assert!(verified.starts_with("postern-0: good, records 1 to "), "{verified}");
    let listed = site.run(&["audit", "list", "--events", "--ledger", "sqlite:l.db"]);
    assert!(listed.contains(" audit list --events"), "{listed}");
    assert!(listed.contains("1 policies are in force; new or changed: developers"), "{listed}");
    let same = std::fs::metadata(Path::new(&site.path("l.db.key"))).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&same.permissions()) & 0o777, 0o600);
}

/// A site whose server has decided and ended.
async fn decided() -> Site {
    let site = Site::new();
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let mut server = site.start(&["--ledger", "sqlite:l.db"]);
    ask(&site, &server).await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    site
}

/// What would have been answered by other policies.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_decisions_are_judged_by_other_policies() {
    let site = decided().await;
    let stricter = POLICIES.replace("library/busybox", "library/alpine");
    std::fs::write(site.path("stricter.yaml"), stricter).unwrap();
    std::fs::write(site.path("same.yaml"), POLICIES).unwrap();
    let replay = |policies: &str| {
        site.run(&["audit", "replay", "--policies", policies, "--ledger", "sqlite:l.db"])
    };
    assert_eq!(replay("same.yaml"), "");
    let changed = replay("stricter.yaml");
    assert!(changed.contains(" alice payments/api: allowed, now refused\n"), "{changed}");
    assert!(changed.contains("  image `busybox` is not approved here"), "{changed}");
}

/// The reason is the one value that a record holds. Without it, whoever had given one seemed to be
/// refused by the very policies that had let them in.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_reason_is_judged_again() {
    let site = Site::new();
    let asking = |justification: &str| {
        format!("{POLICIES}  justification: {{required: true, {justification}}}\n")
    };
    let (same, other) = (asking("pattern: '^INC-'"), asking("pattern: '^OPS-'"));
    site.install_policies(&[("developers.yaml", &same)]);
    let mut server = site.start(&["--ledger", "sqlite:l.db"]);
    ask(&site, &server).await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    let replay = |policies: &str| {
        std::fs::write(site.path("new.yaml"), policies).unwrap();
        site.run(&["audit", "replay", "--policies", "new.yaml", "--ledger", "sqlite:l.db"])
    };
    assert_eq!(replay(&same), "");
    assert!(replay(&other).contains("allowed, now refused"));
    // Whatever it holds, the record says no more than that it was there.
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let mut server = site.start(&["--ledger", "sqlite:l.db"]);
    ask(&site, &server).await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    assert_eq!(replay(&asking("env: TICKET")).lines().count(), 0);
    assert!(replay(&asking("env: TEAM")).matches("allowed, now refused").count() == 2);
}

/// Nobody counted then how many a user had added, unless a policy asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_counted_is_not_judged_again() {
    let site = decided().await;
    let limited = format!("{POLICIES}  limits: {{perUserPerHour: 5}}\n");
    std::fs::write(site.path("limited.yaml"), &limited).unwrap();
    let stricter = limited.replace("library/busybox", "library/alpine");
    std::fs::write(site.path("stricter.yaml"), stricter).unwrap();
    let replay = |policies: &str| {
        site.run(&["audit", "replay", "--policies", policies, "--ledger", "sqlite:l.db"])
    };
    assert_eq!(replay("limited.yaml"), "");
    // What is refused whatever the number was can be told.
    let changed = replay("stricter.yaml");
    assert!(changed.contains(" alice payments/api: allowed, now refused\n"), "{changed}");
    assert!(!changed.contains("cannot be told"), "{changed}");
}

/// A record holds less of a container than was judged. What it does not hold would be missing, and
/// the answer another.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_record_holds_is_not_judged_again() {
    let site = Site::new();
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let mut server = site.start(&["--ledger", "sqlite:l.db"]);
    for (more, allowed) in [
        (json!({}), true),
        (json!({"args": ["-c", "id"], "workingDir": "/tmp"}), true),
        (json!({"ports": [{"containerPort": 80}]}), false),
        (json!({"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}]}), false),
    ] {
        // The last phase that is asked is recorded.
        let path = if allowed { "/validate" } else { "/mutate" };
        let answer = answer(&site, &server, path, review_of(&more)).await;
        assert_eq!(answer["response"]["allowed"], allowed, "{answer}");
    }
    server.signal("TERM");
    assert!(server.ended().await.success());
    let replay = |rule: &str| {
        let rules = format!("rules: [{{name: a, expression: \"{rule}\"}}], podSecurity");
        std::fs::write(site.path("new.yaml"), POLICIES.replace("podSecurity", &rules)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.env_clear().current_dir(site.path("."));
        command.args(["audit", "replay", "-p", "new.yaml", "--ledger", "sqlite:l.db"]);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    for (rule, words) in [
        ("true", "0 would be answered otherwise, 4 the same"),
        ("container.image == 'alpine'", "2 would be answered otherwise, 2 the same"),
        ("!has(container.args)", "0 would be answered otherwise, 3 the same"),
        ("object.spec.ephemeralContainers.all(c, !has(c.args))", "otherwise, 3 the same"),
        ("has(container.workingDir)", "0 would be answered otherwise, 2 the same"),
    ] {
        let said = replay(rule);
        assert!(said.contains(words), "{rule}: {said}");
    }
}
