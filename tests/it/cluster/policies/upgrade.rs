//! A cluster that had an older definition, with policies in it. `tests/corpus/upgrade` has every
//! definition that was ever delivered; today's is applied over each.

use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::super::support::{Cluster, Postern};
use super::{House, TTLS, condition, delivered, give_roles};

const CORPUS: &str = "tests/corpus/upgrade";

/// The first definition took it, and later ones would not.
const NO_LONGER_TAKEN: &str = "\
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata:
  name: no-longer-taken
spec:
  effect: Require
  match:
    namespaces: {names: [nowhere]}
  containers: {podSecurity: privileged, capabilities: {allow: [SYS_PTRACE]}}
";

fn kept(name: &str) -> String {
    std::fs::read_to_string(format!("{CORPUS}/{name}.yaml")).unwrap()
}

/// As the page about upgrades says it.
fn define(cluster: &Cluster, definition: &str) {
    let apply = ["apply", "--server-side", "-f", "-"];
    cluster.kubectl("admin").args(apply).stdin(definition).ok();
    let established = "wait --for=condition=Established crd/debugpolicies.postern.dev";
    cluster.kubectl("admin").args(established.split(' ')).args(["--timeout=20s"]).ok();
}

/// Every policy without what the API server itself keeps count of.
fn policies(cluster: &Cluster) -> Vec<Value> {
    let mut list = cluster.get("default", "debugpolicies")["items"].as_array().unwrap().clone();
    for policy in &mut list {
        let metadata = policy["metadata"].as_object_mut().unwrap();
        metadata.retain(|name, _| ["name", "uid", "generation"].contains(&name.as_str()));
    }
    list
}

fn specs(policies: &[Value]) -> Vec<Value> {
    let spec = |policy: &Value| json!([policy["metadata"], policy["spec"]]);
    policies.iter().map(spec).collect()
}

#[test]
fn the_definition_is_replaced_under_policies_that_stay_in_force() {
    let cluster = Cluster::start();
    define(&cluster, &kept("definition-1"));
    cluster.apply(&kept("policies-1"));
    cluster.apply(NO_LONGER_TAKEN);
    let first = policies(&cluster);
    assert_eq!(first.len(), 6);

    define(&cluster, &kept("definition-2"));
    assert_eq!(specs(&policies(&cluster)), specs(&first));
    give_roles(&cluster);
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    let mut postern = Postern::start_in(&cluster, program, &[], &TTLS);
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    let house = House { cluster, postern: Mutex::new(postern) };
    for policy in &first {
        let name = policy["metadata"]["name"].as_str().unwrap();
        let now = house.settled(name);
        let ready = condition(&now, "Ready");
        let (status, words) = match name {
            "no-longer-taken" => ("False", "limits nothing beside `podSecurity: privileged`"),
            // They permitted nothing, and that is said now.
            "every-field-and-defaults" => ("False", "does not let `REASON` in"),
            "set" => ("False", "seLinuxOptions.user may not be set"),
            _ => ("True", ""),
        };
        assert_eq!(ready["status"], status, "{name}: {ready}");
        let why = ready["message"].as_str().unwrap_or_default();
        assert!(why.contains(words), "{name}: {ready}");
    }

    // What was said of each policy is there after today's definition is, too.
    let said = policies(&house.cluster);
    define(&house.cluster, &delivered("crds/debugpolicies.postern.dev.yaml"));
    assert_eq!(policies(&house.cluster), said);
    house.room("nowhere");
    let again = NO_LONGER_TAKEN.replace("allow: [SYS_PTRACE]", "allow: [SYS_PTRACE, KILL]");
    let applied = house.cluster.kubectl("admin").args(["apply", "-f", "-"]).stdin(&again).run();
    assert!(!applied.success(), "what is wrong cannot be written anew");
    assert!(applied.stderr.contains("limits nothing beside podSecurity"), "{}", applied.stderr);
}
