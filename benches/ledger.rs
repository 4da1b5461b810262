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

#[path = "material/record.rs"]
mod record;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use postern::ledger::{Entry, Ledger, Record};
use postern::store::{AnyLedger, Location};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUN: Duration = Duration::from_secs(3);
const TASKS: [u64; 4] = [1, 4, 25, 100];

fn main() {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = asked.map_or_else(std::env::temp_dir, PathBuf::from);
    let record = record::usual();
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
