//! `postern audit list` and `postern audit show`, as a terminal and a script see them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use postern::ledger::{Ledger, Outcome, Record};
use postern::store::AnyLedger;
use tokio::runtime::Runtime;

use super::fixture::{Place, execute, id, injection, record, refusal, time};

/// A ledger that was written and closed.
pub(crate) fn ledger_of(records: impl IntoIterator<Item = Record>) -> Place {
    let place = Place::new();
    Runtime::new().unwrap().block_on(async {
        let ledger = place.open().await;
        for record in records {
            ledger.append(record).await.unwrap();
        }
        ledger.close().await;
    });
    place
}

/// What a day's ledger holds: allowed, refused, two at once, only warned of, not delivered.
pub(crate) fn some_of_each() -> Vec<Record> {
    let mut two = record(3);
    two.requester.username = "system:serviceaccount:ci-cd:pipeline-debugger".to_owned();
    two.namespace = "shop".to_owned();
    two.pod.name = "shop-frontend-canary-5f6d7c8b9-qwert".to_owned();
    two.injections =
        vec![injection("registry.example.com/debug/netshoot:v1.36"), injection("busybox:1.36")];
    two.injections[1].privileges.pod_security = "privileged".to_owned();
    two.injections_total = 2;
    let mut warned = refusal(4);
    warned.answer = Outcome::Allowed;
    warned.enforcement = "Warn".to_owned();
    warned.message = None;
    let mut late = record(5);
    late.amends = Some(id(1));
    late.answer = Outcome::Refused;
    late.message = Some("the decision was not delivered in time".to_owned());
    vec![record(1), refusal(2), two, warned, late]
}

pub(super) fn audit(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(place.folder.path()).env_clear().arg("audit");
    command
}

pub(super) fn list(place: &Place, args: &[&str]) -> Assert {
    audit(place).arg("list").args(args).args(["--ledger", &place.location().to_string()]).assert()
}

pub(super) fn show(place: &Place, args: &[&str]) -> Assert {
    audit(place).arg("show").args(args).args(["--ledger", &place.location().to_string()]).assert()
}

pub(super) fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

pub(super) fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

#[test]
fn lists_a_table() {
    let place = ledger_of(some_of_each());
    let listed = list(&place, &[]).success().stderr("");
    insta::assert_snapshot!("list", stdout(&listed));
}

#[test]
fn shows_who_what_where_when_and_why() {
    let place = ledger_of(some_of_each());
    for (name, number) in
        [("allowed", 1), ("refused", 2), ("two_at_once", 3), ("warned", 4), ("late", 5)]
    {
        let shown = show(&place, &[&id(number).to_string()]).success().stderr("");
        insta::assert_snapshot!(format!("show_{name}"), stdout(&shown));
    }
}

#[test]
fn json_is_a_line_for_each_exactly_as_stored() {
    let records = some_of_each();
    let place = ledger_of(records.clone());
    let listed = list(&place, &["-o", "json"]).success().stderr("");
    let mut expected: Vec<_> =
        (1..).zip(records).map(|(sequence, record)| stored(record, sequence)).collect();
    expected.reverse();
    assert_eq!(
        stdout(&listed),
        expected.iter().map(|json| format!("{json}\n")).collect::<String>()
    );

    let shown = show(&place, &["-o", "json", &id(2).to_string()]).success().stderr("");
    assert_eq!(stdout(&shown), format!("{}\n", expected[3]));

    // With the record that takes it back, as the text names it.
    let shown = show(&place, &["-o", "json", &id(1).to_string()]).success().stderr("");
    assert_eq!(stdout(&shown), format!("{}\n{}\n", expected[4], expected[0]));
}

#[test]
fn yaml_says_the_same() {
    let place = ledger_of([record(1), refusal(2)]);
    let listed = list(&place, &["-o", "yaml"]).success().stderr("");
    let text = stdout(&listed);
    let documents: Vec<Record> = text
        .split("---\n")
        .skip(1)
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let expected: Vec<Record> = [stored(refusal(2), 2), stored(record(1), 1)]
        .iter()
        .map(|json| serde_json::from_str(json).unwrap())
        .collect();
    assert_eq!(documents, expected);

    let shown = show(&place, &["-o", "yaml", &id(1).to_string()]).success();
    insta::assert_snapshot!("show_yaml", stdout(&shown));
}

