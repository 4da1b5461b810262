use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ledger::{Outcome, Query, Record};
use crate::policy::rule::{Access, Policy};
use crate::policy::setting::Setting;
use crate::policy::testing::{images, permit, require};

/// Does with a record what the test wants, and keeps what was written.
#[derive(Debug, Default)]
struct Fake {
    written: Mutex<Vec<Record>>,
    fails: AtomicBool,
    hangs: AtomicBool,
    panics: AtomicBool,
}

impl Ledger for Fake {
    async fn append(&self, record: Record) -> Result<(), LedgerError> {
        assert!(!self.panics.load(Ordering::Relaxed), "on purpose");
        if self.fails.load(Ordering::Relaxed) {
            return Err(LedgerError::Behind);
        }
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.written.lock().unwrap().push(record);
        Ok(())
    }

    async fn list(&self, _: &Query) -> Result<Vec<Record>, LedgerError> {
        Ok(self.written.lock().unwrap().clone())
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

fn gate_at(enforcement: Enforcement, policies: Vec<Policy>) -> Gate<Fake> {
    let policies = Arc::new(ArcSwapOption::from_pointee(PolicySet::new(policies)));
    let settings = GateSettings {
        cluster: "test".to_owned(),
        enforcement,
        danger_allow_on_ledger_failure: false,
    };
    Gate::new(policies, Fake::default(), settings)
}

fn gate(policies: Vec<Policy>) -> Gate<Fake> {
    gate_at(Enforcement::Enforce, policies)
}

fn review(container: &Value, dry_run: bool) -> Vec<u8> {
    let pod = |list: Value| {
        json!({"metadata": {"name": "api", "uid": "pod-1", "labels": {"app": "api"},
                   "ownerReferences": [{"kind": "ReplicaSet", "name": "api-7d4", "controller": true}]},
               "spec": {"containers": [{"name": "app"}], "nodeName": "node-1",
                   "serviceAccountName": "api", "ephemeralContainers": list}})
    };
    let added = if container.is_null() { json!([]) } else { json!([container]) };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": "", "kind": "Pod"},
            "resource": {"group": "", "resource": "pods"}, "subResource": "ephemeralcontainers",
            "name": "api", "namespace": "payments", "operation": "UPDATE",
            "userInfo": {"username": "alice", "uid": "7", "groups": ["dev"], "extra": {"k": ["v"]}},
            "object": pod(added), "oldObject": pod(json!([])), "dryRun": dry_run,
        }
    })
    .to_string()
    .into_bytes()
}

fn debugger(image: &str) -> Value {
    json!({"name": "debugger", "image": image, "imagePullPolicy": "IfNotPresent", "stdin": true,
        "tty": true, "env": [{"name": "PASSWORD", "value": "hunter2"}]})
}

async fn asked(gate: &Gate<Fake>, phase: Phase, body: &[u8]) -> (Value, Summary) {
    let arrival = Arrival {
        time: Timestamp::now(),
        started: Instant::now(),
        deadline: Instant::now() + Duration::from_millis(200),
    };
    let answer = gate.answer(phase, body, arrival).await.unwrap();
    let review: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(review["kind"], "AdmissionReview");
    assert_eq!(review["response"]["uid"], "u-1");
    (review["response"].clone(), answer.summary)
}

fn message(response: &Value) -> &str {
    response["status"]["message"].as_str().unwrap()
}

fn written(gate: &Gate<Fake>) -> Vec<Record> {
    gate.ledger.written.lock().unwrap().clone()
}

