use serde_json::{Value, json};

use super::super::super::testing::{Asked, api_server, refusal};
use super::super::testing::{Counts, allowed, refused, tally};
use super::*;
use crate::gate::Audience;

fn written() -> (u16, Value) {
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {},
                       "eventTime": null});
    (201, event)
}

fn writer(answer: impl Fn(usize) -> (u16, Value) + Send + Sync + 'static) -> Desk {
    let (client, asked) = api_server(move |number| {
        let answer = answer(number);
        async move { answer }
    });
    let (tally, counts) = tally();
    Desk { events: PodEvents::new(client, "postern-0", tally), asked, counts }
}

struct Desk {
    events: PodEvents,
    asked: Asked,
    counts: Counts,
}

#[tokio::test(start_paused = true)]
async fn an_event_is_one_that_the_api_takes_and_names_the_pod_by_its_uid() {
    let Desk { mut events, asked, .. } = writer(|_| written());
    let record = allowed(&["debugger"]);
    assert_eq!(events.tell(&record).await, Some(Fate::Done));
    let (line, event) = asked.lock().unwrap()[0].clone();
    assert!(line.starts_with("POST /apis/events.k8s.io/v1/namespaces/payments/events"), "{line}");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": "api", "namespace": "payments",
                     "uid": "pod-1"});
    assert_eq!(event["regarding"], pod);
    assert_eq!(event["metadata"]["name"], format!("postern-{}", record.id));
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&json!("Normal"), &json!("DebugContainerAllowed"))
    );
    assert_eq!(event["reportingController"], "postern.dev/postern");
    assert_eq!(
        (&event["reportingInstance"], &event["action"]),
        (&json!("postern-0"), &json!("AddDebugContainer"))
    );
    assert!(event["eventTime"].is_string());

    assert_eq!(events.tell(&refused()).await, Some(Fate::Done));
    let event = asked.lock().unwrap()[1].1.clone();
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&json!("Warning"), &json!("DebugContainerRefused"))
    );
}

#[test]
fn a_note_says_who_what_why_and_under_which_decision() {
    let said = |record: &Record| {
        let end = format!(", decision {}", record.id);
        note(record).strip_suffix(&end).unwrap().to_owned()
    };
    let mut record = allowed(&["debugger"]);
    assert_eq!(
        said(&record),
        "`alice` may add container `debugger` (image `busybox:1.36`) by policy developers"
    );
    record.justification = Some("INC-7\nINC-8".to_owned());
    assert!(said(&record).ends_with(" by policy developers, reason `INC-7\\u{a}INC-8`"));
    assert_eq!(
        said(&refused()),
        "`alice` may not add container `debugger` (image `busybox:1.36`): image `busybox:1.36` is \
         not approved here (policy developers, spec.containers.images.allow)"
    );

    let warned = Record { answer: Outcome::Allowed, enforcement: "Warn".to_owned(), ..refused() };
    let words = ", because of enforcement Warn only: image `busybox:1.36` is not approved here";
    assert!(said(&warned).contains(words), "{}", said(&warned));

    let many = said(&allowed(&["a", "b", "c", "d", "e"]));
    assert!(many.starts_with("`alice` may add containers `a` "), "{many}");
    assert!(
        many.contains("`c`") && !many.contains("`d`") && many.ends_with(" and 2 more"),
        "{many}"
    );

    let message = Some("Postern has not loaded its policies yet\ndecision".to_owned());
    let unjudged = Record { findings: Vec::new(), injections: Vec::new(), message, ..refused() };
    assert_eq!(
        said(&unjudged),
        "`alice` may not add a debug container: Postern has not loaded its policies yet"
    );
}

#[test]
fn the_objection_that_counted_is_the_one_that_is_told() {
    let mut record = refused();
    let mut noted = record.findings[0].clone();
    noted.enforcement = "Audit".to_owned();
    noted.message = "noted".to_owned();
    record.findings.insert(0, noted);
    assert!(note(&record).contains("is not approved here"), "{}", note(&record));
    record.findings.pop();
    assert!(note(&record).contains(": noted (policy"), "{}", note(&record));
}

/// Every character of a name can become ten.
#[test]
fn a_note_is_short_and_harmless_whatever_others_have_written() {
    let mut record = refused();
    record.requester.username = "\u{202e}".repeat(500);
    record.injections[0].image = "é".repeat(5000);
    record.findings[0].message = "\u{1b}[2J".repeat(500);
    let note = note(&record);
    assert!(note.len() <= MAX_NOTE_BYTES, "{}", note.len());
    assert!(note.ends_with(&format!("…, decision {}", record.id)), "{note}");
    assert!(note.chars().all(crate::policy::text::is_plain), "{note}");
}

#[tokio::test(start_paused = true)]
async fn one_pod_cannot_flood_and_refusals_leave_room_for_those_let_in() {
    let Desk { mut events, asked, .. } = writer(|_| written());
    let mut told = async |record: &Record| events.tell(record).await == Some(Fate::Done);
    for _ in 0..BURST {
        assert!(told(&refused()).await);
    }
    assert!(!told(&refused()).await);
    assert!(told(&allowed(&["debugger"])).await);
    let mut other = refused();
    other.pod.name = "web".to_owned();
    assert!(told(&other).await);
    sleep(EVERY).await;
    assert!(told(&refused()).await);
    assert!(!told(&refused()).await);
    assert_eq!(asked.lock().unwrap().len(), 13);
}

#[tokio::test(start_paused = true)]
async fn of_very_many_pods_not_all_are_told() {
    let mut quotas = Quotas::default();
    let mut record = refused();
    for number in 0..MAX_PODS {
        record.pod.name = format!("pod-{number}");
        assert!(quotas.takes(&record));
    }
    record.pod.name = "one more".to_owned();
    assert!(!quotas.takes(&record));
    sleep(EVERY * BURST).await;
    assert!(quotas.takes(&record));
    assert_eq!(quotas.0.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_or_finds_no_room_is_counted_and_nobody_waits() {
    let Desk { events, asked, counts } = writer(|number| match number {
        1 => refusal(403, "Forbidden", "no"),
        _ => written(),
    });
    let mut audience = Audience::default();
    let decisions = audience.seat();
    for _ in 0..260 {
        let news = audience.news(&refused()).unwrap();
        audience.tell(&news);
    }
    let unnamed = Record { namespace: String::new(), ..refused() };
    drop(audience);
    events.run(decisions).await;
    let counts = counts.lock().unwrap().clone();
    let of = |fate| {
        let happened = Happened::PodEvent(fate);
        counts.iter().filter(|(it, _)| *it == happened).map(|(_, times)| times).sum::<u64>()
    };
    assert_eq!([of(Fate::Missed), of(Fate::Failed), of(Fate::Done)], [4, 1, 9]);
    assert_eq!(of(Fate::Limited), 246);
    assert_eq!(asked.lock().unwrap().len(), 10);
    let Desk { mut events, asked, .. } = writer(|_| written());
    assert_eq!(events.tell(&unnamed).await, None);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_is_given_up() {
    let (client, _) = api_server(async |_| std::future::pending().await);
    let (tally, _) = tally();
    let mut events = PodEvents::new(client, "postern-0", tally);
    assert_eq!(events.tell(&refused()).await, Some(Fate::Failed));
}