#[test]
fn filters_as_asked() {
    let place = ledger_of(some_of_each());
    let cases: [(&[&str], &[u64]); 21] = [
        (&["--answer", "allowed", "--constraint", "*"], &[4]),
        (&["--user", "system:serviceaccount:ci-cd:pipeline-debugger"], &[3]),
        (&["--namespace", "shop"], &[3]),
        (&["-n", "payments"], &[5, 4, 2, 1]),
        (&["--pod", "shop-frontend-canary-5f6d7c8b9-qwert"], &[3]),
        (&["--image", "*netshoot*"], &[3]),
        (&["--image", "docker.io/library/busybox:*"], &[5, 4, 3, 2, 1]),
        (&["--answer", "refused"], &[5, 2]),
        (&["--answer", "allowed"], &[4, 3, 1]),
        (&["--since", "2026-11-24T08:00:03Z"], &[5, 4, 3]),
        (&["--until", "2026-11-24T08:00:03Z"], &[2, 1]),
        (&["--group", "dev"], &[5, 4, 3, 2, 1]),
        (&["--group", "ops"], &[]),
        (&["--policy", "developers"], &[5, 4, 3, 2, 1]),
        (&["--constraint", "spec.containers.images.*"], &[4, 2]),
        (&["--differs"], &[5, 4]),
        (&["--privileged"], &[]),
        (&["--reason", "inc-4711"], &[5, 4, 3, 2, 1]),
        (&["--reason", "INC-4712"], &[]),
        (&["--limit", "2"], &[5, 4]),
        (&["-n", "payments", "--answer", "allowed", "--limit", "1"], &[4]),
    ];
    for (args, expected) in cases {
        let listed = list(&place, &[args, &["-o", "json"]].concat()).success();
        assert_eq!(numbers(&stdout(&listed)), expected, "{args:?}");
    }
}

#[test]
fn an_age_counts_back_from_now() {
    let mut old = record(1);
    old.time = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
    let mut young = record(2);
    young.time = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(30);
    let place = ledger_of([old, young]);
    let count =
        |args: &[&str]| stdout(&list(&place, &[args, &["-o", "json"]].concat())).lines().count();
    assert_eq!(count(&["--since", "1h"]), 1);
    assert_eq!(count(&["--since", "7d"]), 2);
    assert_eq!(count(&["--since", "7d", "--until", "24h"]), 1);
}

#[test]
fn a_table_ends_after_fifty_and_says_so() {
    let place = ledger_of((0..51).map(record));
    let listed = list(&place, &[]).success().stderr("newest 50 of more; use --limit\n");
    assert_eq!(stdout(&listed).lines().count(), 51);
    let listed = list(&place, &["--limit", "51"]).success().stderr("");
    assert_eq!(stdout(&listed).lines().count(), 52);
    let listed = list(&place, &["--limit", "3"]).success();
    assert_eq!(stderr(&listed), "newest 3 of more; use --limit\n");
}

#[test]
fn json_pages_through_everything() {
    let place =
        ledger_of((0..1203).map(|number| Record { time: time(number / 7), ..record(number) }));
    let listed = list(&place, &["-o", "json"]).success().stderr("");
    let mut seen = numbers(&stdout(&listed));
    seen.sort_unstable();
    assert_eq!(seen, (0..1203).collect::<Vec<_>>());
    let listed = list(&place, &["-o", "json", "--limit", "1000"]).success();
    assert_eq!(stdout(&listed).lines().count(), 1000);
}

#[test]
fn nothing_found_is_no_failure() {
    let place = ledger_of([record(1)]);
    for output in ["text", "json", "yaml"] {
        list(&place, &["--user", "nobody", "-o", output])
            .success()
            .stdout("")
            .stderr("no decision matches\n");
    }
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let place = ledger_of([record(1), record(2)]);
    let whole = id(1).to_string();
    for beginning in [&whole[..13], &whole.to_uppercase(), &whole.replace('-', "")] {
        let shown = show(&place, &[beginning]).success();
        assert!(stdout(&shown).contains(&whole), "{beginning}");
    }
    let several = show(&place, &[&whole[..8]]).code(1).stdout("");
    let expected = format!(
        "several decisions begin so; give more of the id:\n  {whole} at 2026-11-24T08:00:01Z\n  \
         {} at 2026-11-24T08:00:02Z\n",
        id(2)
    );
    assert_eq!(stderr(&several), expected);
}

