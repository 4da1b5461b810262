//! A PostgreSQL server that stops, dies or hangs while many append.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use postern::ledger::verify::Verifier;
use postern::ledger::{Ledger, LedgerError, Record};
use postern::store::{AnyLedger, Location};
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::fixture::{record, until};
use super::postgres::Postgres;

const TASKS: u64 = 8;

/// Appends that go on until they are told to stop; ids of those that were acknowledged.
struct Load {
    tasks: JoinSet<BTreeSet<Uuid>>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    fn on(ledger: &AnyLedger) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (ledger, is_over) = (ledger.clone(), Arc::clone(&is_over));
            tasks.spawn(async move {
                let mut acknowledged = BTreeSet::new();
                while !is_over.load(Ordering::Relaxed) {
                    let record = Record { id: Uuid::now_v7(), ..record(1) };
                    let id = record.id;
                    // As the gate does: nobody waits for ever.
                    let limit = Duration::from_millis(700);
                    match timeout(limit, ledger.append(record)).await {
                        Ok(Ok(())) => drop(acknowledged.insert(id)),
                        _ => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
                acknowledged
            });
        }
        Self { tasks, is_over }
    }

    async fn end(self) -> BTreeSet<Uuid> {
        self.is_over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

async fn open(url: &str) -> AnyLedger {
    let location: Location = url.parse().unwrap();
    AnyLedger::open(&location, "postern-0").await.unwrap()
}

/// Every answered yes is there and not taken back, and the chain is whole.
async fn assert_holds(ledger: &AnyLedger, acknowledged: &BTreeSet<Uuid>) {
    let mut verifier = Verifier::new("postern-0", &[], &[], 0);
    let (mut held, mut amended) = (BTreeSet::new(), BTreeSet::new());
    let mut after = 0;
    loop {
        let page = ledger.links("postern-0", after, 1000).await.unwrap();
        if page.is_empty() {
            break;
        }
        after = page.end();
        for link in page.iter().map(Result::unwrap) {
            assert!(verifier.push(&link));
            held.insert(link.id.parse::<Uuid>().unwrap());
            amended.extend(link.about.as_deref().map(|id| id.parse::<Uuid>().unwrap()));
        }
    }
    assert_eq!(verifier.finish().fault, None);
    let lost: Vec<_> = acknowledged.difference(&held).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let taken_back: Vec<_> = acknowledged.intersection(&amended).collect();
    assert!(taken_back.is_empty(), "acknowledged and taken back: {taken_back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_restarted_or_killed_loses_no_yes() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    let load = Load::on(&ledger);
    for way in [Postgres::stop, Postgres::kill, Postgres::kill] {
        tokio::time::sleep(Duration::from_millis(400)).await;
        tokio::task::block_in_place(|| way(&server));
        until("the ledger says that it cannot be written", async || !ledger.is_writable()).await;
        tokio::task::block_in_place(|| server.start_again());
        until("the ledger can be written again", async || ledger.is_writable()).await;
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    let acknowledged = load.end().await;
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    ledger.close().await;
    assert_holds(&open(&url).await, &acknowledged).await;
}

#[tokio::test]
async fn a_server_that_is_gone_gives_no_yes() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    ledger.append(record(1)).await.unwrap();
    server.stop();
    for number in 2..5 {
        let error = ledger.append(record(number)).await.unwrap_err();
        assert!(error.to_string().starts_with("the ledger failed to write: "), "{error}");
        assert!(!ledger.is_writable());
    }
    let location: Location = url.parse().unwrap();
    AnyLedger::open(&location, "postern-1").await.unwrap_err();
    let refused = AnyLedger::open_read_only(&location).await.unwrap_err().to_string();
    assert!(refused.ends_with("see whether it runs, and whether host and port are right"));
}

#[tokio::test]
async fn who_may_not_read_is_told_what_is_wanting() {
    let url = Postgres::shared().database();
    open(&url).await.close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let role = url.rsplit_once('/').unwrap().1.replace("?sslmode=disable", "_reader");
    let sql = format!("CREATE ROLE {role} LOGIN").leak();
    sqlx::raw_sql(&*sql).execute(&mut connection).await.unwrap();
    for (url, expected) in [
        (url.replace("postern@", "nobody:hunter2@"), "and the password there or in PGPASSWORD"),
        (url.replace("?", "x?"), "see whether the URL names the database"),
        (url.replace("postern@", &format!("{role}:hunter2@")), "the user needs the right to it"),
    ] {
        let opened = AnyLedger::open_read_only(&url.parse().unwrap()).await;
        let said = opened.unwrap_err().to_string();
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
}

/// A standby has everything that was acknowledged, where the first waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_over_has_every_yes() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    let standby = tokio::task::block_in_place(|| server.start_standby());
    let mut beside = PgConnection::connect(&url).await.unwrap();
    let wait_for_it = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    sqlx::raw_sql(wait_for_it).execute(&mut beside).await.unwrap();
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut beside).await.unwrap();
    until("it is waited for", async || {
        let followed = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let mut beside = PgConnection::connect(&url).await.unwrap();
        sqlx::query_scalar::<_, i64>(followed).fetch_one(&mut beside).await.unwrap() == 1
    })
    .await;
    let load = Load::on(&ledger);
    tokio::time::sleep(Duration::from_millis(400)).await;
    tokio::task::block_in_place(|| {
        server.kill();
        standby.stop();
    });
    until("the ledger says that it cannot be written", async || !ledger.is_writable()).await;
    tokio::task::block_in_place(|| standby.take_over());
    until("the ledger can be written again", async || ledger.is_writable()).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let acknowledged = load.end().await;
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    ledger.close().await;
    assert_holds(&open(&url).await, &acknowledged).await;
}

/// Who loses what was acknowledged must not go on as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_lacks_the_end_is_not_written_on() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    let standby = tokio::task::block_in_place(|| server.start_standby());
    ledger.append(record(1)).await.unwrap();
    tokio::task::block_in_place(|| standby.stop());
    ledger.append(record(2)).await.unwrap();
    tokio::task::block_in_place(|| {
        server.kill();
        standby.take_over();
    });
    let lost = "entries 2 to 2, which this server had written, are no longer there";
    until("it says what is missing", async || {
        ledger.append(record(3)).await.unwrap_err().to_string().contains(lost)
    })
    .await;
    assert!(!ledger.is_writable());
    ledger.close().await;
    // Whoever starts it again has decided to go on with what is there.
    let ledger = open(&url).await;
    ledger.append(record(4)).await.unwrap();
    ledger.close().await;
}

/// The processes that serve the connections of Postern.
async fn serving(url: &str) -> Vec<i32> {
    let mut beside = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'postern' \
         AND datname = current_database()",
    )
    .fetch_all(&mut beside)
    .await
    .unwrap()
}

