//! `postern audit stats`: who was there, and for how much of the time.

use jiff::{SignedDuration, Timestamp};
use postern::ledger::chain::Hash;
use postern::ledger::checkpoint::Checkpoint;
use postern::ledger::event::{Event, Person, What};
use postern::ledger::note::SigningKey;
use postern::ledger::{Journal, Ledger};
use postern::store::AnyLedger;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::audit::{audit, ledger_of, some_of_each, stdout};
use super::fixture::{Place, execute, record, time};

/// So many minutes after the first record that there could be.
fn at(minute: u64) -> Timestamp {
    time(minute * 60)
}

fn started() -> What {
    What::Started { version: "1".to_owned(), settings: [].into(), unsigned: 0 }
}

fn read() -> What {
    let by = Person { user: "ann".to_owned(), host: "h".to_owned() };
    What::Read { by, command: "audit list".to_owned() }
}

/// A writer with these events, and a checkpoint at each of these times; the key that signed them.
fn write(
    place: &Place,
    writer: &str,
    events: Vec<(Timestamp, What)>,
    signed: impl IntoIterator<Item = Timestamp>,
) -> String {
    let times: Vec<_> = events.iter().map(|(time, _)| *time).collect();
    let (key, _) = SigningKey::generate().unwrap();
    Runtime::new().unwrap().block_on(async {
        let ledger = AnyLedger::open(&place.location(), writer).await.unwrap();
        for (time, what) in events {
            ledger.append_event(Event { time, ..Event::now("staging", what) }).await.unwrap();
        }
        ledger.close().await;
        for time in signed {
            let size = times.iter().filter(|event| **event <= time).count();
            let checkpoint = Checkpoint {
                writer: writer.to_owned(),
                size: size.try_into().unwrap(),
                root: Hash::of(b""),
                time,
                chain: Hash::of(b""),
                cluster: String::new(),
                bytes: None,
            };
            let sql = format!(
                "INSERT INTO checkpoints (writer, size, time, note, frontier) \
                 VALUES ('{writer}', {size}, {}, '{}', x'')",
                time.as_nanosecond(),
                checkpoint.sign(&key)
            );
            execute(&place.file(), sql.leak()).await;
        }
    });
    key.public().to_string()
}

/// What is said of each writer: from when to when, the silences, how much.
fn coverage(place: &Place, args: &[&str]) -> Vec<String> {
    let mut command = audit(place);
    command.args(["stats", "-o", "json", "--ledger", &place.location().to_string()]).args(args);
    let said: Value = serde_json::from_str(&stdout(&command.assert().success())).unwrap();
    let minute = |time: &Value| {
        let time: Timestamp = time.as_str().unwrap().parse().unwrap();
        time.duration_since(at(0)).as_mins().to_string()
    };
    let range = |of: &Value| format!("{}-{}", minute(&of["from"]), minute(&of["to"]));
    let writers = said["coverage"].as_array().unwrap().iter();
    writers
        .map(|it| {
            let silent: Vec<_> = it["silent"].as_array().unwrap().iter().map(range).collect();
            let stopped = &it["stopped"];
            let stopped = if stopped.is_null() { "no".to_owned() } else { minute(stopped) };
            format!(
                "{} {} {} % silent {silent:?} stopped {stopped}",
                it["writer"].as_str().unwrap(),
                range(it),
                it["percent"]
            )
        })
        .collect()
}