#[test]
fn an_unknown_id_is_a_no() {
    let place = ledger_of([record(1)]);
    show(&place, &["00000000-0000"])
        .code(1)
        .stdout("")
        .stderr("there is no such decision in this ledger\n");
}

#[test]
fn misuse_is_told_from_failure() {
    let place = ledger_of([record(1)]);
    let misuses: [&[&str]; 8] = [
        &["list", "--since", "yesterday"],
        &["list", "--answer", "maybe"],
        &["list", "--limit", "-1"],
        &["list", "--limit", "0"],
        &["list", "-o", "xml"],
        &["show"],
        &["show", "019ab3"],
        &["show", "not-an-id-at-all"],
    ];
    for args in misuses {
        let misuse = audit(&place).args(args).assert().code(64).stdout("");
        assert!(!stderr(&misuse).is_empty(), "{args:?}");
    }
    for url in ["", "postern.db", "mysql://u:hunter2@db", "postgres://u:hunter2@db:x"] {
        let misuse = audit(&place).args(["list", "--ledger", url]).assert().code(64).stdout("");
        assert!(stderr(&misuse).contains("`--ledger` cannot be read"), "{}", stderr(&misuse));
        assert!(!stderr(&misuse).contains("hunter2"), "{}", stderr(&misuse));
    }
}

#[test]
fn a_missing_ledger_is_a_failure_and_is_not_made() {
    let place = Place::new();
    let failed = list(&place, &[]).code(2).stdout("");
    let expected = format!(
        "postern: the ledger failed to open: `{}` does not exist\n",
        place.file().display()
    );
    assert_eq!(stderr(&failed), expected);
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

#[test]
fn the_ledger_comes_from_the_flag_then_the_environment_then_the_folder() {
    let place = ledger_of([record(1)]);
    let misuse = audit(&place).arg("list").assert().code(64).stdout("");
    assert!(stderr(&misuse).contains("give `--ledger sqlite:PATH` or set POSTERN_LEDGER"));

    let url = place.location().to_string();
    let mut from_environment = audit(&place);
    from_environment.arg("list").env("POSTERN_LEDGER", &url).assert().success();
    let mut from_flag = audit(&place);
    from_flag.env("POSTERN_LEDGER", "sqlite:/nowhere").args(["list", "--ledger", &url]);
    from_flag.assert().success();

    fs::rename(place.file().parent().unwrap(), place.folder.path().join(".postern")).unwrap();
    let shown = audit(&place).args(["list", "-o", "json"]).assert().success();
    assert_eq!(numbers(&stdout(&shown)), [1]);
}

#[test]
fn reads_while_a_server_writes() {
    let place = Place::new();
    let runtime = Runtime::new().unwrap();
    let ledger: AnyLedger = runtime.block_on(place.open());
    for number in 1..=3 {
        runtime.block_on(ledger.append(record(number))).unwrap();
        let listed = list(&place, &["-o", "json"]).success();
        assert_eq!(stdout(&listed).lines().count(), usize::try_from(number).unwrap());
    }
}

/// Whoever may debug pods can choose these texts, and an administrator's terminal shows them.
#[test]
fn hostile_text_never_reaches_a_terminal_raw() {
    let hostile = "x\u{1b}]0;owned\u{7}\u{9b}2J\r\u{202e}\u{200b}y\nDecision  forged";
    let mut given = refusal(1);
    given.requester.username = hostile.to_owned();
    given.requester.groups = vec![hostile.to_owned()];
    given.requester.extra = [(hostile.to_owned(), vec![hostile.to_owned()])].into();
    given.namespace = hostile.to_owned();
    given.pod.name = hostile.to_owned();
    given.pod.owner = hostile.to_owned();
    given.justification = Some(hostile.to_owned());
    given.message = Some(hostile.to_owned());
    given.findings[0].message = hostile.to_owned();
    let mut bad = injection(hostile);
    bad.name = hostile.to_owned();
    bad.target = Some(hostile.to_owned());
    bad.command = vec![hostile.to_owned()];
    bad.env[0].name = hostile.to_owned();
    bad.mounts[0].path = hostile.to_owned();
    bad.privileges.capabilities = vec![hostile.to_owned()];
    bad.privileges.pod_security = hostile.to_owned();
    given.injections = vec![bad];
    let place = ledger_of([given.clone()]);
    let whole = id(1).to_string();

    for output in ["text", "json", "yaml"] {
        for assert in [list(&place, &["-o", output]), show(&place, &["-o", output, &whole])] {
            let text = stdout(&assert.success());
            let is_safe =
                |character| character == '\n' || postern::policy::text::is_plain(character);
            assert!(text.chars().all(is_safe), "{output}: {text:?}");
            assert!(!text.contains("\nDecision  forged"), "{output}: {text}");
        }
    }
    for output in ["text", "json"] {
        let mut stats = audit(&place);
        stats.args(["stats", "-o", output, "--ledger", &place.location().to_string()]);
        let text = stdout(&stats.assert().success());
        assert!(text.chars().all(|it| it == '\n' || postern::policy::text::is_plain(it)), "{text}");
    }
    // And yet nothing is lost.
    let listed = list(&place, &["-o", "json"]);
    let read: Record = serde_json::from_str(&stdout(&listed)).unwrap();
    assert_eq!(read.requester, given.requester);
    let yaml = stdout(&show(&place, &["-o", "yaml", &whole]));
    let read: Record = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read.injections, given.injections);
}

