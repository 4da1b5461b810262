use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::Semaphore;

use uuid::Uuid;

use super::recent::PATIENCE;
use super::task::{RETRY, STALL};
use super::*;
use crate::ledger::Outcome;
use crate::store::row::Row;

/// A database that writes when the test lets it.
#[derive(Clone)]
struct Table {
    rows: Arc<Mutex<Vec<Vec<Row>>>>,
    permits: Arc<Semaphore>,
    is_broken: Arc<AtomicBool>,
}

impl Table {
    fn new() -> Self {
        Self {
            rows: Arc::default(),
            permits: Arc::new(Semaphore::new(0)),
            is_broken: Arc::default(),
        }
    }

    fn unhindered() -> Self {
        let table = Self::new();
        table.permits.add_permits(1000);
        table
    }

    /// The batches so far, each as the sequence numbers and review uids in it.
    fn batches(&self) -> Vec<Vec<(i64, String)>> {
        let batches = self.rows.lock().unwrap();
        let review = |row: &Row| serde_json::from_str::<Record>(&row.json).unwrap().review_uid;
        let batch = |rows: &Vec<Row>| rows.iter().map(|row| (row.sequence, review(row))).collect();
        batches.iter().map(batch).collect()
    }

    fn records(&self) -> Vec<Record> {
        let batches = self.rows.lock().unwrap();
        batches.iter().flatten().map(|row| serde_json::from_str(&row.json).unwrap()).collect()
    }

    async fn attempt(&self) -> Result<(), StoreError> {
        self.permits.acquire().await.unwrap().forget();
        if self.is_broken.load(Ordering::Relaxed) { Err(StoreError::ReadOnly) } else { Ok(()) }
    }
}

impl Destination for Table {
    async fn load(&mut self) -> Result<State, StoreError> {
        let mut state = State::default();
        for row in self.rows.lock().unwrap().iter().flatten() {
            state.sequence = row.sequence;
            state.hash = row.hash;
            state.frontier.push(row.json.as_bytes());
        }
        Ok(state)
    }

    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.attempt().await?;
        self.rows.lock().unwrap().push(batch.rows);
        Ok(())
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.attempt().await
    }

    fn writer(&self) -> &str {
        "w"
    }

    async fn fetch<T: Columns>(&mut self, _sql: Statement) -> Result<Vec<T>, StoreError> {
        Ok(Vec::new())
    }

    async fn execute(&mut self, _sql: Statement) -> Result<u64, StoreError> {
        self.attempt().await.map(|()| 1)
    }

    async fn close(self) {}
}

fn record(review: &str) -> Record {
    serde_json::from_value(serde_json::json!({
        "id": Uuid::now_v7(), "time": "2026-01-01T08:00:00Z", "cluster": "", "writer": "",
        "sequence": 0, "reviewUid": review, "phase": "Validate", "surface": "", "operation": "",
        "requester": {"username": "jane"}, "namespace": "shop", "pod": {"name": "web-0"},
        "injections": [], "injectionsTotal": 0, "verdict": "Allowed", "answer": "Allowed",
        "enforcement": "Enforce", "findings": [], "timings": {"judgeUs": 1},
    }))
    .unwrap()
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets the task run until it waits. The tests' runtime has one thread, so that suffices.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn reviews(names: &[&str]) -> Vec<(i64, String)> {
    (1..).zip(names.iter().map(|&name| name.to_owned())).collect()
}

async fn append_at_once(writer: &Writer, count: usize) {
    let appends = (0..count).map(|_| writer.append(record("one of many")));
    for result in futures_util::future::join_all(appends).await {
        result.unwrap();
    }
}

fn sizes(table: &Table) -> Vec<usize> {
    table.batches().iter().map(Vec::len).collect()
}

#[tokio::test(start_paused = true)]
async fn those_who_come_in_step_are_waited_for_and_no_longer_than_a_moment() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    for _ in 0..3 {
        append_at_once(&writer, 8).await;
    }
    assert_eq!(sizes(&table), [8, 8, 8]);

    // The first of them alone is not written yet, most of them are.
    let mut first = pin!(writer.append(record("first")));
    assert!(poll(first.as_mut()).is_pending());
    settle().await;
    assert_eq!(sizes(&table), [8, 8, 8]);
    append_at_once(&writer, 5).await;
    assert_eq!(sizes(&table), [8, 8, 8, 6]);
    first.await.unwrap();

    // One who comes alone waits once.
    for longest in [2 * PATIENCE, Duration::ZERO] {
        let begun = tokio::time::Instant::now();
        append_at_once(&writer, 1).await;
        assert!(begun.elapsed() <= longest);
    }
    assert_eq!(sizes(&table), [8, 8, 8, 6, 1, 1]);
}

