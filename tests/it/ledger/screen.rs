//! `postern audit` as somebody sees it who sits before it: what comes in, and how far it is.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use postern::ledger::{Ledger, Record};
use postern::store::{AnyLedger, Location};
use sqlx::{Connection, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::audit::{audit, ledger_of, stdout};
use super::fixture::{Place, execute, id, record, time};
use super::postgres::Postgres;

/// Ends with the test.
struct Watching(Child);

impl Watching {
    fn start(place: &Place, since: &str) -> Self {
        Self::start_on(&place.location().to_string(), since, "json")
    }

    fn start_on(ledger: &str, since: &str, output: &str) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["audit", "list", "--watch", "-o", output, "--since", since, "--ledger", ledger])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(program.unwrap())
    }

    /// Once it has ended.
    fn said(mut self) -> (Option<i32>, String) {
        let status = self.0.wait().unwrap();
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn made_now(number: u64) -> Record {
    Record { id: Uuid::now_v7(), time: Timestamp::now(), ..record(number) }
}

#[test]
fn a_watch_shows_what_is_there_and_then_what_comes_once() {
    let place = Place::new();
    let runtime = Runtime::new().unwrap();
    let ledger: AnyLedger = runtime.block_on(place.open());
    let append = |number| runtime.block_on(ledger.append(made_now(number))).unwrap();
    append(1);
    let mut watching = Watching::start(&place, "1h");
    let mut lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
    let mut next = || -> u64 {
        let line: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        line["sequence"].as_u64().unwrap()
    };
    assert_eq!(next(), 1);
    append(2);
    append(3);
    assert_eq!((next(), next()), (2, 3));
    append(4);
    assert_eq!(next(), 4);
}

/// Of each line its number, as it comes.
fn numbers(out: ChildStdout) -> mpsc::Receiver<u64> {
    let (sender, numbers) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let record: Record = serde_json::from_str(&line.unwrap()).unwrap();
            let number = record.review_uid.strip_prefix("review-").unwrap().parse().unwrap();
            if sender.send(number).is_err() {
                break;
            }
        }
    });
    numbers
}

#[test]
fn a_watch_shows_every_record_once_and_in_order_however_many_come_at_once() {
    // Where a page ends, as many have one time as a page has records.
    let at = |number| Record { time: time(number / 600), ..record(number) };
    let place = ledger_of((0..3_700).map(at));
    let mut watching = Watching::start(&place, &time(1).to_string());
    let numbers = numbers(watching.0.stdout.take().unwrap());
    let next = || numbers.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!((600..3_700).all(|number| next() == number), "each in its place");

    // A clock that is ahead hides nothing that others write.
    Runtime::new().unwrap().block_on(async {
        let ledger = place.open().await;
        let now = Timestamp::now();
        let ahead = now + SignedDuration::from_hours(1);
        for (number, time) in [(20_000, ahead), (20_001, now), (20_002, now)] {
            let one = Record { id: id(number), time, ..record(number) };
            ledger.append(one).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
        ledger.close().await;
    });
    assert_eq!([next(), next(), next()], [20_000, 20_001, 20_002]);
    let more = numbers.recv_timeout(Duration::from_millis(1500));
    assert_eq!(more, Err(mpsc::RecvTimeoutError::Timeout));
}

/// However long the database is gone, and whatever is written late because of that.
#[test]
fn a_watch_outlives_its_database() {
    let server = Postgres::start();
    let url = server.database();
    let location: Location = url.parse().unwrap();
    let runtime = Runtime::new().unwrap();
    let (first, second) = runtime.block_on(async {
        let open = async |writer| AnyLedger::open(&location, writer).await.unwrap();
        (open("postern-0").await, open("postern-1").await)
    });
    let append = |ledger: &AnyLedger, record: Record| {
        while runtime.block_on(ledger.append(record.clone())).is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    append(&first, made_now(1));
    let mut watching = Watching::start_on(&url, "1h", "json");
    let numbers = numbers(watching.0.stdout.take().unwrap());
    let next = || numbers.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(next(), 1);
    for stop in [Postgres::stop, Postgres::kill] {
        stop(&server);
        std::thread::sleep(Duration::from_secs(6));
        server.start_again();
        append(&first, made_now(2));
        assert_eq!(next(), 2);
    }
    // Of before the outage, and written after it.
    let late = Timestamp::now() - SignedDuration::from_secs(40);
    append(&second, Record { time: late, ..made_now(3) });
    assert_eq!(next(), 3);
    append(&first, made_now(4));
    assert_eq!(next(), 4);
    assert!(numbers.recv_timeout(Duration::from_millis(1500)).is_err());

    // What does not pass ends it.
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("DROP TABLE records").execute(&mut connection).await.unwrap();
    });
    let (code, said) = watching.said();
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.matches("it is tried again until it works").count(), 2, "{said}");
    assert_eq!(said.matches("the ledger can be read again").count(), 2, "{said}");
}

