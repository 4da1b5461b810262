use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::policies::{Policies, Snapshots};
use super::super::testing::{Asked, api_server, object, refusal};
use super::super::watch::Keep;
use super::*;
use crate::crd::live::Fault;

/// A writer over one policy, `p`, and what was written.
struct Desk {
    writer: Writer,
    reports: Reports,
    keeper: Policies,
    snapshots: Snapshots,
    asked: Asked,
}

fn desk(replica: &str, answers: impl Fn(usize) -> (u16, Value) + Send + Sync + 'static) -> Desk {
    let (client, asked) = api_server(move |number| {
        let answer = answers(number);
        async move { answer }
    });
    let (mut keeper, snapshots) = Policies::new();
    keeper.begin();
    keeper.initial(policy(1, &Value::Null));
    keeper.complete();
    keeper.publish();
    let api = super::super::debug_policies(client);
    let (writer, reports) = Writer::new(api, replica.to_owned(), false, snapshots.clone());
    reports.send_replace(Arc::new(vec![report(1)]));
    Desk { writer, reports, keeper, snapshots, asked }
}

fn yes(_: usize) -> (u16, Value) {
    (200, serde_json::to_value(policy(1, &Value::Null)).unwrap())
}

fn policy(generation: i64, status: &Value) -> DynamicObject {
    let mut policy = object("p", generation, &json!({"effect": "Permit"}));
    policy.data["status"] = status.clone();
    policy
}

fn report(generation: i64) -> Report {
    Report {
        name: "p".to_owned(),
        uid: Some("uid-of-p".to_owned()),
        generation: Some(generation),
        fault: None,
        expires: None,
    }
}

impl Desk {
    /// What one more round writes.
    async fn round(&mut self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clear();
        self.writer.round().await;
        self.asked.lock().unwrap().clone()
    }

    fn seen(&mut self, generation: i64, status: &Value) {
        self.keeper.put(policy(generation, status));
        self.keeper.publish();
    }
}

