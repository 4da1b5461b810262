//! What somebody who types `kubectl debug` waits for Postern: a PATCH that adds a container, as a
//! real API server answers it, with different things in its way.
//!
//! Each has a namespace of its own, and they take turns, so that what else the machine does falls on
//! all alike. Every PATCH is a real one on a pod of its own: a dry run would not reach the ledger.
#![allow(
    clippy::allow_attributes,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a program that measures ends by panicking, and nobody calls into this"
)]

mod ask;
mod ways;

#[path = "../load/nothing.rs"]
mod nothing;
#[path = "../material/policies.rs"]
mod policies;
#[allow(dead_code, reason = "the bench of requests uses the rest")]
#[path = "../load/server.rs"]
mod server;
#[allow(dead_code, reason = "the bench of requests uses the rest")]
#[path = "../load/site.rs"]
mod site;
#[allow(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../../tests/support/cluster.rs"]
mod support;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use ask::Api;
use support::Cluster;
use ways::{POLICIES, Way, Ways};

/// What the first calls pay for connections and caches.
const WARM_UP: u32 = 20;

/// Measure a PATCH on a real API server, with nothing, others and Postern in its way
#[derive(Debug, Parser)]
struct Args {
    /// How often each is asked
    #[arg(long, value_name = "NUMBER", default_value_t = 400)]
    rounds: u32,

    /// Serve as the one that does nothing, with the certificate in this folder
    #[arg(long, hide = true, value_name = "DIR")]
    do_nothing: Option<PathBuf>,

    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let Args { rounds, do_nothing, bench: _ } = Args::parse();
    if let Some(folder) = do_nothing {
        return nothing::serve(&folder);
    }
    let cluster = Cluster::start();
    let ways = Ways::set_up(&cluster)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let took = runtime.block_on(measure(&cluster, rounds))?;
    drop(ways);
    io::stdout().write_all(report(&took).as_bytes())?;
    Ok(())
}

/// How long each PATCH took, by what was in its way.
async fn measure(cluster: &Cluster, rounds: u32) -> anyhow::Result<[Vec<Duration>; 6]> {
    let (admin, alice) = (Api::of(cluster, "admin")?, Api::of(cluster, "alice")?);
    let mut took: [Vec<Duration>; 6] = Default::default();
    for round in 0..WARM_UP + rounds {
        // Whoever comes after another in every round would inherit what that one left behind.
        for turn in 0..Way::ALL.len() {
            let index = (turn + round as usize) % Way::ALL.len();
            let way = Way::ALL[index];
            let pod = format!("pod-{round}");
            admin.create_pod(way.namespace(), &pod).await?;
            let time = alice.add_container(way, &pod).await?;
            admin.delete_pod(way.namespace(), &pod).await?;
            if round >= WARM_UP {
                took[index].push(time);
            }
        }
    }
    Ok(took)
}

fn report(took: &[Vec<Duration>; 6]) -> String {
    let mut text = format!(
        "a PATCH on a pod of six containers, {} each, {POLICIES} policies\n{:36} {:>8} {:>8} {:>12} {:>12}\n",
        took[0].len(),
        "in its way",
        "p50",
        "p90",
        "p50 - patch",
        "p90 - patch"
    );
    let sorted = took.clone().map(|mut took| {
        took.sort_unstable();
        took
    });
    let at = |way: Way, percent: usize| {
        let all = &sorted[way as usize];
        all[(all.len() - 1) * percent / 100].as_secs_f64() * 1000.0
    };
    for way in Way::ALL {
        let added = |percent| at(way, percent) - at(Way::PatchingPair, percent);
        text += &format!(
            "{:36} {:5.2} ms {:5.2} ms {:+9.2} ms {:+9.2} ms\n",
            way.as_str(),
            at(way, 50),
            at(way, 90),
            added(50),
            added(90)
        );
    }
    text
}
