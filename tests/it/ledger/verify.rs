//! `postern audit verify`, `prove` and `checkpoint` over ledgers that somebody tampered with.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use postern::ledger::event::{Event, Person, What};
use postern::ledger::{Journal, Ledger, Record};
use postern::store::{AnyLedger, Keep, Location, Signing, Writing, keys};
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::fixture::{all, id, record, until};
use super::postgres::Postgres;
use super::server::POLICIES;
use crate::server::Site;

/// Entries that [`Place::fill`] writes: more than a block of the index, and a beginning.
const LENGTH: u64 = 301;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) struct Place {
    folder: TempDir,
    pub(super) ledger: String,
    pub(super) keep: Keep,
    pub(super) every: Duration,
}

impl Place {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = format!("sqlite:{}", folder.path().join("postern.db").display());
        Self { folder, ledger, keep: Keep::default(), every: HOUR }
    }

    pub(super) fn postgres() -> Self {
        let ledger = Postgres::shared().database();
        Self { folder: tempfile::tempdir().unwrap(), ledger, keep: Keep::default(), every: HOUR }
    }

    pub(super) fn key(&self) -> PathBuf {
        self.folder.path().join("signing.key")
    }

    pub(super) async fn open(&self, writer: &str) -> AnyLedger {
        let keys = keys::load_or_make(&self.key()).unwrap();
        let (key, cluster) = (Arc::new(keys.current), "staging".to_owned());
        let signing = Some(Signing { key, trusted: keys.known, cluster, every: self.every });
        let location: Location = self.ledger.parse().unwrap();
        AnyLedger::open(&location, Writing { signing, keep: self.keep, ..Writing::from(writer) })
            .await
            .unwrap()
    }

    /// What a server writes in a day: it begins, decides, and ends.
    pub(super) async fn fill(&self) {
        let ledger = self.open("postern-0").await;
        let started = What::Started { version: "1".to_owned(), settings: [].into(), unsigned: 0 };
        ledger.append_event(Event::now("staging", started)).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 2..=LENGTH {
            let ledger = ledger.clone();
            tasks.spawn(async move { ledger.append(record(number)).await.unwrap() });
        }
        tasks.join_all().await;
        ledger.close().await;
    }

    pub(super) async fn execute(&self, sql: &'static str) {
        match self.ledger.strip_prefix("sqlite:") {
            Some(file) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
                let mut connection = options.connect().await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
            None => {
                let mut connection = sqlx::PgConnection::connect(&self.ledger).await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn audit(&self, args: &[&str]) -> Assert {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(self.folder.path()).env_clear().arg("audit").args(args);
        if !args.contains(&"--proof") {
            command.args(["--ledger", &self.ledger]);
        }
        command.assert()
    }

    pub(super) fn verify(&self, args: &[&str]) -> Assert {
        self.audit(&[&["verify", "--key", "signing.key.pub"], args].concat())
    }
}

pub(super) fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn both(test: &impl AsyncFn(&Place)) {
    let runtime = Runtime::new().unwrap();
    for place in [Place::sqlite(), Place::postgres()] {
        runtime.block_on(async {
            place.fill().await;
            test(&place).await;
        });
    }
}

#[test]
fn what_was_written_is_good() {
    both(&async |place| {
        let report = stdout(&place.verify(&["-o", "json"]).success());
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["signaturesChecked"], true);
        let writer = &report["writers"][0];
        assert_eq!((&writer["first"], &writer["last"]), (&1.into(), &LENGTH.into()));
        assert_eq!(writer["checkpoints"], 2, "at the start, whatever came until then, and the end");
        assert_eq!(writer["newestCheckpoint"]["size"], LENGTH);
        let text = stdout(&place.verify(&[]).success());
        assert!(text.starts_with("postern-0: good, records 1 to 301\n"), "{text}");

        // It goes on where it ended.
        place.fill_again().await;
        let text = stdout(&place.verify(&[]).success());
        assert!(text.starts_with("postern-0: good, records 1 to 303\n"), "{text}");
    });
}

impl Place {
    /// What was signed about so many records of `postern-0`.
    pub(super) async fn signed_note(&self, size: u64) -> String {
        let ledger = self.open("reader").await;
        let signed = ledger.signed("postern-0").await.unwrap();
        ledger.close().await;
        signed.into_iter().find(|stored| stored.size == size).unwrap().note
    }

    pub(super) async fn replace_note(&self, note: &str, by: &str) {
        let quoted = |text: &str| text.replace('\'', "''");
        let sql = format!(
            "UPDATE checkpoints SET note = '{}' WHERE note = '{}'",
            quoted(by),
            quoted(note)
        );
        self.execute(sql.leak()).await;
    }

    pub(super) async fn fill_again(&self) {
        let ledger = self.open("postern-0").await;
        for number in 0..2 {
            let again = Record { id: Uuid::now_v7(), ..record(number) };
            ledger.append(again).await.unwrap();
        }
        ledger.close().await;
    }
}

/// Everything that somebody with a database shell may try; what is said about it.
#[test]
fn each_way_to_tamper_is_found() {
    let ways: [(&str, &str); 10] = [
        (
            "UPDATE records SET record = replace(record, 'jane', 'joan') WHERE sequence = 7",
            "record 7 is not what was written",
        ),
        ("DELETE FROM records WHERE sequence = 7", "record 7 is missing"),
        ("DELETE FROM records WHERE sequence BETWEEN 7 AND 20", "records 7 to 20 are missing"),
        (
            "DELETE FROM records WHERE sequence > 290",
            "records 291 to 301 are missing: the checkpoint",
        ),
        (
            "UPDATE records SET sequence = 9223372036854775807 WHERE sequence = 301",
            "records 301 to 9223372036854775806 are missing",
        ),
        ("DELETE FROM records WHERE sequence < 7", "records 1 to 6 are missing"),
        (
            "UPDATE records SET username = 'nobody' WHERE sequence = 7",
            "the column `username` of record 7 says something else",
        ),
        ("UPDATE records SET time = time + 1 WHERE sequence = 7", "the column `time` of record 7"),
        (
            "UPDATE records SET sequence = sequence + 100000 WHERE sequence IN (7, 8);
             UPDATE records SET sequence = 100015 - sequence WHERE sequence > 100000",
            "record 7 is not what was written",
        ),
        (
            "INSERT INTO records (writer, sequence, id, time, username, namespace, pod, answer, \
             about, record, hash) SELECT writer, 302, 'x', time, username, namespace, pod, answer, \
             about, record, hash FROM records WHERE sequence = 301",
            "record 302 is not what was written",
        ),
    ];
    let runtime = Runtime::new().unwrap();
    for (sql, expected) in ways {
        for place in [Place::sqlite(), Place::postgres()] {
            let text = runtime.block_on(async {
                place.fill().await;
                place.execute(sql).await;
                stdout(&place.verify(&[]).code(1))
            });
            assert!(text.starts_with(&format!("postern-0: WRONG: {expected}")), "{sql}\n{text}");
            assert!(text.contains("good       "), "{text}");
        }
    }
}

/// Where runs and pages end, and where entries are missing there, no other entry is passed by.
#[test]
fn pages_have_every_entry_once() {
    const LAST: u64 = 1100;
    both(&async |place| {
        let ledger = place.open("postern-0").await;
        for number in LENGTH + 1..=LAST {
            ledger.append(record(number)).await.unwrap();
        }
        let holes = [16..18, 40..80, 500..530, 1024..1025];
        place
            .execute(
                "DELETE FROM records WHERE sequence IN (16, 17, 1024) \
                 OR sequence BETWEEN 40 AND 79 OR sequence BETWEEN 500 AND 529",
            )
            .await;
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = ledger.links("postern-0", after, 512).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|link| link.unwrap().sequence));
            after = page.end();
            assert_eq!(seen.last(), Some(&after));
        }
        let last = ledger.last_sequence("postern-0").await.unwrap();
        let is_there = |number: &u64| !holes.iter().any(|hole| hole.contains(number));
        assert_eq!(seen, (1..=last).filter(is_there).collect::<Vec<_>>());
        ledger.close().await;
    });
}

