//! Three servers under a steady load, while something happens to them: nothing fails, or what fails
//! and for how long is written down here. By hand, with all that was measured:
//! `cargo test --test whole -- --nocapture replicas`.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::installed::{NAMESPACE, names};
use crate::steady::{Outcome, Steady};
use crate::town::{Town, kubectl, town, wait_until};

const MINUTE: Duration = Duration::from_secs(60);
/// From a process's death to the moment from which no API server sends it anything any more: the
/// kubelet looks once a second, and what it saw has to get around.
const UNSEEN: SignedDuration = SignedDuration::from_secs(5);

/// What happens, under load from before it begins until after it has ended.
fn under_load(town: &Town, what: impl FnOnce()) -> Outcome {
    let load = Steady::start(&town.cluster);
    std::thread::sleep(Duration::from_secs(2));
    let start = Instant::now();
    what();
    town.postern.settle(&town.cluster);
    eprintln!("it took {:.1?}", start.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    load.end()
}

fn none_failed(test: &str, outcome: &Outcome) {
    eprintln!("{test}: {}", outcome.sum);
    let failed = &outcome.failed;
    let first: Vec<_> = failed.iter().take(5).map(Value::to_string).collect();
    assert_eq!(failed.len(), 0, "the first:\n{}", first.join("\n"));
    assert!(outcome.sum["written"].as_u64() > Some(10), "{}", outcome.sum);
}

fn pods(town: &Town) -> Vec<String> {
    names(&town.postern.pods(&town.cluster))
}

#[test]
fn nothing_fails_while_nothing_happens() {
    let test = "nothing_fails_while_nothing_happens";
    let Some(town) = town(test) else { return };
    none_failed(test, &under_load(&town, || {}));
}

#[test]
fn nothing_fails_during_a_rolling_update() {
    let test = "nothing_fails_during_a_rolling_update";
    let Some(town) = town(test) else { return };
    let before = pods(&town);
    let outcome = under_load(&town, || {
        kubectl(&town, &format!("rollout restart -n {NAMESPACE} deployment/postern"));
    });
    let after = pods(&town);
    assert!(after.iter().all(|pod| !before.contains(pod)), "{before:?} {after:?}");
    none_failed(test, &outcome);

    // Those who have gone do not stay in the status of what they had loaded.
    wait_until("a status of those who are there", MINUTE, || {
        let policy = town.cluster.get("default", "debugpolicy/crowd");
        let replicas = policy["status"]["replicas"].as_object();
        let mut replicas: Vec<_> = replicas.into_iter().flatten().map(|(name, _)| name).collect();
        let mut after: Vec<_> = after.iter().collect();
        replicas.sort();
        after.sort();
        replicas == after
    });
}

#[test]
fn nothing_fails_while_one_of_three_is_deleted() {
    let test = "nothing_fails_while_one_of_three_is_deleted";
    let Some(town) = town(test) else { return };
    let first = pods(&town).remove(0);
    let outcome = under_load(&town, || {
        kubectl(&town, &format!("delete pod -n {NAMESPACE} {first}"));
    });
    assert!(!pods(&town).contains(&first));
    none_failed(test, &outcome);
}

#[test]
fn nothing_fails_while_the_node_is_drained() {
    let test = "nothing_fails_while_the_node_is_drained";
    let Some(town) = town(test) else { return };
    let before = pods(&town);
    let outcome = under_load(&town, || {
        let drain = "drain localhost --pod-selector=app.kubernetes.io/name=postern \
                     --delete-emptydir-data --timeout=100s";
        let draining = town.cluster.kubectl("admin").args(drain.split_whitespace()).spawn();
        // There is no other node: what replaces those who leave goes where they were.
        wait_until("a node that is closed", MINUTE, || {
            town.cluster.get("default", "node/localhost")["spec"]["unschedulable"] == true
        });
        kubectl(&town, "uncordon localhost");
        let drained = draining.wait_with_output().unwrap();
        assert!(drained.status.success(), "{drained:?}");
    });
    assert!(pods(&town).iter().all(|pod| !before.contains(pod)));
    none_failed(test, &outcome);
}

#[test]
fn nothing_fails_while_policies_change() {
    let test = "nothing_fails_while_policies_change";
    let Some(town) = town(test) else { return };
    let outcome = under_load(&town, || {
        for turn in 0..10 {
            let patch = format!(r#"{{"spec":{{"description":"turn {turn}"}}}}"#);
            let patch = ["patch", "debugpolicy", "crowd", "--type=merge", "-p", &patch];
            town.cluster.kubectl("admin").args(patch).ok();
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    none_failed(test, &outcome);
}

#[test]
fn nothing_fails_while_certificates_and_their_authority_are_replaced() {
    let test = "nothing_fails_while_certificates_and_their_authority_are_replaced";
    let Some(town) = town(test) else { return };
    let secret = || town.cluster.get(NAMESPACE, "secret/postern-tls")["data"].clone();
    let before = secret();
    let outcome = under_load(&town, || {
        let line = ["certs", "rotate", "--ca", "--secret", "postern-system/postern-tls"];
        let rotated = town.postern.program(&town.cluster, &line);
        assert!(rotated.status.success(), "{rotated:?}");
    });
    let after = secret();
    for file in ["tls.crt", "ca.key"] {
        assert_ne!(before[file], after[file], "{file}");
    }
    none_failed(test, &outcome);
}

#[test]
fn nothing_fails_while_the_holder_of_the_lease_goes_and_another_takes_it() {
    let test = "nothing_fails_while_the_holder_of_the_lease_goes";
    let Some(town) = town(test) else { return };
    let (cluster, postern) = (&town.cluster, &town.postern);
    let mut first = None;
    wait_until("a holder", MINUTE, || {
        first = postern.holder(cluster);
        first.is_some()
    });
    let first = first.unwrap();
    let outcome = under_load(&town, || {
        kubectl(&town, &format!("delete pod -n {NAMESPACE} {first}"));
        wait_until("another holder", MINUTE, || {
            postern.holder(cluster).is_some_and(|holder| holder != first)
        });
    });
    none_failed(test, &outcome);
}

/// Nobody can do better here: an API server asks once, and takes no other server when the
/// connection to the one it chose breaks. So requests fail from the kill until the API server knows
/// of it, those of them that were to go there. None is let in unjudged.
#[test]
fn what_fails_when_one_of_three_is_killed_fails_at_once_and_only_until_it_is_known() {
    let test = "what_fails_when_one_of_three_is_killed";
    let Some(town) = town(test) else { return };
    let pod = town.postern.pods(&town.cluster).remove(0);
    let status = &pod["status"]["containerStatuses"][0];
    let (id, restarts) = (status["containerID"].as_str().unwrap(), &status["restartCount"]);
    let mut killed = Timestamp::now();
    let outcome = under_load(&town, || {
        killed = Timestamp::now();
        town.node.kill_container(id);
        wait_until("another container in the pod", MINUTE, || {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let pod = town.cluster.get(NAMESPACE, &format!("pod/{name}"));
            pod["status"]["containerStatuses"][0]["restartCount"] != *restarts
        });
    });
    let at = |failed: &Value| failed["sent"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let last = outcome.failed.iter().map(at).max();
    let last = last.map(|last| last.duration_since(killed).as_millis());
    eprintln!("{test}: {}, the last {last:?} ms after the kill", outcome.sum);
    for failed in &outcome.failed {
        eprintln!("{failed}");
        let answer = failed["answer"].as_str().unwrap();
        // One that was to be refused and was allowed would say so.
        let refused = answer.contains("failed calling webhook") || answer.contains("denied");
        assert!(refused, "{failed}");
        let (at, took) = (at(failed), failed["ms"].as_u64());
        let since = at.duration_since(killed);
        assert!(since > -SignedDuration::from_secs(1) && since < UNSEEN, "{failed}, {since}");
        assert!(took < Some(4_000), "within the webhook's timeout: {failed}");
    }
}
