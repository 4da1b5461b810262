//! No server is left: only debugging is refused, and there is a way in that leaves a trace. What is
//! typed here is what docs/emergency.md tells people to type.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::support::Output;
use crate::town::{Town, kubectl, town, wait_until};

const MINUTE: Duration = Duration::from_secs(60);
const SHOP: &str = "fresh-shop";

/// The line of the page that stands below this comment in a code block.
fn of_the_page(comment: &str) -> String {
    let page = fs::read_to_string("docs/emergency.md").unwrap().replace("\\\n", " ");
    let mut lines = page.lines().skip_while(|line| line.trim() != format!("# {comment}"));
    lines.next().unwrap_or_else(|| panic!("docs/emergency.md does not say `# {comment}`"));
    lines.next().unwrap().trim().to_owned()
}

/// Types a line of the page, as a shell would read it.
fn type_line(town: &Town, user: &str, line: &str) -> Output {
    let words = split(line);
    assert_eq!(words[0], "kubectl", "{line}");
    town.cluster.kubectl(user).args(&words[1..]).timeout(2 * MINUTE).run()
}

/// Words, with what is in single quotes as one.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn debug(town: &Town, user: &str, image: &str, name: &str) -> Output {
    let line = format!("debug shop -n {SHOP} --image={image} -c {name} --profile=baseline -- true");
    town.cluster.kubectl(user).args(line.split(' ')).run()
}

fn shop(town: &Town) {
    town.cluster.apply(
        &json!({"apiVersion": "v1", "kind": "Namespace",
                               "metadata": {"name": SHOP}})
        .to_string(),
    );
    let there = town.cluster.kubectl("admin").args(["get", "pod", "shop", "-n", SHOP]).run();
    if !there.success() {
        let shop = crate::cluster::support::pod(SHOP, "shop");
        town.node.create_pod(&town.cluster, &shop);
    }
}

const APPROVED: &str = "registry.example.com/debug/busybox:1.36";
const OTHER: &str = "docker.io/library/busybox:1.36";

#[test]
fn without_any_server_only_debugging_stops_and_one_line_opens_the_door() {
    let test = "without_any_server_only_debugging_stops";
    let Some(town) = town(test) else { return };
    let (cluster, postern) = (&town.cluster, &town.postern);
    shop(&town);
    assert!(debug(&town, "alice", APPROVED, "before").success());
    postern.scale(cluster, 0);

    // Only debugging is refused, also to the admin, and it is said why.
    for user in ["alice", "admin"] {
        let refused = debug(&town, user, APPROVED, "down");
        assert_eq!(refused.status, Some(1));
        let why = "failed calling webhook \"validate.postern.dev\"";
        assert!(refused.stderr.contains(why), "{refused:?}");
        eprintln!("{test}: {user} is told: {}", refused.stderr.trim());
    }

    // Everything else goes on: pods are made, scheduled and run; deployments roll.
    let image = "--image=registry.example.com/app/server:1.0";
    kubectl(&town, &format!("create deployment web -n {SHOP} --replicas=2 {image} -- sleep 99"));
    kubectl(&town, &format!("rollout status -n {SHOP} deployment/web --timeout=60s"));
    kubectl(&town, &format!("set env -n {SHOP} deployment/web ROLLED=yes"));
    kubectl(&town, &format!("rollout status -n {SHOP} deployment/web --timeout=60s"));
    kubectl(&town, &format!("exec -n {SHOP} shop -- true"));

    // The one line.
    let opened = type_line(&town, "admin", &of_the_page("open the door"));
    assert!(opened.success(), "{opened:?}");
    wait_until("an open door", MINUTE, || debug(&town, "alice", OTHER, "emergency").success());

    // Its traces: who opened it, who went through.
    let traces = cluster.audit_events();
    let wrote = |event: &&Value| {
        event["objectRef"]["resource"] == "validatingwebhookconfigurations"
            && event["verb"] == "patch"
            && event["user"]["username"] == "admin"
            && event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("kubectl"))
    };
    assert!(traces.iter().any(|event| wrote(&event)), "who opened it is in the audit log");
    let failed_open = "failed-open.validating.webhook.admission.k8s.io/round_0_index_0";
    let through = |event: &&Value| {
        event["annotations"][failed_open] == "validate.postern.dev"
            && event["user"]["username"] == "alice"
    };
    assert!(traces.iter().any(|event| through(&event)), "who went through is in the audit log");

    // The door is shut again, and what was let in is found.
    let shut = type_line(&town, "admin", &of_the_page("shut it again"));
    assert!(shut.success(), "{shut:?}");
    postern.scale(cluster, 3);
    wait_until("a shut door", MINUTE, || {
        debug(&town, "alice", OTHER, "after").stderr.contains("denied the request")
    });
    wait_until("what was let in, in the ledger", 2 * MINUTE, || {
        // Two servers that look in the same moment may both write it.
        unattested(&town, "emergency") >= 1
    });
    assert_eq!(unattested(&town, "before"), 0, "what was judged is not found");
}

/// How often the ledger says that nothing allowed this container.
fn unattested(town: &Town, container: &str) -> usize {
    let line = of_the_page("what came in meanwhile");
    let words = split(&line);
    assert_eq!(words[..2], ["postern", "audit"], "{line}");
    let words: Vec<&str> = words[2..].iter().map(String::as_str).collect();
    let listed = town.postern.audit(&town.cluster, &words);
    let name = format!(r#""container":"{container}""#);
    let of_it = |line: &&str| line.contains(&name) && line.contains("Unattested");
    listed.lines().filter(of_it).count()
}

#[test]
fn who_may_break_the_glass_is_not_asked_about_and_is_found() {
    let test = "who_may_break_the_glass";
    let Some(town) = town(test) else { return };
    let (cluster, postern) = (&town.cluster, &town.postern);
    shop(&town);
    let refused = debug(&town, "grace", OTHER, "unbroken");
    assert!(refused.stderr.contains("denied the request"), "{refused:?}");

    for comment in ["a group that is not asked about", "and in the mutating one"] {
        let changed = type_line(&town, "admin", &of_the_page(comment));
        assert!(changed.success(), "{changed:?}");
    }
    cluster.settle_webhooks();
    assert!(debug(&town, "grace", OTHER, "broken").success());
    let refused = debug(&town, "alice", OTHER, "other-image");
    assert!(refused.stderr.contains("denied the request"), "only that group: {refused:?}");
    postern.scale(cluster, 0);
    assert!(debug(&town, "grace", OTHER, "broken-while-down").success());
    assert!(!debug(&town, "alice", APPROVED, "alice-while-down").success());
    postern.scale(cluster, 3);
    for container in ["broken", "broken-while-down"] {
        wait_until(container, 2 * MINUTE, || unattested(&town, container) >= 1);
    }
    postern.restore_webhooks(cluster);
}
