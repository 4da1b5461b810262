//! The numbers: medians over the rounds, ratios, and the bars of the design.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::client::{Latencies, Steady};

/// Who is asked for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Subject {
    /// The server that does nothing.
    DoNothing,
    /// Postern, `/mutate`: a patch, nothing written down.
    Mutate,
    /// Postern, `/validate`, `--ledger memory`.
    Validate,
    /// Postern, `/validate`, `--ledger sqlite:…`: on the disk before the answer.
    ValidateDurable,
    /// Postern, `/mutate` and `/validate` in turn, as an API server asks, `--ledger memory`.
    Both,
    /// The same, `--ledger sqlite:…`: one record for two requests.
    BothDurable,
}

impl Subject {
    const ALL: [Self; 6] = [
        Self::DoNothing,
        Self::Mutate,
        Self::Validate,
        Self::ValidateDurable,
        Self::Both,
        Self::BothDurable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::DoNothing => "does nothing",
            Self::Mutate => "postern, /mutate",
            Self::Validate => "postern, /validate",
            Self::ValidateDurable => "postern, /validate, durable",
            Self::Both => "postern, both in turn",
            Self::BothDurable => "postern, both, durable",
        }
    }
}

/// One subject under load from so many connections: in one round, or the medians of all.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Load {
    subject: Subject,
    connections: usize,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of the server's process, user space and kernel.
    cpu_per_request_us: f64,
}

impl Load {
    pub(crate) fn new(
        subject: Subject,
        connections: usize,
        mut latencies: Latencies,
        elapsed: Duration,
        cpu: Duration,
    ) -> Self {
        let requests = count(latencies.len());
        latencies.sort_unstable();
        Self {
            subject,
            connections,
            requests_per_second: requests / elapsed.as_secs_f64(),
            p50_us: micros(percentile(&latencies, 50)),
            p99_us: micros(percentile(&latencies, 99)),
            cpu_per_request_us: micros(cpu) / requests,
        }
    }
}

/// Requests at a steady rate against the durable ledger.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SteadyLoad {
    requests_per_second: u32,
    requests: usize,
    errors: usize,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

impl SteadyLoad {
    pub(crate) fn new(requests_per_second: u32, steady: Steady) -> Self {
        let Steady { mut latencies, errors } = steady;
        latencies.sort_unstable();
        Self {
            requests_per_second,
            requests: latencies.len() + errors,
            errors,
            p50_us: micros(percentile(&latencies, 50)),
            p99_us: micros(percentile(&latencies, 99)),
            max_us: micros(percentile(&latencies, 100)),
        }
    }
}

/// Resident memory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryUse {
    /// Postern with the durable ledger, before any request.
    pub(crate) at_rest_mib: f64,
    /// The most that it had by the end of the steady load.
    pub(crate) steady_mib: f64,
    /// The most that it had by the end of the run.
    pub(crate) at_most_mib: f64,
    /// The most that the server that does nothing had.
    pub(crate) do_nothing_mib: f64,
}

/// One number that is to be held.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bar {
    what: String,
    measured: f64,
    bar: String,
    held: bool,
}

/// On what it was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Setting {
    /// For server and client together.
    pub(crate) cores: usize,
    pub(crate) review_bytes: usize,
    pub(crate) policies: usize,
    /// What making one page durable takes on the ledger's disk.
    pub(crate) sync_us: f64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    setting: Setting,
    loads: Vec<Load>,
    steady: SteadyLoad,
    memory: MemoryUse,
    ready_after_ms: f64,
    bars: Vec<Bar>,
}

impl Report {
    /// Of the loads of all rounds.
    pub(crate) fn new(
        setting: Setting,
        rounds: &[Load],
        steady: SteadyLoad,
        memory: MemoryUse,
        ready_after: Duration,
    ) -> Self {
        let ready_after_ms = ready_after.as_secs_f64() * 1e3;
        let mut bars = ratios(rounds);
        bars.push(Bar::at_most(
            format!("p99 at {} requests/s, durable, in ms", steady.requests_per_second),
            steady.p99_us / 1e3,
            5.0,
        ));
        let errors = "errors and refusals at that rate".to_owned();
        bars.push(Bar::at_most(errors, count(steady.errors), 0.0));
        bars.push(Bar::at_most("memory at rest, in MiB".to_owned(), memory.at_rest_mib, 32.0));
        let under_load = "memory under that load, in MiB".to_owned();
        bars.push(Bar::at_most(under_load, memory.steady_mib, 64.0));
        bars.push(Bar::at_most("ready after start, in ms".to_owned(), ready_after_ms, 300.0));
        Self { setting, loads: medians(rounds), steady, memory, ready_after_ms, bars }
    }
}

impl Bar {
    fn at_most(what: String, measured: f64, limit: f64) -> Self {
        Self { what, measured, bar: format!("≤ {limit}"), held: measured <= limit }
    }