#[tokio::test]
async fn a_batch_is_in_the_order_of_its_times() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    let at = |time: &str, review: &str| Record { time: time.parse().unwrap(), ..record(review) };
    let late = writer.append(at("2026-01-01T08:00:02Z", "late"));
    let early = writer.append(at("2026-01-01T08:00:01Z", "early"));
    let (late, early) = tokio::join!(late, early);
    assert!(late.is_ok() && early.is_ok());
    assert_eq!(table.batches(), [reviews(&["early", "late"])]);
}

#[tokio::test]
async fn what_waits_during_a_write_is_the_next_batch() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    let mut first = pin!(writer.append(record("a")));
    assert!(poll(first.as_mut()).is_pending());
    settle().await;
    let mut second = pin!(writer.append(record("b")));
    let mut third = pin!(writer.append(record("c")));
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    table.permits.add_permits(2);
    tokio::try_join!(first, second, third).unwrap();

    let expected = [vec![(1, "a".to_owned())], vec![(2, "b".to_owned()), (3, "c".to_owned())]];
    assert_eq!(table.batches(), expected);
    assert!(table.records().iter().all(|record| record.writer == "w"));
}

#[tokio::test]
async fn an_append_dropped_before_it_is_written_is_left_out() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    let mut first = pin!(writer.append(record("a")));
    assert!(poll(first.as_mut()).is_pending());
    settle().await;
    {
        let mut dropped = pin!(writer.append(record("dropped")));
        assert!(poll(dropped.as_mut()).is_pending());
    }
    let mut last = pin!(writer.append(record("b")));
    assert!(poll(last.as_mut()).is_pending());
    table.permits.add_permits(9);
    tokio::try_join!(first, last).unwrap();
    writer.close().await;

    assert_eq!(table.batches().concat(), reviews(&["a", "b"]));
}

#[tokio::test]
async fn an_append_dropped_while_it_is_written_is_amended() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    {
        let mut dropped = pin!(writer.append(record("a")));
        assert!(poll(dropped.as_mut()).is_pending());
        settle().await;
    }
    table.permits.add_permits(9);
    settle().await;

    assert_is_amended(&table.records());
}

/// The reply is on its way, but nobody looks at it any more.
#[tokio::test]
async fn an_append_dropped_after_it_was_written_is_amended() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    {
        let mut dropped = pin!(writer.append(record("a")));
        assert!(poll(dropped.as_mut()).is_pending());
        settle().await;
        assert_eq!(table.records().len(), 1);
    }
    settle().await;

    assert_is_amended(&table.records());
}

fn assert_is_amended(records: &[Record]) {
    let [original, amendment] = records else { panic!("{records:#?}") };
    let expected = Record {
        id: amendment.id,
        time: amendment.time,
        sequence: 2,
        amends: Some(original.id),
        answer: Outcome::Refused,
        message: Some("the decision was not delivered in time".to_owned()),
        ..original.clone()
    };
    assert_eq!(amendment, &expected);
    assert_ne!(amendment.id, original.id);
    assert!(amendment.time > original.time);
}

/// Whoever allows what is not on record yet still wants it on record, and as it was answered.
#[tokio::test]
async fn where_decisions_stand_one_that_nobody_waits_for_is_written_and_not_amended() {
    let table = Table::new();
    let writing = Writing { undelivered: Undelivered::Stands, ..Writing::from("w") };
    let writer = Writer::start(table.clone(), writing);
    {
        let mut first = pin!(writer.append(record("a")));
        assert!(poll(first.as_mut()).is_pending());
        settle().await;
        let mut waiting = pin!(writer.append(record("b")));
        assert!(poll(waiting.as_mut()).is_pending());
    }
    table.permits.add_permits(9);
    writer.close().await;
    assert_eq!(table.batches().concat(), reviews(&["a", "b"]));
}

#[tokio::test(start_paused = true)]
async fn where_decisions_stand_one_that_could_not_be_written_is_written_later() {
    let table = Table::unhindered();
    let writing = Writing { undelivered: Undelivered::Stands, ..Writing::from("w") };
    let writer = Writer::start(table.clone(), writing);
    table.is_broken.store(true, Ordering::Relaxed);
    for review in ["a", "b"] {
        writer.append(record(review)).await.unwrap_err();
    }
    let refused = Record { answer: Outcome::Refused, ..record("refused") };
    writer.append(refused).await.unwrap_err();
    table.is_broken.store(false, Ordering::Relaxed);
    tokio::time::sleep(RETRY * 2).await;
    assert_eq!(table.batches().concat(), reviews(&["a", "b"]));
    writer.append(record("c")).await.unwrap();
    writer.close().await;
    assert_eq!(table.batches().concat(), reviews(&["a", "b", "c"]));
}

