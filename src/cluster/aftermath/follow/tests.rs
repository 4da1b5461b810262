use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::super::testing::{Asked, reading_api_server, refusal};
use super::super::testing::{Book, Counts, allowed, keeper, pod, refused};
use super::*;
use crate::gate::Audience;

const DAY: Duration = Duration::from_hours(24);
const LONG: Duration = Duration::from_secs(200);

/// What an API server has of the pod `api`; nothing: no such pod.
type Stage = Arc<Mutex<Option<Value>>>;

struct Desk {
    book: Book,
    stage: Stage,
    audience: Audience,
    asked: Asked,
    counts: Counts,
}

/// A follower that runs.
fn desk(book: Book, limit: Duration) -> Desk {
    let stage = Stage::default();
    let shown = Arc::clone(&stage);
    let (client, asked) = reading_api_server(move |_, line| {
        let pod = shown.lock().unwrap().clone();
        async move {
            assert!(line.starts_with("GET /api/v1/namespaces/payments/pods/api"), "{line}");
            match pod {
                Some(fault) if fault["kind"] == "Status" => (500, fault),
                Some(pod) => (200, pod),
                None => refusal(404, "NotFound", "not found"),
            }
        }
    });
    let (keeper, counts) = keeper(&book);
    let mut audience = Audience::default();
    let follower = Follower::new(client, keeper, limit);
    tokio::spawn(follower.run(audience.seat()));
    Desk { book, stage, audience, asked, counts }
}

impl Desk {
    fn tell(&self, record: &Record) {
        let news = self.audience.news(record).unwrap();
        self.audience.tell(&news);
    }

    /// The pod, as it is from now on for so long.
    async fn show(&self, pod: Value, time: Duration) {
        *self.stage.lock().unwrap() = Some(pod);
        sleep(time).await;
    }

    /// What became of containers, in the order in which it was written.
    fn outcomes(&self) -> Vec<(String, ContainerOutcome)> {
        let outcome = |what| match what {
            What::Observed { container, outcome, .. } => (container, outcome),
            other => panic!("{other:?}"),
        };
        self.book.events().into_iter().map(outcome).collect()
    }

    fn words(&self) -> Vec<String> {
        let word = |(container, outcome)| {
            let outcome = match outcome {
                ContainerOutcome::Running { .. } => "runs".to_owned(),
                ContainerOutcome::Ended { exit_code, .. } => format!("ended {exit_code}"),
                ContainerOutcome::Waiting { reason } => reason,
                ContainerOutcome::NeverAppeared {} => "never appeared".to_owned(),
                ContainerOutcome::PodGone {} => "gone".to_owned(),
            };
            format!("{container} {outcome}")
        };
        self.outcomes().into_iter().map(word).collect()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn counted(&self, fate: Fate) -> u64 {
        let counts = self.counts.lock().unwrap();
        let same = counts.iter().filter(|(it, _)| *it == Happened::Observation(fate));
        same.map(|(_, times)| times).sum()
    }
}

fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason}})
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}})
}

fn ended(code: i32) -> Value {
    json!({"terminated": {"exitCode": code, "reason": "Error",
           "startedAt": "2026-01-01T00:00:01Z", "finishedAt": "2026-01-01T00:00:09Z"}})
}

fn api(state: Value) -> Value {
    pod("pod-1", &[("debugger", state)])
}

#[tokio::test(start_paused = true)]
async fn a_container_is_followed_from_its_first_wait_to_its_end() {
    let desk = desk(Book::default(), DAY);
    let record = allowed(&["debugger"]);
    desk.tell(&record);
    desk.show(api(Value::Null), LONG).await;
    desk.show(api(waiting("ContainerCreating")), LONG).await;
    assert!(desk.words().is_empty());
    for reason in ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"] {
        desk.show(api(waiting(reason)), LONG).await;
    }
    desk.show(api(running()), LONG).await;
    desk.show(api(running()), LONG).await;
    desk.show(api(ended(3)), LONG).await;
    assert_eq!(
        desk.words(),
        ["debugger ErrImagePull", "debugger ImagePullBackOff", "debugger runs", "debugger ended 3"]
    );
    let What::Observed { decision, namespace, pod, .. } = desk.book.events()[3].clone() else {
        panic!();
    };
    assert_eq!((decision, namespace.as_str(), pod.as_str()), (record.id, "payments", "api"));
    let (started, finished) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:09Z");
    let expected = ContainerOutcome::Ended {
        started_at: Some(started.parse().unwrap()),
        finished_at: Some(finished.parse().unwrap()),
        image_id: "docker.io/library/busybox@sha256:1".to_owned(),
        exit_code: 3,
        reason: "Error".to_owned(),
    };
    assert_eq!(desk.outcomes()[3].1, expected);
    let asked = desk.asked();
    sleep(LONG * 10).await;
    assert_eq!(desk.asked(), asked, "nothing more can follow");
    assert_eq!(desk.counted(Fate::Done), 4);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_asked_for_ever_more_seldom() {
    let desk = desk(Book::default(), DAY);
    desk.tell(&allowed(&["debugger"]));
    desk.show(api(running()), Duration::from_millis(1100)).await;
    assert_eq!((desk.asked(), desk.words().len()), (1, 1));
    sleep(Duration::from_secs(3600)).await;
    assert!((58..=68).contains(&desk.asked()), "{}", desk.asked());
}

