//! `make playground`: a real API server, a real node where this machine can have one, and Postern in
//! front with the policies of `deploy/examples`, to type `kubectl debug` at.
//!
//! It runs until Ctrl-C or SIGTERM and leaves nothing behind. `--once` types the two commands itself
//! and ends; `--no-node` does without the node, so that pods exist but no container runs.
#![allow(
    clippy::allow_attributes,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "whoever plays is told what went wrong, and nobody calls into this"
)]

#[path = "../support/cluster.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use support::{Cluster, Node, Output, Postern, pod};

/// Who there is, and what the example policies have to say of them.
const PEOPLE: [(&str, &str); 4] = [
    ("alice", "a developer: approved images, the namespaces payments and team-*"),
    ("bob", "on call: every pod and the network tools, with --env=DEBUG_REASON=INC-1"),
    ("carol", "may add debug containers as far as Kubernetes goes; no policy lets her"),
    ("admin", "cluster administrator, whom no policy lets either"),
];
const REFUSED: &str = "kubectl debug payments-api -n payments --image=nicolaka/netshoot";
const ALLOWED: &str = "kubectl debug payments-api -n payments --image=busybox:1.36 --target=app";
const USAGE: &str = "usage: playground [--once] [--no-node]\n";

fn main() -> ExitCode {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let given = |option: &str| options.iter().any(|given| given == option);
    if options.iter().any(|option| !["--once", "--no-node"].contains(&option.as_str())) {
        return end(&io::stderr().write_all(USAGE.as_bytes()), 64);
    }
    let ground = Playground::set_up(!given("--no-node"));
    if given("--once") {
        return ground.play_once();
    }
    let told = io::stdout().write_all(ground.guide().as_bytes());
    wait_for_signal();
    drop(ground);
    end(&told, 0)
}

/// Everything that runs. Dropped from the top: the node goes while there still is a cluster.
struct Playground {
    node: Result<Node, String>,
    postern: Postern,
    program: PathBuf,
    cluster: Cluster,
}

impl Playground {
    fn set_up(with_node: bool) -> Playground {
        tell("starting an API server");
        let cluster = Cluster::start();
        let program = program();
        tell("starting Postern");
        let examples = examples();
        let examples: Vec<_> =
            examples.iter().map(|(name, yaml)| (name.as_str(), yaml.as_str())).collect();
        let postern = Postern::start(&cluster, &program, &examples);
        postern.install(&cluster);
        cluster.create_namespace("payments", &[]);
        let node = if with_node {
            tell("starting a node");
            Node::start(&cluster)
        } else {
            Err("--no-node was given".to_owned())
        };
        match &node {
            Ok(node) => node.create_pod(&cluster, &payments_api()),
            Err(_) => cluster.create_pod(&payments_api()),
        }
        Playground { node, postern, program, cluster }
    }

    /// What to type, ready to paste.
    fn guide(&self) -> String {
        let people: String = PEOPLE
            .iter()
            .map(|(name, who)| {
                format!("  {}\n      {who}\n", self.cluster.kubeconfig(name).display())
            })
            .collect();
        let (interactive, node) = match &self.node {
            Ok(_) => (" -it", "It has a node, so debug containers really run.".to_owned()),
            Err(why) => ("", format!("No container runs, because there is no node: {why}.")),
        };
        format!(
            "\nAn API server at {server} asks Postern about every debug container. {node}\n\n\
             Be somebody:\n\n{people}\n\
             Paste into another terminal:\n\n  \
             export PATH={programs}:$PATH KUBECONFIG={alice}\n\n\
             Refused, with a command that would pass:\n\n  {REFUSED}{interactive}\n\n\
             Allowed, and hardened on the way:\n\n  {ALLOWED}{interactive}\n\n\
             Both are on record:\n\n  {postern} audit list --ledger {ledger}\n\n\
             Policies, to be changed while this runs:\n\n  {policies}\n\n\
             Ctrl-C ends it and removes everything.\n",
            server = self.cluster.server(),
            programs = self.cluster.programs().display(),
            alice = self.cluster.kubeconfig("alice").display(),
            postern = self.program.display(),
            ledger = self.postern.ledger(),
            policies = self.postern.policies().display(),
        )
    }

    /// Types what the guide suggests, and says whether it came out as the guide says.
    fn play_once(&self) -> ExitCode {
        let refused = self.types(REFUSED);
        let allowed = self.types(ALLOWED);
        let listed = self.postern.run(&["audit", "list", "--ledger", &self.postern.ledger()]);
        let shown = show("postern audit list", &listed);
        let as_told = !refused.success()
            && refused.stderr.contains("is not approved here")
            && allowed.success()
            && listed.success();
        end(&shown, if as_told { 0 } else { 1 })
    }

    fn types(&self, line: &str) -> Output {
        let words = line.split(' ').skip(1);
        let output = self.cluster.kubectl("alice").args(words).run();
        // A reader that went away misses nothing that the exit code does not say.
        drop(show(line, &output));
        output
    }
}

/// The pod to debug: an application and a proxy.
fn payments_api() -> Value {
    let mut api = pod("payments", "payments-api");
    let image = "registry.example.com/app/server:1.0";
    api["spec"]["containers"] = json!([
        {"name": "app", "image": image, "command": ["sleep", "4711"]},
        {"name": "proxy", "image": image, "command": ["sleep", "4712"]},
    ]);
    api
}

/// The `postern` that was built beside this.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|this| {
        let examples = this.parent()?;
        Some(examples.parent()?.join("postern"))
    });
    match beside {
        Some(program) if program.is_file() => program,
        _ => panic!("there is no postern beside the playground; `cargo build` makes it"),
    }
}

/// `deploy/examples` as it is now: file names and texts.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let files = entries.flatten().map(|entry| entry.path());
    let policies = files.filter(|path| path.extension().is_some_and(|it| it == "yaml"));
    policies
        .map(|path| {
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (name.into_owned(), text)
        })
        .collect()
}

fn show(line: &str, output: &Output) -> io::Result<()> {
    write!(io::stdout(), "$ {line}\n{}{}\n", output.stdout, output.stderr)
}

fn tell(what: &str) {
    drop(writeln!(io::stderr(), "playground: {what}"));
}

fn wait_for_signal() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let waited = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            io::Result::Ok(())
        })
    });
    match waited {
        Ok(()) => tell("stopping"),
        Err(error) => panic!("cannot wait for a signal: {error}"),
    }
}

/// The exit code, unless what was to be said could not be.
fn end(said: &io::Result<()>, code: u8) -> ExitCode {
    ExitCode::from(if said.is_ok() { code } else { 2 })
}