fn send(signal: &str, pids: &[i32]) {
    for pid in pids {
        let told = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
        assert!(told.unwrap().success());
    }
}

/// Somebody locks the table, or the machine is gone between a question and its answer. Whoever
/// reads there gives up, and the next one asks on another connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_wait_for_ever_for_what_it_reads() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    let count = async || ledger.added_since("jane", Timestamp::UNIX_EPOCH).await;
    assert_eq!(count().await.unwrap(), 0);
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut locking = other.begin().await.unwrap();
    locking.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let unanswered = timeout(Duration::from_secs(30), count()).await.expect("it waits for ever");
    let why = format!("{:#}", anyhow::Error::new(unanswered.unwrap_err()));
    assert!(why.contains("timed out"), "{why}");
    locking.rollback().await.unwrap();
    assert_eq!(count().await.unwrap(), 0);
    ledger.close().await;
}

/// Neither an error nor an answer: the process that serves the connection is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_gives_no_yes_until_it_goes_on() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    ledger.append(record(1)).await.unwrap();
    let pids = serving(&url).await;
    let signal = |name: &str| send(name, &pids);
    signal("STOP");
    let load = Load::on(&ledger);
    until("the ledger says that it cannot be written", async || !ledger.is_writable()).await;
    let none = load.end().await;
    assert_eq!(none.len(), 0);
    signal("CONT");
    until("the ledger can be written again", async || ledger.is_writable()).await;
    let load = Load::on(&ledger);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let acknowledged = load.end().await;
    assert!(!acknowledged.is_empty());
    ledger.close().await;
    assert_holds(&open(&url).await, &acknowledged).await;
}

