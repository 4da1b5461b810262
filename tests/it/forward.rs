//! Entries and checkpoints sent elsewhere, over real sockets, by the server as a process.

mod receiver;
mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postern::forward::checkpoints::{NoteFile, NotePost, follow};
use postern::forward::{Credentials, Tally};
use postern::ledger::checkpoint::Checkpoint;
use postern::ledger::note::SigningKey;
use postern::ledger::{Journal, Kept};
use postern::store::{AnyLedger, Location, Signing, Writing};

use self::receiver::{Cut, Http, Mode, Syslog};
use crate::ledger::fixture::until;
use crate::server::{Authority, Server, Site};

const DEBUGGER: &str = include_str!("../corpus/reviews/debug-profile-restricted.validate.json");
const WRITER: &str = "postern-0";

/// A server with a ledger that lasts, which sends its entries to these targets.
fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments =
        vec!["--ledger", "sqlite:ledger.db", "--writer", WRITER, "--drain-delay", "0s"];
    arguments.extend(more);
    arguments
}

/// Asks for debuggers, which are refused, and written down, for want of a policy.
async fn ask(site: &Site, server: &Server, number: usize) {
    let client = site.client().build().unwrap();
    for _ in 0..number {
        assert_eq!(answer(&client, server).await.unwrap(), Some(false));
    }
}

/// Whether it is allowed, where the answer arrives.
async fn answer(client: &reqwest::Client, server: &Server) -> reqwest::Result<Option<bool>> {
    let request = client.post(server.url("/validate")).header("content-type", "application/json");
    let answer: serde_json::Value = request.body(DEBUGGER).send().await?.json().await?;
    Ok(answer["response"]["allowed"].as_bool())
}

/// Everything in the ledger, as it lies in the chain.
async fn written(site: &Site) -> Vec<String> {
    let location = Location::Sqlite(site.path("ledger.db"));
    let ledger = AnyLedger::open_read_only(&location).await.unwrap();
    let kept = ledger.entries_after(WRITER, 0, 1_000_000).await.unwrap();
    ledger.close().await;
    kept.into_iter().map(|Kept { json, .. }| json).collect()
}

/// Waits until everything in the ledger has arrived, in whatever order; returns that.
async fn until_all_arrived(site: &Site, received: impl Fn() -> Vec<String>) -> Vec<String> {
    let mut all = Vec::new();
    until("everything has arrived", async || {
        all = written(site).await;
        let received: BTreeSet<_> = received().into_iter().collect();
        all.iter().all(|entry| received.contains(entry))
    })
    .await;
    all
}

/// Nothing is missing, and nothing stands before what it follows: read once, each line is the next
/// one or was there before.
fn assert_in_order(received: &[String], written: &[String]) {
    let mut seen = 0;
    for line in received {
        match written.iter().position(|entry| entry == line) {
            Some(at) if at == seen => seen += 1,
            Some(at) => assert!(at < seen, "{at} came after {seen}"),
            None => panic!("this is not in the ledger: {line}"),
        }
    }
    assert_eq!(seen, written.len(), "the end is missing");
}