/// Neither an end that is gone nor a number that no server gives keeps an auditor waiting.
#[test]
fn what_is_missing_at_the_end_is_said_however_one_asks() {
    both(&async |place| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let after_all = jiff::Timestamp::now().to_string();
        let sql = "UPDATE records SET sequence = 9223372036854775807 WHERE sequence = 301";
        place.execute(sql).await;
        place.audit(&["prove", &id(200).to_string()]).code(1);
        // Nor does a server number anything after it.
        let ledger = place.open("postern-0").await;
        let again = Record { id: Uuid::now_v7(), ..record(1) };
        let error = ledger.append(again).await.unwrap_err().to_string();
        assert!(error.contains("the last number that there can be"), "{error}");
        ledger.close().await;
        place.execute("DELETE FROM records WHERE sequence > 290").await;
        // There is nothing in that time, and nothing is proved.
        place.verify(&["--since", &after_all]).code(1);
        place.audit(&["prove", &id(200).to_string()]).code(1);
    });
}

/// Whoever can write a file can write one that nobody signed, and no ledger is to blame for it.
#[test]
fn a_kept_checkpoint_that_nobody_trusted_has_signed_says_nothing_of_the_ledger() {
    both(&async |place| {
        let kept = stdout(&place.audit(&["checkpoint"]).success());
        let file = place.folder.path().join("kept.txt");
        let line = kept.lines().nth(1).unwrap();
        let edited = kept.replacen(&format!("\n{line}\n"), "\n5\n", 1);
        assert_ne!(edited, kept);
        fs::write(&file, edited).unwrap();
        let refused = place.verify(&["--checkpoint", "kept.txt"]).code(2);
        assert_eq!(stdout(&refused), "");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("about 5 records is not to be believed"), "{said}");
        fs::write(&file, kept).unwrap();
        place.verify(&["--checkpoint", "kept.txt"]).success();
    });
}

#[test]
fn a_time_without_records_proves_nothing() {
    both(&async |place| {
        let nothing = place.verify(&["--since", "2100-01-01T00:00:00Z"]).code(1);
        let said = String::from_utf8_lossy(&nothing.get_output().stderr).into_owned();
        assert!(said.contains("no record lies in that time"), "{said}");
        place.verify(&["--since", "1h", "--until", "2h"]).code(64);
        place.audit(&["list", "--since", "1h", "--until", "2h"]).code(64);
    });
}

