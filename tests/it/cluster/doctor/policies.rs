//! Policies that are not in force, and containers that none of them would let in.

use std::path::Path;

use serde_json::{Value, json};

use super::super::support::{Postern, pod};
use super::{IMAGE, PERMIT, REQUIRE, codes, delivered, finding, ward};

#[test]
fn each_way_for_policies_not_to_be_in_force_is_found() {
    let ward = ward();
    let broken = REQUIRE.replace("*/**:latest", "evil.io/***");
    ward.apply_policies(&[&broken]);
    let report = ward.report("-n shop");
    // A broken Require objects to what is there already, too.
    assert_eq!(codes(&report), ["debugger-not-allowed", "policy-not-ready"]);
    let seen = &finding(&report, "policy-not-ready")["evidence"][0];
    assert!(seen["value"].as_str().unwrap().starts_with("Broken: spec.containers"), "{seen}");

    ward.apply_policies(&[
        &REQUIRE.replace("effect: Require", "effect: Require\n  enforcement: Warn")
    ]);
    assert_eq!(ward.found("-n shop"), ["policy-not-enforced"]);
    ward.apply_policies(&[REQUIRE]);
    ward.admin("patch dbgp no-latest --type=merge -p {\"spec\":{\"enforcement\":\"Enforce\"}}");

    ward.apply_policies(&[
        &PERMIT.replace("effect: Permit", "effect: Permit\n  enforcement: Audit")
    ]);
    let found = ward.found("-n shop");
    assert!(found.contains(&"no-permit".to_owned()), "{found:?}");
    ward.admin("patch dbgp developers --type=merge -p {\"spec\":{\"enforcement\":\"Enforce\"}}");
    ward.apply_policies(&[PERMIT, REQUIRE]);
    assert_eq!(ward.found("-n shop"), [""; 0], "mended");
}

#[test]
fn a_policy_that_no_server_has_loaded_is_found() {
    let mut ward = ward();
    ward.postern.stop();
    ward.admin("patch dbgp no-latest --type=merge -p {\"spec\":{\"description\":\"x\"}}");
    let found = ward.found("-n shop");
    ward.postern.start_again();
    ward.apply_policies(&[REQUIRE]);
    assert_eq!(found, ["mutating-unanswered", "policy-not-loaded", "webhook-failing"]);
}

#[test]
fn an_old_definition_is_found() {
    let ward = ward();
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/limits";
    let patch = json!([{"op": "remove", "path": path}]).to_string();
    let name = "debugpolicies.postern.dev";
    let admin = || ward.cluster.kubectl("admin");
    admin().args(["patch", "crd", name, "--type=json", "-p", &patch]).ok();
    let report = ward.report("-n shop");
    ward.cluster.apply(&delivered("crds/debugpolicies.postern.dev.yaml"));
    assert_eq!(codes(&report), ["definition-old"]);
    let seen = &finding(&report, "definition-old")["evidence"][0]["value"];
    assert!(seen.as_str().unwrap().contains("v1alpha1 spec.limits"), "{seen}");
}

#[test]
fn a_container_that_nobody_could_add_today_is_found() {
    let mut ward = ward();
    ward.cluster.create_namespace("tainted", &[]);
    ward.cluster.create_pod(&pod("tainted", "api"));
    ward.admin("delete mutatingwebhookconfiguration postern");
    ward.admin("delete validatingwebhookconfiguration postern");
    ward.cluster.settle_webhooks();
    ward.admin("debug api -n tainted -c evil --image=evil.io/miner:1");
    ward.cluster.report_running("tainted", "api");
    ward.mend();
    let report = ward.report("-n shop");
    ward.admin("delete namespace tainted --wait=false");
    ward.admin("delete pod api -n tainted --force");
    assert_eq!(codes(&report), ["debugger-not-allowed"]);
    let found = finding(&report, "debugger-not-allowed");
    assert_eq!(found["evidence"][0]["value"], "evil.io/miner:1");
    let objection = found["evidence"][1]["value"].as_str().unwrap();
    assert!(objection.starts_with("policy developers: image `evil.io/miner:1`"), "{objection}");
}

#[test]
fn a_server_that_only_warns_is_found() {
    let mut ward = ward();
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    // Under a name of its own: it takes its entries in statuses with it.
    let options = ["--enforcement", "Warn", "--writer", "lax"];
    let mut lax = Postern::start_in(&ward.cluster, program, &[], &options);
    lax.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    lax.install(&ward.cluster);
    let report = ward.report("-n shop");
    lax.stop();
    ward.mend();
    assert_eq!(codes(&report), ["door-not-enforced"]);
    let seen = finding(&report, "door-not-enforced")["evidence"][0]["value"].as_str().unwrap();
    assert!(seen.contains("postern.invalid/Doctor-Tries-The-Door"), "{seen}");
}

#[test]
fn nothing_is_ever_added() {
    let ward = ward();
    let before = ward.cluster.get("shop", "pod/api")["spec"]["ephemeralContainers"].clone();
    ward.report("-n shop --pod api");
    let after: Value = ward.cluster.get("shop", "pod/api")["spec"]["ephemeralContainers"].clone();
    assert_eq!(before, after);
    assert_eq!(after[0]["image"], IMAGE);
}
