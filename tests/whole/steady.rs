//! A steady load of debug containers, while something happens to Postern.

use std::io::Read as _;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cluster::support::Cluster;
use crate::town::{CROWD, example};

/// As many as a small machine, which is everything at once here, has no trouble with.
const PER_SECOND: &str = "20";

/// The load, as long as this lives.
pub(crate) struct Steady {
    running: Child,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Each answer that was not the expected one.
    pub(crate) failed: Vec<Value>,
    /// How many answers there were of each kind.
    pub(crate) sum: Value,
}

impl Steady {
    /// Starts it, as alice.
    pub(crate) fn start(cluster: &Cluster) -> Steady {
        let mut command = cluster.network().command(&example("steady-load"));
        let running = command
            .arg(cluster.kubeconfig("alice"))
            .args([CROWD, "registry.example.com/debug/busybox:1.36", "evil.example.com/x:1"])
            .arg(PER_SECOND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Steady { running }
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> Outcome {
        drop(self.running.stdin.take());
        let mut text = String::new();
        self.running.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.running.wait().unwrap().success(), "{text}");
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sum = lines.pop().expect("a sum");
        Outcome { failed: lines, sum }
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        // The only failure is that it has ended.
        drop(self.running.kill());
        drop(self.running.wait());
    }
}