/// Others may have written under the same key what a range that begins later does not look at.
#[test]
fn a_kept_checkpoint_is_compared_whatever_time_is_asked_for() {
    let runtime = Runtime::new().unwrap();
    let (honest, forged) = (Place::sqlite(), Place::sqlite());
    let now = || {
        std::thread::sleep(Duration::from_millis(20));
        let now = jiff::Timestamp::now().to_string();
        std::thread::sleep(Duration::from_millis(20));
        now
    };
    let before = now();
    runtime.block_on(honest.fill());
    fs::copy(honest.key(), forged.key()).unwrap();
    fs::copy(honest.path("signing.key.pub"), forged.path("signing.key.pub")).unwrap();
    runtime.block_on(forged.fill());
    let (since, kept) = (now(), stdout(&honest.audit(&["checkpoint"]).success()));
    for place in [&honest, &forged] {
        fs::write(place.path("kept.txt"), &kept).unwrap();
        runtime.block_on(place.fill_again());
    }
    let later = now();
    for place in [&honest, &forged] {
        runtime.block_on(place.fill_again());
    }
    for range in [["--since", &later], ["--since", &since], ["--until", &before]] {
        let with_kept = [range, ["--checkpoint", "kept.txt"]].concat();
        let text = stdout(&honest.verify(&with_kept).success());
        assert!(text.starts_with("postern-0: good"), "{range:?} {text}");
        let text = stdout(&forged.verify(&with_kept).code(1));
        assert!(text.starts_with("postern-0: WRONG: "), "{range:?} {text}");
    }
    forged.verify(&["--since", &later]).success();
}

/// The rest of it may be what was to be found.
#[test]
fn a_kept_file_that_ends_within_a_checkpoint_is_not_read_in_part() {
    let place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    let first = stdout(&place.audit(&["checkpoint"]).success());
    runtime.block_on(place.fill_again());
    let second = stdout(&place.audit(&["checkpoint"]).success());
    let (text, signature) = second.split_once("\u{2014} ").unwrap();
    let verify = |kept: &str| {
        fs::write(place.path("kept.txt"), kept).unwrap();
        place.verify(&["--checkpoint", "kept.txt"])
    };
    verify(&format!("{first}{second}")).success();
    verify(&format!("{first}\n{second}\n\n")).success();
    let cut =
        [text.trim_end(), text, &second[..40], &format!("{text}\u{2014} {}", &signature[..30])];
    for cut in cut {
        let failed = verify(&format!("{first}\n{cut}")).code(2).stdout("");
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(said.contains("note 2 of `kept.txt` is not a checkpoint"), "{cut:?} {said}");
    }
}

#[test]
fn what_is_checked_without_the_ledger_takes_no_part_of_it() {
    let place = Place::sqlite();
    Runtime::new().unwrap().block_on(place.fill());
    let kept = stdout(&place.audit(&["checkpoint"]).success());
    fs::write(place.path("kept.txt"), kept).unwrap();
    place.audit(&["export", "--format", "csv", "--output", "e", "--manifest", "m"]).success();
    let check = ["verify", "--manifest", "m", "e"];
    place.audit(&check).success();
    for part in [
        ["--checkpoint", "kept.txt"],
        ["--writer", "postern-0"],
        ["--since", "1h"],
        ["--until", "1h"],
        ["--proof", "m"],
    ] {
        place.audit(&[&check[..], &part].concat()).code(64).stdout("");
    }
}

/// A program that asks gets an answer, whatever it is.
#[test]
fn a_ledger_of_which_nothing_is_left_is_an_object_too() {
    both(&async |place| {
        let object = |assert: Assert| -> Value { serde_json::from_str(&stdout(&assert)).unwrap() };
        let range = ["--since", "2100-01-01T00:00:00Z", "-o", "json"];
        assert_eq!(object(place.verify(&range).code(1))["good"], false);
        place.execute("DELETE FROM records").await;
        place.execute("DELETE FROM checkpoints").await;
        let said = object(place.verify(&["-o", "json"]).code(1));
        assert_eq!((&said["good"], &said["writers"]), (&false.into(), &Value::Array(vec![])));
        let empty = place.verify(&[]).code(1).stdout("the ledger is empty\n");
        let said = String::from_utf8_lossy(&empty.get_output().stderr).into_owned();
        assert!(said.contains("there is nothing in it"), "{said}");
    });
}

/// What nobody can have meant is not said back in full.
#[test]
fn a_name_of_a_hold_that_is_too_long_is_cut_where_it_is_refused() {
    let place = Place::sqlite();
    let name = "x".repeat(5000);
    for command in ["hold", "release"] {
        for name in [name.as_str(), "", "a\u{1b}b"] {
            let refused = place.audit(&[command, name]).code(64).stdout("");
            let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(said.contains("want 1 to 100 printable characters"), "{said}");
            assert!(said.len() < 400 && !said.contains('\u{1b}'), "{said}");
        }
    }
}

/// A ledger that is cut together with its own checkpoints is good in itself.
#[test]
fn only_a_kept_checkpoint_tells_of_a_clean_cut() {
    both(&async |place| {
        let kept = stdout(&place.audit(&["checkpoint"]).success());
        let line = stdout(&place.audit(&["checkpoint", "-o", "json"]).success());
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["checkpoint"], kept, "{line}");
        assert_eq!(object["writer"], "postern-0", "{line}");
        fs::write(place.folder.path().join("kept.txt"), kept).unwrap();
        place.execute("DELETE FROM records WHERE sequence > 290").await;
        place.execute("DELETE FROM checkpoints WHERE size > 290").await;
        place.verify(&[]).success();
        let text = stdout(&place.verify(&["--checkpoint", "kept.txt"]).code(1));
        assert!(
            text.contains("WRONG: records 291 to 301 are missing: the checkpoint of"),
            "{text}"
        );

        // Even where nothing at all is left.
        place.execute("DELETE FROM records").await;
        place.execute("DELETE FROM checkpoints").await;
        let text = stdout(&place.verify(&["--checkpoint", "kept.txt"]).code(1));
        assert!(text.contains("WRONG: records 1 to 301 are missing"), "{text}");
    });
}