#[tokio::test]
async fn records_before_it_allows() {
    let gate = gate(vec![permit("developers")]);
    let (response, summary) =
        asked(&gate, Phase::Validate, &review(&debugger("busybox:1.36"), false)).await;
    assert_eq!(response["allowed"], true);
    let records = written(&gate);
    let record = &records[0];
    assert_eq!(summary.decision, Some(record.id));
    assert_eq!(response["auditAnnotations"]["decision"], record.id.to_string());
    assert_eq!(response["auditAnnotations"]["policies"], "developers");
    assert_eq!(response["auditAnnotations"]["verdict"], "allowed");
    assert_eq!((record.verdict, record.answer), (Outcome::Allowed, Outcome::Allowed));
    assert_eq!(record.pod.owner, "ReplicaSet/api-7d4");
    assert_eq!(record.requester.extra["k"], ["v"]);
    assert_eq!(record.injections[0].env[0].source, "value");
    assert_eq!(record.injections[0].permitted_by.as_ref().unwrap().name, "developers");
    assert!(!serde_json::to_string(record).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn a_refusal_names_its_record_and_what_to_type() {
    let mut developers = permit("developers");
    developers.constraints.images = images(&["registry.example.com/debug/**"]);
    let gate = gate(vec![developers]);
    let (response, _) = asked(&gate, Phase::Validate, &review(&debugger("netshoot"), false)).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(
        (&response["status"]["code"], &response["status"]["reason"]),
        (&json!(403), &json!("Forbidden"))
    );
    let record = written(&gate).remove(0);
    let text = message(&response);
    assert!(text.contains(&record.id.to_string()), "{text}");
    assert!(
        text.contains(
            "try: kubectl debug api -n payments --image=registry.example.com/debug/netshoot"
        ),
        "{text}"
    );
    assert_eq!(record.message.as_deref(), Some(text));
    assert_eq!(record.answer, Outcome::Refused);
}

#[tokio::test]
async fn the_command_to_type_keeps_what_was_to_be_run() {
    let mut developers = permit("developers");
    developers.constraints.images = images(&["registry.example.com/debug/**"]);
    let gate = gate(vec![developers]);
    let mut container = debugger("netshoot");
    container["command"] = json!(["sh", "-c", "ps aux"]);
    let (response, _) = asked(&gate, Phase::Validate, &review(&container, false)).await;
    assert!(message(&response).contains("-it -- sh -c 'ps aux'\n"), "{}", message(&response));
}

#[tokio::test]
async fn the_mutating_phase_patches_and_leaves_the_decision_to_the_validating_one() {
    let mut developers = permit("developers");
    developers.defaults = vec![Setting::RunAsNonRoot(true)];
    let gate = gate(vec![developers]);
    let (response, summary) =
        asked(&gate, Phase::Mutate, &review(&debugger("busybox"), false)).await;
    assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")));
    assert_eq!(summary.changes, 1);
    assert!(written(&gate).is_empty());

    let refused = review(&debugger("BAD"), false);
    let (response, summary) = asked(&gate, Phase::Mutate, &refused).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(true), Reason::Passed));
    assert!(response.get("patch").is_none());
}

#[tokio::test]
async fn the_mutating_phase_refuses_and_records_structural_faults() {
    let mut container = debugger("busybox");
    container["ports"] = json!([{"containerPort": 80}]);
    let gate = gate(vec![permit("p")]);
    let (response, summary) = asked(&gate, Phase::Mutate, &review(&container, false)).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(false), Reason::Structural));
    assert!(message(&response).contains("spec.ephemeralContainers[0].ports"));
    assert_eq!(written(&gate)[0].findings[0].constraint, "spec.ephemeralContainers[0].ports");
}

#[tokio::test]
async fn structural_faults_refuse_at_every_level() {
    let mut container = debugger("busybox");
    container["lifecycle"] = json!({"postStart": {}});
    for level in [Enforcement::Warn, Enforcement::Audit] {
        let gate = gate_at(level, vec![permit("p")]);
        assert_eq!(
            asked(&gate, Phase::Mutate, &review(&container, false)).await.0["allowed"],
            false
        );
    }
}

#[tokio::test]
async fn below_enforce_it_tells_or_notes_and_changes_nothing() {
    let mut developers = permit("developers");
    developers.constraints.images = images(&["alpine"]);
    developers.defaults = vec![Setting::RunAsNonRoot(true)];
    for (level, warnings) in [(Enforcement::Warn, 1), (Enforcement::Audit, 0)] {
        let gate = gate_at(level, vec![developers.clone()]);
        let body = review(&debugger("busybox"), false);
        let (response, _) = asked(&gate, Phase::Mutate, &body).await;
        assert!(response.get("patch").is_none());
        let (response, summary) = asked(&gate, Phase::Validate, &body).await;
        assert_eq!((&response["allowed"], summary.reason), (&json!(true), Reason::NotEnforced));
        let told = response.get("warnings").map_or(0, |list| list.as_array().unwrap().len());
        assert_eq!(told, warnings, "{level:?}");
        let record = written(&gate).remove(0);
        assert_eq!((record.verdict, record.answer), (Outcome::Refused, Outcome::Allowed));
    }
}

#[tokio::test]
async fn a_warning_policy_warns_and_an_audit_policy_is_silent() {
    let with = |enforcement| {
        let mut strict = require("strict");
        strict.enforcement = enforcement;
        strict.constraints.interactive = Access::Forbid;
        gate(vec![permit("p"), strict])
    };
    let body = review(&debugger("busybox"), false);
    let (warned, _) = asked(&with(Enforcement::Warn), Phase::Validate, &body).await;
    assert_eq!(warned["allowed"], true);
    assert!(warned["warnings"][0].as_str().unwrap().starts_with("strict: container `debugger`"));
    let audit = with(Enforcement::Audit);
    let (silent, _) = asked(&audit, Phase::Validate, &body).await;
    assert!(silent.get("warnings").is_none());
    assert_eq!(written(&audit)[0].findings[0].enforcement, "Audit");
}

