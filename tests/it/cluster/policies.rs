//! Policies that live in the cluster. These tests have an API server and a Postern of their own:
//! what is in force is what they apply. Each has a namespace, and policies for it alone.

mod access;
mod aftermath;
mod away;
mod checkpoints;
mod definition;
mod live;
mod observed;
mod signing;
mod upgrade;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Cluster, Output, Postern, installed, pod};

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);
/// So that a right that was taken away is soon missed.
const TTLS: [&str; 4] = ["--access-allow-ttl", "1s", "--access-deny-ttl", "1s"];

struct House {
    cluster: Cluster,
    postern: Mutex<Postern>,
}

/// The one that most of these tests share.
fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| House::open(&[], &TTLS))
}

/// Where what Postern itself keeps is, for several tests at once.
fn own_namespace(cluster: &Cluster) {
    let metadata = json!({"name": "postern-system"});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    cluster.apply(&namespace.to_string());
}

impl House {
    /// The definition and the roles as they are delivered, and Postern behind them.
    fn open(files: &[(&str, &str)], options: &[&str]) -> House {
        let cluster = Cluster::start();
        cluster.apply(&delivered("crds/debugpolicies.postern.dev.yaml"));
        let established = "wait --for=condition=Established crd/debugpolicies.postern.dev";
        cluster.kubectl("admin").args(established.split(' ')).args(["--timeout=20s"]).ok();
        give_roles(&cluster);
        let program = Path::new(env!("CARGO_BIN_EXE_postern"));
        let mut postern = Postern::start_in(&cluster, program, files, options);
        postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
        postern.install(&cluster);
        House { cluster, postern: Mutex::new(postern) }
    }

    fn postern(&self) -> MutexGuard<'_, Postern> {
        self.postern.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A namespace with one running pod, `api`.
    fn room(&self, namespace: &str) {
        self.cluster.create_namespace(namespace, &[]);
        self.cluster.create_pod(&pod(namespace, "api"));
    }

    fn admin(&self, line: &str) -> Output {
        self.cluster.kubectl("admin").args(line.split_whitespace()).run()
    }

    /// Applies one policy and waits until its status is of this generation.
    fn apply(&self, policy: &str) -> Value {
        self.cluster.apply(policy);
        let name = policy.split("name: ").nth(1).and_then(|rest| rest.split('\n').next()).unwrap();
        self.settled(name)
    }

    /// A policy, once its status is of the generation that is there.
    fn settled(&self, name: &str) -> Value {
        let mut policy = Value::Null;
        self.wait(&format!("the status of {name}"), || {
            policy = self.policy(name);
            let generation = &policy["metadata"]["generation"];
            // Of several servers the one that is asked here must have it, whoever said so first.
            policy["status"]["observedGeneration"] == *generation
                && policy["status"]["replicas"]["postern-0"]["generation"] == *generation
        });
        policy
    }

    fn policy(&self, name: &str) -> Value {
        self.cluster.get("default", &format!("debugpolicy/{name}"))
    }

    fn wait(&self, what: &str, mut so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(
                Instant::now() < end,
                "{what}: not after {PATIENCE:?}\n{}",
                self.postern().log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `kubectl debug` of the pod `api`. What is judged is all that is done: no container is added.
    fn debug(&self, user: &str, namespace: &str, image: &str) -> Output {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let line = format!("debug api -n {namespace} --image={image} -c dbg-{number}");
        self.cluster.kubectl(user).args(line.split(' ')).run()
    }

    /// Tries until the answer is a yes.
    fn wait_until_allowed(&self, user: &str, namespace: &str) {
        let mut said = Vec::new();
        let end = Instant::now() + PATIENCE;
        while !self.debug(user, namespace, IMAGE).success() {
            said.push(self.debug(user, namespace, IMAGE).stderr);
            assert!(Instant::now() < end, "{user} in {namespace}: {said:#?}");
        }
    }

    /// Tries until the answer is a no that holds `words`.
    fn wait_until_refused(&self, user: &str, namespace: &str, words: &str) {
        let mut said = String::new();
        self.wait(&format!("a refusal with `{words}`"), || {
            said = self.debug(user, namespace, IMAGE).stderr;
            said.contains(words)
        });
    }
}

const IMAGE: &str = "busybox:1.36";

/// The roles as they are delivered, and Postern bound to its own.
pub(super) fn give_roles(cluster: &Cluster) {
    for role in installed(&["ClusterRole", "ClusterRoleBinding"]) {
        cluster.apply(&role.to_string());
    }
}

/// A file of `deploy`.
fn delivered(name: &str) -> String {
    std::fs::read_to_string(format!("deploy/{name}")).unwrap()
}

/// A policy for one namespace; `spec` is further lines of it.
fn policy(name: &str, effect: &str, namespace: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: postern.dev/v1alpha1\nkind: DebugPolicy\nmetadata:\n  name: {name}\n\
         spec:\n  effect: {effect}\n  match:\n    namespaces: {{names: [\"{namespace}\"]}}\n{spec}"
    )
}

/// A Permit of busybox for one namespace.
fn permit(name: &str, namespace: &str, spec: &str) -> String {
    let images = "containers: {images: {allow: [busybox]}, capabilities: {allow: [SYS_PTRACE]}}\n";
    policy(name, "Permit", namespace, &format!("{images}{spec}"))
}

fn condition<'a>(policy: &'a Value, kind: &str) -> &'a Value {
    let conditions = policy["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// Asks Postern as the API server would, for alice, who adds a busybox in this namespace.
fn ask(postern: &Postern, namespace: &str) -> Value {
    let recorded = "tests/corpus/reviews/debug-profile-baseline.validate.json";
    let text = std::fs::read_to_string(recorded).unwrap();
    let mut review: Value = serde_json::from_str(&text).unwrap();
    let request = &mut review["request"];
    for object in ["object", "oldObject"] {
        request[object]["metadata"]["namespace"] = json!(namespace);
    }
    request["namespace"] = json!(namespace);
    let (url, authority) = (postern.url("validate"), postern.authority());
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let ca = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        client.post(url).json(&review).send().await.unwrap().json().await.unwrap()
    })
}
