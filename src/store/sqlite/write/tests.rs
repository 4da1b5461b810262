use std::pin::pin;
use std::time::Instant;

use super::*;
use crate::ledger::Entry;
use crate::ledger::chain::Hash;
use crate::ledger::event::{Event, Person, What};
use crate::ledger::{Outcome, Record};
use crate::store::row::Draft;
use crate::store::writer::upkeep::Pruning;
use crate::store::writer::{Undelivered, Writer, Writing};

/// What a test that kills a process cannot see: that it also survives a power cut.
#[tokio::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postern.db");
    let mut destination = SqliteDestination::open(&path, "w").await.unwrap();
    let connection = &mut destination.connected().await.unwrap().connection;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
    // 2 is FULL: the log is synced at every commit.
    assert_eq!((mode.as_str(), synchronous), ("wal", 2));
}

/// A server's container may write its ledger and nothing else, and SQLite keeps what a statement of
/// `write_more` may have to take back in a file once it is much.
#[tokio::test]
async fn nothing_is_put_into_files_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postern.db");
    let mut destination = SqliteDestination::open(&path, "w").await.unwrap();
    let connection = &mut destination.connected().await.unwrap().connection;
    let store: i64 = sqlx::query_scalar("PRAGMA temp_store").fetch_one(connection).await.unwrap();
    // 2 is MEMORY.
    assert_eq!(store, 2);
}

/// One of before keeps its own: the pages of a file that has tables cannot be changed in passing.
#[tokio::test]
async fn a_new_file_has_the_large_pages_and_one_of_before_its_own() {
    const BEFORE: u32 = 4096;

    let folder = tempfile::tempdir().unwrap();
    let page_bytes = async |path: &Path| {
        let mut destination = SqliteDestination::open(path, "w").await.unwrap();
        let connection = &mut destination.connected().await.unwrap().connection;
        let bytes: u32 =
            sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await.unwrap();
        destination.close().await;
        bytes
    };
    assert_eq!(page_bytes(&folder.path().join("new.db")).await, PAGE_BYTES);

    let path = folder.path().join("old.db");
    let old = options(&path, BUSY).create_if_missing(true).page_size(BEFORE);
    let mut old = old.connect().await.unwrap();
    schema::migrate(&mut old, &path).await.unwrap();
    old.close().await.unwrap();
    assert_eq!(page_bytes(&path).await, BEFORE);
}

/// `.cargo/config.toml` says how SQLite is compiled, and a build that passes it by says nothing.
#[tokio::test]
async fn sqlite_is_compiled_as_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut destination =
        SqliteDestination::open(&folder.path().join("postern.db"), "w").await.unwrap();
    let connection = &mut destination.connected().await.unwrap().connection;
    let options: Vec<String> =
        sqlx::query_scalar("PRAGMA compile_options").fetch_all(connection).await.unwrap();
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    assert!(has("DEFAULT_MEMSTATUS=0") && !has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
    assert!(!has("ENABLE_FTS5") && !has("ENABLE_RTREE"), "{options:?}");
}

/// A hundred go at a time, and somebody may want to keep the rest before all are gone.
#[tokio::test]
async fn a_hold_stops_what_is_being_dropped() {
    let by = || Person { user: "ann".to_owned(), host: "h".to_owned() };
    let hold = || Event::now("c", What::Held { hold: "audit".to_owned(), by: by() });
    let release = || Event::now("c", What::Released { hold: "audit".to_owned(), by: by() });
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = SqliteDestination::open(&folder.path().join("postern.db"), "w").await.unwrap();
    let mut written = 0;
    let mut write = async |ledger: &mut SqliteDestination, events: Vec<Event>| {
        let rows = events.into_iter().map(|event| {
            written += 1;
            Draft::new(&mut Entry::from(event), "w").unwrap().place(written, Hash::NOTHING).0
        });
        ledger.write(Batch { rows: rows.collect(), ..Batch::default() }).await.unwrap();
    };
    let left = async |ledger: &mut SqliteDestination| {
        let count = Statement::new("SELECT count(*) FROM records");
        ledger.fetch::<(i64,)>(count).await.unwrap().first().unwrap().0
    };
    write(&mut ledger, (0..300).map(|_| Event::now("c", What::Stopped {})).collect()).await;
    // One of before that is over changes nothing.
    write(&mut ledger, vec![hold(), release()]).await;
    let mut pruning = Pruning::new(300);
    assert!(!pruning.step(&mut ledger).await.unwrap());
    assert_eq!(left(&mut ledger).await, 202);
    write(&mut ledger, vec![hold()]).await;
    assert!(pruning.step(&mut ledger).await.unwrap());
    assert_eq!(left(&mut ledger).await, 203);
    // Nor does one that is not taken up yet come too late.
    write(&mut ledger, vec![release()]).await;
    let mut waiting = Statement::new("INSERT INTO inbox (id, event) VALUES ('1', ");
    waiting.bind(Entry::from(hold()).to_json().unwrap()).push(")");
    ledger.execute(waiting).await.unwrap();
    assert!(pruning.step(&mut ledger).await.unwrap());
    ledger.execute(Statement::new("DELETE FROM inbox")).await.unwrap();
    assert!(!pruning.step(&mut ledger).await.unwrap());
    assert_eq!(left(&mut ledger).await, 104);
}