/// The lines of a file and of those it was before, the oldest first. A kill may leave a gap in
/// their numbers.
fn lines(path: &Path) -> Vec<String> {
    let numbered = |number: usize| PathBuf::from(format!("{}.{number}", path.display()));
    let files = (1..=1000).rev().map(numbered).chain([path.to_owned()]);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_and_fails_delays_nobody_and_gets_everything() {
    let site = Site::new();
    fs::write(site.path("token"), "hunter2\n").unwrap();
    let receiver = Http::start(Mode::Hang).await;
    let target = format!("{}/in?key=hunter2", receiver.url());
    let server = site.start(&arguments(&[
        "--forward",
        &target,
        "--forward",
        "file:copy.jsonl",
        "--forward-token",
        "token",
    ]));
    ask(&site, &server, 1).await;
    until("the receiver hangs", async || receiver.asked() == 1).await;

    // Answers are given, and another target is served, while nobody answers here.
    ask(&site, &server, 20).await;
    // That it began, and which policies are in force, are entries too.
    until("the file has all", async || lines(&site.path("copy.jsonl")).len() == 23).await;
    server.wait_for_metric(r#"postern_forward_lag_entries{target="http-1"} 23"#).await;
    server.wait_for_metric(r#"postern_forward_lag_entries{target="file-2"} 0"#).await;
    server.wait_for_metric(r#"postern_forwarded_entries_total{target="file-2"} 23"#).await;
    assert_eq!(receiver.asked(), 1);

    receiver.be(Mode::Fail(500));
    server.wait_for_metric(r#"postern_forward_failures_total{target="http-1"} 2"#).await;
    receiver.be(Mode::Fail(413));
    // Halved at once until the first stands alone, which is then named.
    let alone = "entry 1 alone, with ";
    until("the log names an entry", async || server.log().contains(alone)).await;
    receiver.be(Mode::Take);
    server.wait_for_metric(r#"postern_forward_lag_entries{target="http-1"} 0"#).await;

    assert_eq!(receiver.lines(), written(&site).await);
    for head in receiver.heads() {
        assert_eq!(head["authorization"], "Bearer hunter2");
        assert_eq!(head["content-type"], "application/x-ndjson");
    }
    let (_, metrics) = server.health("/metrics").await;
    let log = server.log();
    assert!(!(metrics + &log).contains("hunter2"), "{log}");
    let said = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(said("the answer is HTTP 500"), 1, "said once:\n{log}");
    assert_eq!(said("Sending entries to http-1"), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_leaves_nothing_out_and_changes_no_order() {
    let site = Site::new();
    let receiver = Http::start(Mode::Take).await;
    let url = receiver.url();
    let arguments =
        arguments(&["--forward", &url, "--forward", "file:copy.jsonl?max-size=64KiB&keep=1000"]);
    for round in 1..=3 {
        let server = Arc::new(site.start(&arguments));
        let stop = Arc::new(AtomicBool::new(false));
        let load = (0..4).map(|_| {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            let client = site.client().build().unwrap();
            tokio::spawn(async move {
                // Who is killed answers nobody.
                while !stop.load(Ordering::Relaxed) && answer(&client, &server).await.is_ok() {}
            })
        });
        let load: Vec<_> = load.collect();
        let before = receiver.lines().len();
        until("more arrives", async || receiver.lines().len() > before + 100).await;
        server.signal("KILL");
        stop.store(true, Ordering::Relaxed);
        for task in load {
            task.await.unwrap();
        }
        assert!(receiver.lines().len() > round * 100);
    }
    let server = site.start(&arguments);
    let written = until_all_arrived(&site, || receiver.lines()).await;
    assert!(written.len() > 100);
    assert_in_order(&receiver.lines(), &written);
    until_all_arrived(&site, || lines(&site.path("copy.jsonl"))).await;
    assert!(site.path("copy.jsonl.2").exists(), "it was rotated");
    assert_in_order(&lines(&site.path("copy.jsonl")), &written);
    server.wait_for_metric(r#"postern_forward_lag_entries{target="http-1"} 0"#).await;
    server.wait_for_metric(r#"postern_forward_lag_entries{target="file-2"} 0"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_the_rest_and_a_start_sends_nothing_twice() {
    let site = Site::new();
    let receiver = Http::start(Mode::Take).await;
    let url = receiver.url();
    let arguments = arguments(&["--forward", &url]);
    for round in 1..=2 {
        let mut server = site.start(&arguments);
        ask(&site, &server, 5).await;
        server.signal("TERM");
        assert!(server.ended().await.success(), "{}", server.log());
        assert!(receiver.lines().len() >= round * 5);
    }
    assert_eq!(receiver.lines(), written(&site).await);

    // A target that is new to the ledger gets it from its beginning.
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.env_clear().current_dir(site.path(".")).arg("serve").args(&arguments[..6]);
    command.args(["--tls-cert", "tls/tls.crt", "--tls-key", "tls/tls.key"]);
    command.args(["--policies", "policies", "--listen", "127.0.0.1:0"]);
    command.args(["--health-listen", "127.0.0.1:0", "--forward", "stdout:"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let printed: Vec<_> = printed.map_while(Result::ok).take(10).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(printed, receiver.lines()[..10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syslog_receiver_that_cuts_off_is_told_again() {
    let site = Site::new();
    fs::write(site.path("ca.pem"), site.authority.pem()).unwrap();
    let receiver = Syslog::start(&site.authority.serving(), &[Cut::Off, Cut::WithFarewell]).await;
    let target = format!("syslog+tls://localhost:{}", receiver.port());
    let server = site.start(&arguments(&["--forward", &target, "--forward-ca", "ca.pem"]));
    ask(&site, &server, 3).await;
    let text = |message: &String| message.split_once("] ").unwrap().1.to_owned();
    let texts = || receiver.messages().iter().map(text).collect::<Vec<_>>();
    let written = until_all_arrived(&site, texts).await;
    server.wait_for_metric(r#"postern_forward_failures_total{target="syslog-1"} 2"#).await;
    server.wait_for_line("Sending entries to syslog-1");
    let (messages, texts) = (receiver.messages(), texts());
    assert_in_order(&texts, &written);
    for (message, text) in messages.iter().zip(&texts) {
        let record: serde_json::Value = serde_json::from_str(text).unwrap();
        if record.get("event").is_some() {
            assert!(message.starts_with("<110>1 "), "{message}");
            continue;
        }
        let time = record["time"].as_str().unwrap();
        // To the microsecond, which is all that the format has.
        let time = &time[..time.len().min(26)];
        let head = format!("<109>1 {}", time.trim_end_matches('Z'));
        assert!(message.starts_with(&head), "{message} does not start with {head}");
        let rest = format!(
            "Z postern-0 postern - Decision [postern@32473 sequence=\"{}\" id=\"{}\" \
             answer=\"Refused\"] {{",
            record["sequence"],
            record["id"].as_str().unwrap()
        );
        assert!(message.contains(&rest), "{message} lacks {rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_to_a_receiver_that_nobody_vouches_for() {
    let site = Site::new();
    fs::write(site.path("ca.pem"), Authority::new("Another").pem()).unwrap();
    let receiver = Syslog::start(&site.authority.serving(), &[]).await;
    let target = format!("syslog+tls://localhost:{}", receiver.port());
    let other = Syslog::start(&site.authority.serving(), &[]).await;
    let https = format!("https://localhost:{}/", other.port());
    let server = site.start(&arguments(&[
        "--forward",
        &target,
        "--forward",
        &https,
        "--forward-ca",
        "ca.pem",
    ]));
    ask(&site, &server, 1).await;
    for label in ["syslog-1", "http-2"] {
        let line = format!(r#"postern_forward_failures_total{{target="{label}"}} 2"#);
        server.wait_for_metric(&line).await;
    }
    assert!(server.log().contains("invalid peer certificate: UnknownIssuer"), "{}", server.log());
    assert!(receiver.messages().is_empty());

    // Once the file is right, it is read anew without a restart.
    fs::write(site.path("ca.pem"), site.authority.pem()).unwrap();
    until("it is told", async || !receiver.messages().is_empty()).await;
}

#[tokio::test]
async fn targets_that_make_no_sense_end_the_start_and_show_no_secret() {
    let site = Site::new();
    for (more, words) in [
        (&["--forward", "https://u:hunter2@h/"][..], "`--forward`: a URL must not hold a user"),
        (&["--forward", "ftp://h/hunter2"], "`--forward`: a target is `stdout:`, `file:PATH`"),
        (&["--forward", "file:a file:a?keep=2"], "`--forward`: file:a is given twice"),
        (&["--forward", "stdout:"], "`--forward`: a ledger in memory keeps"),
        (&["--checkpoint-to", "file:a"], "`--checkpoint-to`: needs a ledger that lasts"),
        (
            &["--ledger", "sqlite:l.db", "--checkpoint-to", "s3://hunter2"],
            "`--checkpoint-to`: checkpoints go to `file:PATH`",
        ),
        (
            &["--ledger", "sqlite:l.db", "--checkpoint-to", "configmap:a"],
            "`--checkpoint-to`: it is not a name of a ConfigMap",
        ),
    ] {
        let mut server = site.launch(more);
        server.wait_for_line(words);
        assert_eq!(server.ended().await.code(), Some(64), "{more:?}");
        assert!(!server.log().contains("hunter2"), "{}", server.log());
    }
    assert!(!site.path("a").exists() && !site.path("l.db").exists());
    let ledger = site.path("own.db");
    fs::write(&ledger, "without a line's end").unwrap();
    std::os::unix::fs::symlink("own.db", site.path("linked")).unwrap();
    for name in ["--forward", "--checkpoint-to"] {
        for own in ["own.db", "own.db-wal", "./own.db.w.lock", "linked"] {
            let target = format!("file:{own}");
            let mut server = site.launch(&["--ledger", "sqlite:own.db", name, &target]);
            server.wait_for_line(&format!("`{name}`: `{own}` is a part of the ledger: `"));
            assert_eq!(server.ended().await.code(), Some(64), "{name} {target}");
        }
    }
    assert_eq!(fs::read_to_string(&ledger).unwrap(), "without a line's end");
    // A key that lies elsewhere too.
    fs::write(site.path("signs"), "a key").unwrap();
    for own in ["signs", "signs.pub", "./signs.rotations"] {
        let target = format!("file:{own}");
        let more = ["--ledger-key", "signs", "--checkpoint-to", &target];
        let mut server = site.launch(&arguments(&more));
        server.wait_for_line(&format!("`--checkpoint-to`: `{own}` is a part of the ledger: `"));
        assert_eq!(server.ended().await.code(), Some(64), "{target}");
    }
    assert_eq!(fs::read_to_string(site.path("signs")).unwrap(), "a key");
    let file = "file:none/copy.jsonl";
    let mut server = site.launch(&arguments(&["--forward", file]));
    server.wait_for_line(
        "`--forward`: file:none/copy.jsonl: cannot open it: its folder `none` cannot be read: No",
    );
    assert_eq!(server.ended().await.code(), Some(2));
}

#[tokio::test]
async fn no_file_is_written_for_two() {
    let site = Site::new();
    fs::write(site.path("token"), "without a line's end").unwrap();
    for (more, words) in [
        (&["--forward", "file:a", "--forward", "file:./a"][..], "`--forward`: `./a` is `a` of"),
        (&["--forward", "file:a file:a.1"], "`--forward`: `a.1` is `a` of `--forward`, once"),
        (
            &["--forward", "file:a", "--checkpoint-to", "file:./a"],
            "`--checkpoint-to`: `./a` is `a` of `--forward`; want",
        ),
        (
            &["--checkpoint-to", "file:a", "--checkpoint-to", "file:a"],
            "`--checkpoint-to`: `a` is the file of `--checkpoint-to`; want",
        ),
        (
            &["--forward", "file:token", "--forward-token", "./token"],
            "`--forward`: `token` is `./token` of `--forward-token`; want",
        ),
    ] {
        let mut server = site.launch(&arguments(more));
        server.wait_for_line(words);
        assert_eq!(server.ended().await.code(), Some(64), "{more:?}");
    }
    assert_eq!(fs::read_to_string(site.path("token")).unwrap(), "without a line's end");
    assert!(!site.path("a").exists());
}

#[tokio::test]
async fn no_file_is_written_that_the_server_reads() {
    let site = Site::new();
    site.install_policies(&[("a.yaml", "# without a line's end")]);
    site.install_settings("# without a line's end");
    fs::write(site.path("cluster"), "# without a line's end").unwrap();
    std::os::unix::fs::symlink("cluster", site.path("linked")).unwrap();
    for (target, words) in [
        ("policies/a.yaml", "`policies/a.yaml` is in `policies` of `--policies`; want"),
        ("./policies/..data/new", "is in `policies` of `--policies`; want"),
        ("./config/postern.yaml", "is `config/postern.yaml` of `--config`; want"),
        ("linked", "`linked` is `cluster` of `--kubeconfig`; want"),
        ("./ca", "`./ca` is `ca` of `--ledger`; want"),
    ] {
        for name in ["--forward", "--checkpoint-to"] {
            let target = format!("file:{target}");
            let ledger = "postgres://nobody.invalid/?sslrootcert=ca";
            let more = [name, &target, "--config", "config/postern.yaml", "--ledger", ledger];
            let mut server = site.launch_with(("KUBECONFIG", "cluster"), &more);
            server.wait_for_line(&format!("`{name}`: "));
            server.wait_for_line(words);
            assert_eq!(server.ended().await.code(), Some(64), "{name} {target}");
        }
    }
    for read in ["policies/a.yaml", "config/postern.yaml", "cluster"] {
        assert_eq!(fs::read_to_string(site.path(read)).unwrap(), "# without a line's end");
    }
    assert!(!site.path("policies/..data/new").exists());
}

struct Uncounted;

impl Tally for Uncounted {
    fn lag(&self, _: &str, _: u64) {}
    fn failed(&self, _: &str) {}
    fn forwarded(&self, _: &str, _: u64) {}
    fn checkpoint_failed(&self, _: &str) {}
}

#[tokio::test]
async fn checkpoints_are_kept_elsewhere_as_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let (key, _) = SigningKey::generate().unwrap();
    let public = key.public();
    let signing = Signing {
        key: Arc::new(key),
        trusted: vec![public],
        cluster: "staging".to_owned(),
        every: Duration::from_millis(50),
    };
    let writing = Writing { signing: Some(signing), ..Writing::from(WRITER) };
    let location = Location::Sqlite(folder.path().join("ledger.db"));
    let ledger = AnyLedger::open(&location, writing).await.unwrap();
    let receiver = Http::start(Mode::Fail(503)).await;

    let file = folder.path().join("checkpoints");
    let notes = ledger.checkpoints().unwrap();
    let place = NoteFile::new(file.clone()).unwrap();
    let to_file = tokio::spawn(follow(place, "file-1".into(), notes.clone(), Arc::new(Uncounted)));
    let url = format!("{}/seals", receiver.url()).parse().unwrap();
    let place = NotePost::new(url, &Credentials::default()).unwrap();
    let posted = tokio::spawn(follow(place, "http-2".into(), notes, Arc::new(Uncounted)));
    until("it was refused", async || receiver.asked() > 1).await;
    receiver.be(Mode::Take);
    until("both got some", async || {
        let kept = fs::read_to_string(&file).unwrap_or_default();
        kept.matches("\nchain ").count() > 2 && receiver.bodies().len() > 1
    })
    .await;
    ledger.close().await;
    drop(ledger);
    to_file.await.unwrap();
    posted.await.unwrap();

    let kept = fs::read_to_string(&file).unwrap();
    let first_line = format!("postern.dev/ledger/{WRITER}\n");
    let mut times = BTreeMap::new();
    for note in kept.split(&format!("\n{first_line}")) {
        let note = note.trim_start_matches(&first_line).trim_end_matches('\n');
        let note = format!("{first_line}{note}\n");
        let checkpoint = Checkpoint::verify(&note, std::slice::from_ref(&public)).unwrap();
        times.insert(checkpoint.time, note);
    }
    assert!(times.len() > 2);
    for body in receiver.bodies() {
        Checkpoint::verify(&body, std::slice::from_ref(&public)).unwrap();
    }
    assert_eq!(
        receiver.bodies().last(),
        times.last_entry().map(|last| last.get().clone()).as_ref()
    );
    assert_eq!(receiver.heads()[0]["content-type"], "text/plain; charset=utf-8");
}
