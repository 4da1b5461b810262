//! What a SQLite ledger does when its file is not there, not its own, not alone or not writable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postern::ledger::{Ledger, LedgerError, Query};
use postern::store::{AnyLedger, Location};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::fixture::{Place, all, execute, record, until};

#[tokio::test]
async fn a_reopened_ledger_goes_on_where_it_ended() {
    let place = Place::new();
    for run in 0..3 {
        let ledger = place.open().await;
        for number in 0..3 {
            ledger.append(record(run * 3 + number)).await.unwrap();
        }
        ledger.close().await;
    }
    assert_eq!(sequences(&place.read().await).await, (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_writer_has_its_own_sequence() {
    let place = Place::new();
    let one = place.open().await;
    let two = AnyLedger::open(&place.location(), "postern-1").await.unwrap();
    for number in 0..20 {
        let (first, second) =
            tokio::join!(one.append(record(number)), two.append(record(100 + number)));
        first.unwrap();
        second.unwrap();
    }
    let records = one.list(&all()).await.unwrap();
    for writer in ["postern-0", "postern-1"] {
        let own = records.iter().filter(|record| record.writer == writer);
        let mut sequence: Vec<_> = own.map(|record| record.sequence).collect();
        sequence.sort_unstable();
        assert_eq!(sequence, (1..=20).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_reader_sees_what_is_written_beside_it() {
    let place = Place::new();
    let writer = place.open().await;
    let reader = place.read().await;
    for number in 0..50 {
        writer.append(record(number)).await.unwrap();
        assert_eq!(
            reader.list(&Query { limit: 1, ..all() }).await.unwrap()[0].id,
            record(number).id
        );
    }
    assert!(!reader.is_writable());
    let error = reader.append(record(50)).await.unwrap_err();
    assert_eq!(error.to_string(), "the ledger failed to write: it was opened to be read only");
    reader.close().await;
    writer.append(record(50)).await.unwrap();
}

#[tokio::test]
async fn its_files_are_for_its_owner_alone() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    let folder = place.file().parent().unwrap().to_owned();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_reader_makes_nothing() {
    let place = Place::new();
    let error = read_error(&place).await;
    assert_eq!(error, format!("`{}` does not exist", place.file().display()));
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);

    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    fs::write(place.file(), "").unwrap();
    assert!(read_error(&place).await.contains("holds no ledger"));
    assert_eq!(fs::read(place.file()).unwrap(), b"");

    let error = AnyLedger::open_read_only(&Location::Memory).await.unwrap_err().to_string();
    assert!(error.contains("`memory` is inside the server"), "{error}");
}

/// All that a server has written so far may be in the log beside the file.
#[tokio::test]
async fn a_copy_without_its_log_says_what_it_lacks() {
    let place = Place::new();
    let ledger = place.open().await;
    let copy = Place::new();
    fs::create_dir_all(copy.file().parent().unwrap()).unwrap();
    fs::copy(place.file(), copy.file()).unwrap();
    let log = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
    let lacks = format!("`{}`, which has to be copied with it", log(&copy.file()).display());
    let error = read_error(&copy).await;
    assert!(error.ends_with(&lacks), "{error}");

    fs::copy(log(&place.file()), log(&copy.file())).unwrap();
    AnyLedger::open_read_only(&copy.location()).await.unwrap().close().await;
    ledger.close().await;
}

#[tokio::test]
async fn somebody_elses_file_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    let text = "not a database, but longer than the header of one would be ".repeat(20);
    fs::write(place.file(), &text).unwrap();
    assert!(open_error(&place, "w").await.ends_with("is not a ledger of Postern"));
    assert!(read_error(&place).await.ends_with("is not a ledger of Postern"));
    assert_eq!(fs::read_to_string(place.file()).unwrap(), text);

    fs::remove_file(place.file()).unwrap();
    fs::write(place.file(), "").unwrap();
    execute(&place.file(), "CREATE TABLE recipes (name TEXT)").await;
    let before = fs::read(place.file()).unwrap();
    assert!(open_error(&place, "w").await.ends_with("is not a ledger of Postern"));
    assert!(read_error(&place).await.ends_with("is not a ledger of Postern"));
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused() {
    let place = Place::new();
    place.open().await.close().await;
    execute(
        &place.file(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'later', TRUE, x'00', 0)",
    )
    .await;
    let expected = format!(
        "`{}` was written by a newer version of Postern: its schema is 999, this version knows 2",
        place.file().display()
    );
    assert_eq!(open_error(&place, "w").await, expected);
    assert_eq!(read_error(&place).await, expected);
}

#[tokio::test]
async fn a_migration_that_was_changed_afterwards_is_noticed() {
    let place = Place::new();
    place.open().await.close().await;
    execute(&place.file(), "DELETE FROM _sqlx_migrations").await;
    let error = read_error(&place).await;
    assert!(error.contains("holds no ledger"), "{error}");
    let error = open_error(&place, "w").await;
    assert!(error.contains("already exists"), "{error}");
}

#[tokio::test]
async fn a_second_process_of_the_same_name_is_refused() {
    let place = Place::new();
    let first = place.open().await;
    let error = open_error(&place, "postern-0").await;
    let path = place.file();
    let expected =
        format!("`{}` is already being written as `postern-0` by another process", path.display());
    assert_eq!(error, expected);

    first.append(record(1)).await.unwrap();
    first.close().await;
    place.open().await.append(record(2)).await.unwrap();
    assert_eq!(sequences(&place.read().await).await, [1, 2]);
}

/// The lock is beside the file; whoever goes round it still cannot take a number twice.
#[tokio::test]
async fn a_number_that_is_taken_is_an_error_and_then_passed_by() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    execute(
        &place.file(),
        "INSERT INTO records SELECT writer, 2, 'another', time, username, namespace, pod, answer,
         about, record, hash FROM records",
    )
    .await;
    let error = ledger.append(record(2)).await.unwrap_err().to_string();
    assert!(error.contains("was written as `postern-0` by another process"), "{error}");
    assert!(!ledger.is_writable());

    // That somebody else wrote it is said first.
    ledger.append(record(3)).await.unwrap();
    assert_eq!(ledger.get(record(3).id).await.unwrap().unwrap().sequence, 4);
    assert_eq!(ledger.get(record(2).id).await.unwrap(), None);
}

#[tokio::test]
async fn names_that_cannot_be_file_names_are_refused() {
    let place = Place::new();
    for name in ["", "a b", "../x", "é", "a\u{1b}", &"x".repeat(64)] {
        let error = open_error(&place, name).await;
        assert!(error.contains("cannot be a writer's name"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
    AnyLedger::open(&place.location(), "x".repeat(63).as_str()).await.unwrap();
}

/// SQLite itself would go on writing into a file that no longer has a name.
#[tokio::test]
async fn a_file_removed_under_the_server_stops_it_until_it_is_back() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    let aside = place.folder.path().join("aside.db");
    fs::rename(place.file(), &aside).unwrap();

    for number in 2..4 {
        let error = ledger.append(record(number)).await.unwrap_err().to_string();
        assert!(error.contains("was removed or replaced under the server"), "{error}");
        assert!(!ledger.is_writable());
    }
    assert!(!place.file().exists(), "an empty ledger took the place of the full one");

    fs::rename(&aside, place.file()).unwrap();
    until("the ledger can be written again", async || ledger.is_writable()).await;
    ledger.append(record(4)).await.unwrap();
    let records = ledger.list(&all()).await.unwrap();
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    assert_eq!(ids, [record(4).id, record(1).id]);
}

#[tokio::test]
async fn a_folder_removed_under_the_server_stops_it_until_it_is_back() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    let folder = place.file().parent().unwrap().to_owned();
    let aside = place.folder.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    ledger.append(record(2)).await.unwrap_err();
    assert!(!ledger.is_writable());

    fs::rename(&aside, &folder).unwrap();
    until("the ledger can be written again", async || ledger.is_writable()).await;
    ledger.append(record(3)).await.unwrap();
    assert_gapless(&ledger).await;
}

#[tokio::test]
async fn a_file_replaced_by_something_else_stops_it_until_it_is_back() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    let aside = place.folder.path().join("aside.db");
    fs::rename(place.file(), &aside).unwrap();
    fs::write(place.file(), "something else ".repeat(1000)).unwrap();

    for number in 2..4 {
        let error = ledger.append(record(number)).await.unwrap_err().to_string();
        assert!(error.contains("was removed or replaced under the server"), "{error}");
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!ledger.is_writable());
    assert!(fs::read_to_string(place.file()).unwrap().starts_with("something else"));

    fs::rename(&aside, place.file()).unwrap();
    until("the ledger can be written again", async || ledger.is_writable()).await;
    ledger.append(record(4)).await.unwrap();
    assert_gapless(&ledger).await;
}

#[tokio::test]
async fn a_file_locked_by_somebody_else_is_soon_an_error() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    let options = SqliteConnectOptions::new().filename(place.file());
    let mut other = options.connect().await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let started = std::time::Instant::now();
    let error = ledger.append(record(2)).await.unwrap_err();
    // Half a second by itself; what else this machine does comes on top.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(matches!(error, LedgerError::Failed { what: "write", .. }), "{error:?}");
    assert!(error.to_string().contains("database is locked"), "{error}");
    assert!(!ledger.is_writable());
    // Whoever reads is not kept waiting.
    assert_eq!(ledger.list(&all()).await.unwrap().len(), 1);

    lock.rollback().await.unwrap();
    until("the ledger can be written again", async || ledger.is_writable()).await;
    ledger.append(record(3)).await.unwrap();
    assert_eq!(sequences(&ledger).await, [1, 2]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named() {
    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    execute(&place.file(), "UPDATE records SET record = '{}'").await;
    let error = ledger.get(record(1).id).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("record {} cannot be read", record(1).id)));
    assert_eq!(ledger.list_stored(&all()).await.unwrap()[0].json, "{}");
}

async fn sequences(ledger: &AnyLedger) -> Vec<u64> {
    let records = ledger.list(&all()).await.unwrap();
    let mut sequences: Vec<_> = records.iter().map(|record| record.sequence).collect();
    sequences.sort_unstable();
    sequences
}

async fn assert_gapless(ledger: &AnyLedger) {
    let sequences = sequences(ledger).await;
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
}

async fn open_error(place: &Place, writer: &str) -> String {
    reason(AnyLedger::open(&place.location(), writer).await)
}

async fn read_error(place: &Place) -> String {
    reason(AnyLedger::open_read_only(&place.location()).await)
}

fn reason(result: Result<AnyLedger, LedgerError>) -> String {
    let error = result.unwrap_err().to_string();
    error.strip_prefix("the ledger failed to open: ").unwrap().to_owned()
}

/// What was written last is in the log beside the file, and nowhere else yet.
#[tokio::test]
async fn a_log_removed_or_emptied_under_the_server_is_noticed_before_the_next_yes() {
    let log = |place: &Place| {
        let mut name = place.file().into_os_string();
        name.push("-wal");
        PathBuf::from(name)
    };
    let place = Place::new();
    let ledger = place.open().await;
    for number in 1..=3 {
        ledger.append(record(number)).await.unwrap();
    }
    fs::remove_file(log(&place)).unwrap();
    let error = ledger.append(record(4)).await.unwrap_err().to_string();
    assert!(error.contains("was removed or replaced under the server"), "{error}");
    until("the ledger can be written again", async || ledger.is_writable()).await;
    ledger.append(record(5)).await.unwrap();
    let records = ledger.list(&all()).await.unwrap();
    for number in [1, 2, 3, 5] {
        assert!(records.iter().any(|kept| kept.id == record(number).id), "{number} is lost");
    }

    let place = Place::new();
    let ledger = place.open().await;
    ledger.append(record(1)).await.unwrap();
    fs::write(log(&place), "").unwrap();
    ledger.append(record(2)).await.unwrap_err();
    assert!(!ledger.is_writable());
}

#[tokio::test]
async fn what_is_no_file_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("file"), "").unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(path("pipe")).status();
    assert!(pipe.unwrap().success());
    fs::create_dir(path("folder")).unwrap();
    let is_folder = "folder` is a folder; give the file in it, as in `sqlite:";
    for (name, reads, writes) in [
        ("folder", is_folder, is_folder),
        ("pipe", "pipe` is not a file", "pipe` is not a file"),
        ("file/below", "cannot be read: Not a directory", "file` cannot be made: "),
    ] {
        let location = Location::Sqlite(path(name).into());
        let reason = |opened| reason(opened);
        let read = reason(AnyLedger::open_read_only(&location).await);
        assert!(read.contains(reads), "{read}");
        let written = reason(AnyLedger::open(&location, "postern-0").await);
        assert!(written.contains(writes), "{written}");
    }
}
