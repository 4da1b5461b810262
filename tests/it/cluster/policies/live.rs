//! Policies are applied, changed, broken, deleted; what is judged by follows, and their status says
//! so.

use std::path::Path;

use serde_json::{Value, json};

use super::super::support::Postern;
use super::{IMAGE, condition, house, permit, policy};

#[test]
fn a_policy_is_in_force_from_its_first_ready_to_its_end() {
    let house = house();
    house.room("live-first");
    house.wait_until_refused("alice", "live-first", "no policy permits `alice`");

    let first = house.apply(&permit("live-first", "live-first", ""));
    let ready = condition(&first, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("True"), &json!("Loaded")));
    assert_eq!(ready["observedGeneration"], 1);
    assert_eq!(first["status"]["replicas"]["postern-0"]["generation"], 1);
    let answer = house.debug("alice", "live-first", IMAGE);
    assert!(answer.success(), "{}", answer.stderr);
    let listed = house.admin("get dbgp live-first").stdout;
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = listed.lines().map(columns);
    let names = ["NAME", "EFFECT", "ENFORCEMENT", "PRIORITY", "READY", "AGE"];
    assert_eq!(lines.next().unwrap(), names);
    let values = ["live-first", "Permit", "Enforce", "0", "True"];
    assert_eq!(lines.next().unwrap()[..5], values);

    let other = permit("live-first", "live-first", "").replace("busybox", "nicolaka/netshoot");
    let second = house.apply(&other);
    assert_eq!(second["metadata"]["generation"], 2);
    let refused = house.debug("alice", "live-first", IMAGE).stderr;
    assert!(refused.contains("image `busybox:1.36` is not approved here"), "{refused}");
    let before = condition(&first, "Ready")["lastTransitionTime"].clone();
    assert_eq!(condition(&second, "Ready")["lastTransitionTime"], before, "it was Ready all along");

    assert!(house.admin("delete dbgp live-first").success());
    house.wait_until_refused("alice", "live-first", "no policy permits `alice`");
}

#[test]
fn a_require_that_is_wrong_objects_and_says_where_and_why() {
    let house = house();
    house.room("live-broken");
    house.apply(&permit("live-broken-permit", "live-broken", ""));
    assert!(house.debug("alice", "live-broken", IMAGE).success());

    let wrong = "containers: {images: {deny: [\"evil.io/***\"]}}\n";
    let broken = house.apply(&policy("live-broken", "Require", "live-broken", wrong));
    let ready = condition(&broken, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("Broken")));
    let why = ready["message"].as_str().unwrap();
    assert!(why.starts_with("spec.containers.images.deny[0]: "), "{why}");
    let refused = house.debug("alice", "live-broken", IMAGE).stderr;
    assert!(refused.contains("the policy is broken, so nothing satisfies it"), "{refused}");
    assert!(refused.contains("policy live-broken (spec)"), "{refused}");
    let listed = house.admin("get dbgp live-broken -o wide").stdout;
    assert!(listed.contains("False") && listed.contains("Broken"), "{listed}");
    // It speaks to its own namespace alone, as it says.
    house.room("live-beside");
    house.apply(&permit("live-beside", "live-beside", ""));
    assert!(house.debug("alice", "live-beside", IMAGE).success());

    let right = "containers: {images: {deny: [\"evil.io/**\"]}}\n";
    let mended = house.apply(&policy("live-broken", "Require", "live-broken", right));
    assert_eq!(condition(&mended, "Ready")["status"], "True");
    assert!(house.debug("alice", "live-broken", IMAGE).success());
}

/// The part of `match` that is wrong counts as left out: the policy speaks to more, never to less.
#[test]
fn a_match_that_is_wrong_matches_what_its_other_parts_match() {
    let house = house();
    house.room("live-schedule");
    house.apply(&permit("live-schedule-permit", "live-schedule", ""));
    let text = policy("live-schedule", "Require", "live-schedule", "").replace(
        "  match:\n",
        "  match:\n    schedule: {timeZone: Mars/Olympus, days: [Monday], hours: [\"01:00-01:01\"]}\n",
    );
    let broken = house.apply(&text);
    let why = condition(&broken, "Ready")["message"].as_str().unwrap();
    assert!(why.starts_with("spec.match.schedule.timeZone: `Mars/Olympus`"), "{why}");
    let refused = house.debug("alice", "live-schedule", IMAGE).stderr;
    assert!(refused.contains("the policy is broken"), "{refused}");
}