#[test]
fn a_silence_at_the_edges_of_a_time_is_one_like_any_other() {
    let place = Place::new();
    let every = |from: u64, to: u64| (from..=to).map(at);
    let begun = |minute| (at(minute), started());
    write(&place, "crashed", vec![begun(0)], every(0, 5));
    write(&place, "later", vec![begun(50)], every(50, 51));
    write(&place, "late", vec![begun(20)], every(20, 50));
    write(&place, "paused", vec![begun(0)], every(0, 5).chain(every(20, 50)));
    let stopped = |minute| (at(minute), What::Stopped {});
    write(&place, "quiet", vec![begun(0), stopped(50)], every(0, 30).chain([at(50)]));
    // What people left meanwhile is taken up after a server has said that it stops.
    let reads = (0..120).map(|_| (at(30), read()));
    let events = [begun(0), stopped(30)].into_iter().chain(reads).collect();
    write(&place, "stopped", events, every(0, 30));
    write(&place, "stopped-before", vec![begun(0), stopped(5)], every(0, 5));
    write(&place, "unsigned", vec![begun(0)], []);
    let window = ["--since", "2026-11-24T08:10:00Z", "--until", "2026-11-24T08:40:00Z"];
    assert_eq!(
        coverage(&place, &window),
        [
            r#"crashed 10-40 0 % silent ["10-40"] stopped no"#,
            "late 20-40 100 % silent [] stopped no",
            r#"paused 10-40 66 % silent ["10-20"] stopped no"#,
            r#"quiet 10-40 66 % silent ["30-40"] stopped no"#,
            "stopped 10-30 100 % silent [] stopped 30",
            "stopped-before 10-10 0 % silent [] stopped 5",
            r#"unsigned 10-40 0 % silent ["10-40"] stopped no"#,
        ]
    );
    let mut command = audit(&place);
    command.args(["stats", "--ledger", &place.location().to_string()]).args(window);
    let text = stdout(&command.assert().success());
    for line in [
        "crashed was there 0 % of the time from 2026-11-24T08:10:00Z to 2026-11-24T08:40:00Z\n",
        "stopped-before had stopped before, at 2026-11-24T08:05:00Z\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_time_that_has_not_come_is_no_silence() {
    let place = Place::new();
    let now = Timestamp::now();
    let before = |minutes| now - SignedDuration::from_mins(minutes);
    write(&place, "postern-0", vec![(before(9), started())], (0..=9).rev().map(before));
    for until in ["2099-01-01", "2199-01-01"] {
        let said = coverage(&place, &["--until", until, "--since", "1h"]);
        assert!(said[0].ends_with("100 % silent [] stopped no"), "{said:?}");
    }
    assert!(coverage(&place, &["--since", "2099-01-01"]).is_empty());
    for silence in ["0s", "-5m", "soon"] {
        let silence = format!("--silence={silence}");
        audit(&place).args(["stats", &silence, "--ledger", "sqlite:x"]).assert().code(64);
    }
}

/// Whoever reads ten rows could take them for all.
#[test]
fn what_a_table_leaves_out_is_counted() {
    let place = Place::new();
    let began = (0..12).map(|hour| (at(hour * 60), started())).collect();
    write(&place, "postern-0", began, (0..12).map(|hour| at(hour * 60)));
    Runtime::new().unwrap().block_on(async {
        let ledger = place.open().await;
        for day in 0..12 {
            let mut record = record(day * 24 * 3600);
            record.requester.username = format!("user-{day}");
            ledger.append(record).await.unwrap();
        }
        ledger.close().await;
    });
    let mut command = audit(&place);
    let window = ["--until", "2026-11-24T18:30:00Z"];
    command.args(["stats", "--ledger", &place.location().to_string()]);
    let text = stdout(&command.assert().success());
    assert_eq!(text.matches("  and 2 more; `-o json` has all\n").count(), 2, "{text}");
    let text = stdout(&command.args(window).assert().success());
    assert!(text.contains("  nor 1 time more; `-o json` has all\n"), "{text}");
}

/// What it wrote afterwards, nobody else left.
#[test]
fn whoever_writes_after_it_stopped_has_not_stopped() {
    let place = Place::new();
    let events = vec![(at(0), started()), (at(1), What::Stopped {}), (at(2), started())];
    write(&place, "postern-0", events, [at(0), at(1), at(2)]);
    Runtime::new().unwrap().block_on(async {
        let ledger = AnyLedger::open(&place.location(), "postern-1").await.unwrap();
        let stopped = Event { time: at(1), ..Event::now("staging", What::Stopped {}) };
        ledger.append_event(stopped).await.unwrap();
        ledger.append(record(120)).await.unwrap();
        ledger.close().await;
    });
    let said = coverage(&place, &["--until", "2026-11-24T08:10:00Z"]);
    assert_eq!(
        said,
        [
            r#"postern-0 0-10 20 % silent ["2-10"] stopped no"#,
            r#"postern-1 1-10 0 % silent ["1-10"] stopped no"#,
        ]
    );
    let said = coverage(&place, &[]);
    assert!(said.iter().all(|said| said.ends_with("stopped no")), "{said:?}");
}

/// Whoever can write into the database can put a checkpoint there, or say that a server stopped.
#[test]
fn what_no_trusted_key_signed_is_no_presence() {
    let place = Place::new();
    let events = vec![(at(0), started()), (at(5), What::Stopped {})];
    let minutes = || (0..5).map(at);
    let key = write(&place, "postern-0", events.clone(), minutes());
    let forged = write(&place, "postern-1", events, minutes().chain([at(5)]));
    let until = ["--until", "2026-11-24T08:10:00Z"];
    let by = |key| coverage(&place, &[&until[..], &["--key", key]].concat());
    // That it stopped, no checkpoint speaks for.
    let there = r#"postern-0 0-10 40 % silent ["4-10"] stopped no"#;
    let stopped = "postern-1 0-5 100 % silent [] stopped 5";
    assert_eq!(by(&key), [there, r#"postern-1 0-10 0 % silent ["0-10"] stopped no"#]);
    assert_eq!(by(&forged), [r#"postern-0 0-10 0 % silent ["0-10"] stopped no"#, stopped]);
    let both = [&until[..], &["--key", &key, "--key", &forged]].concat();
    assert_eq!(coverage(&place, &both), [there, stopped]);
    let stats = |args: &[&str]| {
        let mut command = audit(&place);
        command.args(["stats", "--ledger", &place.location().to_string()]).args(until).args(args);
        stdout(&command.assert().success())
    };
    let text = stats(&["--key", &key]);
    assert!(text.contains("  6 checkpoints do not count: no trusted key signed them\n"), "{text}");
    let nobody = "\nno signature was checked: ";
    assert!(!text.contains(nobody) && stats(&[]).contains(nobody), "{text}");
    let json = |args: &[&str]| -> Value {
        serde_json::from_str(&stats(&[&["-o", "json"], args].concat())).unwrap()
    };
    assert_eq!(json(&[])["signaturesChecked"], false);
    let checked = json(&["--key", &key]);
    assert_eq!(checked["signaturesChecked"], true);
    assert_eq!(checked["coverage"][1]["untrustedCheckpoints"], 6);
}

/// What another server writes and signs in its name, it does not say itself.
#[test]
fn a_writer_whose_records_others_drop_has_stopped_all_the_same() {
    let place = Place::new();
    let dropped = What::Dropped { through: 0, checkpoint: String::new(), reason: "age".to_owned() };
    let rotated = What::KeyRotated { note: String::new() };
    let foreign = What::Foreign { from: 2, to: 2 };
    let mut events = vec![(at(0), started()), (at(30), What::Stopped {})];
    events.extend([foreign, rotated, dropped].map(|what| (at(90), what)));
    write(&place, "postern-0", events, (0..=30).map(at).chain([at(90)]));
    assert_eq!(coverage(&place, &[]), ["postern-0 0-30 100 % silent [] stopped 30"]);
}

/// Two records of one decision, of which the second says what somebody was told.
#[test]
fn a_decision_that_was_taken_back_counts_once_as_refused() {
    let place = ledger_of(some_of_each());
    let stats = |args: &[&str]| {
        let mut command = audit(&place);
        command.args(["stats", "--ledger", &place.location().to_string()]).args(args);
        stdout(&command.assert().success())
    };
    let text = stats(&[]);
    assert!(text.starts_with("4 decisions: 2 allowed, 2 refused\n"), "{text}");
    assert!(text.contains("\n1 of the refusals take back what was recorded: "), "{text}");
    let said: Value = serde_json::from_str(&stats(&["-o", "json"])).unwrap();
    let counted = &said["decisions"];
    assert_eq!(counted["users"]["jane@example.com"], json!({"allowed": 1, "refused": 2}));
    for table in ["days", "users", "namespaces"] {
        let rows = counted[table].as_object().unwrap().values();
        let all =
            rows.map(|row| row["allowed"].as_u64().unwrap() + row["refused"].as_u64().unwrap());
        assert_eq!(all.sum::<u64>(), 4, "{table}");
    }
    // Of what was asked for there may be only the first.
    let first = stats(&["--until", "2026-11-24T08:00:02Z"]);
    assert!(first.starts_with("1 decisions: 1 allowed, 0 refused\n"), "{first}");
}
