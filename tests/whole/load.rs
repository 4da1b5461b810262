//! A steady load of debug containers on an API server, for seeing that none of it fails.
//!
//! ```text
//! steady-load KUBECONFIG NAMESPACE IMAGE OTHER-IMAGE PER-SECOND
//! ```
//!
//! It goes on until its standard input ends. Of four requests two are dry runs, one really adds a
//! container, and one must be refused; the targets are all pods of the namespace in turn. `IMAGE`
//! is one that a policy allows once Postern has hardened it, `OTHER-IMAGE` one that none allows.
//! Requests are sent when it is their time, whether or not those before them have been answered.
//! Every answer that is not the expected one is a line of JSON; the last line sums up.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a tool of the tests, which fails by panicking"
)]

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// What is sent, and how it is to be answered.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    DryRun,
    Written,
    Refused,
}

impl Kind {
    fn of(number: usize) -> Kind {
        [Kind::DryRun, Kind::Written, Kind::DryRun, Kind::Refused][number % 4]
    }
}

#[derive(Debug, Default)]
struct Tally {
    dry_runs: usize,
    written: usize,
    refused: usize,
    failed: usize,
    slowest: Duration,
}

struct Load {
    pods: Api<Pod>,
    names: Vec<String>,
    allowed: String,
    refused: String,
    tally: Mutex<Tally>,
}

impl Load {
    async fn send(self: Arc<Self>, number: usize) {
        let kind = Kind::of(number);
        let pod = &self.names[number % self.names.len()];
        let image = if kind == Kind::Refused { &self.refused } else { &self.allowed };
        // A name of its own for each: the next run on the same pods must not meet this one's.
        let name = format!("load-{}", uuid::Uuid::now_v7());
        let patch = json!({"spec": {"ephemeralContainers": [{"name": name, "image": image}]}});
        let params = PatchParams { dry_run: kind == Kind::DryRun, ..PatchParams::default() };
        let (sent, start) = (Timestamp::now(), Instant::now());
        let answer = self
            .pods
            .patch_subresource("ephemeralcontainers", pod, &params, &Patch::Strategic(patch))
            .await;
        let took = start.elapsed();
        let answer = match answer {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => Err(format!("{error:?}")),
        };
        let expected = match (&answer, kind) {
            (Ok(()), Kind::DryRun | Kind::Written) => true,
            // By policy, and not because somebody could not be asked.
            (Err(message), Kind::Refused) => message.contains(r#"postern.dev" denied the request"#),
            _ => false,
        };
        let mut tally = self.tally.lock().unwrap();
        tally.slowest = tally.slowest.max(took);
        match (expected, kind) {
            (false, _) => tally.failed += 1,
            (true, Kind::DryRun) => tally.dry_runs += 1,
            (true, Kind::Written) => tally.written += 1,
            (true, Kind::Refused) => tally.refused += 1,
        }
        drop(tally);
        if !expected {
            let told = answer.err().unwrap_or_else(|| "allowed".to_owned());
            let took = took.as_millis();
            println!(
                "{}",
                json!({"sent": sent, "kind": format!("{kind:?}"), "ms": took, "answer": told})
            );
        }
    }

    fn sum(&self) -> Value {
        let tally = self.tally.lock().unwrap();
        json!({
            "dryRuns": tally.dry_runs,
            "written": tally.written,
            "refused": tally.refused,
            "failed": tally.failed,
            "slowestMs": tally.slowest.as_millis(),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, namespace, allowed, refused, per_second] = &arguments[..] else {
        println!("usage: steady-load KUBECONFIG NAMESPACE IMAGE OTHER-IMAGE PER-SECOND");
        std::process::exit(64);
    };
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    // Else it would try again, as kubectl does not, and nobody would see why.
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let listed = pods.list(&ListParams::default()).await.unwrap();
    let names: Vec<String> = listed.into_iter().filter_map(|pod| pod.metadata.name).collect();
    assert!(!names.is_empty(), "no pods in {namespace}");

    let (allowed, refused) = (allowed.clone(), refused.clone());
    let load = Arc::new(Load { pods, names, allowed, refused, tally: Mutex::default() });
    let (ended, mut end) = oneshot::channel();
    thread::spawn(move || {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        ended.send(()).unwrap();
    });
    let mut clock = interval(Duration::from_secs(1) / per_second.parse().unwrap());
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            _ = clock.tick() => {
                sent.spawn(Arc::clone(&load).send(number));
                number += 1;
            }
            _ = &mut end => break,
        }
        while sent.try_join_next().is_some() {}
    }
    while sent.join_next().await.is_some() {}
    println!("{}", load.sum());
}