#[tokio::test(start_paused = true)]
async fn what_is_allowed_and_not_in_the_pod_after_a_while_was_refused_by_others() {
    let desk = desk(Book::default(), DAY);
    desk.tell(&allowed(&["debugger", "other"]));
    desk.tell(&refused());
    desk.show(pod("pod-1", &[("other", Value::Null)]), APPEARS - Duration::from_secs(2)).await;
    assert!(desk.words().is_empty(), "it may still be on its way");
    sleep(APPEARS * 2).await;
    assert_eq!(desk.words(), ["debugger never appeared"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_or_another_one_ends_what_was_in_it() {
    for after in [None, Some(pod("pod-2", &[("debugger", running())]))] {
        let desk = desk(Book::default(), DAY);
        desk.tell(&allowed(&["debugger"]));
        desk.show(api(running()), LONG).await;
        *desk.stage.lock().unwrap() = after;
        sleep(LONG).await;
        assert_eq!(desk.words(), ["debugger runs", "debugger gone"]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_followed_beyond_the_limit() {
    let desk = desk(Book::default(), LONG);
    desk.tell(&allowed(&["debugger"]));
    desk.show(api(running()), LONG * 2).await;
    let asked = desk.asked();
    desk.show(api(ended(0)), LONG * 2).await;
    assert_eq!(desk.asked(), asked);
    assert_eq!(desk.words(), ["debugger runs"]);
}

fn observed(record: &Record, container: &str, outcome: ContainerOutcome) -> What {
    What::Observed {
        decision: record.id,
        namespace: "payments".to_owned(),
        pod: "api".to_owned(),
        container: container.to_owned(),
        outcome,
    }
}

fn it_runs() -> ContainerOutcome {
    ContainerOutcome::Running { started_at: None, image_id: String::new() }
}

#[tokio::test(start_paused = true)]
async fn after_a_start_what_has_no_end_yet_is_taken_up_and_nothing_is_said_twice() {
    let hours = |hours| Timestamp::now() - SignedDuration::from_hours(hours);
    let (book, ago) = (Book::default(), hours(23));
    let open = Record { time: ago, ..allowed(&["open", "half"]) };
    let done = Record { time: ago, ..allowed(&["done"]) };
    let old = Record { time: hours(25), ..allowed(&["old"]) };
    let undelivered = Record { time: ago, ..allowed(&["undelivered"]) };
    let amendment =
        Record { time: ago, id: Uuid::now_v7(), amends: Some(undelivered.id), ..refused() };
    for record in [&open, &done, &old, &undelivered, &amendment] {
        book.record(record);
    }
    for _ in 0..PAGE * 2 {
        book.record(&Record { time: hours(1), ..allowed(&[]) });
    }
    book.event(observed(&open, "half", it_runs()));
    book.event(observed(&done, "done", ContainerOutcome::PodGone {}));
    let desk = desk(book, DAY);
    let names = ["open", "half", "done", "old", "undelivered"];
    desk.show(pod("pod-1", &names.map(|name| (name, running()))), LONG).await;
    desk.show(pod("pod-1", &names.map(|name| (name, ended(0)))), LONG).await;
    let words = desk.words();
    assert_eq!(words[2..], ["open runs", "open ended 0", "half ended 0"]);
}

/// Two servers over one ledger, both of which follow a decision.
#[tokio::test(start_paused = true)]
async fn what_another_server_has_written_is_not_written_again() {
    let desk = desk(Book::default(), DAY);
    let record = allowed(&["debugger"]);
    desk.tell(&record);
    desk.book.event(observed(&record, "debugger", it_runs()));
    desk.show(api(running()), LONG).await;
    assert_eq!(desk.words().len(), 1);
    desk.show(api(ended(0)), LONG).await;
    assert_eq!(desk.words(), ["debugger runs", "debugger ended 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_or_an_api_server_that_fails_is_tried_again() {
    let book = Book::default();
    book.fail(true);
    let desk = desk(book, DAY);
    desk.tell(&allowed(&["debugger"]));
    desk.show(api(running()), LONG).await;
    assert!(desk.asked() == 0 && desk.counted(Fate::Failed) > 1, "it has not been read yet");
    desk.book.fail(false);
    sleep(LONG).await;
    assert_eq!(desk.words(), ["debugger runs"]);

    let (_, fault) = refusal(500, "InternalError", "on purpose");
    desk.show(fault, LONG).await;
    assert_eq!(desk.words().len(), 1, "it is not gone");
    desk.show(api(ended(0)), LONG).await;
    assert_eq!(desk.words(), ["debugger runs", "debugger ended 0"]);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_number_are_not_followed_and_are_counted() {
    let desk = desk(Book::default(), DAY);
    for number in 0..MAX_FOLLOWED + 2 {
        let mut record = allowed(&["debugger"]);
        record.pod.uid = format!("pod-{number}");
        desk.tell(&record);
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(desk.counted(Fate::Missed), 2);
}
