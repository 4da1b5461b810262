//! Whether memory grows: the same steady load for minutes, looked at again and again.

use std::fmt::Write;
use std::time::Duration;

use anyhow::ensure;
use hyper::body::Bytes;

use crate::client::{Client, Question, open_loop};
use crate::measure::{DURABLE, POLICIES, STEADY_PER_SECOND};
use crate::review::{self, Case};
use crate::server::Server;
use crate::site::Site;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(60 / LOOKS_PER_MINUTE as u64);
const LOOKS_PER_MINUTE: u32 = 4;
/// As many connections as the steady load of the other run has.
const CONNECTIONS: usize = 4;
/// Of the looks, the share in which caches and allocators still fill: one in so many.
const SETTLES: usize = 5;

/// Loads a server with a durable ledger for so many minutes and says what became of its memory.
pub(crate) async fn run(minutes: u32) -> anyhow::Result<String> {
    let site = Site::with_policies(POLICIES)?;
    let client = Client::new(&site.authority())?;
    let server = Server::start(site.postern(DURABLE))?;
    let body = Bytes::from(review::validate(Case::Allowed)?);
    let question = Question { address: server.address, reviews: vec![("/validate", body)] };
    let mut resident = vec![server.resident()?.now];
    let (mut answered, mut errors) = (0, 0);
    for _ in 0..minutes * LOOKS_PER_MINUTE {
        let connections = client.connect(&question, CONNECTIONS).await?;
        let steady = open_loop(connections, STEADY_PER_SECOND, PAUSE).await?;
        answered += steady.latencies.len();
        errors += steady.errors;
        resident.push(server.resident()?.now);
    }
    ensure!(errors == 0, "{errors} of {} were not answered with a yes", answered + errors);
    let settled = resident.get(resident.len() / SETTLES..).unwrap_or_default();
    let mut text = format!(
        "{STEADY_PER_SECOND} requests/s for {minutes} minutes, durable, {POLICIES} policies: {answered} \
         answered, no errors\nresident, in MiB, every {PAUSE:?}:"
    );
    for kib in &resident {
        write!(text, " {:.1}", f64::from(*kib) / 1024.0)?;
    }
    let slope = slope(settled) * f64::from(LOOKS_PER_MINUTE);
    writeln!(text, "\nafter the first fifth it grows by {slope:.1} KiB a minute")?;
    Ok(text)
}

/// How much the values grow from one to the next, by least squares.
fn slope(values: &[u32]) -> f64 {
    let pairs = || (0_u32..).map(f64::from).zip(values.iter().copied().map(f64::from));
    let (count, x, y) =
        pairs().fold((0.0, 0.0, 0.0), |(n, xs, ys), (x, y)| (n + 1.0, xs + x, ys + y));
    let (x, y) = (x / count, y / count);
    let (over, under) =
        pairs().fold((0.0, 0.0), |(o, u), (a, b)| (o + (a - x) * (b - y), u + (a - x) * (a - x)));
    over / under
}