/// As when a backup was put back: the file that was opened is gone, and nobody writes it any more.
#[test]
fn a_watch_goes_on_with_the_file_that_has_the_name_now() {
    let place = ledger_of([made_now(1)]);
    let backup = place.folder.path().join("backup.db");
    fs::copy(place.file(), &backup).unwrap();
    let mut watching = Watching::start(&place, "1h");
    let numbers = numbers(watching.0.stdout.take().unwrap());
    let next = || numbers.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(next(), 1);
    let write = |number| {
        Runtime::new().unwrap().block_on(async {
            let ledger = place.open().await;
            ledger.append(made_now(number)).await.unwrap();
            ledger.close().await;
        });
    };
    fs::rename(&backup, place.file()).unwrap();
    for beside in ["-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{beside}", place.file().display())));
    }
    write(2);
    assert_eq!(next(), 2);
    // A copy that takes its time is none of ours at first.
    fs::copy(place.file(), &backup).unwrap();
    fs::remove_file(place.file()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let half = fs::read(&backup).unwrap();
    fs::write(place.file(), &half[..half.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    fs::rename(&backup, place.file()).unwrap();
    write(3);
    assert_eq!(next(), 3);
    watching.0.kill().unwrap();
    let (_, said) = watching.said();
    assert!(said.starts_with("the ledger was replaced by another file"), "{said}");
    assert_eq!(said.matches("it is tried again until it works").count(), 1, "{said}");
    assert_eq!(said.matches("the ledger can be read again").count(), 1, "{said}");
}

/// Whoever can write the database could otherwise keep others from looking.
#[test]
fn a_watch_tells_of_a_record_that_cannot_be_read_and_goes_on() {
    for output in ["text", "yaml"] {
        let place = ledger_of([made_now(1), made_now(2), made_now(3), made_now(4)]);
        let runtime = Runtime::new().unwrap();
        let spoil = "UPDATE records SET record = '{}' WHERE sequence BETWEEN 2 AND 3";
        runtime.block_on(execute(&place.file(), spoil));
        let mut watching = Watching::start_on(&place.location().to_string(), "1h", output);
        let mut lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
        let mut next = || lines.find(|line| line.as_ref().unwrap().contains("jane@")).unwrap();
        drop((next(), next()));
        let ledger: AnyLedger = runtime.block_on(place.open());
        runtime.block_on(ledger.append(made_now(5))).unwrap();
        drop(next());
        watching.0.kill().unwrap();
        let (_, said) = watching.said();
        assert_eq!(said.matches("cannot be read").count(), 2, "{output}: {said}");
    }
}

/// `script` gives a program a terminal; every Debian has it, most others too.
#[test]
fn who_verifies_at_a_terminal_sees_how_far_it_is_and_a_log_does_not() {
    let place = ledger_of((1..=3000).map(record));
    let location = place.location().to_string();
    let verify = format!("{} audit verify --ledger {location}", env!("CARGO_BIN_EXE_postern"));
    let seen = Command::new("script").args(["-qec", &verify, "/dev/null"]).output();
    let seen = seen.expect("`script` is in bsdutils (Debian) or util-linux").stdout;
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("..] 512 of 3000"), "{seen}");
    assert!(seen.contains("\r\u{1b}[K"), "the line is taken away again: {seen}");
    assert!(seen.contains("good, records 1 to 3000"), "{seen}");

    let logged = audit(&place).args(["verify", "--ledger", &location]).assert().success();
    let output = logged.get_output();
    let said = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
    assert!(!said.contains("of 3000") && !said.contains('\r'), "{said}");
}

/// A machine whose clock is set back writes on: the order is the sequence's, and nothing is wrong.
#[test]
fn a_clock_that_runs_backwards_leaves_a_good_ledger() {
    let hour = SignedDuration::from_hours(1);
    let back = |number: u32| {
        let record = record(u64::from(number));
        let time = record.time - hour * i32::try_from(number).unwrap();
        Record { time, ..record }
    };
    let place = ledger_of((1..=300).map(back));
    let location = place.location().to_string();
    let verified = audit(&place).args(["verify", "--ledger", &location]).assert().success();
    assert!(stdout(&verified).contains("good, records 1 to 300"));
    // A listing is by time, so the one that was written first is the newest.
    let args = ["list", "-o", "json", "--limit", "1", "--ledger", &location];
    let newest = stdout(&audit(&place).args(args).assert().success());
    let newest: serde_json::Value = serde_json::from_str(&newest).unwrap();
    assert_eq!(newest["sequence"], 1);
}