#[test]
fn a_replaced_key_convinces_nobody_who_kept_the_old_one() {
    let place = Place::sqlite();
    Runtime::new().unwrap().block_on(place.fill());
    let path = |name: &str| place.folder.path().join(name);
    fs::rename(path("signing.key.pub"), path("kept.pub")).unwrap();
    fs::remove_file(path("signing.key")).unwrap();
    Runtime::new().unwrap().block_on(place.fill_again());
    let text = stdout(&place.audit(&["verify", "--key", "kept.pub"]).code(1));
    assert!(text.contains("the newest checkpoint, of 303 records, cannot be trusted"), "{text}");

    let misuse = place.audit(&["verify", "--key", "nothing.pub"]).code(2);
    assert_eq!(stdout(&misuse), "");
}

#[test]
fn a_record_is_proven_without_the_ledger() {
    both(&async |place| {
        let whole = id(200).to_string();
        let proof = stdout(&place.audit(&["prove", &whole]).success());
        let file = place.folder.path().join("proof.json");
        fs::write(&file, &proof).unwrap();
        assert!(proof.len() < 4096, "{proof}");
        let check = ["verify", "--proof", "proof.json", "--key", "signing.key.pub"];
        let text = stdout(&place.audit(&check).success());
        assert!(text.starts_with("good: the record is number "), "{text}");
        let as_json = |output: Assert| -> Value { serde_json::from_str(&stdout(&output)).unwrap() };
        let in_json = [&check[..], &["-o", "json"]].concat();
        let said = as_json(place.audit(&in_json).success());
        assert!(said["good"] == true && said["writer"] == "postern-0", "{said}");

        fs::write(&file, proof.replace("jane", "joan")).unwrap();
        assert!(stdout(&place.audit(&check).code(1)).starts_with("WRONG: the record is not among"));
        let said = as_json(place.audit(&in_json).code(1));
        assert_eq!(said["good"], false, "{said}");
        let mut altered: Value = serde_json::from_str(&proof).unwrap();
        altered["index"] = 3.into();
        fs::write(&file, altered.to_string()).unwrap();
        place.audit(&check).code(1);
        for text in ["{}", "[]", "null"] {
            fs::write(&file, text).unwrap();
            let refused = place.audit(&check).code(2);
            let refused = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(refused.contains("`proof.json` is not a proof: "), "{refused}");
            assert!(!refused.contains("struct"), "{refused}");
        }
    });
}

/// What SQLite writes is beside the file, not beside a link to it.
#[test]
fn a_ledger_behind_a_link_is_the_one_that_it_leads_to() {
    let mut place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    let folder = place.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let link = folder.join("link.db");
    std::os::unix::fs::symlink(place.path("postern.db"), &link).unwrap();
    let file: Location = place.ledger.parse().unwrap();
    place.ledger = format!("sqlite:{}", link.display());
    runtime.block_on(async {
        let ledger = place.open("postern-0").await;
        for number in 302..305 {
            ledger.append(record(number)).await.unwrap();
        }
        let taken = AnyLedger::open(&file, "postern-0").await.unwrap_err();
        let taken = format!("{:#}", anyhow::Error::from(taken));
        assert!(taken.contains("already being written"), "{taken}");
        ledger.close().await;
    });
    let beside: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
    let text = stdout(&place.verify(&[]).success());
    assert!(text.contains("good, records 1 to 304"), "{text}");
}

/// Nobody is given a proof to keep that will convince nobody.
#[test]
fn what_is_not_as_it_was_signed_is_not_proven() {
    both(&async |place| {
        let change =
            "UPDATE records SET record = replace(record, 'jane', 'joan') WHERE sequence = 120";
        place.execute(change).await;
        let refused = place.audit(&["prove", &id(200).to_string()]).code(1);
        assert_eq!(stdout(&refused), "");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("is not what was signed; `postern audit verify` says"), "{said}");
    });
}

#[test]
fn a_new_key_is_trusted_because_the_old_one_handed_over() {
    let place = Place::sqlite();
    Runtime::new().unwrap().block_on(place.fill());
    let path = |name: &str| place.folder.path().join(name);
    fs::copy(path("signing.key.pub"), path("kept.pub")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(place.folder.path()).env_clear().args(["audit", "rotate-key"]);
    command.args(["--ledger-key", "signing.key", "-o", "json"]);
    let said = stdout(&command.assert().success());
    let said: Value = serde_json::from_str(&said).unwrap();
    let kept = fs::read_to_string(path("kept.pub")).unwrap();
    assert_eq!(said["old"], kept.trim_end(), "{said}");
    let note = keys::load_or_make(&place.key()).unwrap().rotations.remove(0);
    Runtime::new().unwrap().block_on(async {
        let ledger = place.open("postern-0").await;
        ledger.append_event(Event::now("staging", What::KeyRotated { note })).await.unwrap();
        ledger.close().await;
    });
    let old = stdout(&place.audit(&["verify", "--key", "kept.pub"]).success());
    assert!(!old.contains("unknown"), "{old}");
    // The file of public keys holds both; this is the new one alone.
    let both = fs::read_to_string(path("signing.key.pub")).unwrap();
    let new = both.lines().next().unwrap();
    let new = stdout(&place.audit(&["verify", "--key", new]).success());
    assert!(new.contains("unknown    2 of them were signed by another key"), "{new}");
}

#[test]
fn a_part_is_verified_from_checkpoint_to_checkpoint() {
    both(&async |place| {
        let between = jiff::Timestamp::now().to_string();
        place.fill_again().await;
        // Before the part that is asked for.
        place.execute("UPDATE records SET username = 'nobody' WHERE sequence = 7").await;
        place.verify(&[]).code(1);
        let text = stdout(&place.verify(&["--since", &between]).success());
        assert!(text.starts_with("postern-0: good, records 30"), "{text}");
        place.verify(&["--writer", "postern-1"]).code(64);
    });
}

/// Replicas of one database write at once, each its own chain.
#[test]
fn several_writers_have_a_chain_each() {
    let place = Place::postgres();
    Runtime::new().unwrap().block_on(async {
        let writers = ["a", "b", "c"];
        let mut tasks = tokio::task::JoinSet::new();
        for name in writers {
            let ledger = place.open(name).await;
            for task in 0..8_u64 {
                let ledger = ledger.clone();
                tasks.spawn(async move {
                    for number in 0..50 {
                        let own = Record { id: Uuid::now_v7(), ..record(task * 50 + number) };
                        ledger.append(own).await.unwrap();
                    }
                    (task == 0).then_some(ledger)
                });
            }
        }
        for ledger in tasks.join_all().await.into_iter().flatten() {
            ledger.close().await;
        }
        let location: Location = place.ledger.parse().unwrap();
        let same = place.open("a").await;
        let refused = AnyLedger::open(&location, "a").await.unwrap_err();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.contains("is already being written as `a` by another process"), "{why}");
        same.close().await;
    });
    let text = stdout(&place.verify(&[]).success());
    for name in ["a", "b", "c"] {
        assert!(text.contains(&format!("{name}: good, records 1 to 400\n")), "{text}");
    }
}

