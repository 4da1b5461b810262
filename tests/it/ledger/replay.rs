//! `postern audit replay`: what other policies would have answered, as far as a record tells.

use std::fs;

use postern::ledger::{EnvVar, Evidence, Injection, Mount, Outcome, Record};
use serde_json::json;

use super::audit::{audit, ledger_of, stderr, stdout};
use super::fixture::{Place, id, record, refusal, time};
use super::server::POLICIES;

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

/// What an expression reads and no record holds may have been there.
#[test]
fn what_expressions_read_of_more_than_is_recorded_is_left_open() {
    let mut usual = judged(record(1));
    let injection = &mut usual.injections[0];
    injection.command.clear();
    injection.env.push(EnvVar { name: "S".to_owned(), source: "secret/db".to_owned() });
    let (volume, kind, path) = ("data".to_owned(), "emptyDir".to_owned(), "/data".to_owned());
    injection.mounts.push(Mount { volume, kind, path, writable: true });
    let mut bare = judged(record(2));
    bare.injections[0].env.clear();
    let place = ledger_of([usual, bare]);
    let of = |rule: &str| {
        let more = "env: {fromSecrets: Allow}, volumes: {mounts: ReadWrite}";
        let rules = format!("{more}, rules: [{{name: a, expression: \"{rule}\"}}], podSecurity");
        replay(&place, &POLICIES.replace("podSecurity", &rules), &[]).1
    };
    for (rule, sum) in [
        ("!request.dryRun", [0, 2, 0]),
        ("request.userInfo.username != 'jane@example.com'", [2, 0, 0]),
        ("has(request.options)", [0, 0, 2]),
        ("has(container.workingDir)", [0, 0, 2]),
        ("has(container.terminationMessagePath)", [0, 0, 2]),
        ("!has(container.args)", [0, 1, 1]),
        ("!has(container.env)", [1, 1, 0]),
        ("!has(container.env) || container.env.exists(e, e.name == 'S')", [0, 2, 0]),
        ("!has(container.env) || container.env.exists(e, has(e.valueFrom))", [0, 2, 0]),
        ("!has(container.env) || container.env.all(e, e.?value.orValue('') != '')", [0, 1, 1]),
        (
            "!has(container.env) || container.env.all(e, !has(e.valueFrom) || \
             e.valueFrom.secretKeyRef.name == 'db')",
            [0, 2, 0],
        ),
        (
            "!has(container.env) || container.env.all(e, !has(e.valueFrom) || \
             e.valueFrom.secretKeyRef.key == 'k')",
            [0, 1, 1],
        ),
        (
            "!has(container.volumeMounts) || container.volumeMounts.all(m, !has(m.readOnly))",
            [0, 2, 0],
        ),
        (
            "!has(container.volumeMounts) || \
             container.volumeMounts.exists(m, has(m.mountPropagation))",
            [0, 1, 1],
        ),
        ("!has(container.envFrom) && !has(container.volumeDevices)", [0, 2, 0]),
        ("object.spec.ephemeralContainers.all(c, !has(c.workingDir))", [0, 0, 2]),
        ("object.spec.ephemeralContainers.all(c, c.image == 'alpine')", [2, 0, 0]),
    ] {
        assert_eq!(of(rule), sum, "{rule}");
    }
}

/// Of containers that were there before, a record says little more than that they were.
#[test]
fn what_expressions_read_of_older_debuggers_is_left_open() {
    let mut older = judged(record(1));
    older.evidence.as_mut().unwrap().spec =
        Some(json!({"containers": [{"name": "app"}], "ephemeralContainers": [{}]}));
    let place = ledger_of([older]);
    for (rule, sum) in [
        ("object.spec.ephemeralContainers.all(c, !has(c.securityContext))", [0, 0, 1]),
        ("container.image != 'alpine'", [0, 1, 0]),
    ] {
        let rules = format!("rules: [{{name: a, expression: \"{rule}\"}}], podSecurity");
        assert_eq!(replay(&place, &POLICIES.replace("podSecurity", &rules), &[]).1, sum, "{rule}");
    }
}

/// Nobody asked for them then, so nobody knows whom these policies would speak of.
#[test]
fn what_was_not_looked_up_is_left_open() {
    let place = ledger_of([judged(record(1)), judged(refusal(2))]);
    let labels = "match: {namespaces: {selector: {matchLabels: {team: a}}}}\n  containers:";
    let labels = POLICIES.replace("containers:", labels);
    let condition = "match: {conditions: [{name: a, expression: \"namespaceObject.metadata.name \
                     != ''\"}]}\n  containers:";
    let condition = POLICIES.replace("containers:", condition);
    let right = format!("{POLICIES}  authorize: {{verb: use}}\n");
    for policies in [&labels, &condition, &right] {
        let (changed, sum) = replay(&place, policies, &[]);
        assert_eq!((changed.as_str(), sum), ("", [0, 0, 2]), "{policies}");
        // What is refused whatever the answer had been can be told.
        let (changed, sum) = replay(&place, &policies.replace("busybox", "alpine"), &[]);
        assert_eq!(sum, [1, 1, 0], "{policies}");
        assert!(changed.contains("is not approved here"), "{changed}");
        assert!(!changed.contains("known"), "{changed}");
    }
    // And what others permit, unless there is a policy that may require more.
    let other = POLICIES.replace("developers", "others");
    assert_eq!(replay(&place, &format!("{labels}---\n{other}"), &[]).1, [1, 1, 0]);
    let stricter = labels.replace("Permit", "Require").replace("busybox", "alpine");
    assert_eq!(replay(&place, &format!("{stricter}---\n{other}"), &[]).1, [0, 0, 2]);

    let mut known = judged(record(1));
    let evidence = known.evidence.as_mut().unwrap();
    evidence.namespace_labels = Some([("team".to_owned(), "b".to_owned())].into());
    evidence.rights = [("developers".to_owned(), false)].into();
    let place = ledger_of([known]);
    for policies in [&labels, &right] {
        assert_eq!(replay(&place, policies, &[]).1, [1, 0, 0], "{policies}");
    }
}

/// A record has one reason, and not more than its beginning.
#[test]
fn a_reason_that_is_not_all_of_it_is_left_open() {
    let mut two = judged(record(1));
    let second = Injection { name: "second".to_owned(), ..two.injections[0].clone() };
    two.injections.push(second);
    two.injections_total = 2;
    let of_two = two.clone();
    let mut of_one = two.clone();
    (of_one.id, of_one.time) = (id(2), time(2));
    of_one.injections[1].env.clear();
    let long = |number, length| Record {
        justification: Some("x".repeat(length)),
        ..judged(record(number))
    };
    let place = ledger_of([of_two, of_one, long(3, 511), long(4, 512)]);
    let asking = format!("{POLICIES}  justification: {{required: true, pattern: '^INC'}}\n");
    let (changed, sum) = replay(&place, &asking, &[]);
    assert_eq!(sum, [2, 0, 2], "{changed}");
    for number in [2, 3] {
        assert!(changed.contains(&format!("{} ", id(number))), "{changed}");
    }
    assert_eq!(replay(&place, POLICIES, &[]).1, [0, 4, 0]);
    assert_eq!(
        replay(&place, &asking.replace("required", "env: TICKET, required"), &[]).1,
        [4, 0, 0]
    );
}
