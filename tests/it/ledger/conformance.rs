//! What every kind of ledger does.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use jiff::{SignedDuration, Timestamp};
use postern::ledger::{Ledger, LedgerError, Outcome, Query, Record};
use postern::store::{AnyLedger, Location};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::fixture::{Place, all, id, injection, record, refusal, time};
use super::postgres::Postgres;

/// One test for each kind of ledger and each thing that it must do.
macro_rules! suite {
    ($($case:ident)*) => {
        mod memory {
            $(#[test] fn $case() { super::run(super::Kind::Memory, super::$case); })*
        }
        mod sqlite {
            $(#[test] fn $case() { super::run(super::Kind::Sqlite, super::$case); })*
        }
        mod postgres {
            $(#[test] fn $case() { super::run(super::Kind::Postgres, super::$case); })*
        }
    };
}

suite! {
    gives_back_what_was_written
    lists_newest_first
    filters_by_each_part
    filters_by_image_as_asked_and_as_parsed
    only_a_star_means_anything_in_an_image_filter
    a_search_finds_what_a_look_at_everything_finds
    a_search_finds_the_last_of_very_many
    finds_by_the_beginning_of_an_id
    finds_by_an_id_of_another_time
    counts_what_a_user_was_allowed_to_add
    numbers_without_gaps_under_concurrent_appends
    a_cancelled_append_leaves_nothing_or_an_amendment
    keeps_what_it_was_given_of_hostile_text
    refuses_after_close
}

#[derive(Clone, Copy)]
enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

fn run(kind: Kind, case: impl AsyncFnOnce(&AnyLedger)) {
    Runtime::new().unwrap().block_on(async {
        let place = Place::new();
        let location = match kind {
            Kind::Memory => Location::Memory,
            Kind::Sqlite => place.location(),
            Kind::Postgres => Postgres::shared().database().parse().unwrap(),
        };
        let ledger = AnyLedger::open(&location, "postern-0").await.unwrap();
        case(&ledger).await;
        ledger.close().await;
    });
}

async fn gives_back_what_was_written(ledger: &AnyLedger) {
    for number in 1..=2 {
        ledger.append(record(number)).await.unwrap();
    }
    let mut expected = refusal(3);
    expected.amends = Some(id(1));
    expected.injections.clear();
    expected.time = "2026-11-24T09:00:00.123456789Z".parse().unwrap();
    ledger.append(expected.clone()).await.unwrap();
    expected.writer = "postern-0".to_owned();
    expected.sequence = 3;

    assert_eq!(ledger.get(expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(ledger.list(&all()).await.unwrap().first(), Some(&expected));
    assert_eq!(ledger.get(id(4)).await.unwrap(), None);

    let stored = ledger.list_stored(&Query { limit: 1, ..Query::default() }).await.unwrap();
    assert_eq!(stored[0].json, serde_json::to_string(&expected).unwrap());
    assert_eq!((stored[0].id, stored[0].time), (expected.id, expected.time));
}

async fn lists_newest_first(ledger: &AnyLedger) {
    for number in [3, 1, 2] {
        ledger.append(record(number)).await.unwrap();
    }
    assert_eq!(ids(ledger, all()).await, [id(3), id(2), id(1)]);
    assert_eq!(ids(ledger, Query { limit: 2, ..all() }).await, [id(3), id(2)]);
    assert_eq!(ids(ledger, Query { limit: 0, ..all() }).await, [] as [Uuid; 0]);
}

async fn filters_by_each_part(ledger: &AnyLedger) {
    let mut other_user = record(1);
    other_user.requester.username = "system:serviceaccount:ci:debugger".to_owned();
    let mut other_namespace = record(2);
    other_namespace.namespace = "shop".to_owned();
    let mut other_pod = record(3);
    other_pod.pod.name = "payments-worker-0".to_owned();
    for record in [other_user, other_namespace, other_pod, refusal(4), record(5)] {
        ledger.append(record).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (Query { user: text("system:serviceaccount:ci:debugger"), ..all() }, vec![1]),
        (Query { user: text("jane@example.co"), ..all() }, vec![]),
        (Query { namespace: text("shop"), ..all() }, vec![2]),
        (Query { namespace: text("SHOP"), ..all() }, vec![]),
        (Query { pod: text("payments-worker-0"), ..all() }, vec![3]),
        (Query { answer: Some(Outcome::Refused), ..all() }, vec![4]),
        (Query { answer: Some(Outcome::Allowed), ..all() }, vec![5, 3, 2, 1]),
        (Query { since: Some(time(4)), ..all() }, vec![5, 4]),
        (Query { until: Some(time(3)), ..all() }, vec![2, 1]),
        (Query { since: Some(time(2)), until: Some(time(3)), ..all() }, vec![2]),
        (
            Query { since: Some(Timestamp::MIN), until: Some(Timestamp::MAX), ..all() },
            vec![5, 4, 3, 2, 1],
        ),
        (
            Query {
                user: text("jane@example.com"),
                namespace: text("payments"),
                pod: text("payments-api-7d4b9-x2x1k"),
                image: text("busybox:*"),
                answer: Some(Outcome::Allowed),
                since: Some(time(1)),
                until: Some(time(9)),
                ..all()
            },
            vec![5],
        ),
    ];
    for (query, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!(ids(ledger, query.clone()).await, expected, "{query:?}");
    }
}

async fn filters_by_image_as_asked_and_as_parsed(ledger: &AnyLedger) {
    let mut two = record(2);
    two.injections = vec![injection("alpine"), injection("netshoot:v1")];
    let mut unreadable = record(3);
    unreadable.injections = vec![injection("Not An Image")];
    unreadable.injections[0].image_parsed = None;
    let mut none = refusal(4);
    none.injections.clear();
    for record in [record(1), two, unreadable, none] {
        ledger.append(record).await.unwrap();
    }
    let cases: [(&str, &[u64]); 10] = [
        ("busybox:1.36", &[1]),
        ("busybox", &[]),
        ("docker.io/library/busybox:1.36", &[1]),
        ("alpine", &[2]),
        ("docker.io/library/alpine:latest", &[2]),
        ("*netshoot*", &[2]),
        ("docker.io/*", &[2, 1]),
        ("Not An Image", &[3]),
        ("not an image", &[]),
        ("*", &[3, 2, 1]),
    ];
    for (image, expected) in cases {
        let expected: Vec<_> = expected.iter().copied().map(id).collect();
        assert_eq!(ids(ledger, by_image(image)).await, expected, "{image}");
    }
}

async fn only_a_star_means_anything_in_an_image_filter(ledger: &AnyLedger) {
    let hostile = ["a?b", "a[b]c", "a]b", "a%b_c", "a\\b", "axb"];
    for (number, image) in (1..).zip(hostile) {
        let mut record = record(number);
        record.injections = vec![injection(image)];
        record.injections[0].image_parsed = None;
        ledger.append(record).await.unwrap();
    }
    for (number, image) in (1..).zip(hostile) {
        assert_eq!(ids(ledger, by_image(image)).await, [id(number)], "{image}");
        let begins = image.split_at(2).0;
        assert_eq!(ids(ledger, by_image(&format!("{begins}*"))).await, [id(number)], "{begins}*");
    }
}

/// More than fit into some blocks of the index, and not written in the order of their times.
fn searches() -> Vec<Query> {
    let text = |text: &str| Some(text.to_owned());
    vec![
        Query { user: text("user-3"), ..all() },
        Query { user: text("user-3"), namespace: text("team-1"), ..all() },
        Query { group: text("group-7"), ..all() },
        Query { pod: text("pod-44"), ..all() },
        Query { image: text("*tool-1*"), ..all() },
        Query { image: text("tool-15"), answer: Some(Outcome::Refused), ..all() },
        Query { policy: text("developers"), differs: true, ..all() },
        Query { constraint: text("spec.containers.*"), user: text("user-0"), ..all() },
        Query { reason: text("inc-17"), ..all() },
        Query { reason: text("NC-17, pl"), ..all() },
        Query { reason: text("ticket"), privileged: true, ..all() },
        Query { group: text("group-7"), since: Some(time(100)), until: Some(time(200)), ..all() },
        Query { image: text("*"), ..all() },
        Query { image: text("*hidden*"), ..all() },
        Query { image: text("\u{10ffff}*"), ..all() },
        Query { reason: text("?!"), ..all() },
        Query { reason: text(" "), user: text("user-1"), ..all() },
        Query { user: text("nobody"), ..all() },
    ]
}

async fn a_search_finds_what_a_look_at_everything_finds(ledger: &AnyLedger) {
    let mut written = Vec::new();
    for number in 0..900_u64 {
        let dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut own = if dice % 5 == 0 { refusal(dice % 400) } else { record(dice % 400) };
        own.id = Uuid::from_u128(u128::from(dice) << 64 | u128::from(number));
        own.requester.username = format!("user-{}", dice % 7);
        own.requester.groups = vec![format!("group-{}", dice % 11)];
        own.namespace = format!("team-{}", dice % 3);
        own.pod.name = format!("pod-{}", dice % 150);
        own.injections = vec![injection(&format!("tool-{}", dice % 40))];
        own.injections[0].privileges.privileged = dice % 97 == 0;
        own.justification = Some(format!("Ticket INC-{}, please", dice % 300));
        if dice % 50 == 0 {
            own.injections[0].image = format!("\u{10ffff}\u{10ffff}/hidden-{}", dice % 4);
            own.justification = Some("?!".to_owned());
        }
        own.verdict = if dice % 13 == 0 { Outcome::Refused } else { own.answer };
        ledger.append(own.clone()).await.unwrap();
        written.push(own);
    }
    for query in searches() {
        let matcher = postern::ledger::query::Matcher::new(&query);
        let mut expected: Vec<_> =
            written.iter().filter(|it| matcher.matches(it)).map(|it| (it.time, it.id)).collect();
        expected.sort_unstable();
        expected.reverse();
        assert_eq!(expected.is_empty(), query.user.as_deref() == Some("nobody"), "{query:?}");
        let mut found = Vec::new();
        let mut page = Query { limit: 7, ..query.clone() };
        loop {
            let listed = ledger.list_stored(&page).await.unwrap();
            found.extend(listed.iter().map(|stored| (stored.time, stored.id)));
            match listed.last() {
                Some(last) => page.before = Some(last.cursor()),
                None => break,
            }
        }
        assert_eq!(found, expected, "{query:?}");
    }
}

/// More of one kind than an index takes of one record.
async fn a_search_finds_the_last_of_very_many(ledger: &AnyLedger) {
    let names = |what: &str| (0..200).map(|number| format!("{what}-{number}")).collect::<Vec<_>>();
    let mut crowded = refusal(1);
    crowded.requester.groups = names("group");
    crowded.injections = (0..64).map(|number| injection(&format!("tool-{number}:1"))).collect();
    for number in 0..200 {
        let mut finding = crowded.findings[0].clone();
        finding.constraint = format!("spec.rule-{number}");
        finding.policy.as_mut().unwrap().name = format!("policy-{number}");
        crowded.findings.push(finding);
    }
    crowded.justification = Some(names("word").join(" "));
    ledger.append(crowded).await.unwrap();
    for number in 2..300 {
        ledger.append(record(number)).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    for query in [
        Query { group: text("group-199"), ..all() },
        Query { image: text("tool-63*"), ..all() },
        Query { policy: text("policy-199"), ..all() },
        Query { constraint: text("*rule-199"), ..all() },
        Query { reason: text("word-199"), ..all() },
        Query { reason: text("rd-198 word-"), ..all() },
    ] {
        assert_eq!(ids(ledger, query.clone()).await, [id(1)], "{query:?}");
    }
}

async fn finds_by_the_beginning_of_an_id(ledger: &AnyLedger) {
    for number in 1..=3 {
        ledger.append(record(number)).await.unwrap();
    }
    let found = async |text: &str, limit| {
        let found = ledger.find(text.parse().unwrap(), limit).await.unwrap();
        found.into_iter().map(|stored| stored.id).collect::<Vec<_>>()
    };
    let whole = id(2).to_string();
    assert_eq!(found(&whole, 9).await, [id(2)]);
    assert_eq!(found(&whole[..13], 9).await, [id(2)]);
    assert_eq!(found(&whole[..8], 9).await, [id(1), id(2), id(3)]);
    assert_eq!(found(&whole[..8], 2).await, [id(1), id(2)]);
    assert_eq!(found("00000000", 9).await, [] as [Uuid; 0]);
}

/// Somebody set the clock between the two, or wrote the id by hand.
async fn finds_by_an_id_of_another_time(ledger: &AnyLedger) {
    let mut late = record(3);
    late.time -= SignedDuration::from_hours(24);
    for record in [record(1), record(2), late] {
        ledger.append(record).await.unwrap();
    }
    let whole = id(3).to_string();
    let found = ledger.find(whole.parse().unwrap(), 9).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.id).collect::<Vec<_>>(), [id(3)]);
}

async fn counts_what_a_user_was_allowed_to_add(ledger: &AnyLedger) {
    let mut two = record(1);
    two.injections_total = 2;
    let user = two.requester.username.clone();
    let mut others = record(3);
    others.requester.username = "somebody-else".to_owned();
    let mut undelivered = refusal(6);
    undelivered.amends = Some(id(5));
    undelivered.requester.username = user.clone();
    let mut refused = refusal(4);
    refused.requester.username = user.clone();
    for record in [two, record(2), others, refused, record(5), undelivered] {
        ledger.append(record).await.unwrap();
    }
    let since = async |number| ledger.added_since(&user, time(number)).await.unwrap();
    assert_eq!(since(0).await, 3, "two at once, one more, and none of the fifth");
    assert_eq!(since(2).await, 1);
    assert_eq!(since(6).await, 0);
    assert_eq!(ledger.added_since("nobody", time(0)).await.unwrap(), 0);
}

async fn numbers_without_gaps_under_concurrent_appends(ledger: &AnyLedger) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for number in 0..8 {
                ledger.append(record(task * 8 + number)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let records = ledger.list(&all()).await.unwrap();
    let numbers: BTreeSet<_> = records.iter().map(|record| record.sequence).collect();
    assert_eq!(records.len(), 400);
    assert_eq!(numbers, (1..=400).collect());
    assert!(records.iter().all(|record| record.writer == "postern-0"));
}

/// Polls an append some number of times and drops it, so that it dies in every state it can be in.
async fn a_cancelled_append_leaves_nothing_or_an_amendment(ledger: &AnyLedger) {
    let mut delivered = BTreeSet::new();
    for number in 0..200 {
        let mut append = pin!(ledger.append(record(number)));
        let mut ctx = Context::from_waker(Waker::noop());
        for _ in 0..number % 4 {
            if append.as_mut().poll(&mut ctx).is_ready() {
                delivered.insert(id(number));
                break;
            }
            // Some are written meanwhile and some are not.
            tokio::time::sleep(std::time::Duration::from_micros(300)).await;
        }
    }
    // Amendments are written in the batch after the one that they are about.
    ledger.append(record(1000)).await.unwrap();
    ledger.append(record(1001)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;

    let records = ledger.list(&all()).await.unwrap();
    let amended: BTreeSet<_> = records.iter().filter_map(|record| record.amends).collect();
    for record in &records {
        let Some(amends) = record.amends else {
            let was_delivered = delivered.contains(&record.id) || record.time >= time(1000);
            let is_amended = amended.contains(&record.id);
            assert_ne!(was_delivered, is_amended, "delivered, amended: {record:?}");
            continue;
        };
        assert_eq!(record.answer, Outcome::Refused);
        assert_eq!(record.message.as_deref(), Some("the decision was not delivered in time"));
        assert!(records.iter().any(|other| other.id == amends), "amends nothing: {record:?}");
        assert_eq!(ledger.amendment(amends).await.unwrap(), Some(record.id));
    }
    let numbers: BTreeSet<_> = records.iter().map(|record| record.sequence).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect());
}

async fn keeps_what_it_was_given_of_hostile_text(ledger: &AnyLedger) {
    let hostile = "a\u{0}b\u{1b}[31m\u{9b}2J\u{7f}\u{202e}'\";--\\\n\u{10ffff}é";
    let mut given = record(1);
    given.requester.username = hostile.to_owned();
    given.pod.name = hostile.to_owned();
    given.injections[0].image = hostile.to_owned();
    given.injections[0].command = vec!["{\"injectionsTotal\":7}".to_owned()];
    given.justification = Some("\"injectionsTotal\":7".to_owned());
    given.injections_total = 3;
    given.answer = Outcome::Allowed;
    ledger.append(given.clone()).await.unwrap();
    assert_eq!(ledger.added_since(hostile, time(0)).await.unwrap(), 3);

    let query = Query {
        user: Some(hostile.to_owned()),
        pod: Some(hostile.to_owned()),
        image: Some("a*".to_owned()),
        ..all()
    };
    let stored = ledger.list_stored(&query).await.unwrap();
    given.writer = "postern-0".to_owned();
    given.sequence = 1;
    assert_eq!(stored[0].record().unwrap(), given);
    let is_printable = |character: char| postern::policy::text::is_plain(character);
    assert!(stored[0].json.chars().all(is_printable), "{:?}", stored[0].json);
}

async fn refuses_after_close(ledger: &AnyLedger) {
    assert!(ledger.is_writable());
    ledger.append(record(1)).await.unwrap();
    ledger.close().await;
    assert!(!ledger.is_writable());
    assert!(matches!(ledger.append(record(2)).await, Err(LedgerError::Closed)));
    ledger.close().await;
}

mod paging {
    use super::Kind;

    #[test]
    fn memory_loses_and_repeats_nothing() {
        super::loses_and_repeats_nothing(Kind::Memory);
    }

    #[test]
    fn sqlite_loses_and_repeats_nothing() {
        super::loses_and_repeats_nothing(Kind::Sqlite);
    }

    #[test]
    fn postgres_loses_and_repeats_nothing() {
        super::loses_and_repeats_nothing(Kind::Postgres);
    }
}

/// Many records of few times, read in pages, are the same list as read at once.
fn loses_and_repeats_nothing(kind: Kind) {
    let decisions = proptest::collection::vec((0..4_i64, any::<u128>(), any::<bool>()), 0..40);
    let cases = (decisions, 1..9_usize, proptest::option::of(any::<bool>())).prop_map(
        |(decisions, page, refused)| {
            let records: Vec<_> = decisions
                .into_iter()
                .map(|(nanoseconds, random, is_refused)| Record {
                    id: Uuid::from_u128(random),
                    time: time(1) + SignedDuration::from_nanos(nanoseconds),
                    ..if is_refused { refusal(1) } else { record(1) }
                })
                .collect();
            let outcome = refused.map(|it| if it { Outcome::Refused } else { Outcome::Allowed });
            (records, page, outcome)
        },
    );
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases, |(records, page, answer)| {
            let check = async |ledger: &AnyLedger| {
                for record in records.clone() {
                    ledger.append(record).await.unwrap();
                }
                let mut expected: Vec<_> = records
                    .iter()
                    .filter(|record| answer.is_none_or(|answer| record.answer == answer))
                    .map(|record| (record.time, record.id))
                    .collect();
                expected.sort_unstable();
                expected.reverse();
                let mut seen = Vec::new();
                let mut query = Query { answer, limit: page, ..Query::default() };
                loop {
                    let listed = ledger.list_stored(&query).await.unwrap();
                    seen.extend(listed.iter().map(|stored| (stored.time, stored.id)));
                    match listed.last() {
                        Some(last) => query.before = Some(last.cursor()),
                        None => break,
                    }
                }
                assert_eq!(seen, expected);
            };
            run(kind, check);
            Ok::<(), TestCaseError>(())
        })
        .unwrap();
}

async fn ids(ledger: &AnyLedger, query: Query) -> Vec<Uuid> {
    ledger.list(&query).await.unwrap().into_iter().map(|record| record.id).collect()
}

fn by_image(pattern: &str) -> Query {
    Query { image: Some(pattern.to_owned()), ..all() }
}
