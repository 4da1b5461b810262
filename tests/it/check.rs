//! `postern check`: what it prints, how it ends, and that it says what the server says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use assert_cmd::assert::OutputAssertExt;
use jiff::Timestamp;
use postern::folder;
use postern::gate::{Arrival, Gate, GateSettings, Phase};
use postern::ledger::{Ledger, LedgerError, Query, Record};
use postern::policy::rule::Enforcement;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

const POLICIES: &str = "tests/it/check/policies.yaml";
/// A pod that has no debug container yet.
const POD: &str = "debug-profile-legacy.mutate";
const REVIEWS: &str = "tests/corpus/reviews";

/// `postern check -p POLICIES` in the repository's root.
fn check(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["check", "-p", POLICIES]).args(arguments);
    command
}

fn recorded(name: &str) -> String {
    format!("{REVIEWS}/{name}.json")
}

fn every_review() -> Vec<PathBuf> {
    let files = fs::read_dir(REVIEWS).unwrap().map(|entry| entry.unwrap().path());
    let mut reviews: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    reviews.sort();
    assert!(reviews.len() >= 35, "{}", reviews.len());
    reviews
}

/// The pod of a recorded review, as it was before, as a file of its own.
fn pod_file(folder: &TempDir, review: &str) -> String {
    let review = fs::read(recorded(review)).unwrap();
    let review: Value = serde_json::from_slice(&review).unwrap();
    file(folder, "pod.yaml", review["request"]["oldObject"].to_string().as_bytes())
}

