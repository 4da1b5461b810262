//! How many decisions a second become durable, by how many requests wait at once.
//!
//! `cargo bench --bench ledger [-- FOLDER]`; the folder decides which disk is measured. `memory` is
//! what the same requests cost without a store.
#![allow(
    clippy::allow_attributes,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures prints, and ends by panicking"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use postern::ledger::{Entry, Ledger, Record};
use postern::store::{AnyLedger, Location};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

const RUN: Duration = Duration::from_secs(3);
const TASKS: [u64; 4] = [1, 4, 25, 100];

/// A decision of the usual size: one container, hardened by one policy.
const RECORD: &str = r#"{
  "id": "01a20c91-a3e8-7000-8000-000000000001", "time": "2026-11-24T08:00:01Z",
  "cluster": "staging", "writer": "", "sequence": 0,
  "reviewUid": "705ab4f5-6393-11e8-b7cc-42010a800002", "phase": "Validate",
  "surface": "EphemeralContainer", "operation": "UPDATE",
  "requester": {"username": "jane@example.com", "uid": "u-17",
    "groups": ["dev", "on-call", "system:authenticated"]},
  "namespace": "payments",
  "pod": {"name": "payments-api-7d4b9-x2x1k", "uid": "0b4e0f2a-5d0c-4f6e-9c55-1f6d2f0f8a11",
    "owner": "ReplicaSet/payments-api-7d4b9", "node": "node-a", "serviceAccount": "payments-api"},
  "injections": [{
    "name": "debugger-x7k2p", "image": "busybox:1.36",
    "imageParsed": {"registry": "docker.io", "repository": "library/busybox", "tag": "1.36"},
    "target": "app",
    "privileges": {"podSecurity": "restricted", "privileged": false, "capabilities": [],
      "runAsUser": 1000, "runAsNonRoot": true, "allowPrivilegeEscalation": false},
    "env": [{"name": "DEBUG_REASON", "source": "value"}], "mounts": [], "command": ["sh"],
    "interactive": true,
    "permittedBy": {"name": "developers", "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
      "generation": 3,
      "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "changes": [{"field": "securityContext.runAsNonRoot", "value": "true"},
      {"field": "securityContext.allowPrivilegeEscalation", "value": "false"},
      {"field": "securityContext.capabilities.drop", "value": "[\"ALL\"]"},
      {"field": "securityContext.seccompProfile.type", "value": "\"RuntimeDefault\""}]
  }],
  "injectionsTotal": 1, "verdict": "Allowed", "answer": "Allowed", "enforcement": "Enforce",
  "findings": [], "justification": "INC-4711", "timings": {"judgeUs": 18}
}"#;

fn main() {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = asked.map_or_else(std::env::temp_dir, PathBuf::from);
    let record: Record = serde_json::from_str(RECORD).unwrap();
    let size = Entry::from(record.clone()).to_json().unwrap().len();
    println!("a record has {size} bytes");
    println!(
        "{:8} {:>6} {:>12} {:>10} {:>10} {:>10}",
        "", "tasks", "records/s", "p50", "p99", "max"
    );
    let runtime = Runtime::new().unwrap();
    for tasks in TASKS {
        for kind in ["memory", "sqlite"] {
            let folder = tempfile::tempdir_in(&parent).unwrap();
            let location = match kind {
                "memory" => Location::Memory,
                _ => Location::Sqlite(folder.path().join("postern.db")),
            };
            let (rate, latencies) = runtime.block_on(measure(&location, tasks, &record));
            let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
            println!(
                "{kind:8} {tasks:6} {rate:12.0} {:8}µs {:8}µs {:8}µs",
                at(50),
                at(99),
                at(100)
            );
        }
    }
}

/// Records a second, and how many microseconds each append took, in order.
async fn measure(location: &Location, tasks: u64, record: &Record) -> (f64, Vec<u128>) {
    let ledger = AnyLedger::open(location, "bench").await.unwrap();
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let ledger = ledger.clone();
        let record = record.clone();
        running.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < RUN {
                let record =
                    Record { id: Uuid::now_v7(), time: Timestamp::now(), ..record.clone() };
                let asked = Instant::now();
                ledger.append(record).await.unwrap();
                latencies.push(asked.elapsed().as_micros());
                // The memory ledger never waits, and the others' turn must come.
                tokio::task::yield_now().await;
            }
            latencies
        });
    }
    let mut latencies = running.join_all().await.concat();
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    ledger.close().await;
    (rate, latencies)
}