/// Dropping leaves a chain that is good, and that says what is not there.
#[test]
fn what_is_dropped_is_said_and_the_rest_is_good() {
    let runtime = Runtime::new().unwrap();
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        runtime.block_on(place.fill());
        runtime.block_on(place.fill_again());
        place.keep = Keep { entries: Some(1), ..Keep::default() };
        let count = async |ledger: &AnyLedger| {
            ledger.links("postern-0", 0, 999).await.unwrap().iter().count()
        };

        let kept = stdout(&place.audit(&["checkpoint"]).success());
        let ledger = runtime.block_on(place.open("postern-0"));
        let older = runtime.block_on(ledger.signed("postern-0")).unwrap().remove(0).note;
        runtime.block_on(ledger.close());
        fs::write(place.path("kept.txt"), format!("{older}\n{kept}")).unwrap();
        let kept = ["--checkpoint", "kept.txt"];
        let text = stdout(&place.verify(&kept).success());
        assert!(!text.contains("  kept  "), "{text}");

        // A hold comes first, from somebody who does not write records.
        place.audit(&["hold", "case 17"]).success();
        runtime.block_on(async {
            let ledger = place.open("postern-0").await;
            until("the hold is a record", async || {
                let events = ledger.list_events(&all()).await.unwrap();
                events.iter().any(|event| event.json.contains("\"event\":\"Held\""))
            })
            .await;
            tokio::time::sleep(Duration::from_millis(2500)).await;
            assert!(count(&ledger).await >= 304);
            ledger.close().await;
        });
        let mistyped = place.audit(&["release", "case 71"]).code(1);
        let said = String::from_utf8(mistyped.get_output().stderr.clone()).unwrap();
        assert!(said.contains("what is held: `case 17`"), "{said}");
        // One that no server has taken up yet counts.
        place.audit(&["hold", "case 71"]).success();
        place.audit(&["release", "case 71"]).success();
        let said = stdout(&place.audit(&["release", "case 17", "-o", "json"]).success());
        assert!(said.contains(r#""event":"Released","hold":"case 17""#), "{said}");
        runtime.block_on(async {
            let ledger = place.open("postern-0").await;
            until("the old records are gone", async || count(&ledger).await < 5).await;
            // What was dropped is still counted on in what follows.
            ledger.append(Record { id: Uuid::now_v7(), ..record(1) }).await.unwrap();
            ledger.close().await;
        });
        let text = stdout(&place.verify(&[]).success());
        assert!(text.contains("postern-0: good, records "), "{text}");
        assert!(text.contains("  before     records up to 30"), "{text}");
        let text = stdout(&place.verify(&kept).success());
        assert!(
            text.contains("  kept       the checkpoint of 1 records has nothing left to be"),
            "{text}"
        );

        // Without the record that says so it is a hole.
        let said = "DELETE FROM records WHERE record LIKE '%\"event\":\"Dropped\"%'";
        runtime.block_on(place.execute(said));
        place.verify(&[]).code(1);
    }
}

/// Whoever has no key can write entries, but not have them counted as confirmed.
#[test]
fn what_nobody_signed_confirms_nothing() {
    both(&async |place| {
        // A whole writer that was never there.
        place
            .execute(
                "INSERT INTO records (writer, sequence, id, time, username, namespace, pod, \
                 answer, about, record, hash) SELECT 'zz', 1, 'x', time, username, namespace, \
                 pod, answer, about, record, hash FROM records WHERE sequence = 2",
            )
            .await;
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains("zz: WRONG: "), "{text}");
        place.execute("DELETE FROM records WHERE writer = 'zz'").await;
        place.verify(&[]).success();

        let all_but_one = "time < (SELECT MAX(time) FROM checkpoints)";
        place.execute(format!("DELETE FROM checkpoints WHERE {all_but_one}").leak()).await;
        let text = stdout(&place.verify(&[]).success());
        assert!(text.contains("confirmed  1 checkpoint, the last of 301 at "), "{text}");

        // No checkpoint at all.
        place.execute("DELETE FROM checkpoints").await;
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains("no checkpoint at all speaks for the 301 records"), "{text}");
    });
}

