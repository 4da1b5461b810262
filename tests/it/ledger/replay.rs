//! `postern audit replay`: what other policies would have answered, as far as a record tells.

use std::fs;

use postern::ledger::{Evidence, Outcome, Record};
use serde_json::json;

use super::audit::{audit, ledger_of, stderr, stdout};
use super::fixture::{Place, id, record, refusal};

const POLICIES: &str = "\
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: developers}
spec:
  effect: Permit
  containers: {podSecurity: privileged, images: {allow: [\"docker.io/library/busybox\"]}}
";

/// The same with what it takes to judge it again.
fn judged(mut record: Record) -> Record {
    record.evidence = Some(Evidence {
        labels: Some([].into()),
        spec: Some(json!({"containers": [{"name": "app"}]})),
        ..Evidence::default()
    });
    for injection in &mut record.injections {
        injection.container = Some(json!({}));
        injection.mounts.clear();
    }
    record
}

/// What is printed, and how many would be answered otherwise, the same, and cannot be told.
fn replay(place: &Place, policies: &str, args: &[&str]) -> (String, [u64; 3]) {
    let file = place.folder.path().join("policies.yaml");
    fs::write(&file, policies).unwrap();
    let mut command = audit(place);
    command.args(["replay", "--ledger", &place.location().to_string(), "--policies"]);
    let done = command.arg(&file).args(args).assert().success();
    let notes = stderr(&done);
    let number = |what: &str| {
        let before = notes.split(what).next().filter(|before| before.len() < notes.len());
        let word = before.and_then(|before| before.split_whitespace().next_back());
        word.map_or(0, |word| word.parse().unwrap())
    };
    let sum = [" would be answered otherwise", " the same", " cannot be judged again"].map(number);
    (stdout(&done), sum)
}

/// Below Enforce everybody was let in, whatever policy said of it.
#[test]
fn what_was_answered_is_compared() {
    let mut warned = judged(refusal(1));
    warned.answer = Outcome::Allowed;
    warned.enforcement = "Warn".to_owned();
    let place = ledger_of([warned, judged(record(2))]);
    let stricter = POLICIES.replace("busybox", "alpine");
    let (changed, sum) = replay(&place, &stricter, &[]);
    assert_eq!(changed.matches("-x2x1k: allowed, now refused\n").count(), 2, "{changed}");
    assert_eq!(sum, [2, 0, 0]);
    let (changed, _) = replay(&place, &stricter, &["-o", "json"]);
    assert_eq!(changed.matches(r#""before":"Allowed""#).count(), 2, "{changed}");
    assert_eq!(replay(&place, POLICIES, &[]), (String::new(), [0, 2, 0]));
}

/// Two records of one decision, of which the second says what somebody was told.
#[test]
fn a_decision_that_was_taken_back_is_one_refusal() {
    let mut late = judged(record(2));
    (late.amends, late.answer) = (Some(id(1)), Outcome::Refused);
    let place = ledger_of([judged(record(1)), late]);
    let (changed, sum) = replay(&place, POLICIES, &[]);
    assert!(changed.starts_with(&format!("{} ", id(2))), "{changed}");
    assert!(changed.contains(": refused, now allowed\n"), "{changed}");
    assert_eq!(sum, [1, 0, 0]);
    let stricter = POLICIES.replace("busybox", "alpine");
    assert_eq!(replay(&place, &stricter, &[]), (String::new(), [0, 1, 0]));
    // Also where only the first of them was asked for.
    let first = ["--answer", "allowed"];
    assert_eq!(replay(&place, &stricter, &first), (String::new(), [0, 1, 0]));
}
