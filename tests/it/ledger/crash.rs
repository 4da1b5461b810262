//! A process that dies, and a disk that is full, in the middle of many appends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postern::ledger::verify::Verifier;
use postern::ledger::{Ledger, Record};
use postern::store::{AnyLedger, Location};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixture::{Place, all, record, until};

/// Tells a child what it is: the ledger that it is to fill.
const CHILD: &str = "POSTERN_TEST_FILL_LEDGER";
/// The test that a child runs.
const CHILD_TEST: &str = "ledger::crash::every_append_is_acknowledged_once_it_is_there";
const TASKS: u64 = 8;
/// When a child ends by itself, so that none outlives a test that went wrong.
const LIFETIME: Duration = Duration::from_secs(60);

/// By itself a test like any other. In a child it goes on until it is killed, and says on standard
/// output what was acknowledged and whether the ledger could be written.
#[test]
fn every_append_is_acknowledged_once_it_is_there() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(file) = std::env::var_os(CHILD) {
        let location = Location::Sqlite(PathBuf::from(file));
        let filling = fill(&location, u64::MAX);
        drop(runtime.block_on(async { tokio::time::timeout(LIFETIME, filling).await }));
        return;
    }
    let place = Place::new();
    runtime.block_on(async {
        let acknowledged = fill(&place.location(), 25).await;
        assert_eq!(acknowledged.len(), 200);
        assert_holds(&place.read().await, &acknowledged).await;
    });
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let place = Place::new();
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        let mut child = spawn(&place.file(), None);
        let mut lines = lines(&mut child);
        while acknowledged.len() < round * 150 {
            acknowledged.extend(acknowledgement(&lines.next().expect("it does not end")));
        }
        // What it still says was said before it died.
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.filter_map(|line| acknowledgement(&line)));
        assert_holds(&place.read().await, &acknowledged).await;
    }
    assert_is_sound(&place.file()).await;
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    assert_holds(&ledger, &acknowledged).await;
}

/// A limit on the size of files stands for a full disk: it needs no rights and can be lifted.
#[tokio::test]
async fn a_full_disk_stops_it_until_there_is_room() {
    let place = Place::new();
    let mut child = spawn(&place.file(), Some("512"));
    let pid = child.id().to_string();
    let mut lines = lines(&mut child);
    let mut acknowledged = BTreeSet::new();
    let mut expect = |what: &str| {
        for line in lines.by_ref() {
            acknowledged.extend(acknowledgement(&line));
            if line == what {
                return;
            }
        }
        panic!("the child ended without saying `{what}`");
    };
    expect("cannot be written");
    // Smaller and smaller holes are filled before nothing fits at all.
    std::thread::sleep(Duration::from_secs(2));
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
    assert!(lifted.expect("`prlimit` (util-linux) is installed").success());
    for _ in 0..100 {
        expect("can be written");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.filter_map(|line| acknowledgement(&line)));

    assert_holds(&place.read().await, &acknowledged).await;
    assert_is_sound(&place.file()).await;
}

/// Appends from several tasks at once, `each` from each of them; what was acknowledged.
async fn fill(location: &Location, each: u64) -> BTreeSet<Uuid> {
    let ledger = AnyLedger::open(location, "postern-0").await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut acknowledged = BTreeSet::new();
            for number in 0..each {
                let record = Record { id: Uuid::now_v7(), ..record(number % 1000) };
                let id = record.id;
                match ledger.append(record).await {
                    Ok(()) => {
                        acknowledged.insert(id);
                        say(&format!("acknowledged {id}"));
                        say("can be written");
                    }
                    Err(_) => {
                        say("cannot be written");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
            acknowledged
        });
    }
    let acknowledged = tasks.join_all().await.into_iter().flatten().collect();
    ledger.close().await;
    acknowledged
}

/// To whoever started this process, past the capture of the tests' output.
fn say(line: &str) {
    if std::env::var_os(CHILD).is_some() {
        let mut out = std::io::stdout();
        writeln!(out, "{line}").unwrap();
    }
}

/// This same program, running [`CHILD_TEST`] alone; `blocks` of 512 bytes limit its files.
fn spawn(file: &Path, blocks: Option<&str>) -> Child {
    let itself = std::env::current_exe().unwrap();
    let mut command = match blocks {
        None => Command::new(itself),
        Some(blocks) => {
            let mut command = Command::new("sh");
            // A write beyond the limit is then an error, not a signal that kills.
            let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
            command.arg("-c").arg(script).arg(itself);
            command
        }
    };
    command
        .args(["--exact", CHILD_TEST, "--nocapture", "--quiet"])
        .env(CHILD, file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap()
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

/// Nothing for a line that says something else, or was cut off by the end of the process.
fn acknowledgement(line: &str) -> Option<Uuid> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

async fn assert_holds(ledger: &AnyLedger, acknowledged: &BTreeSet<Uuid>) {
    until("the killed process lets go", async || ledger.list(&all()).await.is_ok()).await;
    let records = ledger.list(&all()).await.unwrap();
    let held: BTreeSet<_> = records.iter().map(|record| record.id).collect();
    let lost: Vec<_> = acknowledged.difference(&held).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let mut verifier = Verifier::new("postern-0", &[], &[], 0);
    let links = ledger.links("postern-0", 0, 1_000_000).await.unwrap();
    assert!(links.iter().all(|link| verifier.push(&link.unwrap())), "{:?}", verifier.finish());
    assert_eq!(links.iter().count(), records.len());
}

async fn assert_is_sound(file: &Path) {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    connection.close().await.unwrap();
}