#[tokio::test]
async fn a_dry_run_is_judged_in_full_and_leaves_no_trace() {
    let gate = gate(vec![permit("p")]);
    let (response, summary) = asked(&gate, Phase::Validate, &review(&debugger("BAD"), true)).await;
    assert_eq!((&response["allowed"], summary.dry_run), (&json!(false), true));
    assert!(!message(&response).contains("decision"));
    assert!(response.get("auditAnnotations").and_then(|a| a.get("decision")).is_none());
    asked(&gate, Phase::Validate, &review(&debugger("busybox"), true)).await;
    assert!(written(&gate).is_empty());
}

#[tokio::test]
async fn nothing_added_is_allowed_even_before_policies_are_loaded() {
    let gate: Gate<Fake> = Gate::new(
        Arc::default(),
        Fake::default(),
        GateSettings {
            cluster: String::new(),
            enforcement: Enforcement::Enforce,
            danger_allow_on_ledger_failure: false,
        },
    );
    let (response, _) = asked(&gate, Phase::Validate, &review(&Value::Null, false)).await;
    assert_eq!(response["allowed"], true);
    let (response, summary) =
        asked(&gate, Phase::Validate, &review(&debugger("busybox"), false)).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(false), Reason::NotReady));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_allowed() {
    let gate = gate(vec![permit("p")]);
    let body = review(&debugger("busybox"), false);
    gate.ledger.fails.store(true, Ordering::Relaxed);
    let (response, summary) = asked(&gate, Phase::Validate, &body).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(false), Reason::Ledger));
    gate.ledger.fails.store(false, Ordering::Relaxed);

    gate.ledger.hangs.store(true, Ordering::Relaxed);
    let (response, summary) = asked(&gate, Phase::Validate, &body).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(false), Reason::Deadline));
    assert!(message(&response).contains("in time"));
}

#[tokio::test]
async fn a_ledger_that_fails_or_hangs_is_passed_over_only_on_request() {
    let mut gate = gate(vec![permit("p")]);
    gate.settings.danger_allow_on_ledger_failure = true;
    let body = review(&debugger("busybox"), false);
    gate.ledger.fails.store(true, Ordering::Relaxed);
    assert_eq!(asked(&gate, Phase::Validate, &body).await.0["allowed"], true);
    gate.ledger.fails.store(false, Ordering::Relaxed);
    gate.ledger.hangs.store(true, Ordering::Relaxed);
    let (response, summary) = asked(&gate, Phase::Validate, &body).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(true), Reason::Permitted));
    assert_eq!(summary.decision, None, "there is no record that it could name yet");
}

#[tokio::test]
async fn a_panic_is_a_refusal_with_the_uid() {
    let gate = gate(vec![permit("p")]);
    gate.ledger.panics.store(true, Ordering::Relaxed);
    let body = review(&debugger("busybox"), false);
    let (response, summary) = asked(&gate, Phase::Validate, &body).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(false), Reason::Panic));
}

#[tokio::test]
async fn a_malformed_object_is_a_recorded_refusal() {
    let gate = gate(vec![permit("p")]);
    let body = String::from_utf8(review(&debugger("busybox"), false)).unwrap();
    let body = body.replace("\"stdin\":true", "\"stdin\":\"hunter2\"");
    let (response, summary) = asked(&gate, Phase::Validate, body.as_bytes()).await;
    assert_eq!((&response["allowed"], summary.reason), (&json!(false), Reason::Malformed));
    assert!(!message(&response).contains("hunter2"));
    assert_eq!(written(&gate)[0].requester.username, "alice");
}

#[tokio::test]
async fn answers_in_the_version_asked() {
    let gate = gate(vec![permit("p")]);
    let body = String::from_utf8(review(&debugger("busybox"), false)).unwrap();
    let body = body.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    let arrival =
        Arrival { time: Timestamp::now(), started: Instant::now(), deadline: Instant::now() };
    let answer = gate.answer(Phase::Mutate, body.as_bytes(), arrival).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1beta1");
    let overload = gate.refuse_overload(Phase::Mutate, body.as_bytes()).unwrap();
    let overload: Value = serde_json::from_slice(&overload.body).unwrap();
    assert_eq!(overload["response"]["allowed"], false);
    assert!(message(&overload["response"]).contains("as many requests as it can"));
}