/// A record that says what was dropped counts once it is signed.
#[test]
fn an_unsigned_drop_explains_nothing() {
    let place = Place::sqlite();
    Runtime::new().unwrap().block_on(async {
        place.fill().await;
        place.fill_again().await;
        // As the server would append it, by somebody without its key.
        let location: Location = place.ledger.parse().unwrap();
        let forger = AnyLedger::open(&location, "postern-0").await.unwrap();
        let checkpoint = forger.signed("postern-0").await.unwrap()[1].note.clone();
        let what = What::Dropped { through: 301, checkpoint, reason: "age".to_owned() };
        forger.append_event(Event::now("staging", what)).await.unwrap();
        forger.close().await;
        place.execute("DELETE FROM records WHERE sequence <= 301").await;
    });
    let text = stdout(&place.verify(&[]).code(1));
    assert!(text.contains("no record says that they were dropped"), "{text}");
}

/// Rows where there should be none, and a writer of which nothing but checkpoints is left.
#[test]
fn what_is_left_of_a_writer_or_does_not_fit_is_looked_at() {
    let mut place = Place::sqlite();
    place.every = Duration::from_secs(1);
    place.keep = Keep { entries: Some(1), ..Keep::default() };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    runtime.block_on(place.fill_again());
    runtime.block_on(async {
        let ledger = place.open("postern-0").await;
        until("the old records are gone", async || {
            ledger.links("postern-0", 0, 999).await.unwrap().iter().count() < 70
        })
        .await;
        ledger.close().await;
        place.verify(&[]).success();
        place
            .execute(
                "INSERT INTO records (writer, sequence, id, time, username, namespace, pod, \
                 answer, about, record, hash) SELECT writer, 5, 'x', time, username, namespace, \
                 pod, answer, about, record, hash FROM records LIMIT 1",
            )
            .await;
    });
    let text = stdout(&place.verify(&[]).code(1));
    assert!(
        text.contains("record 5 is among those that were dropped") || text.contains("does not fit"),
        "{text}"
    );
    runtime.block_on(place.execute("DELETE FROM records"));
    let text = stdout(&place.verify(&[]).code(1));
    assert!(text.starts_with("postern-0: WRONG: records "), "{text}");
}

/// SQLite takes any bytes for text. They are looked at like others, and every reader says where to
/// ask what is wrong.
#[test]
fn bytes_that_are_no_text_are_a_record_that_was_changed() {
    let place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    let change = "UPDATE records SET record = CAST(x'ff00fe' AS TEXT) WHERE sequence = 120";
    runtime.block_on(place.execute(change));
    let text = stdout(&place.verify(&[]).code(1));
    assert!(text.contains("WRONG: record 120 is not what was written"), "{text}");
    assert!(text.contains("up to record 119"), "{text}");
    for words in [&["list", "--limit", "999"][..], &["stats"], &["export", "--format", "csv"]] {
        let failed = place.audit(words).code(2);
        let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        assert!(said.contains("`postern audit verify` says which"), "{said}");
    }
}

/// Nor may what is none keep `verify` from telling.
#[test]
fn a_name_and_a_checkpoint_that_are_no_text_are_told() {
    let changes = [
        (
            "UPDATE checkpoints SET note = CAST(x'ff00fe' AS TEXT) WHERE size = 301",
            "postern-0: WRONG: a checkpoint of 301 records is not one: it is not a signed note",
        ),
        (
            "UPDATE checkpoints SET writer = CAST(x'ff' AS TEXT) WHERE size = 301",
            "no server writes as `\u{fffd}`",
        ),
        (
            "UPDATE records SET writer = CAST(x'ff' AS TEXT) WHERE sequence = 301",
            "no server writes as `\u{fffd}`",
        ),
    ];
    for (change, expected) in changes {
        let place = Place::sqlite();
        Runtime::new().unwrap().block_on(async {
            place.fill().await;
            place.execute(change).await;
        });
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains(expected), "{change}: {text}");
    }
}

/// A part of which nothing is there, between what is there, is a hole.
#[test]
fn a_part_that_is_cut_out_is_found_by_its_checkpoints() {
    let place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    let now = || {
        std::thread::sleep(Duration::from_millis(20));
        let now = jiff::Timestamp::now().to_string();
        std::thread::sleep(Duration::from_millis(20));
        now
    };
    runtime.block_on(place.fill());
    let since = now();
    runtime.block_on(place.fill_again());
    let until = now();
    runtime.block_on(place.fill_again());
    let range = ["--since", &since, "--until", &until];
    place.verify(&range).success();
    runtime.block_on(place.execute("DELETE FROM records WHERE sequence IN (302, 303)"));
    let text = stdout(&place.verify(&range).code(1));
    assert!(text.contains("WRONG: records 302 to 303 are missing"), "{text}");
}

