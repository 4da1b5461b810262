//! The one cluster of all tests here, and whose turn it is.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::support::{Cluster, Node};
use crate::installed::Installed;
use crate::postgres::Postgres;

/// Where the load's pods are.
pub(crate) const CROWD: &str = "fresh-crowd";
const POLICIES: &str = include_str!("policies.yaml");

/// A cluster with a node, on which Postern is installed.
pub(crate) struct Town {
    pub(crate) cluster: Cluster,
    pub(crate) node: Node,
    pub(crate) postern: Installed,
}

/// The one of this process, for one test at a time; `None`, said aloud, where this machine can have
/// none. It ends with the process.
pub(crate) fn town(test: &str) -> Option<MutexGuard<'static, Town>> {
    static TOWN: OnceLock<Result<Mutex<Town>, String>> = OnceLock::new();
    let turn = match TOWN.get_or_init(|| Town::found().map(Mutex::new)) {
        Ok(town) => town.lock().unwrap_or_else(|failed| {
            // Whoever had it before has not put it back.
            town.clear_poison();
            let turn = failed.into_inner();
            turn.postern.restore_webhooks(&turn.cluster);
            turn.postern.scale(&turn.cluster, 3);
            turn
        }),
        Err(why) => {
            not_run(test, why);
            return None;
        }
    };
    turn.postern.settle(&turn.cluster);
    Some(turn)
}

/// The archive with Postern's image: that of `POSTERN_IMAGE`, or one made here.
pub(crate) fn image() -> Result<PathBuf, String> {
    static IMAGE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || {
        if let Some(image) = std::env::var_os("POSTERN_IMAGE") {
            return Ok(PathBuf::from(image));
        }
        let made = Command::new("deploy/image/build.sh")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("deploy/image/build.sh: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if made.status.success() {
            Ok(PathBuf::from(text(&made.stdout)))
        } else {
            Err(text(&made.stderr))
        }
    };
    IMAGE.get_or_init(make).clone()
}

impl Town {
    fn found() -> Result<Town, String> {
        let image = image()?;
        let (cluster, node) = Cluster::start_whole(&[&image])?;
        static POSTGRES: OnceLock<Postgres> = OnceLock::new();
        let postgres = POSTGRES.get_or_init(|| Postgres::start_on(cluster.network().clone()));
        let postern = Installed::install(&cluster, &postgres.database());
        cluster.apply(POLICIES);
        cluster.create_namespace(CROWD, &[]);
        // Nobody schedules them: they are there to be patched, and cost nothing.
        let pods: Vec<Value> = (0..30).map(idle_pod).collect();
        cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string());
        Ok(Town { cluster, node, postern })
    }
}

fn idle_pod(number: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": CROWD, "name": format!("idle-{number}")},
        "spec": {
            "schedulerName": "nobody",
            "containers": [{"name": "app", "image": "docker.io/library/busybox:1.36"}],
        },
    })
}

/// Not a silent pass: the harness keeps to itself what `eprintln!` prints of a test that succeeds.
pub(crate) fn not_run(test: &str, why: &str) {
    drop(writeln!(io::stderr(), "not run: {test}, because {why}"));
}

/// A line of kubectl, typed by the admin, that must succeed.
pub(crate) fn kubectl(town: &Town, line: &str) -> String {
    let limit = Duration::from_secs(120);
    town.cluster.kubectl("admin").args(line.split(' ')).timeout(limit).ok()
}

/// Asks again and again, until it is so.
pub(crate) fn wait_until(what: &str, limit: Duration, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !so() {
        assert!(Instant::now() < end, "{what}: not so after {limit:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A tool of these tests, built if need be: `cargo test --test whole` alone builds no examples.
pub(crate) fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_postern")).parent().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--example", name]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    folder.join("examples").join(name)
}
