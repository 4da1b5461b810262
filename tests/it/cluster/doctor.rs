//! `postern doctor` before deliberately broken clusters: each fault is found, and on the good one
//! there is no false alarm.
//!
//! The tests share a good cluster. Each has it alone, breaks it, asks, and mends it.

mod breakage;
mod certificates;
mod page;
mod policies;
mod rights;
mod webhooks;

use std::path::Path;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::policies::give_roles;
use super::pool::Pool;
use super::support::{Cluster, Output, Postern, pod};

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);
const IMAGE: &str = "registry.example.com/debug/tools:1";
const PERMIT: &str = "
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata:
  name: developers
spec:
  effect: Permit
  match: {subjects: [{kind: Group, name: dev}]}
  containers: {images: {allow: [\"registry.example.com/debug/**\"]}}
";
const REQUIRE: &str = "
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata:
  name: no-latest
spec:
  effect: Require
  containers: {images: {deny: [\"*/**:latest\"]}}
";

/// A good cluster, and what its webhook configurations are.
struct Ward {
    cluster: Cluster,
    postern: Postern,
    good: Vec<Value>,
}

/// For one test alone.
fn ward() -> MutexGuard<'static, Ward> {
    static WARDS: Pool<Ward> = Pool::new();
    let mut ward = WARDS.take(Ward::open);
    ward.mend();
    ward
}

fn delivered(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    std::fs::read_to_string(path).unwrap()
}

impl Ward {
    fn open() -> Ward {
        let cluster = Cluster::start();
        cluster.apply(&delivered("crds/debugpolicies.postern.dev.yaml"));
        let established = "wait --for=condition=Established crd/debugpolicies.postern.dev";
        cluster.kubectl("admin").args(established.split(' ')).args(["--timeout=20s"]).ok();
        give_roles(&cluster);
        let program = Path::new(env!("CARGO_BIN_EXE_postern"));
        let mut postern = Postern::start_in(&cluster, program, &[], &[]);
        postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
        postern.install(&cluster);
        let mut ward = Ward { cluster, postern, good: Vec::new() };
        ward.apply_policies(&[PERMIT, REQUIRE]);
        ward.cluster.create_namespace("shop", &[]);
        ward.cluster.create_pod(&pod("shop", "api"));
        let debug = format!("debug api -n shop -c fine --profile=baseline --image={IMAGE}");
        ward.cluster.kubectl("alice").args(debug.split(' ')).ok();
        ward.cluster.report_running("shop", "api");
        ward.remember();
        ward
    }

    /// Keeps the webhook configurations as they are, to come back to.
    fn remember(&mut self) {
        let of = |kind: &str| {
            let mut object = self.cluster.get("default", &format!("{kind}/postern"));
            object["metadata"] = json!({"name": "postern"});
            object
        };
        let kinds = ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"];
        self.good = kinds.map(of).to_vec();
    }

    /// Puts the webhook configurations back.
    fn mend(&mut self) {
        self.postern.start_again();
        for object in &self.good {
            let text = object.to_string();
            let admin = || self.cluster.kubectl("admin");
            if !admin().args(["replace", "-f", "-"]).stdin(text.clone()).run().success() {
                admin().args(["create", "-f", "-"]).stdin(text).ok();
            }
        }
        self.cluster.settle_webhooks();
        // A server that was started again has yet to say what it judges by.
        self.wait_until_loaded();
    }

    /// Changes one webhook configuration: `mutating` or `validating`.
    fn change(&self, which: &str, change: impl FnOnce(&mut Value)) {
        let is_it =
            |object: &&Value| object["kind"].as_str().unwrap().to_lowercase().starts_with(which);
        let mut object = self.good.iter().find(is_it).unwrap().clone();
        change(&mut object["webhooks"][0]);
        let text = object.to_string();
        self.cluster.kubectl("admin").args(["replace", "-f", "-"]).stdin(text).ok();
        self.cluster.settle_webhooks();
    }

    fn admin(&self, line: &str) -> String {
        self.cluster.kubectl("admin").args(line.split_whitespace()).ok()
    }

    fn apply_policies(&self, policies: &[&str]) {
        self.cluster.apply(&policies.join("---\n"));
        self.wait_until_loaded();
    }

    fn wait_until_loaded(&self) {
        self.wait("the policies", || {
            let listed = self.admin("get dbgp -o json");
            let listed: Value = serde_json::from_str(&listed).unwrap();
            listed["items"].as_array().unwrap().iter().all(|policy| {
                let status = &policy["status"];
                let replicas = status["replicas"].as_object();
                status["observedGeneration"] == policy["metadata"]["generation"]
                    && replicas.is_some_and(|replicas| !replicas.is_empty())
            })
        });
    }

    fn wait(&self, what: &str, mut so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(Instant::now() < end, "{what}: not after {PATIENCE:?}\n{}", self.postern.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `postern doctor` as one of the cluster's users.
    fn doctor(&self, user: &str, options: &str) -> Output {
        let kubeconfig = self.cluster.kubeconfig(user).display().to_string();
        let mut line = vec!["doctor", "--kubeconfig", &kubeconfig];
        line.extend(options.split_whitespace());
        self.postern.run(&line)
    }

    /// What it finds, as data.
    fn report(&self, options: &str) -> Value {
        let asked = self.doctor("admin", &format!("-o json {options}"));
        assert!(matches!(asked.status, Some(0 | 1)), "{asked:?}");
        let report: Value = serde_json::from_str(&asked.stdout).unwrap();
        assert_eq!(report["guarded"], asked.status == Some(0), "{report}");
        report
    }

    /// The codes of what is worse than info, in order of their names.
    fn found(&self, options: &str) -> Vec<String> {
        codes(&self.report(options))
    }
}

fn codes(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|finding| finding["severity"] != "info");
    let mut codes: Vec<_> = bad.map(|it| it["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes
}

/// The finding of this code.
fn finding<'a>(report: &'a Value, code: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["code"] == code);
    found.unwrap_or_else(|| panic!("no {code}: {report:#}"))
}

#[test]
fn a_good_cluster_has_nothing_wrong() {
    let ward = ward();
    for options in
        ["", "--as alice --as-group dev", "-n shop --pod api --as bob --as-group on-call"]
    {
        let report = ward.report(options);
        assert_eq!(codes(&report), [""; 0], "{options}: {report:#}");
        assert_eq!(report["guarded"], true);
        assert_eq!(finding(&report, "door-guarded")["severity"], "info");
        assert_eq!(report["triedOn"], "shop/api");
    }
}