#[test]
fn a_permit_that_is_wrong_permits_nothing() {
    let house = house();
    house.room("live-broken-2");
    let wrong = permit("live-broken-2", "live-broken-2", "justification: {pattern: \"(\"}\n");
    let broken = house.apply(&wrong);
    assert_eq!(condition(&broken, "Ready")["reason"], "Broken");
    let refused = house.debug("alice", "live-broken-2", IMAGE).stderr;
    assert!(refused.contains("the policy is broken"), "{refused}");
    house.apply(&permit("live-sound", "live-broken-2", ""));
    assert!(house.debug("alice", "live-broken-2", IMAGE).success());
}

#[test]
fn a_policy_says_that_it_will_expire_and_that_it_has() {
    let house = house();
    house.room("live-expires");
    let after = |hours: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        permit("live-expires", "live-expires", &format!("expires: \"{then:.0}\"\n"))
    };
    let expiring = |hours: i64| {
        let policy = house.apply(&after(hours));
        let state = |kind| {
            let it = condition(&policy, kind);
            format!("{} {}", it["status"].as_str().unwrap(), it["reason"].as_str().unwrap())
        };
        (state("Ready"), state("Expiring"))
    };
    assert_eq!(expiring(24 * 30), ("True Loaded".to_owned(), "False NotSoon".to_owned()));
    assert_eq!(expiring(24 * 6), ("True Loaded".to_owned(), "True Soon".to_owned()));
    assert_eq!(expiring(-1), ("False Expired".to_owned(), "False Expired".to_owned()));
    let refused = house.debug("alice", "live-expires", IMAGE).stderr;
    assert!(refused.contains("the policy expired at"), "{refused}");
    let without = house.apply(&permit("live-expires", "live-expires", ""));
    assert!(condition(&without, "Expiring").is_null());
}

#[test]
fn a_namespace_is_what_its_labels_say_now() {
    let house = house();
    house.room("live-labels");
    let text = permit("live-labels", "live-labels", "").replace(
        "names: [\"live-labels\"]",
        "names: [\"live-labels\"], selector: {matchLabels: {tier: app}}",
    );
    house.apply(&text);
    house.wait_until_refused("alice", "live-labels", "no policy permits");
    assert!(house.admin("label namespace live-labels tier=app").success());
    house.wait_until_allowed("alice", "live-labels");
    assert!(house.admin("label namespace live-labels tier-").success());
    house.wait_until_refused("alice", "live-labels", "no policy permits");
    assert!(house.admin("label namespace live-labels tier=data").success());
    house.wait_until_refused("alice", "live-labels", "no policy permits");
}

#[test]
fn several_servers_say_what_they_have_loaded_and_leave_each_others_words_alone() {
    let house = house();
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    let options = ["--writer", "postern-1"];
    let mut second = Postern::start_in(&house.cluster, program, &[], &options);
    second.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    house.apply(&permit("live-two", "live-two", ""));
    let both = |name: &str, generation: i64| {
        let replicas = house.policy(name)["status"]["replicas"].clone();
        ["postern-0", "postern-1"].iter().all(|it| replicas[it]["generation"] == generation)
    };
    house.wait("both", || both("live-two", 1));
    house.apply(&permit("live-two", "live-two", "priority: 7\n"));
    house.wait("both again", || both("live-two", 2));
    let settled = house.policy("live-two");
    // Another policy is told by both meanwhile, so whatever they had to say of this one is said.
    house.apply(&permit("live-two-after", "live-two", ""));
    house.wait("both of the other", || both("live-two-after", 1));
    let after = house.policy("live-two");
    assert_eq!(after["metadata"]["resourceVersion"], settled["metadata"]["resourceVersion"]);
    let shown = house.admin("get dbgp live-two --show-managed-fields -o json").stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let managers = shown["metadata"]["managedFields"].as_array().unwrap();
    let of_status: Vec<_> = managers
        .iter()
        .filter(|manager| manager["subresource"] == "status")
        .map(|manager| manager["manager"].as_str().unwrap())
        .collect();
    assert_eq!(of_status, ["postern", "postern-postern-0", "postern-postern-1"]);
}
