//! `postern audit export`, its manifest, what is recorded of both, and the schema of what is stored.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use postern::ledger::event::{ContainerOutcome, Person, SettingChange, What};
use postern::ledger::export::manifest::{CheckError, Manifest, Report, check};
use postern::ledger::{Entry, Event, Journal, Outcome, Query, Record};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::audit::{audit, ledger_of, list, show, some_of_each, stderr, stdout};
use super::fixture::{Place, execute, id, record, refusal, time};

const FORMATS: [&str; 5] = ["jsonl", "csv", "ocsf", "ecs", "cloudevents"];

fn export(place: &Place, args: &[&str]) -> assert_cmd::assert::Assert {
    let ledger = place.location().to_string();
    audit(place).arg("export").args(args).args(["--ledger", &ledger]).assert()
}

/// What a server finds in the inbox and writes: the events of the ledger, oldest first.
fn events(place: &Place) -> Vec<Event> {
    Runtime::new().unwrap().block_on(async {
        let ledger = place.open().await;
        super::fixture::until("the inbox is empty", async || {
            ledger.append_event(Event::now("staging", What::Stopped {})).await.unwrap();
            let all = Query { limit: usize::MAX, ..Query::default() };
            let stored = ledger.list_events(&all).await.unwrap();
            stored.iter().any(|it| !it.json.contains("Stopped"))
        })
        .await;
        let all = Query { limit: usize::MAX, ..Query::default() };
        let stored = ledger.list_events(&all).await.unwrap();
        ledger.close().await;
        let events = stored.iter().rev().map(|it| match it.entry().unwrap() {
            Entry::Event(event) => *event,
            Entry::Decision(_) => panic!("a decision among events"),
        });
        events.filter(|event| event.what != What::Stopped {}).collect()
    })
}

#[test]
fn every_format_is_exported_with_a_manifest_that_finds_one_changed_byte() {
    let place = ledger_of(some_of_each());
    let file = |name: &str| place.folder.path().join(name);
    let mut hashes = Vec::new();
    for format in FORMATS {
        let (out, manifest) = (file(format), file("manifest.json"));
        let (out, manifest) = (out.to_str().unwrap(), manifest.to_str().unwrap());
        let args = ["--format", format, "-n", "payments", "--answer", "allowed"];
        let files = ["--output", out, "--manifest", manifest];
        let done = export(&place, &[&args[..], &files].concat()).success().stdout("");
        assert_eq!(stderr(&done), "exported 2 decisions\n");

        let mut bytes = fs::read(out).unwrap();
        let text = fs::read(manifest).unwrap();
        let Report { manifest, not_compared } = check(&text, &bytes).unwrap();
        assert_eq!(not_compared.is_empty(), format != "csv");
        assert_eq!(manifest.count, 2);
        assert_eq!(manifest.newest.as_ref().map(|it| (it.id, it.sequence)), Some((id(4), 4)));
        assert_eq!(manifest.oldest.as_ref().map(|it| (it.id, it.sequence)), Some((id(1), 1)));
        assert_eq!(manifest.filter.answer, Some(Outcome::Allowed));
        assert_eq!(manifest.filter.namespace.as_deref(), Some("payments"));
        hashes.push(manifest.records_sha256);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(matches!(check(&text, &bytes), Err(CheckError::Changed { .. })), "{format}");
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1);
}

#[test]
fn json_lines_are_what_list_prints() {
    let place = ledger_of(some_of_each());
    for filter in [&[][..], &["--differs"], &["--user", "nobody"]] {
        let listed = stdout(&list(&place, &[filter, &["-o", "json"]].concat()).success());
        let exported = export(&place, &[filter, &["--format", "jsonl"]].concat()).success();
        assert_eq!(stdout(&exported), listed, "{filter:?}");
    }
}

#[test]
fn a_format_has_to_be_named_and_known() {
    let place = ledger_of([record(1)]);
    export(&place, &[]).code(64).stdout("");
    export(&place, &["--format", "pdf"]).code(64).stdout("");
    // The manifest would be written over what it is about.
    let file = place.folder.path().join("both").display().to_string();
    let both = ["--format", "csv", "--output", &file, "--manifest", &file];
    export(&place, &both).code(64).stdout("");
}