/// A part of a chain whose beginning is gone says no more than it can.
#[test]
fn a_part_says_what_it_does_not_explain() {
    let place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    runtime.block_on(place.fill_again());
    let between = jiff::Timestamp::now().to_string();
    std::thread::sleep(Duration::from_millis(20));
    runtime.block_on(place.fill_again());
    let gone =
        "DELETE FROM records WHERE sequence <= 301; DELETE FROM checkpoints WHERE size < 301";
    runtime.block_on(place.execute(gone));
    place.verify(&[]).code(1);
    let text = stdout(&place.verify(&["--until", &between]).success());
    assert!(text.contains("postern-0: good, records 302 to 30"), "{text}");
    let why = "up to 301 are not here, and nothing that was looked at says why; look at all";
    assert!(text.contains(why), "{text}");
    for (range, why) in [
        (["--since", "2199-01-01"], "were not looked at"),
        (["--until", "2020-01-01"], "nothing that was looked at says why"),
    ] {
        let text = stdout(&place.verify(&range).code(1));
        assert!(text.starts_with("postern-0: no record is there\n"), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

/// A pod's name goes with the pod; what it wrote is dropped by those who are there.
#[tokio::test(flavor = "multi_thread")]
async fn what_gone_servers_wrote_is_dropped_by_those_who_are_there() {
    for place in [Place::sqlite(), Place::postgres()] {
        drops_what_gone_servers_wrote(&place).await;
    }
}

async fn drops_what_gone_servers_wrote(place: &Place) {
    place.fill().await;
    let ledger = place.open("postern-0").await;
    for number in LENGTH + 1..=LENGTH + 1005 {
        ledger.append(record(number)).await.unwrap();
    }
    let site = Site::new();
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let key = place.key().display().to_string();
    let mut arguments = vec!["--ledger", &place.ledger, "--ledger-key", &key];
    arguments.extend(["--writer", "postern-1", "--keep-records", "1000"]);

    // It is not gone yet, and so looks after itself.
    let mut server = site.start(&arguments);
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());
    assert_eq!(
        ledger.links("postern-0", 0, 1).await.unwrap().iter().next().unwrap().unwrap().sequence,
        1
    );
    // As if it had been killed: nothing is signed about what it wrote at last.
    ledger.close().await;
    place.execute("DELETE FROM checkpoints WHERE size > 301 AND writer = 'postern-0'").await;

    let mut server = site.start(&arguments);
    let reading = place.open("reader").await;
    until("its old records are gone", async || {
        reading.links("postern-0", 0, 1).await.unwrap().iter().next().unwrap().unwrap().sequence
            == LENGTH + 1
    })
    .await;
    reading.close().await;
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());
    assert!(server.log().contains("Dropped old records of postern-0"), "{}", server.log());
    let verified = stdout(&place.verify(&["--writer", "postern-0"]).success());
    assert!(verified.contains("records up to 301 are not here"), "{verified}");
    // What nobody had signed is called so before it is signed along.
    let events = stdout(&place.audit(&["list", "--events", "-o", "json"]).success());
    assert!(events.contains(r#""event":"Foreign","from":302,"to":1306"#), "{events}");
}

/// That it stopped outlives the record of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stopped_is_not_silent_once_all_of_it_is_dropped() {
    let place = Place::postgres();
    place.fill().await;
    let ledger = place.open("postern-0").await;
    ledger.append_event(Event::now("staging", What::Stopped {})).await.unwrap();
    ledger.close().await;
    let ledger = place.open("postern-0").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let by = Person { user: "ann".to_owned(), host: "h".to_owned() };
        let read = Event::now("staging", What::Read { by, command: "list".to_owned() });
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.append_event(read).await.unwrap() });
    }
    tasks.join_all().await;
    ledger.close().await;
    let site = Site::new();
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let key = place.key().display().to_string();
    let arguments = ["--ledger", &place.ledger, "--ledger-key", &key, "--writer", "postern-1"];
    let mut server = site.start(&[&arguments[..], &["--keep-records", "1000"]].concat());
    let reading = place.open("reader").await;
    until("its records are gone", async || {
        let first = reading.entries_after("postern-0", 0, 1).await.unwrap();
        first.first().is_some_and(|first| first.sequence > LENGTH + 1)
    })
    .await;
    reading.close().await;
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());
    let stats = place.audit(&["stats", "-o", "json", "--key", "signing.key.pub"]).success();
    let stats: Value = serde_json::from_str(&stdout(&stats)).unwrap();
    let gone = &stats["coverage"][0];
    assert_eq!((&gone["writer"], &gone["silent"]), (&"postern-0".into(), &serde_json::json!([])));
    assert!(gone["stopped"].is_string(), "{gone}");
    place.verify(&["--writer", "postern-0"]).success();
}

/// A server that was killed while it dropped has left some.
#[test]
fn a_record_is_proven_beside_what_is_being_dropped() {
    both(&async |place| {
        place.fill_again().await;
        let ledger = place.open("reader").await;
        let last = ledger.entries_after("postern-0", 302, 1).await.unwrap();
        ledger.close().await;
        let last: Value = serde_json::from_str(&last[0].json).unwrap();
        let prove = || place.audit(&["prove", last["id"].as_str().unwrap()]);
        let whole: Value = serde_json::from_str(&stdout(&prove().success())).unwrap();
        place.execute("DELETE FROM records WHERE sequence <= 100").await;
        let proof: Value = serde_json::from_str(&stdout(&prove().success())).unwrap();
        assert_eq!(proof, whole);
        place.execute("DELETE FROM records WHERE sequence = 302").await;
        let said = prove().code(1);
        let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
        assert!(said.contains("records of this ledger are missing"), "{said}");
    });
}

/// What is looked at without the ledger does not know which key followed which, and says so.
#[test]
fn a_manifest_that_another_key_signed_says_which() {
    let place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    fs::copy(place.path("signing.key.pub"), place.path("kept.pub")).unwrap();
    let (old, new) = keys::rotate(&place.key()).unwrap();
    let note = keys::load_or_make(&place.key()).unwrap().rotations.remove(0);
    runtime.block_on(async {
        let ledger = place.open("postern-0").await;
        ledger.append_event(Event::now("staging", What::KeyRotated { note })).await.unwrap();
        ledger.close().await;
    });
    let files = ["--output", "e", "--manifest", "m.json"];
    place.audit(&[&["export", "--format", "csv"], &files[..]].concat()).success();
    let verify =
        |keys: &[&str]| place.audit(&[&["verify", "--manifest", "m.json", "e"], keys].concat());
    let text = stdout(&verify(&["--key", "kept.pub"]).code(1));
    let id = |key: &dyn ToString| key.to_string().split('+').nth(1).unwrap().to_owned();
    let why = format!("key {} signed it, and given is {}; if one was rotated", id(&new), id(&old));
    assert!(text.contains(&why) && text.contains("give `--key` for both"), "{text}");
    verify(&["--key", "kept.pub", "--key", &new.to_string()]).success();
    verify(&["--key", "signing.key.pub"]).success();
    // What is put in another's place says nothing of either.
    let manifest = fs::read_to_string(place.path("m.json")).unwrap();
    let other =
        manifest.replacen("\"postern-0\": \"postern.dev", "\"postern-1\": \"postern.dev", 1);
    assert_ne!(other, manifest);
    fs::write(place.path("m.json"), other).unwrap();
    let text = stdout(&verify(&["--key", "signing.key.pub"]).code(1));
    assert!(text.contains("the checkpoint of postern-1: it is one of postern-0"), "{text}");
}

