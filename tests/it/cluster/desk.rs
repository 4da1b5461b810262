//! Where one test sits: a namespace, a folder for files, and a terminal whose lines are kept.

use std::ops::Deref;
use std::sync::RwLockReadGuard;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::site::{Alone, Site, site};
use super::support::{Cluster, Output, Postern, pod};
use super::transcript::Transcript;

/// Postern held together with the other tests.
pub(super) type Shared = RwLockReadGuard<'static, Postern>;

/// A test's desk. `P` is how it holds Postern: with the others, or alone.
pub(super) struct Desk<P> {
    pub(super) namespace: &'static str,
    postern: P,
    site: &'static Site,
    folder: TempDir,
    transcript: Transcript,
}

impl Desk<Shared> {
    /// A desk among others, in a new namespace.
    pub(super) fn open(namespace: &'static str) -> Self {
        Desk::new(namespace, site(), site().shared())
    }
}

impl Desk<Alone> {
    /// The only desk there is meanwhile.
    pub(super) fn open_alone(namespace: &'static str) -> Self {
        Desk::new(namespace, site(), site().alone())
    }

    /// Postern, to be stopped and cut off.
    pub(super) fn postern_mut(&mut self) -> &mut Alone {
        &mut self.postern
    }
}

impl<P: Deref<Target = Postern>> Desk<P> {
    fn new(namespace: &'static str, site: &'static Site, postern: P) -> Self {
        site.cluster.create_namespace(namespace, &[]);
        let folder = tempfile::tempdir().unwrap();
        Desk { namespace, postern, site, folder, transcript: Transcript::default() }
    }

    pub(super) fn cluster(&self) -> &'static Cluster {
        &self.site.cluster
    }

    pub(super) fn postern(&self) -> &Postern {
        &self.postern
    }

    /// A running pod with one container, `app`.
    pub(super) fn pod(&self, name: &str) {
        self.cluster().create_pod(&pod(self.namespace, name));
    }

    /// A running pod that is changed before it is created.
    pub(super) fn pod_with(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut pod = pod(self.namespace, name);
        change(&mut pod);
        self.cluster().create_pod(&pod);
    }

    /// A pod as the API server has it.
    pub(super) fn read_pod(&self, name: &str) -> Value {
        self.cluster().get(self.namespace, &format!("pod/{name}"))
    }

    /// The ephemeral containers of a pod.
    pub(super) fn debuggers(&self, name: &str) -> Vec<Value> {
        let pod = self.read_pod(name);
        let containers = pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array);
        containers.cloned().unwrap_or_default()
    }

    /// Writes a file into the folder in which commands are typed.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// The same with JSON.
    pub(super) fn json_file(&self, name: &str, content: &Value) {
        self.file(name, content.to_string());
    }

    /// Types a command of kubectl as this user and keeps what the terminal shows.
    pub(super) fn types(&mut self, user: &str, line: &str) -> Output {
        let words = words(line);
        let (program, arguments) = words.split_first().unwrap();
        assert_eq!(program, "kubectl", "only kubectl is typed here");
        let kubectl = self.cluster().kubectl(user).folder(self.folder.path());
        let output = kubectl.args(arguments).run();
        self.transcript.command(user, line, &output);
        output
    }

    /// The same as a session that is typed into, as [`super::support::Kubectl::converse`].
    pub(super) fn converses(&mut self, user: &str, line: &str, steps: &[(&str, &str)]) -> Output {
        let words = words(line);
        let kubectl = self.cluster().kubectl(user).folder(self.folder.path());
        kubectl.args(words.split_first().unwrap().1).converse(steps)
    }

    /// A line between commands.
    pub(super) fn note(&mut self, text: &str) {
        self.transcript.note(text);
    }

    /// Keeps an output that was run, or cut down, elsewhere.
    pub(super) fn keep(&mut self, user: &str, line: &str, output: &Output) {
        self.transcript.command(user, line, output);
    }

    /// What the ledger holds of this namespace, the oldest first.
    pub(super) fn records(&self) -> Vec<Value> {
        self.postern.audit(&["-n", self.namespace])
    }

    /// Compares everything with the transcript of this name: what was typed, what came back, and
    /// what the ledger says of it. Every decision that the terminal named must be on record.
    pub(super) fn close(mut self, name: &str) {
        let records = self.records();
        for named in self.transcript.decisions() {
            let on_record = records.iter().any(|record| record["id"] == json!(named));
            assert!(on_record, "decision {named} is not in the ledger: {records:#?}");
        }
        self.transcript.ledger(&records);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            insta::assert_snapshot!(format!("cluster_{name}"), self.transcript.text());
        });
    }
}

/// Words as a shell divides them, as far as these tests need: at spaces, except in single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn quotes_hold_words_together() {
    assert_eq!(words("kubectl patch -p '[1, 2]' x"), ["kubectl", "patch", "-p", "[1, 2]", "x"]);
}