#[test]
fn a_table_of_nothing_has_its_head_and_a_manifest_all_the_same() {
    let place = ledger_of([record(1)]);
    let manifest = place.folder.path().join("m.json");
    let args = ["--format", "csv", "--user", "x", "--manifest", manifest.to_str().unwrap()];
    let done = export(&place, &args).success();
    assert_eq!(stderr(&done), "no decision matches\n");
    assert_eq!(stdout(&done).lines().count(), 1);
    let report = check(&fs::read(&manifest).unwrap(), stdout(&done).as_bytes()).unwrap();
    assert_eq!((report.manifest.count, report.manifest.newest), (0, None));
}

#[test]
fn pages_through_everything_with_the_hash_of_each() {
    let place =
        ledger_of((0..1203).map(|number| Record { time: time(number / 7), ..record(number) }));
    let done = export(&place, &["--format", "cloudevents"]).success();
    let text = stdout(&done);
    let mut expected = Runtime::new().unwrap().block_on(async {
        let ledger = place.read().await;
        let kept = ledger.entries_after("postern-0", 0, 2000).await.unwrap();
        kept.into_iter().map(|it| (it.sequence, it.hash.to_string())).collect::<Vec<_>>()
    });
    let mut found: Vec<_> = text
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            let sequence = event["data"]["sequence"].as_u64().unwrap();
            (sequence, event["posternchain"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_file_has_its_name_only_once_it_is_whole() {
    let place = ledger_of([record(1), record(2), record(3)]);
    let out = place.folder.path().join("out.jsonl");
    fs::write(&out, "before").unwrap();
    Runtime::new()
        .unwrap()
        .block_on(execute(&place.file(), "UPDATE records SET record = '{}' WHERE sequence = 1"));
    let args = ["--format", "jsonl", "--output", out.to_str().unwrap()];
    let failed = export(&place, &args).code(2).stdout("");
    let expected = format!("record {} cannot be exported", id(1));
    assert!(stderr(&failed).contains(&expected), "{}", stderr(&failed));
    assert_eq!(fs::read_to_string(&out).unwrap(), "before");
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 2);

    export(&place, &[&args[..], &["--since", "2026-11-24T08:00:02Z"]].concat()).success();
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 2);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn whoever_reads_or_exports_is_recorded() {
    let place = ledger_of([record(1), refusal(2)]);
    list(&place, &["--user", "jane@example.com", "--limit", "1"]).success();
    show(&place, &["019ab3f2"]).code(1);
    let done = export(&place, &["--format", "csv", "--answer", "refused"]).success();
    let mut prove = audit(&place);
    prove.args(["prove", "019ab3f2", "--ledger", &place.location().to_string()]);
    prove.assert().code(1);
    let recorded = events(&place);
    let commands: Vec<_> = recorded
        .iter()
        .map(|event| match &event.what {
            What::Read { command, .. } | What::Exported { command, .. } => command.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        commands,
        [
            "audit list --user jane@example.com",
            "audit show 019ab3f2",
            "audit export --format csv --answer refused",
            "audit prove 019ab3f2",
        ]
    );
    for event in &recorded {
        let Person { user, host } = event.what.person().unwrap();
        assert!(!user.is_empty() && !host.is_empty());
        assert_eq!((event.cluster.as_str(), event.writer.as_str()), ("staging", "postern-0"));
    }
    let What::Exported { records, sha256, .. } = &recorded[2].what else { panic!() };
    assert_eq!(*records, 1);
    let hash = postern::ledger::chain::Hash::of(stdout(&done).as_bytes());
    assert_eq!(*sha256, hash.to_string());
}

#[test]
fn what_cannot_be_recorded_is_said_and_read_all_the_same() {
    let place = ledger_of([record(1)]);
    Runtime::new().unwrap().block_on(execute(&place.file(), "DROP TABLE inbox"));
    for (read, word) in [
        (list(&place, &["-o", "json"]), "read"),
        (show(&place, &["-o", "json", &id(1).to_string()]), "read"),
        (export(&place, &["--format", "jsonl"]), "export"),
    ] {
        let read = read.success();
        assert_eq!(stdout(&read).lines().count(), 1);
        let said = stderr(&read);
        let first = said.lines().next().unwrap();
        assert!(first.starts_with(&format!("this {word} is not recorded: ")), "{said}");
    }
}

#[test]
fn the_manifest_has_the_newest_checkpoint_of_each_writer() {
    let place = ledger_of([record(1)]);
    let sql = "INSERT INTO checkpoints (writer, size, time, note, frontier) \
               VALUES ('postern-0', 0, 1, 'older', x''), ('postern-0', 1, 2, 'newest', x'')";
    Runtime::new().unwrap().block_on(execute(&place.file(), sql));
    let manifest = place.folder.path().join("m.json");
    export(&place, &["--format", "csv", "--manifest", manifest.to_str().unwrap()]).success();
    let manifest: Manifest = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    assert_eq!(manifest.checkpoints, [("postern-0".to_owned(), "newest".to_owned())].into());
}

/// A second opinion: another program's reading of the schema.
#[test]
fn what_is_stored_fits_the_committed_schema() {
    let schema = fs::read_to_string("deploy/schemas/ledger-record.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let decisions = some_of_each().into_iter().map(Entry::from);
    let events = every_event().into_iter().map(|what| Event::now("staging", what).into());
    let mut seen = 0;
    for entry in decisions.chain(events) {
        let json: Value = serde_json::from_str(&entry.to_json().unwrap()).unwrap();
        assert!(schema.is_valid(&json), "{json}");
        seen += 1;
        let fields = json.as_object().unwrap();
        for name in fields.keys().filter(|name| {
            // These are left out where there is nothing to say.
            !["amends", "evidence", "findings", "justification", "message", "unsigned"]
                .contains(&name.as_str())
        }) {
            let mut less = json.clone();
            less.as_object_mut().unwrap().remove(name);
            assert!(!schema.is_valid(&less), "without {name}: {json}");
        }
    }
    assert_eq!(seen, 5 + 17);
    let mut with_value = serde_json::to_value(Entry::from(record(1))).unwrap();
    with_value["injections"][0]["env"][0]["value"] = "secret".into();
    assert!(!schema.is_valid(&with_value));
}

fn every_event() -> Vec<What> {
    let text = || "x".to_owned();
    let by = || Person { user: text(), host: text() };
    let observed = |outcome| What::Observed {
        decision: id(1),
        namespace: text(),
        pod: text(),
        container: text(),
        outcome,
    };
    vec![
        What::Started { version: text(), settings: [(text(), text())].into(), unsigned: 1 },
        What::Foreign { from: 1, to: 2 },
        What::SettingsChanged {
            changed: vec![SettingChange { name: text(), before: None, now: Some(text()) }],
        },
        What::Stopped {},
        What::PoliciesChanged { hash: text(), total: 1, added: Vec::new(), removed: vec![text()] },
        What::Read { by: by(), command: text() },
        What::Exported { by: by(), command: text(), records: 1, sha256: text() },
        What::KeyRotated { note: text() },
        What::Dropped { through: 1, checkpoint: text(), reason: text() },
        What::Held { hold: text(), by: by() },
        What::Released { hold: text(), by: by() },
        observed(ContainerOutcome::Running { started_at: Some(time(1)), image_id: text() }),
        observed(ContainerOutcome::Ended {
            started_at: None,
            finished_at: Some(time(2)),
            image_id: text(),
            exit_code: -1,
            reason: text(),
        }),
        observed(ContainerOutcome::Waiting { reason: text() }),
        observed(ContainerOutcome::NeverAppeared {}),
        observed(ContainerOutcome::PodGone {}),
        What::Unattested {
            namespace: text(),
            pod: text(),
            pod_uid: text(),
            container: text(),
            image: text(),
        },
    ]
}

/// An export is not worth a ledger.
#[test]
fn an_export_over_the_ledger_or_its_key_is_refused() {
    let place = ledger_of(some_of_each());
    let ledger = place.location().to_string().replace("sqlite:", "");
    for end in [".key", ".key.pub"] {
        fs::write(format!("{ledger}{end}"), "a key").unwrap();
    }
    let path = |name: &str| place.folder.path().join(name);
    fs::hard_link(&ledger, path("link")).unwrap();
    let lock = format!("{ledger}.postern-0.lock");
    assert!(fs::exists(&lock).unwrap(), "{lock}");
    fs::hard_link(&lock, path("lock")).unwrap();
    let before = fs::read(&ledger).unwrap();
    let ends = [
        "",
        ".key",
        ".key.pub",
        ".key.rotations",
        ".key.new",
        "-wal",
        "-shm",
        "-journal",
        ".postern-0.lock",
        // These are not there yet.
        ".postern-1.lock",
        ".a.b.lock",
    ];
    let own = ends.map(|end| format!("{ledger}{end}"));
    let links = [path("link"), path("lock")];
    let links = links.iter().map(|path| path.to_str().unwrap());
    for path in own.iter().map(String::as_str).chain(links) {
        for flag in ["--output", "--manifest"] {
            let refused = export(&place, &["--format", "csv", flag, path]).code(64);
            assert!(stderr(&refused).contains("is a part of the ledger"), "{}", stderr(&refused));
        }
    }
    assert_eq!(fs::read(&ledger).unwrap(), before);
    assert_eq!(fs::read_to_string(format!("{ledger}.key")).unwrap(), "a key");
    // A name that begins like the ledger's makes no file a part of it.
    for end in [".csv", ".keys.csv", "-walk", ".lock.csv"] {
        let beside = format!("{ledger}{end}");
        export(&place, &["--format", "csv", "--output", &beside]).success();
    }
}

#[test]
fn a_file_that_is_in_the_way_is_named_and_left_as_it_is() {
    let place = ledger_of(some_of_each());
    let (out, beside) = (place.folder.path().join("o.csv"), place.folder.path().join("o.csv.new"));
    fs::write(&beside, "whose is it?").unwrap();
    let args = ["--format", "csv", "--output", out.to_str().unwrap()];
    let said = stderr(&export(&place, &args).code(2));
    let named = format!("`{}` is in the way", beside.display());
    assert!(said.contains(&named) && said.contains("remove it"), "{said}");
    assert_eq!(fs::read_to_string(&beside).unwrap(), "whose is it?");
    fs::remove_file(&beside).unwrap();
    export(&place, &args).success();
}

/// As a shell's `>` does, and yet whole or not at all.
#[test]
fn a_link_is_written_through() {
    let place = ledger_of(some_of_each());
    let path = |name: &str| place.folder.path().join(name);
    fs::create_dir(path("elsewhere")).unwrap();
    fs::write(path("elsewhere/o.csv"), "of yesterday").unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, path(name)).unwrap();
    link("elsewhere/link.csv", "o.csv");
    link("o.csv", "elsewhere/link.csv");
    link("elsewhere/new.json", "o.json");
    link("round", "round");
    link("postern.db-wal", "var/lib/hidden");
    let to = |output: &str, manifest: &str| {
        let (output, manifest) = (path(output), path(manifest));
        let (output, manifest) = (output.to_str().unwrap(), manifest.to_str().unwrap());
        export(&place, &["--format", "csv", "--output", output, "--manifest", manifest])
    };
    to("o.csv", "o.json").success();
    assert!(path("o.csv").is_symlink() && path("o.json").is_symlink());
    assert!(fs::read_to_string(path("elsewhere/o.csv")).unwrap().contains("jane@example.com"));
    assert!(fs::read_to_string(path("elsewhere/new.json")).unwrap().starts_with('{'));
    assert_eq!(fs::read_dir(path("elsewhere")).unwrap().count(), 3);
    let said = stderr(&to("round", "m.json").code(2));
    assert!(said.contains("its links lead nowhere"), "{said}");
    let said = stderr(&to("o.csv", "elsewhere/o.csv").code(64));
    assert!(said.contains("are one file"), "{said}");
    let said = stderr(&to("var/lib/hidden", "m.json").code(64));
    assert!(said.contains("is a part of the ledger"), "{said}");
}

/// However far it is when it is told.
#[test]
fn an_export_that_is_interrupted_leaves_nothing_behind() {
    let place = ledger_of((0..3000).map(record));
    for name in ["INT", "TERM"] {
        let (out, beside) = (place.folder.path().join("o"), place.folder.path().join("o.new"));
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        program.args(["audit", "export", "--format", "ocsf", "--output"]).arg(&out);
        program.args(["--ledger", &place.location().to_string()]);
        program.stderr(std::process::Stdio::piped());
        let program = program.spawn().unwrap();
        while !beside.exists() && !out.exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let id = program.id().to_string();
        let told = std::process::Command::new("kill").args(["-s", name, &id]).status();
        assert!(told.unwrap().success());
        let ended = program.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!beside.exists(), "{name}: {said}");
        // It may have been quicker.
        let is_interrupted = said.contains("interrupted; nothing was exported");
        assert_eq!(ended.status.code(), Some(if is_interrupted { 2 } else { 0 }), "{said}");
        assert_eq!(out.exists(), !is_interrupted, "{name}: {said}");
        drop(fs::remove_file(&out));
    }
}

/// What a manifest says and nothing was compared with, the reader is told.
#[test]
fn what_was_not_compared_with_a_manifest_is_said() {
    let place = super::verify::Place::sqlite();
    Runtime::new().unwrap().block_on(place.fill());
    for (format, missing) in [("csv", &["recordsSha256"][..]), ("jsonl", &[])] {
        let files = ["--output", "e", "--manifest", "m.json"];
        place.audit(&[&["export", "--format", format], &files[..]].concat()).success();
        let check = ["verify", "--manifest", "m.json", "e"];
        let text = stdout(&place.audit(&check).success());
        let all = [missing, &["checkpoints"]].concat();
        assert!(text.contains(&format!("not compared: {}\n", all.join(", "))), "{text}");
        let with_key = [&check[..], &["--key", "signing.key.pub"]].concat();
        let in_json = [&with_key[..], &["-o", "json"]].concat();
        let said: Value = serde_json::from_str(&stdout(&place.audit(&in_json).success())).unwrap();
        assert_eq!(said["notCompared"], serde_json::json!(missing), "{said}");
        let text = stdout(&place.audit(&with_key).success());
        assert_eq!(text.contains("not compared"), !missing.is_empty(), "{text}");

        // Signed by nobody, it proves nothing to whoever gives a key.
        let file = place.path("m.json");
        let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        manifest["checkpoints"] = serde_json::json!({});
        fs::write(&file, manifest.to_string()).unwrap();
        place.audit(&check).success();
        let text = stdout(&place.audit(&with_key).code(1));
        assert!(text.starts_with("WRONG: the manifest has no checkpoint"), "{text}");
    }
}

/// What is not there, or not what it should be, is no answer about an export.
#[test]
fn what_cannot_be_read_is_no_answer() {
    let place = ledger_of([record(1)]);
    let folder = place.folder.path();
    let file = |name: &str| folder.join(name).display().to_string();
    let (out, manifest) = (file("e"), file("m.json"));
    export(&place, &["--format", "csv", "--output", &out, "--manifest", &manifest]).success();
    fs::write(file("x"), "x").unwrap();
    let verify = |args: &[&str]| audit(&place).arg("verify").args(args).assert();
    verify(&["--manifest", &file("x"), &out]).code(2);
    verify(&["--manifest", &manifest, &file("x")]).code(1);
    verify(&["--manifest", &manifest, &file("x"), "--key", &file("y")]).code(2);
    verify(&["--proof", &file("x"), "--key", &file("y")]).code(2);
    verify(&["--proof", &file("y")]).code(64);
    // Neither is an export whose manifest nobody can have.
    let (out, manifest) = (file("e2"), file("nowhere/m.json"));
    export(&place, &["--format", "csv", "--output", &out, "--manifest", &manifest]).code(2);
    assert!(!folder.join("e2").exists() && !folder.join("e2.new").exists());
}