    fn at_least(what: String, measured: f64, limit: f64) -> Self {
        Self { what, measured, bar: format!("≥ {limit}"), held: measured >= limit }
    }
}

/// Each ratio is taken within a round, where both had the same neighbours, and the median of the
/// rounds is what counts.
fn ratios(rounds: &[Load]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for subject in [Subject::Validate, Subject::Mutate] {
        for connections in numbers_of_connections(rounds) {
            let what = format!(
                "CPU per request, {} by does nothing, {connections} connections",
                subject.as_str()
            );
            let cpu = |load: &Load| load.cpu_per_request_us;
            let ratio = ratio(rounds, connections, (subject, Subject::DoNothing), cpu);
            bars.push(Bar::at_most(what, ratio, 1.6));
        }
    }
    let most = numbers_of_connections(rounds).into_iter().max().unwrap_or_default();
    for (what, durable, off) in [
        ("both in turn", Subject::BothDurable, Subject::Both),
        ("/validate alone", Subject::ValidateDurable, Subject::Validate),
    ] {
        let what = format!("requests/s, durable by ledger off, {what}, {most} connections");
        let ratio = ratio(rounds, most, (durable, off), |load| load.requests_per_second);
        bars.push(Bar::at_least(what, ratio, 0.6));
    }
    bars
}

fn ratio(
    rounds: &[Load],
    connections: usize,
    (subject, other): (Subject, Subject),
    number: impl Fn(&Load) -> f64,
) -> f64 {
    let of = |subject| of(rounds, subject, connections);
    median(of(subject).zip(of(other)).map(|(one, other)| number(one) / number(other)))
}

fn medians(rounds: &[Load]) -> Vec<Load> {
    let mut medians = Vec::new();
    for connections in numbers_of_connections(rounds) {
        for subject in Subject::ALL {
            let loads = || of(rounds, subject, connections);
            medians.push(Load {
                subject,
                connections,
                requests_per_second: median(loads().map(|load| load.requests_per_second)),
                p50_us: median(loads().map(|load| load.p50_us)),
                p99_us: median(loads().map(|load| load.p99_us)),
                cpu_per_request_us: median(loads().map(|load| load.cpu_per_request_us)),
            });
        }
    }
    medians
}

fn of(rounds: &[Load], subject: Subject, connections: usize) -> impl Iterator<Item = &Load> {
    rounds.iter().filter(move |load| load.subject == subject && load.connections == connections)
}

fn numbers_of_connections(rounds: &[Load]) -> Vec<usize> {
    let mut numbers: Vec<_> = rounds.iter().map(|load| load.connections).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Of sorted latencies.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn count(number: usize) -> f64 {
    // More than 2^32 of anything does not fit into a run.
    u32::try_from(number).map_or(f64::NAN, f64::from)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { cores, review_bytes, policies, sync_us } = &self.setting;
        writeln!(
            f,
            "A review of {review_bytes} bytes, {policies} policies, {cores} cores for server and \
             client together;\none write to the ledger's disk takes {sync_us:.0} µs.\n"
        )?;
        self.fmt_loads(f)?;
        self.fmt_rest(f)?;
        writeln!(f, "{:70} {:>8} {:>7}", "to hold", "measured", "bar")?;
        for Bar { what, measured, bar, held } in &self.bars {
            let word = if *held { "" } else { "  MISSED" };
            writeln!(f, "{what:70} {measured:>8.2} {bar:>7}{word}")?;
        }
        Ok(())
    }
}

impl Report {
    fn fmt_loads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:28} {:>11} {:>10} {:>8} {:>8} {:>15}",
            "under load", "connections", "requests/s", "p50 µs", "p99 µs", "CPU/request µs"
        )?;
        for load in &self.loads {
            let Load { subject, connections, requests_per_second, .. } = load;
            let Load { p50_us, p99_us, cpu_per_request_us, .. } = load;
            let subject = subject.as_str();
            writeln!(
                f,
                "{subject:28} {connections:>11} {requests_per_second:>10.0} {p50_us:>8.0} \
                 {p99_us:>8.0} {cpu_per_request_us:>15.1}"
            )?;
        }
        writeln!(f)
    }

    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steady, memory, ready_after_ms, .. } = self;
        let SteadyLoad { requests_per_second, requests, errors, p50_us, p99_us, max_us } = steady;
        writeln!(
            f,
            "at {requests_per_second} requests/s, durable: {requests} requests, {errors} errors, \
             p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, longest {max_us:.0} µs"
        )?;
        let MemoryUse { at_rest_mib, steady_mib, at_most_mib, do_nothing_mib } = memory;
        writeln!(
            f,
            "memory: {at_rest_mib:.1} MiB at rest, {steady_mib:.1} MiB after that, \
             {at_most_mib:.1} MiB at most; does nothing: {do_nothing_mib:.1} MiB"
        )?;
        writeln!(f, "ready {ready_after_ms:.0} ms after start, with a new ledger\n")
    }
}