#[tokio::test]
async fn an_append_that_was_answered_is_not_amended() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    writer.append(record("a")).await.unwrap();
    writer.close().await;
    assert_eq!(table.batches().concat(), reviews(&["a"]));
}

#[tokio::test]
async fn a_failure_fails_the_whole_batch_and_uses_no_number() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    writer.append(record("a")).await.unwrap();
    table.is_broken.store(true, Ordering::Relaxed);
    let (one, two) = tokio::join!(writer.append(record("x")), writer.append(record("y")));
    for result in [one, two] {
        let error = result.unwrap_err().to_string();
        assert_eq!(error, "the ledger failed to write: it was opened to be read only");
    }
    assert!(!writer.is_writable());

    table.is_broken.store(false, Ordering::Relaxed);
    writer.append(record("b")).await.unwrap();
    assert!(writer.is_writable());
    assert_eq!(table.batches().concat(), reviews(&["a", "b"]));
}

#[tokio::test]
async fn becomes_writable_by_itself() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    table.is_broken.store(true, Ordering::Relaxed);
    writer.append(record("a")).await.unwrap_err();
    tokio::time::sleep(RETRY * 3 / 2).await;
    assert!(!writer.is_writable());
    table.is_broken.store(false, Ordering::Relaxed);
    tokio::time::sleep(RETRY * 3).await;
    assert!(writer.is_writable());
}

#[tokio::test]
async fn an_amendment_outlives_a_failure() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    {
        let mut dropped = pin!(writer.append(record("a")));
        assert!(poll(dropped.as_mut()).is_pending());
        settle().await;
    }
    table.permits.add_permits(1);
    settle().await;
    table.is_broken.store(true, Ordering::Relaxed);
    table.permits.add_permits(1);
    settle().await;
    assert!(!writer.is_writable());
    table.is_broken.store(false, Ordering::Relaxed);
    table.permits.add_permits(9);
    writer.append(record("b")).await.unwrap();

    let reviews: Vec<_> = table.batches().concat().into_iter().map(|(_, review)| review).collect();
    assert_eq!(reviews, ["a", "a", "b"]);
    assert_is_amended(&table.records()[..2]);
}

#[tokio::test]
async fn is_behind_once_the_queue_is_full() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    let mut waiting = Vec::new();
    let refused = loop {
        let mut append = Box::pin(writer.append(record("a")));
        match poll(append.as_mut()) {
            Poll::Pending => waiting.push(append),
            Poll::Ready(result) => break result,
        }
    };
    assert!(matches!(refused, Err(LedgerError::Behind)), "{refused:?}");
    assert_eq!(waiting.len(), QUEUE);
    table.permits.add_permits(1000);
    for append in waiting {
        append.await.unwrap();
    }
    assert!(table.batches().iter().all(|batch| batch.len() == BATCH));
}

#[tokio::test]
async fn close_writes_what_waits_and_nothing_later() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    let mut first = pin!(writer.append(record("a")));
    let mut second = pin!(writer.append(record("b")));
    assert!(poll(first.as_mut()).is_pending());
    settle().await;
    assert!(poll(second.as_mut()).is_pending());
    table.permits.add_permits(9);
    tokio::join!(writer.close(), async {
        first.await.unwrap();
        second.await.unwrap();
    });
    assert!(matches!(writer.append(record("c")).await, Err(LedgerError::Closed)));
    assert!(!writer.is_writable());
    assert_eq!(table.batches().concat(), reviews(&["a", "b"]));
}

#[tokio::test]
async fn ends_with_the_last_handle() {
    let table = Table::unhindered();
    let writer = Writer::start(table.clone(), "w".into());
    let task = writer.shared.task.lock().unwrap().take().unwrap();
    drop(writer);
    task.await.unwrap();
}

#[tokio::test]
async fn a_write_that_hangs_is_seen_while_it_hangs() {
    let table = Table::new();
    let writer = Writer::start(table.clone(), "w".into());
    let mut append = pin!(writer.append(record("a")));
    assert!(poll(append.as_mut()).is_pending());
    tokio::time::sleep(STALL * 5 / 4).await;
    assert!(!writer.is_writable());
    table.permits.add_permits(9);
    append.await.unwrap();
    assert!(writer.is_writable());
}