/// A hand-over of keys outlives the records that it stood among, ranges and proofs.
#[test]
fn a_hand_over_is_followed_wherever_it_stands() {
    let mut place = Place::sqlite();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(place.fill());
    let path = |name: &str| place.folder.path().join(name);
    fs::copy(path("signing.key.pub"), path("kept.pub")).unwrap();
    keys::rotate(&place.key()).unwrap();
    let note = keys::load_or_make(&place.key()).unwrap().rotations.remove(0);
    runtime.block_on(async {
        let ledger = place.open("postern-0").await;
        ledger.append_event(Event::now("staging", What::KeyRotated { note })).await.unwrap();
        ledger.close().await;
    });
    let between = jiff::Timestamp::now().to_string();
    runtime.block_on(place.fill_again());
    let kept = ["verify", "--key", "kept.pub"];
    place.audit(&[&kept[..], &["--since", &between]].concat()).success();
    place.audit(&[&kept[..], &["--since", "1h", "--until", "2h"]].concat()).code(64);
    let proof = stdout(&place.audit(&["prove", &id(200).to_string()]).success());
    fs::write(path("proof.json"), proof).unwrap();
    place.audit(&["verify", "--proof", "proof.json", "--key", "kept.pub"]).success();

    place.every = Duration::from_secs(1);
    place.keep = Keep { entries: Some(1), ..Keep::default() };
    runtime.block_on(async {
        let ledger = place.open("postern-0").await;
        until("the old records are gone", async || {
            ledger.links("postern-0", 0, 999).await.unwrap().iter().count() < 6
        })
        .await;
        ledger.close().await;
    });
    place.audit(&kept).success();
}

/// What somebody leaves in the inbox is said by a person, or not at all.
#[test]
fn nobody_speaks_for_the_server_or_stops_it_through_the_inbox() {
    both(&async |place| {
        let taken = place.audit(&["list", "--limit", "1", "-o", "json"]).success();
        let record: Value = serde_json::from_str(&stdout(&taken)).unwrap();
        let location: Location = place.ledger.parse().unwrap();
        let by = || Person { user: "mallory".to_owned(), host: "h".to_owned() };
        let mut read = Event::now("c", What::Read { by: by(), command: "x".to_owned() });
        // An id that a record has.
        read.id = record["id"].as_str().unwrap().parse().unwrap();
        AnyLedger::leave_event(&location, &read).await.unwrap();
        AnyLedger::leave_event(&location, &Event::now("c", What::Stopped {})).await.unwrap();
        let ledger = place.open("postern-0").await;
        ledger.append(Record { id: Uuid::now_v7(), ..record_of_now() }).await.unwrap();
        ledger.close().await;
        let events = stdout(&place.audit(&["list", "--events", "-o", "json"]).success());
        assert!(events.contains("mallory"), "{events}");
        assert!(!events.contains("\"event\":\"Stopped\""), "{events}");
        place.verify(&[]).success();
    });
}

fn record_of_now() -> Record {
    Record { time: jiff::Timestamp::now(), ..record(1) }
}

/// A name that no index could hold is on record like any other.
#[test]
fn the_longest_names_are_on_record() {
    both(&async |place| {
        let name = "n\u{e9}".repeat(100_000);
        let ledger = place.open("postern-0").await;
        let mut long = record(999);
        long.requester.username.clone_from(&name);
        long.pod.name.clone_from(&name);
        ledger.append(long).await.unwrap();
        assert!(ledger.is_writable());
        ledger.close().await;
        place.verify(&[]).success();
        let user = name.get(..90_000).unwrap().to_owned();
        let other = place.audit(&["list", "--user", &user, "-o", "json"]).success();
        assert_eq!(stdout(&other), "");
        // That it was asked for too.
        place.open("postern-0").await.close().await;
        let events = stdout(&place.audit(&["list", "--events"]).success());
        assert!(events.contains("audit list --user "), "{events}");
    });
}

/// Somebody writes under the running server's name.
#[test]
fn entries_of_somebody_else_are_called_so() {
    both(&async |place| {
        let ledger = place.open("postern-0").await;
        ledger.append(Record { id: Uuid::now_v7(), ..record(1) }).await.unwrap();
        place
            .execute(
                "INSERT INTO records (writer, sequence, id, time, username, namespace, pod, \
                 answer, about, record, hash) SELECT writer, sequence + 1, 'x', time, username, \
                 namespace, pod, answer, about, record, hash FROM records WHERE sequence = 302",
            )
            .await;
        ledger.append(Record { id: Uuid::now_v7(), ..record(2) }).await.unwrap_err();
        until("it goes on", async || {
            ledger.append(Record { id: Uuid::now_v7(), ..record(3) }).await.is_ok()
        })
        .await;
        until("it says so", async || {
            let events = ledger.list_events(&all()).await.unwrap();
            events.iter().any(|event| event.json.contains("\"event\":\"Foreign\",\"from\":303"))
        })
        .await;
        ledger.close().await;
    });
}
