//! The API server is not there yet, or no longer; and two sources that do not agree.

use serde_json::json;

use super::{House, IMAGE, TTLS, ask, condition, permit, policy};

fn of_file() -> String {
    permit("from-file", "away-file", "")
}

#[test]
fn what_was_seen_last_stays_in_force_while_the_api_server_is_away() {
    let file = of_file();
    let options = [&TTLS[..], &["--cluster-stale-limit", "3s"]].concat();
    let mut house = House::open(&[("file.yaml", &file)], &options);
    two_sources(&house);
    the_shape_is_wrong(&house);

    house.room("away");
    house.apply(&permit("away", "away", ""));
    assert!(house.debug("alice", "away", IMAGE).success());

    house.cluster.kill_api_server();
    let said = house.postern().wait_for_readiness(|said| said.starts_with("HTTP/1.1 503"));
    assert!(said.contains("[-]cluster failed: nothing was heard of the "), "{said}");
    assert!(said.contains("the limit is 3s"), "{said}");
    let metrics = house.postern().probe("/metrics");
    assert!(metrics.contains("postern_cluster_watch_age_seconds{watch=\"policies\"}"), "{metrics}");
    let answer = ask(&house.postern(), "away");
    assert_eq!(answer["response"]["allowed"], true, "{answer}");

    house.postern().stop();
    house.postern().start_again();
    let said = house.postern().wait_for_readiness(|said| said.contains("[-]cluster"));
    assert!(said.contains("the namespaces have not been read yet"), "{said}");
    assert!(said.contains("[-]policies failed: "), "{said}");
    let answer = ask(&house.postern(), "away");
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    let why = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(why.contains("has not loaded its policies yet"), "{why}");

    house.cluster.start_api_server_again();
    house.postern().wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    let log = house.postern().log();
    let said: Vec<_> = log
        .lines()
        .filter_map(|line| line.split("policies of the cluster cannot be watched: ").nth(1))
        .collect();
    let mut differing = said.clone();
    differing.dedup();
    assert!(!said.is_empty() && said == differing, "said more than once: {log}");
    house.wait_until_allowed("alice", "away");
}

/// A name that a file has too.
fn two_sources(house: &House) {
    house.room("away-file");
    assert!(house.debug("alice", "away-file", IMAGE).success(), "the file's Permit");
    let taken = house.apply(&policy("from-file", "Require", "away-file", ""));
    let ready = condition(&taken, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("NameTaken")));
    let refused = house.debug("alice", "away-file", IMAGE).stderr;
    assert!(refused.contains("a policy from a file has this name"), "{refused}");
    assert!(house.admin("delete dbgp from-file").success());
    house.wait_until_allowed("alice", "away-file");
}

/// A definition of a later version lets a field in that this version does not know.
fn the_shape_is_wrong(house: &House) {
    let add = json!([{
        "op": "add",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/novelty",
        "value": {"type": "string"},
    }])
    .to_string();
    let definition = "crd/debugpolicies.postern.dev";
    let words = ["patch", definition, "--type=json", "-p", &add];
    house.cluster.kubectl("admin").args(words).ok();
    let text = policy("novel", "Require", "elsewhere", "novelty: x\n");
    house.wait("the later definition", || {
        let apply = ["apply", "--validate=strict", "-f", "-"];
        let applied = house.cluster.kubectl("admin").args(apply).stdin(&text).run();
        // The API server takes a moment to stop dropping what it did not know.
        applied.success() && house.policy("novel")["spec"]["novelty"] == "x"
    });
    let mut novel = house.settled("novel");
    // A watch of the earlier definition may have told the policy without the field.
    let mut number = 0;
    house.wait("the field", || {
        number += 1;
        house.admin(&format!("annotate --overwrite dbgp novel number={number}"));
        novel = house.policy("novel");
        condition(&novel, "Ready")["reason"] == "Unreadable"
    });
    let why = condition(&novel, "Ready")["message"].as_str().unwrap();
    assert!(why.starts_with("spec.novelty: `novelty` is not a field here"), "{why}");
    // Nothing of it can be trusted, so it speaks to everything.
    let refused = house.debug("alice", "away-file", IMAGE).stderr;
    assert!(refused.contains("the policy is broken"), "{refused}");
    assert!(house.admin("delete dbgp novel").success());
    house.wait_until_allowed("alice", "away-file");
    house.apply(&policy("novel", "Permit", "elsewhere", "novelty: x\n"));
    assert!(house.debug("alice", "away-file", IMAGE).success(), "a Permit takes nothing away");
}