#[tokio::test]
async fn who_listens_hears_of_what_is_on_record_and_of_nothing_else() {
    let mut audience = Audience::default();
    let mut heard = audience.seat();
    let gate = gate(vec![permit("developers")]).telling(audience);
    let body = review(&debugger("busybox:1.36"), false);
    asked(&gate, Phase::Mutate, &body).await;
    asked(&gate, Phase::Validate, &review(&debugger("busybox:1.36"), true)).await;
    gate.ledger.fails.store(true, Ordering::Relaxed);
    asked(&gate, Phase::Validate, &body).await;
    gate.ledger.fails.store(false, Ordering::Relaxed);
    let (_, summary) = asked(&gate, Phase::Validate, &body).await;
    let told = heard.next().now_or_never().flatten().unwrap();
    assert_eq!((Some(told.id), told.answer), (summary.decision, Outcome::Allowed));
    assert!(heard.next().now_or_never().is_none(), "a pass, a dry run, one that was not written");
}

#[tokio::test]
async fn a_listener_that_does_not_listen_keeps_nobody_waiting() {
    let mut audience = Audience::default();
    let (deaf, mut heard) = (audience.seat(), audience.seat());
    let gate = gate(vec![permit("developers")]).telling(audience);
    let body = review(&debugger("busybox:1.36"), false);
    for _ in 0..300 {
        let (response, _) = asked(&gate, Phase::Validate, &body).await;
        assert_eq!(response["allowed"], true);
        assert!(heard.next().await.is_some());
    }
    assert_eq!((deaf.missed(), deaf.missed(), heard.missed()), (300 - 256, 0, 0));
}

/// What is recorded of a decision is enough to decide it again.
#[tokio::test]
async fn a_record_judged_again_by_the_same_policies_is_decided_the_same() {
    let policies = crate::folder::load(&["deploy/examples".into()]).unwrap();
    let mut again = 0;
    for entry in std::fs::read_dir("tests/corpus/reviews").unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().ends_with(".validate.json") {
            continue;
        }
        let body = std::fs::read(&path).unwrap();
        let shared = Arc::new(ArcSwapOption::from_pointee(policies.clone()));
        let settings = GateSettings {
            cluster: "test".to_owned(),
            enforcement: Enforcement::Enforce,
            danger_allow_on_ledger_failure: false,
        };
        let gate = Gate::new(shared, Fake::default(), settings);
        let arrival = Arrival {
            time: Timestamp::now(),
            started: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(5),
        };
        gate.answer(Phase::Validate, &body, arrival).await.unwrap();
        for record in written(&gate) {
            let Some(review) = record.review() else { continue };
            let text = review.to_string();
            assert!(!text.contains("hunter2"), "{text}");
            let mut review = decode::decode(text.as_bytes()).unwrap();
            if let decode::Subject::Debug(debug) = &mut review.subject {
                debug.request.circumstances.now = crate::policy::request::Fact::Known(record.time);
                lookup::bring_documents(&policies, debug, text.as_bytes());
            }
            let judgement = judge(Some(&policies), Phase::Validate, review, Enforcement::Enforce);
            let verdict = judgement.verdict.as_ref().unwrap();
            assert_eq!(verdict.allows(), record.verdict == Outcome::Allowed, "{}", path.display());
            let rulings = verdict.rulings.iter().flat_map(|ruling| &ruling.findings);
            let now: Vec<_> = rulings.map(|finding| finding.objection.to_string()).collect();
            let before: Vec<_> = record.findings.iter().map(|it| it.message.clone()).collect();
            assert_eq!(now, before, "{}", path.display());
            again += 1;
        }
    }
    assert!(again >= 8, "{again}");
}

/// Those that are in the pod already count, and what the privileged among them are.
#[tokio::test]
async fn a_record_tells_of_the_debuggers_that_were_there_before() {
    let gate = gate(vec![permit("developers")]);
    let mut body: Value =
        serde_json::from_slice(&review(&debugger("busybox:1.36"), false)).unwrap();
    let before = [
        json!({"name": "one", "image": "a"}),
        json!({"name": "two", "image": "b", "targetContainerName": "app",
            "securityContext": {"privileged": true}}),
        json!({"name": "three", "image": "c"}),
    ];
    for pod in ["object", "oldObject"] {
        let list = &mut body["request"][pod]["spec"]["ephemeralContainers"];
        let added = list.as_array().unwrap().clone();
        *list = before.iter().cloned().chain(added).collect();
    }
    let facts = |body: &[u8]| match decode::decode(body).unwrap().subject {
        decode::Subject::Debug(debug) => {
            assert_eq!((debug.faults.as_slice(), debug.request.injections.len()), (&[][..], 1));
            let pod = debug.request.pod;
            (pod.ephemeral_containers, pod.privileged_debuggers)
        }
        other => panic!("{other:?}"),
    };
    let body = body.to_string().into_bytes();
    asked(&gate, Phase::Validate, &body).await;
    let again = written(&gate)[0].review().unwrap().to_string();
    assert_eq!(facts(again.as_bytes()), facts(&body));
    assert_eq!(facts(&body).0, 3);
}