fn ready(status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": "Ready", "status": status, "reason": reason, "message": message,
        "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

fn said(replicas: &[(&str, Timestamp)]) -> Value {
    let replicas: serde_json::Map<_, _> = replicas
        .iter()
        .map(|(name, seen)| ((*name).to_owned(), json!({"generation": 1, "seen": Time(*seen)})))
        .collect();
    json!({
        "observedGeneration": 1,
        "conditions": [ready("True", "Loaded", "the policy is in force")],
        "replicas": replicas,
    })
}

#[tokio::test(start_paused = true)]
async fn what_all_agree_on_and_what_is_ones_own_are_written_apart_and_once() {
    let mut desk = desk("postern-0", yes);
    let written = desk.round().await;
    let lines: Vec<_> = written.iter().map(|(line, _)| line.as_str()).collect();
    let path = "PATCH /apis/postern.dev/v1alpha1/debugpolicies/p/status?";
    assert!(lines.iter().all(|line| line.starts_with(path)), "{lines:?}");
    assert!(lines[0].contains("fieldManager=postern") && !lines[0].contains("postern-postern"));
    assert!(lines[1].contains("fieldManager=postern-postern-0"));
    assert_eq!(written.len(), 2);
    let (agreed, own) = (&written[0].1, &written[1].1);
    assert_eq!(agreed["metadata"], json!({"name": "p", "uid": "uid-of-p"}));
    assert_eq!(agreed["status"]["conditions"][0]["status"], "True");
    assert!(agreed["status"]["replicas"].is_null() && own["status"]["conditions"].is_null());
    assert_eq!(own["status"]["replicas"]["postern-0"]["generation"], 1);

    assert!(desk.round().await.is_empty(), "before the watch has told of it");
    desk.seen(1, &said(&[("postern-0", Timestamp::now())]));
    assert!(desk.round().await.is_empty(), "and after");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_says_it_already_is_left_alone() {
    let mut desk = desk("postern-1", yes);
    desk.seen(1, &said(&[("postern-0", Timestamp::now()), ("postern-1", Timestamp::now())]));
    assert!(desk.round().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_opinion_is_not_fought() {
    let mut desk = desk("postern-0", yes);
    assert_eq!(desk.round().await.len(), 2);
    let mut other = said(&[("postern-0", Timestamp::now())]);
    other["conditions"][0] = ready("False", "Unreadable", "of another version");
    desk.seen(1, &other);
    for _ in 0..5 {
        assert!(desk.round().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_in_force_is_said() {
    let mut desk = desk("postern-0", yes);
    desk.seen(2, &said(&[("postern-0", Timestamp::now())]));
    assert!(desk.round().await.is_empty(), "the new generation has been seen, not published");
    let fault = Some(Fault { reason: "Broken", message: "x".repeat(5000) });
    desk.reports.send_replace(Arc::new(vec![Report { fault, ..report(2) }]));
    let written = desk.round().await;
    let status = &written[0].1["status"];
    assert_eq!((&status["observedGeneration"], written.len()), (&json!(2), 2));
    let condition = &status["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("Broken")));
    assert_eq!(condition["message"].as_str().unwrap().chars().count(), 1024);
    assert!(desk.snapshots.borrow().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_condition_keeps_its_time_while_its_status_is_the_same() {
    let mut desk = desk("postern-0", yes);
    desk.seen(2, &said(&[]));
    desk.reports.send_replace(Arc::new(vec![report(2)]));
    let written = desk.round().await;
    let condition = &written[0].1["status"]["conditions"][0];
    assert_eq!(condition["lastTransitionTime"], "2026-01-01T00:00:00Z");
    assert_eq!(condition["observedGeneration"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_taken_out_and_one_that_stays_says_so() {
    let hours = |hours| Timestamp::now() - SignedDuration::from_hours(hours);
    let mut desk = desk("postern-0", yes);
    desk.seen(1, &said(&[("postern-0", hours(7)), ("old", hours(25)), ("other", hours(7))]));
    let written = desk.round().await;
    assert_eq!(written.len(), 2);
    assert!(written[0].1["status"]["replicas"]["postern-0"]["seen"].is_string());
    assert_eq!(written[1].1["status"], json!({"replicas": {"old": null}}));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_write_it_is_tried_again_later() {
    let mut desk =
        desk(
            "postern-0",
            |number| {
                if number <= 1 { refusal(403, "Forbidden", "no") } else { yes(number) }
            },
        );
    assert_eq!(desk.round().await.len(), 1, "the first failure ends the round");
    assert_eq!(desk.writer.trouble.as_deref(), Some("no"));
    assert_eq!(desk.round().await.len(), 1);
    desk.asked.lock().unwrap().push(Default::default());
    desk.writer.round().await;
    assert_eq!(desk.writer.trouble, None);
}

/// It is gone, or made anew: the watch will tell.
#[tokio::test(start_paused = true)]
async fn a_policy_that_is_gone_is_no_trouble() {
    let mut desk = desk("postern-0", |_| refusal(404, "NotFound", "gone"));
    assert_eq!(desk.round().await.len(), 2);
    assert_eq!(desk.writer.trouble, None);
}

#[tokio::test]
async fn who_stops_takes_back_its_own_entries_and_no_others() {
    let mut desk = desk("postern-0", yes);
    let farewell = |desk: &Desk, replica: &str| {
        Farewell::new(desk.writer.api.clone(), replica.to_owned(), desk.snapshots.clone())
    };
    let now = Timestamp::now();
    desk.seen(1, &said(&[("postern-0", now), ("postern-1", now)]));

    farewell(&desk, "postern-2").say().await;
    assert_eq!(desk.asked.lock().unwrap().len(), 0, "it has said nothing");

    farewell(&desk, "postern-0").say().await;
    let asked = desk.asked.lock().unwrap().clone();
    let [(line, body)] = &asked[..] else { panic!("{asked:?}") };
    assert!(line.starts_with("PATCH ") && line.contains("/debugpolicies/p/status?"), "{line}");
    let gone = json!({"metadata": {"uid": "uid-of-p"},
                      "status": {"replicas": {"postern-0": null}}});
    assert_eq!(*body, gone);
}

#[tokio::test]
async fn another_server_is_noticed_by_what_it_says_after_this_one_began() {
    let mut desk = desk("postern-0", yes);
    let (before, after) = (SignedDuration::from_secs(-60), SignedDuration::from_secs(60));
    let now = Timestamp::now();
    desk.seen(1, &said(&[("postern-0", now + after), ("postern-1", now + before)]));
    assert_eq!(desk.writer.other(), None, "only itself, and one that may have gone");
    desk.seen(1, &said(&[("postern-0", now), ("postern-1", now + after)]));
    assert_eq!(desk.writer.other().as_deref(), Some("postern-1"));
}

/// An API server gives up on a patch that others outran several times.
#[tokio::test(start_paused = true)]
async fn whoever_is_outrun_says_it_again() {
    let calls = AtomicUsize::new(0);
    let outrun = move |number| match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => refusal(409, "Conflict", "the object has been modified"),
        _ => yes(number),
    };
    let mut desk = desk("postern-0", outrun);
    assert_eq!(desk.round().await.len(), 2);
    let written = desk.round().await;
    assert_eq!(written.len(), 2, "{written:?}");
    assert_eq!(written[1].1["status"]["replicas"]["postern-0"]["generation"], 1);
    assert!(desk.round().await.is_empty(), "once");
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_while_others_do_takes_it_back_all_the_same() {
    let outrun = |number| match number {
        1 | 2 => refusal(409, "Conflict", "the object has been modified"),
        _ => yes(number),
    };
    let mut desk = desk("postern-0", outrun);
    desk.seen(1, &said(&[("postern-0", Timestamp::now())]));
    let api = desk.writer.api.clone();
    Farewell::new(api, "postern-0".to_owned(), desk.snapshots.clone()).say().await;
    assert_eq!(desk.asked.lock().unwrap().len(), 3);
}

/// After an upgrade the API server may take no status of a policy whose spec it would refuse now.
#[tokio::test(start_paused = true)]
async fn a_policy_whose_status_is_refused_keeps_no_other_from_having_one() {
    let calls = AtomicUsize::new(0);
    let answers = move |number| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => refusal(422, "Invalid", "spec is not valid"),
        _ => yes(number),
    };
    let mut desk = desk("postern-0", answers);
    let mut other = policy(1, &Value::Null);
    (other.metadata.name, other.metadata.uid) = (Some("q".to_owned()), Some("uid-of-q".to_owned()));
    desk.keeper.put(other);
    desk.keeper.publish();
    let (name, uid) = ("q".to_owned(), Some("uid-of-q".to_owned()));
    desk.reports.send_replace(Arc::new(vec![report(1), Report { name, uid, ..report(1) }]));
    let written = desk.round().await;
    let paths: Vec<_> = written.iter().map(|(line, _)| line.contains("debugpolicies/q/")).collect();
    assert_eq!(paths, [false, true, true]);
    assert!(desk.writer.trouble.as_ref().unwrap().starts_with("of `p`: "));
    // It is tried again.
    assert_eq!(desk.round().await.len(), 2);
    assert!(desk.writer.trouble.is_none());
}
