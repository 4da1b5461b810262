//! Upstream's own checks, in a process of their own: `tests/pod-security`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use postern::policy::rule::Level;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::support::built_by;

/// Names of upstream's checks.
pub(crate) type Checks = BTreeSet<String>;

/// Who speaks: the first line of all that the program prints.
#[derive(Debug, Deserialize)]
pub(crate) struct About {
    /// The version of `k8s.io/pod-security-admission`.
    pub(crate) module: String,
    /// What `latest` is there.
    pub(crate) policy: String,
    /// What is asked at each level.
    pub(crate) checks: BTreeMap<String, Checks>,
}

/// A program that answers one question after the other.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) about: About,
    process: Child,
    /// Open as long as there may be another question.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    asked: u64,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    allowed: bool,
    checks: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    id: String,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let program = build().join("pod-security");
        let mut process = Command::new(&program)
            .arg("judge")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let questions = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let about = serde_json::from_str(&line(&mut answers)).unwrap();
        Self { about, process, questions, answers, asked: 0 }
    }

    /// The checks that the whole pod breaks.
    pub(crate) fn judge(&mut self, level: Level, pod: &Value) -> Checks {
        self.asked += 1;
        let level = level.as_str();
        // Put together by hand: `json!` would copy the pod by serializing it.
        let question = format!("{{\"id\":{},\"level\":\"{level}\",\"pod\":{pod}}}\n", self.asked);
        self.questions.as_mut().unwrap().write_all(question.as_bytes()).unwrap();
        let answer: Answer = serde_json::from_str(&line(&mut self.answers)).unwrap();
        assert_eq!(answer.id, self.asked, "an answer to another question");
        assert_eq!(answer.allowed, answer.checks.is_empty(), "a refusal has a reason:\n{pod:#}");
        answer.checks.into_iter().map(|check| check.id).collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.questions.take());
        drop(self.process.wait());
    }
}

fn line(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "upstream's program ended; above is what it said");
    line
}

/// One of upstream's own cases, its containers moved.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) level: String,
    pub(crate) pass: bool,
    pub(crate) pod: Option<Value>,
    /// Why there is no pod.
    pub(crate) left_out: Option<String>,
}

pub(crate) fn fixtures() -> Vec<Fixture> {
    let text = fs::read_to_string(build().join("fixtures.jsonl")).unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the program is; the first call ever builds it.
fn build() -> PathBuf {
    built_by("tests/pod-security/build.sh", &[])
}
