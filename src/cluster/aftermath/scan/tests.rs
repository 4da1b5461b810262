use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::super::testing::{Asked, reading_api_server, refusal};
use super::super::testing::{Book, Counts, allowed, keeper, pod, refused};
use super::*;

struct Desk {
    scan: Scan<Book>,
    book: Book,
    asked: Asked,
    counts: Counts,
}

/// A search of these pods, two pages of them.
fn desk(book: Book, pods: &[Value]) -> Desk {
    let pods = Arc::new(Mutex::new(pods.to_vec()));
    let (client, asked) = reading_api_server(move |_, line| {
        let pods = pods.lock().unwrap().clone();
        async move {
            assert!(line.starts_with("GET /api/v1/pods?&limit=100"), "{line}");
            let half = pods.len().div_ceil(2);
            let (items, token) = match line.contains("continue=more") {
                false => (&pods[..half], "more"),
                true => (&pods[half..], ""),
            };
            let list = json!({"apiVersion": "v1", "kind": "PodList",
                              "metadata": {"continue": token}, "items": items});
            (200, list)
        }
    });
    let (keeper, counts) = keeper(&book);
    Desk { scan: Scan::new(client, keeper), book, asked, counts }
}

impl Desk {
    async fn round(&mut self) -> Vec<String> {
        self.scan.round().await.unwrap();
        self.found()
    }

    fn found(&self) -> Vec<String> {
        let found = |what| match what {
            What::Unattested { namespace, pod, pod_uid, container, image } => {
                assert_eq!((namespace.as_str(), pod.as_str()), ("payments", "api"));
                assert_eq!(image, "busybox:1.36");
                format!("{pod_uid} {container}")
            }
            other => panic!("{other:?}"),
        };
        self.book.events().into_iter().map(found).collect()
    }
}

fn two_pods() -> [Value; 2] {
    let running = json!({"running": {}});
    [
        pod("pod-1", &[("known", running.clone()), ("strange", running)]),
        pod("pod-2", &[("known", Value::Null)]),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_no_decision_allowed_in_this_very_pod_is_found_once() {
    let book = Book::default();
    book.record(&allowed(&["known"]));
    let mut strange = refused();
    strange.injections[0].name = "strange".to_owned();
    book.record(&strange);
    let mut desk = desk(book, &two_pods());
    // The second pod has the name of the first, and was made after it.
    let expected = ["pod-1 strange", "pod-2 known"];
    assert_eq!(desk.round().await, expected);
    assert_eq!(desk.asked.lock().unwrap().len(), 2, "both pages");
    assert_eq!(desk.round().await, expected);
    let counted = Arc::clone(&desk.counts);
    assert_eq!(*counted.lock().unwrap(), [(Happened::Unattested, 1); 2]);

    let mut after_a_restart = self::desk(desk.book, &two_pods());
    assert_eq!(after_a_restart.round().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_was_never_delivered_allowed_nothing() {
    let (book, undelivered) = (Book::default(), allowed(&["known", "strange"]));
    book.record(&undelivered);
    book.record(&Record { amends: Some(undelivered.id), ..refused() });
    let mut desk = desk(book, &two_pods()[..1]);
    assert_eq!(desk.round().await, ["pod-1 known", "pod-1 strange"]);
}

#[tokio::test(start_paused = true)]
async fn decisions_beyond_the_first_page_count_too() {
    let book = Book::default();
    book.record(&allowed(&["known", "strange"]));
    for _ in 0..DECISIONS * 2 {
        book.record(&allowed(&["other"]));
    }
    let mut desk = desk(book, &two_pods()[..1]);
    assert_eq!(desk.round().await, [""; 0]);
}

/// Without a uid, and with more containers than are on record.
#[tokio::test(start_paused = true)]
async fn what_is_on_record_in_part_is_not_called_unattested() {
    let (book, mut old, mut many) = (Book::default(), allowed(&["known"]), allowed(&["x"]));
    old.pod.uid.clear();
    many.injections_total = 65;
    book.record(&old);
    book.record(&many);
    let mut desk = desk(book, &two_pods());
    assert_eq!(desk.round().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_fails_attests_nothing_and_accuses_nobody() {
    let book = Book::default();
    let mut desk = desk(book, &two_pods());
    desk.book.fail(true);
    assert!(desk.scan.round().await.is_err());
    assert_eq!(desk.found(), [""; 0]);
    desk.book.fail(false);
    assert_eq!(desk.round().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_list_it_is_tried_again_and_counted() {
    let (client, asked) =
        reading_api_server(async |_, _| refusal(403, "Forbidden", "no pods for you"));
    let (keeper, counts) = keeper(&Book::default());
    let scan = Scan::new(client, keeper);
    let interval = Duration::from_secs(600);
    let running = tokio::spawn(scan.run(interval, Duration::ZERO));
    sleep(interval * 2 + Duration::from_secs(1)).await;
    running.abort();
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(*counts.lock().unwrap(), [(Happened::Scan(Fate::Failed), 1); 3]);
}

#[test]
fn servers_search_at_times_of_their_own_within_the_interval() {
    let interval = Duration::from_secs(600);
    let times: HashSet<_> =
        (0..10).map(|number| offset(&format!("postern-{number}"), interval)).collect();
    assert!(times.len() > 5 && times.iter().all(|it| *it < interval), "{times:?}");
}

/// A decision that was dropped allowed what runs longer than decisions are kept.
#[tokio::test(start_paused = true)]
async fn nobody_is_accused_by_what_the_ledger_no_longer_has() {
    let book = Book::default();
    let mut first = refused();
    first.time = "2026-03-01T00:00:00Z".parse().unwrap();
    book.forget_before(&first);
    let since = |time: &str| json!({"running": {"startedAt": time}});
    let pods = [pod(
        "pod-1",
        &[
            ("old", since("2026-02-28T12:00:00Z")),
            ("slow", since("2026-03-01T00:05:00Z")),
            ("waits", Value::Null),
            ("new", since("2026-03-01T01:00:00Z")),
        ],
    )];
    let mut desk = desk(book, &pods);
    assert_eq!(desk.round().await, ["pod-1 new"]);
}