/// Somebody who can write the database can put there what the server never would.
#[test]
fn a_record_that_was_tampered_with_cannot_reach_a_terminal_raw_either() {
    let place = ledger_of([record(1), record(2), record(3)]);
    Runtime::new().unwrap().block_on(execute(
        &place.file(),
        "UPDATE records SET record = '{\"a\":\"' || char(0x9b) || '2J\"}' WHERE sequence = 2",
    ));
    let listed = list(&place, &["-o", "json"]).success();
    assert_eq!(stdout(&listed).lines().nth(1), Some(r#"{"a":"\u009b2J"}"#));

    // The others are still listed, and the exit code says that not all is well.
    let listed = list(&place, &[]).code(2);
    assert_eq!(stdout(&listed).lines().count(), 3);
    assert!(stderr(&listed).contains(&format!("record {} cannot be read", id(2))));
    let listed = list(&place, &["-o", "yaml"]).code(2);
    assert_eq!(stdout(&listed).matches("---\n").count(), 2);
    assert!(stderr(&listed).contains(&format!("record {} cannot be read", id(2))));
    let mut stats = audit(&place);
    stats.args(["stats", "--ledger", &place.location().to_string()]);
    let counted = stats.assert().code(2);
    assert!(stdout(&counted).starts_with("2 decisions: "), "{}", stdout(&counted));
    assert!(stderr(&counted).contains(&format!("record {} cannot be read", id(2))));
    let about = format!("UPDATE records SET answer = '', about = '{}' WHERE sequence = 2", id(1));
    Runtime::new().unwrap().block_on(execute(&place.file(), about.leak()));
    let shown = show(&place, &[&id(1).to_string()]).code(2);
    assert!(stdout(&shown).contains("busybox"), "{}", stdout(&shown));
    assert!(stderr(&shown).contains(&format!("record {} cannot be read", id(2))));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = ledger_of((0..2000).map(record));
    let mut child = Process::new(env!("CARGO_BIN_EXE_postern"))
        .args(["audit", "list", "-o", "json", "--ledger", &place.location().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.starts_with('{'));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

fn stored(mut record: Record, sequence: u64) -> String {
    record.writer = "postern-0".to_owned();
    record.sequence = sequence;
    serde_json::to_string(&record).unwrap()
}

/// Which of the fixture's records these lines of JSON are.
fn numbers(lines: &str) -> Vec<u64> {
    let number = |line: &str| {
        let record: Record = serde_json::from_str(line).unwrap();
        record.review_uid.strip_prefix("review-").unwrap().parse().unwrap()
    };
    lines.lines().map(number).collect()
}