fn file(folder: &TempDir, name: &str, content: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The command's end and all that it printed, for a person to read.
fn transcript(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let arguments: Vec<_> = command.get_args().map(|word| word.to_str().unwrap()).collect();
    format!(
        "$ postern {}\n{}{}[exit code {}]\n",
        arguments.join(" "),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
        status.code().unwrap(),
    )
}

fn reports(mut command: Command) -> Vec<Value> {
    let output = command.args(["-o", "json"]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A ledger that takes everything and keeps nothing.
#[derive(Debug)]
struct Nowhere;

impl Ledger for Nowhere {
    async fn append(&self, _: Record) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn list(&self, _: &Query) -> Result<Vec<Record>, LedgerError> {
        Ok(Vec::new())
    }

    async fn get(&self, _: Uuid) -> Result<Option<Record>, LedgerError> {
        Ok(None)
    }

    async fn added_since(&self, _user: &str, _since: Timestamp) -> Result<usize, LedgerError> {
        Ok(0)
    }

    fn is_writable(&self) -> bool {
        true
    }
}

fn server() -> Gate<Nowhere> {
    let policies = folder::load(&[PathBuf::from(POLICIES)]).unwrap();
    let settings = GateSettings {
        cluster: "test".to_owned(),
        enforcement: Enforcement::Enforce,
        danger_allow_on_ledger_failure: false,
    };
    Gate::new(Arc::new(ArcSwapOption::from_pointee(policies)), Nowhere, settings)
}

/// The server's answer without the id of its decision, which is all that `check` leaves out.
async fn answer(server: &Gate<Nowhere>, phase: Phase, review: &Path) -> Value {
    let started = Instant::now();
    let deadline = started + Duration::from_secs(10);
    let arrival = Arrival { time: Timestamp::now(), started, deadline };
    let answer = server.answer(phase, &fs::read(review).unwrap(), arrival).await.unwrap();
    let mut answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let response = answer["response"].as_object_mut().unwrap();
    let annotations = response.get_mut("auditAnnotations").and_then(Value::as_object_mut);
    let decision = annotations.and_then(|annotations| annotations.remove("decision"));
    if response.get("auditAnnotations") == Some(&json!({})) {
        response.remove("auditAnnotations");
    }
    if let (Some(decision), Some(status)) = (decision, response.get_mut("status")) {
        let message = status["message"].as_str().unwrap();
        let suffix = format!(", decision {}", decision.as_str().unwrap());
        assert!(message.contains(&suffix), "{message}");
        status["message"] = message.replace(&suffix, "").into();
    }
    answer
}

#[tokio::test]
async fn agrees_with_the_server_on_every_recorded_review() {
    let reviews = every_review();
    let paths: Vec<_> = reviews.iter().map(|path| path.to_str().unwrap()).collect();
    let server = server();
    for (phase, name) in [(Phase::Mutate, "mutate"), (Phase::Validate, "validate")] {
        let reports = reports(check(&[&["--phase", name, "-f"], &paths[..]].concat()));
        assert_eq!(reports.len(), reviews.len());
        for (review, report) in reviews.iter().zip(reports) {
            let expected = answer(&server, phase, review).await;
            assert_eq!(report["review"], review.to_str().unwrap());
            assert_eq!(report["phases"][0]["answer"], expected, "{name} {review:?}");
            assert_eq!(report["allowed"], expected["response"]["allowed"], "{name} {review:?}");
        }
    }
}

#[test]
fn a_command_is_judged_as_the_review_that_a_real_kubectl_caused() {
    let folder = TempDir::new().unwrap();
    for profile in ["legacy", "general", "baseline", "restricted", "netadmin", "sysadmin"] {
        let name = format!("dbg-{profile}");
        let review = format!("debug-profile-{profile}.mutate");
        let pod = pod_file(&folder, &review);
        let command = check(&[
            "--pod",
            &pod,
            "--image=busybox:1.36",
            "--target=tomcat-java",
            "-c",
            &name,
            "--profile",
            profile,
            "--as=alice",
            "--as-group=dev",
            "--as-group=sre",
        ]);
        let [mut asked, mut recorded] = [command, check(&["-f", &recorded(&review)])].map(reports);
        for report in asked.iter_mut().chain(&mut recorded) {
            report["review"] = Value::Null;
            for phase in report["phases"].as_array_mut().unwrap() {
                phase["answer"]["response"]["uid"] = Value::Null;
            }
        }
        assert_eq!(asked, recorded, "{profile}");
    }
}

#[test]
fn what_is_let_in_is_what_the_validating_webhook_accepts() {
    let review = recorded("debug-profile-baseline.mutate");
    let both = reports(check(&["-f", &review]));
    let phases = both[0]["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 2);
    assert!(!phases[0]["patch"].as_array().unwrap().is_empty());
    assert_eq!(phases[1]["patch"], Value::Null);
    assert_eq!(both[0]["containers"][0]["permit"], "developers");
    check(&["-f", &review]).assert().code(0);
    // The same container, had nobody hardened it.
    check(&["-f", &review, "--phase=validate"]).assert().code(1);
    check(&["-f", &review, "--phase=mutate"]).assert().code(0);
}

#[test]
fn a_label_that_the_requester_made_up_permits_nothing() {
    let review = recorded("put-spoofed-label.mutate");
    let reports = reports(check(&["-f", &review]));
    assert_eq!(reports[0]["allowed"], false);
    assert!(!reports[0].to_string().contains("\"spoofed\""), "{}", reports[0]);
}

#[test]
fn transcripts_of_what_is_refused() {
    insta::assert_snapshot!(
        "refused_image",
        transcript(check(&["-f", &recorded("debug-custom-steals-secret.mutate"),]))
    );
    insta::assert_snapshot!(
        "refused_structure",
        transcript(check(&["-f", &recorded("debug-custom-forbidden-fields.mutate"),]))
    );
}

#[test]
fn transcripts_of_what_is_allowed() {
    insta::assert_snapshot!(
        "allowed_with_changes",
        transcript(check(&[
            "-f",
            &recorded("debug-profile-legacy.mutate"),
            &recorded("put-no-change.mutate"),
            &recorded("exec-connect.mutate"),
        ]))
    );
}

#[test]
fn transcripts_of_explanations() {
    let refused = recorded("debug-custom-steals-secret.mutate");
    let allowed = recorded("debug-profile-legacy.mutate");
    let unjudged = recorded("debug-custom-forbidden-fields.mutate");
    let explained = |review| transcript(check(&["--explain", "-f", review]));
    insta::assert_snapshot!("explained_refusal", explained(&refused));
    insta::assert_snapshot!("explained_permit", explained(&allowed));
    assert!(!explained(&unjudged).contains("each policy:"), "policy was not asked");
    let mut report = reports(check(&["--explain", "-f", &refused])).remove(0);
    insta::assert_json_snapshot!("explained_json", report["explanation"].take());
}

#[test]
fn an_explanation_names_the_first_part_that_says_no_and_what_it_saw() {
    let alice = || json!(["alice", "dev", "system:authenticated"]);
    let cases = [
        ("subjects: [{kind: User, name: bob}]", "subjects", alice()),
        ("excludeSubjects: [{kind: Group, name: dev}]", "excludeSubjects", alice()),
        ("namespaces: {names: [shop]}", "namespaces.names", json!(["default"])),
        ("namespaces: {exclude: [def*]}", "namespaces.exclude", json!(["default"])),
        ("namespaces: {selector: {matchLabels: {a: b}}}", "namespaces.selector", Value::Null),
        ("pods: {names: [api-*]}", "pods.names", json!(["tomcat-test"])),
        ("pods: {selector: {matchLabels: {app: x}}}", "pods.selector", json!(["app=tomcat"])),
        ("pods: {selector: {matchLabels: {b: x}}}", "pods.selector", json!([])),
        (
            "schedule: {timeZone: Europe/Berlin, days: [Monday]}",
            "schedule",
            json!(["Wednesday 13:00 CET"]),
        ),
        (
            "conditions: [{name: one, expression: 'true'}, {name: two, expression: 'false'}]",
            "conditions",
            json!(["two"]),
        ),
        // Of several, the first that is asked.
        ("pods: {names: [x]}, namespaces: {names: [y]}", "namespaces.names", json!(["default"])),
    ];
    let folder = TempDir::new().unwrap();
    let pod = pod_file(&folder, POD);
    for (part, name, seen) in cases {
        let policy = format!(
            "apiVersion: postern.dev/v1alpha1\nkind: DebugPolicy\nmetadata: {{name: x}}\n\
             spec:\n  effect: Permit\n  match: {{{part}}}\n"
        );
        let policies = file(&folder, "policies.yaml", policy.as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(["check", "--explain", "-p", &policies, "--pod", &pod, "--image=busybox"]);
        command.args(["--as=alice", "--as-group=dev", "--at=2026-11-25T12:00:00Z"]);
        let mismatch = &reports(command)[0]["explanation"][0]["mismatch"];
        let right = json!({"part": format!("spec.match.{name}"), "seen": seen});
        assert_eq!(*mismatch, right, "{part}");
    }
}

/// The API server writes no list that has nothing in it, so nobody may judge one.
#[test]
fn a_list_of_which_nothing_is_left_is_judged_alike_by_both_webhooks() {
    let folder = TempDir::new().unwrap();
    let pod = pod_file(&folder, POD);
    let add = "container.securityContext.capabilities.add";
    let cases = [
        ("{remove: [Capabilities]}", format!("!has({add})"), None),
        ("{remove: [Capabilities]}", format!("{add}.size() == 0"), Some("spec.containers.rules")),
        ("{securityContext: {capabilities: {add: []}}}", format!("!has({add})"), None),
        ("{securityContext: {capabilities: {add: [], drop: []}}}", "true".to_owned(), None),
    ];
    for (set, rule, objection) in cases {
        let policy = format!(
            "apiVersion: postern.dev/v1alpha1\nkind: DebugPolicy\nmetadata: {{name: x}}\n\
             spec:\n  effect: Permit\n  set: {set}\n  containers:\n    \
             images: {{allow: ['**']}}\n    rules: [{{name: r, expression: '{rule}'}}]\n"
        );
        let policies = file(&folder, "policies.yaml", policy.as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(["check", "-p", &policies, "--pod", &pod, "--image=busybox", "--as=alice"]);
        let report = &reports(command)[0];
        let rulings = report["containers"].as_array().unwrap();
        let found = rulings.iter().find_map(|it| it["findings"][0]["constraint"].as_str());
        assert_eq!(
            (found, &report["allowed"]),
            (objection, &json!(objection.is_none())),
            "{report}"
        );
    }
}

/// What the first Permit put into it in vain made the second fit, and nobody had been passed by.
#[test]
fn a_container_that_a_require_refuses_is_not_patched_and_is_told_why() {
    let policy = |name: &str, effect: &str, rest: &str| {
        format!(
            "apiVersion: postern.dev/v1alpha1\nkind: DebugPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{effect: {effect}, {rest}}}\n---\n"
        )
    };
    let first = "priority: 10, containers: {images: {allow: ['**']}}, \
                 defaults: {securityContext: {readOnlyRootFilesystem: true}}, \
                 set: {securityContext: {runAsGroup: 1}}";
    let second = "containers: {images: {allow: ['**']}, rules: [{name: read-only, \
                  expression: container.securityContext.readOnlyRootFilesystem}]}, \
                  set: {securityContext: {runAsGroup: 2}}";
    let rails = "containers: {rules: [{name: not-one, \
                 expression: container.securityContext.runAsGroup != 1}]}";
    let all = [("first", "Permit", first), ("second", "Permit", second), ("r", "Require", rails)];
    let all: String = all.iter().map(|(name, effect, rest)| policy(name, effect, rest)).collect();
    let folder = TempDir::new().unwrap();
    let (pod, policies) = (pod_file(&folder, POD), file(&folder, "policies.yaml", all.as_bytes()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["check", "-p", &policies, "--pod", &pod, "--image=busybox", "--as=alice"]);
    command.arg("--profile=baseline");
    let report = &reports(command)[0];
    let [mutate, validate] = [0, 1].map(|phase| &report["phases"][phase]);
    assert_eq!((&mutate["patch"], &validate["allowed"]), (&Value::Null, &json!(false)), "{report}");
    let message = validate["message"].as_str().unwrap();
    assert!(message.contains("rule `not-one` is not kept"), "{message}");
    assert!(!message.contains("was not called"), "{message}");
}

#[test]
fn transcripts_of_the_forms_for_programs() {
    let review = recorded("debug-profile-restricted.mutate");
    insta::assert_snapshot!("form_json", transcript(check(&["-f", &review, "-o", "json"])));
    insta::assert_snapshot!("form_yaml", transcript(check(&["-f", &review, "-o", "yaml"])));
}

#[test]
fn transcript_of_a_command() {
    let folder = TempDir::new().unwrap();
    pod_file(&folder, POD);
    file(&folder, "custom.yaml", b"env: [{name: API_TOKEN, value: hunter2}]\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let policies = fs::canonicalize(POLICIES).unwrap();
    fs::copy(policies, folder.path().join("policies.yaml")).unwrap();
    command.current_dir(folder.path()).args(["check", "-p", "policies.yaml"]).args([
        "--pod",
        "pod.yaml",
        "--image",
        "busybox:1.36",
        "--profile",
        "restricted",
        "--custom",
        "custom.yaml",
        "--env",
        "MODE=quiet",
        "-it",
        "--as",
        "alice",
        "--as-group",
        "dev",
        "--",
        "sh",
        "-c",
        "id; ps",
    ]);
    let transcript = transcript(command);
    assert!(!transcript.contains("hunter2"), "{transcript}");
    insta::assert_snapshot!("command", transcript);
}

#[test]
fn values_of_variables_are_not_shown() {
    let folder = TempDir::new().unwrap();
    let pod = pod_file(&folder, POD);
    let arguments = |form| {
        [
            "--pod",
            &pod,
            "--image=busybox:1.36",
            "--profile=baseline",
            "--env=A=hunter2",
            "--as=a",
            "--as-group=dev",
            "-o",
            form,
        ]
    };
    for form in ["json", "yaml"] {
        let output = check(&arguments(form)).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        let found = text.lines().filter(|line| line.contains("hunter2")).count();
        // The command that was asked about is repeated, and it holds the variable.
        assert_eq!(found, 1, "{text}");
    }
    let output = check(&arguments("text")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("(redacted)"), "{text}");
}

#[test]
fn a_review_may_come_by_standard_input() {
    for (review, code) in
        [("debug-profile-baseline.mutate", 0), ("debug-profile-general.mutate", 1)]
    {
        let input = fs::File::open(recorded(review)).unwrap();
        let mut command = check(&["-f", "-"]);
        let output = command.stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert!(String::from_utf8(output.stdout).unwrap().starts_with("standard input: "));
    }
}

#[test]
fn a_pod_may_come_by_standard_input() {
    let folder = TempDir::new().unwrap();
    // A flag with an empty text is none to kubectl.
    for more in [&[][..], &["-n", "", "-c", "", "--target="]] {
        let mut command = check(&["--pod=-", "--image=busybox", "--as=alice"]);
        command.args(more).stdin(fs::File::open(pod_file(&folder, POD)).unwrap());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let asked = "kubectl debug tomcat-test -n default --image=busybox --profile=general: ";
        assert!(text.starts_with(asked), "{text}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let folder = TempDir::new().unwrap();
    let bad = file(&folder, "bad.json", b"{}");
    let good = recorded("debug-profile-baseline.mutate");
    let output = check(&["-f", &bad, &good, "-f", "gone.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    assert!(out.unwrap().contains("debug-profile-baseline.mutate.json: allowed (permitted)"));
    let err = err.unwrap();
    assert!(err.contains("bad.json: the body is not an AdmissionReview"), "{err}");
    assert!(err.contains("gone.json: No such file"), "{err}");
    assert!(err.contains("2 of 3 reviews could not be judged"), "{err}");
}

#[test]
fn misuse_ends_with_64_and_says_why() {
    let folder = TempDir::new().unwrap();
    let pod = pod_file(&folder, POD);
    let named = file(&folder, "named.yaml", b"{name: x, targetContainerName: y}");
    let fixed = file(&folder, "fixed.yaml", b"command: [sh]");
    let command = ["--pod", &pod, "--image=busybox", "--as=alice"];
    let cases: [(Vec<&str>, &str); 17] = [
        (vec![], "--filename"),
        (vec!["-f", "x", "--pod", &pod, "--image=x", "--as=x"], "cannot be used with"),
        (vec!["-f", "x", "--image=busybox"], "--pod"),
        (vec!["--pod", &pod, "--as=alice"], "--image"),
        (vec!["--pod", &pod, "--image=busybox"], "--as"),
        (vec!["--pod", &pod, "--image=busybox", "--as="], "want a name, as in `alice`"),
        ([&command[..], &["--as-group", ""]].concat(), "want a name, as in `alice`"),
        ([&command[..], &["--profile=auto"]].concat(), "sysadmin"),
        ([&command[..], &["--image-pull-policy=Later"]].concat(), "IfNotPresent"),
        ([&command[..], &["--env=A"]].concat(), "NAME=VALUE"),
        ([&command[..], &["--at=12:00"]].concat(), "want a time with its zone, as in 2026"),
        ([&command[..], &["-t"]].concat(), "`-t` needs `-i`"),
        ([&command[..], &["-c", "Bad Name"]].concat(), "takes no container called `Bad Name`"),
        ([&command[..], &["--env", "=1"]].concat(), "takes no variable called ``"),
        ([&command[..], &["-n", "other"]].concat(), "the pod is in namespace `default`"),
        ([&command[..], &["--custom", &named]].concat(), "`targetContainerName` is not a field"),
        ([&command[..], &["--custom", &fixed]].concat(), "may not set `command`"),
    ];
    for (arguments, reason) in cases {
        let output = check(&arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {text}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_where() {
    let folder = TempDir::new().unwrap();
    let pod = pod_file(&folder, POD);
    let path = folder.path().to_str().unwrap();
    let deployment = file(&folder, "deployment.yaml", b"{kind: Deployment, metadata: {name: x}}");
    let two = file(&folder, "two.yaml", b"kind: Pod\n---\nkind: Pod\n");
    let latin = file(&folder, "latin.yaml", b"kind: \xff\n");
    let cases: [(Vec<&str>, &str); 7] = [
        (vec!["-f", path], "Is a directory"),
        (vec!["-f", "gone.json"], "gone.json: No such file"),
        (vec!["--pod", "gone.yaml", "--image=x", "--as=x"], "gone.yaml: No such file"),
        (vec!["--pod", &deployment, "--image=x", "--as=x"], "deployment.yaml: not a pod"),
        (vec!["--pod", &two, "--image=x", "--as=x"], "two.yaml"),
        (vec!["--pod", &latin, "--image=x", "--as=x"], "latin.yaml: it is not UTF-8"),
        (vec!["--pod", &pod, "--image=x", "--as=x", "--custom=gone.yaml"], "gone.yaml"),
    ];
    for (arguments, reason) in cases {
        let output = check(&arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["check", "-p", &deployment, "-f", &pod]).assert().code(2);
}

/// A recorded review with its added container changed.
fn forged(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let review = fs::read(recorded("debug-profile-baseline.mutate")).unwrap();
    let mut review: Value = serde_json::from_slice(&review).unwrap();
    let list = &mut review["request"]["object"]["spec"]["ephemeralContainers"];
    let last = list.as_array_mut().unwrap().last_mut().unwrap();
    change(last);
    serde_json::to_vec(&review).unwrap()
}

#[test]
fn nothing_hostile_reaches_the_terminal_or_ends_it_badly() {
    const ESCAPES: &str = "x\u{1b}[2J\r\nx: allowed (permitted)\n\u{202e}\u{7}";
    let folder = TempDir::new().unwrap();
    let nested = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let cases = [
        ("name", forged(|container| container["name"] = ESCAPES.into())),
        ("image", forged(|container| container["image"] = ESCAPES.into())),
        ("command", forged(|container| container["command"] = json!([ESCAPES]))),
        ("field", forged(|container| container[ESCAPES] = ESCAPES.into())),
        ("env", forged(|container| container["env"] = json!([{"name": ESCAPES}]))),
        ("nested", nested.clone().into_bytes()),
        ("number", forged(|container| container["securityContext"] = json!({"runAsUser": 1e300}))),
        ("type", forged(|container| container["env"] = json!({"a": 1}))),
        ("bytes", b"{\"kind\":\"\xff\xfe\"}".to_vec()),
        ("cut", forged(|_| {})[..9_000].to_vec()),
        ("nul", b"\0".repeat(1_000)),
        ("escapes", ESCAPES.as_bytes().to_vec()),
    ];
    for (name, body) in cases {
        let path = file(&folder, &format!("{name}\u{1b}[31m.json"), &body);
        for form in ["text", "json"] {
            let output = check(&["-f", &path, "--explain", "-o", form]).output().unwrap();
            let code = output.status.code();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(matches!(code, Some(0..=2)), "{name}: {code:?} {text}");
            let raw = text.chars().find(|&c| c != '\n' && !postern::policy::text::is_plain(c));
            assert_eq!(raw, None, "{name}: {text}");
            assert!(!text.lines().any(|line| line == "x: allowed (permitted)"), "{name}: {text}");
        }
    }
    let bomb = file(&folder, "bomb.yaml", nested.as_bytes());
    check(&["--pod", &bomb, "--image=x", "--as=x"]).assert().code(2);
    let large = file(&folder, "large.json", &vec![b' '; 16 * 1024 * 1024 + 1]);
    let output = check(&["-f", &large]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("larger than 16777216 bytes"));
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let reviews = every_review();
    let mut command = check(&["-o", "json", "-f"]);
    let mut child = command
        .args(reviews)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{:?}", String::from_utf8(output.stderr));
}

#[test]
fn what_a_cluster_would_know_can_be_assumed() {
    let folder = TempDir::new().unwrap();
    let policies = file(
        &folder,
        "policies.yaml",
        br#"
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: office}
spec:
  effect: Permit
  match:
    namespaces: {selector: {matchLabels: {tier: app}}}
    schedule: {timeZone: Europe/Berlin, hours: ["08:00-18:00"]}
  authorize: {verb: use}
  containers: {images: {allow: [busybox]}, podSecurity: privileged}
  limits: {perUserPerHour: 3}
"#,
    );
    let pod = pod_file(&folder, POD);
    let right = ["--namespace-label=tier=app", "--may-use=office", "--at=2026-11-25T12:00:00Z"];
    let asked = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(["check", "-p", &policies, "--pod", &pod, "--image=busybox", "--as=alice"]);
        command.args(more).output().unwrap()
    };
    let code = |more: &[&str]| asked(more).status.code();
    assert_eq!(code(&right), Some(0), "{:?}", asked(&right));
    for (number, _) in right.iter().enumerate().take(2) {
        let mut less = right.to_vec();
        less.remove(number);
        assert_eq!(code(&less), Some(1), "without {}", right[number]);
    }
    assert_eq!(code(&[right[0], right[1], "--at=2026-11-25T18:00:00Z"]), Some(1));
    assert_eq!(code(&[&right[..], &["--added=3"]].concat()), Some(1));
    let refused = asked(&[right[0], right[2]]);
    let said = String::from_utf8(refused.stdout).unwrap();
    assert!(said.contains("you need the verb `use` on debugpolicies/office"), "{said}");
}

#[test]
fn slips_in_what_is_assumed_are_told() {
    let folder = TempDir::new().unwrap();
    let pod = pod_file(&folder, POD);
    let question = ["--pod", &pod, "--image=busybox", "--as=alice"];
    let output = check(&[&question[..], &["--may-use=nobody"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let empty = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["check", "-p"]).arg(empty.path()).args(question);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no policies were found"));
}

/// Of the library's policies all that want a ticket say how it looks.
#[test]
fn a_refusal_for_want_of_a_reason_shows_one_that_would_do() {
    let folder = TempDir::new().unwrap();
    let policies = br#"
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: asks}
spec:
  effect: Permit
  containers: {images: {allow: [busybox]}, podSecurity: privileged}
  justification: {required: true, pattern: '^(OPS|INC)-[0-9]+\b'}
---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: who}
spec:
  effect: Require
  justification: {required: true, env: TEAM}
---
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata: {name: never-asks}
spec:
  effect: Permit
  containers:
    images: {allow: [alpine]}
    podSecurity: baseline
    capabilities: {allow: [SYS_PTRACE]}
"#;
    let policies = file(&folder, "policies.yaml", policies);
    let pod = b"{metadata: {name: web, namespace: shop}, spec: {containers: [{name: web}]}}";
    let pod = file(&folder, "pod.yaml", pod);
    let suggested = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(["check", "-p", &policies, "--pod", &pod, "--as=ana"]).args(words);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let command = said.lines().find_map(|line| line.trim().strip_prefix("try: "));
        (output.status.code(), command.map(str::to_owned))
    };
    let busybox = "kubectl debug web -n shop --image=busybox --profile=general";
    let ticket = "--env=DEBUG_REASON=OPS-000";
    for (given, expected) in [
        (&["--image=busybox"][..], format!("{busybox} {ticket} --env=TEAM=WHY")),
        (&["--image=busybox", "--env=TEAM=a"], format!("{busybox} {ticket} --env=TEAM=a")),
        (
            &["--image=busybox", "--env=DEBUG_REASON=because", "--env=TEAM=a"],
            format!("{busybox} {ticket} --env=TEAM=a"),
        ),
        (
            &["--image=nginx", "--env=DEBUG_REASON=INC-7", "--env=TEAM=a"],
            format!("{busybox} --env=DEBUG_REASON=INC-7 --env=TEAM=a"),
        ),
        // Whom one policy lets in without a ticket is asked for none by another.
        (
            &["--image=alpine", "--env=TEAM=a", "--profile=sysadmin"],
            format!("{} --env=TEAM=a", busybox.replace("busybox", "alpine")),
        ),
    ] {
        assert_eq!(suggested(given), (Some(1), Some(expected)), "{given:?}");
    }
    let passing = suggested(&["--image=busybox", ticket, "--env=TEAM=WHY"]);
    assert_eq!(passing, (Some(0), None));
}
