//! Who is asked when, and what is counted.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::body::Bytes;

use crate::client::{Client, Connection, Question, closed_loop, open_loop};
use crate::report::{Load, MemoryUse, Report, Setting, SteadyLoad, Subject, micros};
use crate::review::{self, Case};
use crate::server::Server;
use crate::site::Site;

pub(crate) const POLICIES: usize = 100;
/// One connection shows what a request costs, 25 is what an API server keeps open to a webhook.
const CONNECTIONS: [usize; 3] = [1, 4, 25];
/// Odd, so that there is a median.
const ROUNDS: u32 = 5;
/// Of the time, in percent; the rest is for starting and for the steady load.
const LOAD_SHARE: u32 = 75;
const STEADY_SHARE: u32 = 15;
pub(crate) const STEADY_PER_SECOND: u32 = 200;
const STARTS: usize = 5;
/// Asked before counting begins, by each connection.
const WARM_UP: Duration = Duration::from_millis(50);
pub(crate) const DURABLE: &str = "sqlite:ledger/postern.db";

/// Measures for about so long.
pub(crate) async fn run(seconds: u32) -> anyhow::Result<Report> {
    let time = Duration::from_secs(seconds.into());
    let site = Site::with_policies(POLICIES)?;
    let client = Client::new(&site.authority())?;
    let sync = sync_time(&site)?;
    let ready_after = ready_after(&site)?;

    let nothing = Server::start(site.do_nothing()?)?;
    let memory = Server::start(site.postern("memory"))?;
    let durable = Server::start(site.postern(DURABLE))?;
    let mutate = vec![("/mutate", Bytes::from(review::mutate(Case::Allowed)?))];
    let validate = vec![("/validate", Bytes::from(review::validate(Case::Allowed)?))];
    let both = [mutate.clone(), validate.clone()].concat();
    let question = |server: &Server, reviews: &[(&'static str, Bytes)]| Question {
        address: server.address,
        reviews: reviews.to_vec(),
    };

    tokio::time::sleep(Duration::from_secs(1)).await;
    let at_rest = durable.resident()?;
    let steady = question(&durable, &validate);
    let steady = steady_load(&client, &steady, time * STEADY_SHARE / 100).await?;
    let under_steady_load = durable.resident()?;

    let asked = [
        (Subject::DoNothing, &nothing, question(&nothing, &validate)),
        (Subject::Mutate, &memory, question(&memory, &mutate)),
        (Subject::Validate, &memory, question(&memory, &validate)),
        (Subject::ValidateDurable, &durable, question(&durable, &validate)),
        (Subject::Both, &memory, question(&memory, &both)),
        (Subject::BothDurable, &durable, question(&durable, &both)),
    ];
    let slices = u32::try_from(asked.len() * CONNECTIONS.len())? * ROUNDS;
    let slice = time * LOAD_SHARE / 100 / slices;
    let mut loads = Vec::new();
    for round in 0..usize::try_from(ROUNDS)? {
        for connections in CONNECTIONS {
            // Whoever comes first in one round comes last in another.
            for turn in 0..asked.len() {
                let Some((subject, server, question)) = asked.get((round + turn) % asked.len())
                else {
                    continue;
                };
                let connections = client.connect(question, connections).await?;
                loads.push(load(*subject, server, connections, slice).await?);
            }
        }
    }
    let at_most = durable.resident()?;
    let memory = MemoryUse {
        at_rest_mib: mib(at_rest.now),
        steady_mib: mib(under_steady_load.peak),
        at_most_mib: mib(at_most.peak),
        do_nothing_mib: mib(nothing.resident()?.peak),
    };
    let setting = Setting {
        cores: std::thread::available_parallelism()?.get(),
        review_bytes: validate.iter().map(|(_, body)| body.len()).sum(),
        policies: POLICIES,
        sync_us: micros(sync),
    };
    Ok(Report::new(setting, &loads, steady, memory, ready_after))
}

/// One subject for a short while.
async fn load(
    subject: Subject,
    server: &Server,
    mut connections: Vec<Connection>,
    length: Duration,
) -> anyhow::Result<Load> {
    let count = connections.len();
    closed_loop(&mut connections, WARM_UP).await?;
    let (started, cpu) = (Instant::now(), server.cpu()?);
    let latencies = closed_loop(&mut connections, length).await?;
    let (elapsed, cpu) = (started.elapsed(), server.cpu()?.saturating_sub(cpu));
    ensure!(!latencies.is_empty(), "nothing was answered");
    Ok(Load::new(subject, count, latencies, elapsed, cpu))
}

async fn steady_load(
    client: &Client,
    question: &Question,
    length: Duration,
) -> anyhow::Result<SteadyLoad> {
    let mut connections = client.connect(question, 4).await?;
    closed_loop(&mut connections, WARM_UP).await?;
    let steady = open_loop(connections, STEADY_PER_SECOND, length).await?;
    Ok(SteadyLoad::new(STEADY_PER_SECOND, steady))
}

/// How long starting takes, with a ledger that has to be made.
fn ready_after(site: &Site) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(STARTS);
    for start in 0..STARTS {
        let ledger = format!("sqlite:start-{start}/postern.db");
        times.push(Server::start(site.postern(&ledger))?.ready_after);
    }
    times.sort_unstable();
    Ok(times.get(STARTS / 2).copied().unwrap_or_default())
}

/// How long the disk of the ledger takes to make one page durable.
fn sync_time(site: &Site) -> anyhow::Result<Duration> {
    let mut file = File::create(site.path("sync"))?;
    let mut times = Vec::new();
    for _ in 0..51 {
        file.write_all(&[0; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn mib(kib: u32) -> f64 {
    f64::from(kib) / 1024.0
}