/// Of a client that is gone, PostgreSQL keeps the session, and with it the writer's name, for as
/// long as that waits for something.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_not_kept_away_by_a_session_of_its_own() {
    let server = Postgres::start();
    let url = server.database();
    let ledger = open(&url).await;
    ledger.append(record(1)).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut locking = other.begin().await.unwrap();
    locking.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let why = |failed: LedgerError| format!("{:#}", anyhow::Error::new(failed));
    let hung = why(ledger.append(record(2)).await.unwrap_err());
    assert!(hung.contains("a write has been under way for 10 s"), "{hung}");
    let append = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.append(record(3)).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    locking.rollback().await.unwrap();
    append.await.unwrap().map_err(why).unwrap();
    ledger.close().await;
}

/// Something else may still be written, which says nothing about entries.
#[tokio::test]
async fn a_ledger_that_takes_no_entry_is_not_called_writable() {
    let url = Postgres::shared().database();
    let ledger = open(&url).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE disk_full; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON records EXECUTE FUNCTION full_disk()";
    sqlx::raw_sql(full).execute(&mut connection).await.unwrap();
    ledger.append(record(1)).await.unwrap_err();
    for _ in 0..25 {
        assert!(!ledger.is_writable());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    connection.execute("DROP TRIGGER full_disk ON records").await.unwrap();
    until("the ledger can be written again", async || ledger.is_writable()).await;
    ledger.append(record(2)).await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM records")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(count, 1);
    ledger.close().await;
}

/// The other may be ending, or dropping what this one wrote while it was away.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_name_still_is_waited_for_a_moment() {
    let url = Postgres::shared().database();
    let first = open(&url).await;
    let begun = std::time::Instant::now();
    let second = tokio::spawn({
        let url = url.clone();
        async move { open(&url).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.close().await;
    second.await.unwrap().close().await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

/// Somebody else's tables are left alone, and a newer schema too; and what could not hold the name
/// of everybody is said at once, not when they come.
#[tokio::test]
async fn a_database_that_is_not_ours_is_refused() {
    let other = Postgres::shared().database();
    let mut connection = PgConnection::connect(&other).await.unwrap();
    sqlx::raw_sql("CREATE TABLE records (name TEXT)").execute(&mut connection).await.unwrap();
    let why = async |url: &str| {
        let location: Location = url.parse().unwrap();
        let error = AnyLedger::open(&location, "w").await.unwrap_err();
        let read = AnyLedger::open_read_only(&location).await.unwrap_err();
        assert_eq!(error.to_string(), read.to_string());
        error.to_string()
    };
    assert!(why(&other).await.ends_with("is not a ledger of Postern"));

    let newer = Postgres::shared().database();
    open(&newer).await.close().await;
    let mut connection = PgConnection::connect(&newer).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'later', TRUE, '\\x00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert!(why(&newer).await.contains("its schema is 999, this version knows 1"));

    sqlx::raw_sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        .execute(&mut connection)
        .await
        .unwrap();
    let (server, _) = newer.rsplit_once('/').unwrap();
    let said = why(&format!("{server}/latin?sslmode=disable")).await;
    assert!(said.contains("holds text as LATIN1"), "{said}");
}

/// Replicas that start at once on an empty database.
#[tokio::test(flavor = "multi_thread")]
async fn several_writers_make_the_tables_once() {
    let url = Postgres::shared().database();
    let mut tasks = JoinSet::new();
    for number in 0..6 {
        let location: Location = url.parse().unwrap();
        tasks.spawn(async move {
            let writer = format!("postern-{number}");
            let ledger = AnyLedger::open(&location, writer.as_str()).await.unwrap();
            let own = Record { id: Uuid::now_v7(), ..record(number) };
            ledger.append(own).await.unwrap();
            ledger.close().await;
        });
    }
    tasks.join_all().await;
}
