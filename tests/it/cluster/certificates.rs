//! Certificates that Postern makes itself, or is given, in front of a real API server. Each test
//! has one alone: there is one Secret, one Lease and one pair of webhook configurations.

mod brought;
mod caller;
mod made;
mod mutual;
mod replicas;
mod rotate;
mod rotation;

use std::path::Path;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::pool::Pool;
use super::support::{Cluster, Output, Postern, installed, pod};

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
const IMAGE: &str = "busybox:1.36";
/// Lets busybox in everywhere, and nothing else.
const POLICY: (&str, &str) = (
    "busybox.yaml",
    "apiVersion: postern.dev/v1alpha1\n\
     kind: DebugPolicy\n\
     metadata: {name: busybox}\n\
     spec:\n  \
       effect: Permit\n  \
       containers: {images: {allow: [busybox]}, capabilities: {allow: [SYS_PTRACE]}}\n",
);
const SECRET: &str = "postern-system/postern-tls";

/// The API server, without anything of Postern but what RBAC lets it do.
struct Ground {
    cluster: MutexGuard<'static, Cluster>,
}

impl Ground {
    /// For one test alone, as if nothing had been before.
    fn clean() -> Ground {
        static CLUSTERS: Pool<Cluster> = Pool::new();
        let cluster = CLUSTERS.take(|| {
            let cluster = Cluster::start();
            cluster.create_namespace("postern-system", &[]);
            apply_rights(&cluster);
            cluster.create_namespace("room", &[]);
            cluster.create_pod(&pod("room", "api"));
            cluster
        });
        let ground = Ground { cluster };
        ground.cluster.remove_webhooks();
        ground.admin("delete -n postern-system --ignore-not-found secret/postern-tls");
        ground.admin("delete -n postern-system --ignore-not-found lease/postern-tls");
        ground
    }

    fn admin(&self, line: &str) -> Output {
        let output = self.cluster.kubectl("admin").args(line.split_whitespace()).run();
        assert!(output.success(), "kubectl {line}: {}", output.stderr);
        output
    }

    /// A Postern that makes its certificates itself.
    fn postern(&self, writer: &str, options: &[&str]) -> Postern {
        let kubeconfig = self.cluster.kubeconfig("postern").display().to_string();
        let mut all = vec!["--tls-secret", SECRET];
        if !options.contains(&"--tls-names") {
            all.extend(["--tls-names", "127.0.0.1"]);
        }
        all.extend(["--kubeconfig", &kubeconfig, "--writer", writer]);
        all.extend(["--pod-events", "false", "--scan-interval", "0s", "--follow-limit", "0s"]);
        all.extend(options);
        let program = Path::new(env!("CARGO_BIN_EXE_postern"));
        Postern::start_with(&self.cluster, program, &[POLICY], &all)
    }

    /// A Postern that is given its certificate, in files of its folder `certs`.
    fn postern_with_files(&self, options: &[&str]) -> Postern {
        let program = Path::new(env!("CARGO_BIN_EXE_postern"));
        Postern::start_with(&self.cluster, program, &[POLICY], options)
    }

    /// Has the API server call these, without telling it whom to trust.
    fn install(&self, mutating: &Postern, validating: &Postern) {
        self.cluster.install_webhooks(&mutating.url("mutate"), &validating.url("validate"), "");
    }

    fn secret(&self) -> Value {
        self.cluster.get("postern-system", "secret/postern-tls")
    }

    /// A value of the Secret, as text.
    fn held(&self, key: &str) -> String {
        decoded(&self.secret()["data"][key])
    }

    /// What a webhook configuration says whom to trust.
    fn trusted(&self, kind: &str) -> String {
        let object = format!("{kind}webhookconfiguration/postern");
        decoded(&self.cluster.get("default", &object)["webhooks"][0]["clientConfig"]["caBundle"])
    }

    fn both_trust(&self, bundle: &str) -> bool {
        ["mutating", "validating"].iter().all(|kind| self.trusted(kind) == bundle)
    }

    /// `kubectl debug` as alice.
    fn debug(&self, image: &str) -> Output {
        debug(&self.cluster, image)
    }

    /// Waits until alice is let in, which takes as long as the API server needs to hear whom to
    /// trust.
    fn wait_until_allowed(&self, postern: &Postern) {
        let mut said = String::new();
        wait("alice is let in", postern, || {
            let output = self.debug(IMAGE);
            said = output.stderr.clone();
            output.success()
        });
    }
}

fn debug(cluster: &Cluster, image: &str) -> Output {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let line = format!("debug api -n room --image={image} -c dbg-{number}");
    cluster.kubectl("alice").args(line.split(' ')).run()
}

/// What an installation lets Postern do, and nothing else.
fn apply_rights(cluster: &Cluster) {
    for object in installed(&["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]) {
        cluster.apply(&object.to_string());
    }
}

fn decoded(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
}

fn wait(what: &str, postern: &Postern, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}: not after {PATIENCE:?}\n{}", postern.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn merge(ground: &Ground, object: &str, patch: &Value) {
    let patch = patch.to_string();
    let line = ["patch", "-n", "postern-system", object, "--type=merge", "-p", &patch];
    ground.cluster.kubectl("admin").args(line).ok();
}

fn of_secret(key: &str, value: Option<&str>) -> Value {
    json!({"data": {key: value.map(|text| BASE64.encode(text))}})
}