fn record() -> Record {
    serde_json::from_value(serde_json::json!({
        "id": uuid::Uuid::now_v7(), "time": "2026-01-01T08:00:00Z", "cluster": "", "writer": "",
        "sequence": 0, "reviewUid": "a", "phase": "Validate", "surface": "", "operation": "",
        "requester": {"username": "jane"}, "namespace": "shop", "pod": {"name": "web-0"},
        "injections": [], "injectionsTotal": 0, "verdict": "Allowed", "answer": "Allowed",
        "enforcement": "Enforce", "findings": [], "timings": {"judgeUs": 1},
    }))
    .unwrap()
}

fn refusal() -> Record {
    Record { answer: Outcome::Refused, verdict: Outcome::Refused, ..record() }
}

/// A database of which the answer to every other transaction is lost.
#[derive(Debug)]
struct Unreliable(SqliteDestination, bool);

impl Destination for Unreliable {
    async fn load(&mut self) -> Result<State, StoreError> {
        self.0.load().await
    }

    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.0.write(batch).await?;
        self.1 = !self.1;
        if self.1 { Ok(()) } else { Err(StoreError::Stalled { seconds: 10 }) }
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        self.0.probe().await
    }

    fn writer(&self) -> &str {
        self.0.writer()
    }

    async fn fetch<T: Columns>(&mut self, sql: Statement) -> Result<Vec<T>, StoreError> {
        self.0.fetch(sql).await
    }

    async fn execute(&mut self, sql: Statement) -> Result<u64, StoreError> {
        self.0.execute(sql).await
    }

    async fn close(self) {
        self.0.close().await;
    }
}

/// That a decision was not delivered is written once, also where nobody hears that it was: the same
/// record again would be refused for its id, and with it everything that comes later.
#[tokio::test]
async fn what_was_written_unheard_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postern.db");
    let ledger = SqliteDestination::open(&path, "w").await.unwrap();
    let writer = Writer::start(Unreliable(ledger, false), "w".into());
    {
        // The first is heard of, but whoever waited for it has gone.
        let mut gone = pin!(writer.append(record()));
        let begun = futures_util::poll!(gone.as_mut());
        assert!(begun.is_pending());
        let count = async || {
            let reader = read::beside_a_writer(&path);
            reader.last_sequence("w").await.unwrap()
        };
        while count().await < 1 {
            tokio::task::yield_now().await;
        }
    }
    let begun = Instant::now();
    while writer.append(record()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the ledger is refused for ever");
    }
    writer.close().await;
    let reader = read::beside_a_writer(&path);
    let about = Statement::new("SELECT count(*) FROM records WHERE about IS NOT NULL");
    let amendments: Vec<(i64,)> = reader.pool.fetch(about).await.unwrap();
    assert_eq!(amendments, [(1,)]);
}

/// A request was refused since the answer to its transaction was lost, and its record says that it
/// was allowed. A second one says so, unless the server allowed it all the same.
#[tokio::test]
async fn what_was_refused_and_is_written_is_taken_back() {
    for (undelivered, expected) in [(Undelivered::TakenBack, 1), (Undelivered::Stands, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postern.db");
        let ledger = SqliteDestination::open(&path, "w").await.unwrap();
        let writing = Writing { undelivered, ..Writing::from("w") };
        let writer = Writer::start(Unreliable(ledger, false), writing);
        let (heard, unheard, refused) = (record(), record(), refusal());
        let ids = [heard.id, unheard.id, refused.id].map(|id| id.to_string());
        writer.append(heard).await.unwrap();
        let (unheard, refused) = tokio::join!(writer.append(unheard), writer.append(refused));
        unheard.unwrap_err();
        refused.unwrap_err();
        writer.close().await;

        let reader = read::beside_a_writer(&path);
        let written =
            Statement::new("SELECT id FROM records WHERE about IS NULL ORDER BY sequence");
        let written: Vec<(String,)> = reader.pool.fetch(written).await.unwrap();
        assert_eq!(written.into_iter().map(|(id,)| id).collect::<Vec<_>>(), ids);
        let about = Statement::new("SELECT about FROM records WHERE about IS NOT NULL");
        let about: Vec<(String,)> = reader.pool.fetch(about).await.unwrap();
        assert_eq!(about, vec![(ids[1].clone(),); expected]);
    }
}

/// Two servers with names of their own may write one file.
#[tokio::test]
async fn what_another_writer_has_taken_up_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = SqliteDestination::open(&folder.path().join("postern.db"), "w").await.unwrap();
    let left = Statement::new("INSERT INTO inbox (id, event) VALUES ('1', '{}'), ('2', '{}')");
    ledger.execute(left).await.unwrap();
    let batch = |absorbed: &[&str]| {
        let mut entry = Entry::from(Event::now("c", What::Stopped {}));
        let (row, _) = Draft::new(&mut entry, "w").unwrap().place(1, Hash::NOTHING);
        let absorbed = absorbed.iter().map(|id| (*id).to_owned()).collect();
        Batch { rows: vec![row], absorbed, ..Batch::default() }
    };
    let count = async |ledger: &mut SqliteDestination| {
        let sql = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM inbox)";
        let rows: Vec<(i64, i64)> = ledger.fetch(Statement::new(sql)).await.unwrap();
        rows[0]
    };
    let refused = ledger.write(batch(&["1", "3"])).await;
    assert!(matches!(refused, Err(StoreError::Taken)), "{refused:?}");
    assert_eq!(count(&mut ledger).await, (0, 2));
    ledger.write(batch(&["1", "2"])).await.unwrap();
    assert_eq!(count(&mut ledger).await, (1, 0));
}
