//! Spans of answered reviews, sent to a collector: OpenTelemetry's protocol over HTTP, as JSON.
//!
//! Written by hand rather than with OpenTelemetry's own crates: those are two dozen, one of them
//! another HTTP client, for one message that is all constants but a few fields.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;

use super::backoff::Complaint;
use super::dial::Dialer;
use super::http::Poster;
use super::target::Url;
use super::{Credentials, Trouble};
use crate::gate::trace::{Traced, Tracer};
use crate::gate::{Phase, Summary};

/// How many reviews may wait. Whoever is further behind misses some.
const WAITING: usize = 1024;
/// Most reviews of one message.
const BATCH: usize = 256;
/// How long others may join the first one.
const GATHER: Duration = Duration::from_secs(1);
const PATH: &str = "v1/traces";
const JSON: &str = "application/json";

/// The numbers that OpenTelemetry gives to kinds of spans.
const SERVER: u8 = 2;
const INTERNAL: u8 = 1;

/// Takes spans; they are sent once the task that came with it runs.
#[derive(Debug)]
pub struct Spans(Sender<Traced>);

/// Where spans go.
pub struct Collector {
    poster: Poster,
    complaint: Complaint,
    resource: Value,
    numbers: RandomState,
    next: AtomicU64,
    waiting: Receiver<Traced>,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Collector")
    }
}

impl Tracer for Spans {
    fn trace(&self, traced: Traced) {
        // A collector that is away must not hold up an answer.
        drop(self.0.try_send(traced));
    }
}

/// A way to a collector, told `endpoint` as OpenTelemetry's own programs are: without the path.
///
/// # Errors
///
/// The authorities cannot be used.
pub fn collector(
    endpoint: &Url,
    credentials: &Credentials,
    server: &str,
) -> Result<(Spans, Collector), Trouble> {
    let url = endpoint.below(PATH);
    let dialer = Dialer::new(url.endpoint.clone(), credentials.ca.clone());
    // The token of those who receive the ledger is none of a collector's business.
    let poster = Poster::new(url, dialer, None);
    poster.check()?;
    let (sender, waiting) = mpsc::channel(WAITING);
    let resource = json!({"attributes": [
        text("service.name", "postern"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", server),
    ]});
    let complaint = Complaint::about("traces".to_owned());
    let (numbers, next) = (RandomState::new(), AtomicU64::new(0));
    Ok((Spans(sender), Collector { poster, complaint, resource, numbers, next, waiting }))
}

impl Collector {
    /// Sends, for as long as there is somebody to take from. What was not taken is dropped.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH {
                sleep(GATHER).await;
                while batch.len() < BATCH
                    && let Ok(more) = self.waiting.try_recv()
                {
                    batch.push(more);
                }
            }
            let message = self.message(&batch).to_string();
            batch.clear();
            match self.poster.post(JSON, message.into_bytes()).await {
                Ok(()) => self.complaint.over(),
                Err(error) => self.complaint.failed(&error.to_string()),
            }
        }
    }

    fn message(&self, batch: &[Traced]) -> Value {
        let spans: Vec<Value> = batch.iter().flat_map(|traced| self.spans(traced)).collect();
        let scope = json!({"name": "postern", "version": env!("CARGO_PKG_VERSION")});
        let scope_spans = json!([{"scope": scope, "spans": spans}]);
        json!({"resourceSpans": [{"resource": self.resource, "scopeSpans": scope_spans}]})
    }

    /// One for the review, and one below it for each step.
    fn spans(&self, traced: &Traced) -> Vec<Value> {
        let Traced { parent, time, took, summary, steps, .. } = traced;
        let trace = parent.map_or_else(
            || (u128::from(self.number()) << 64) | u128::from(self.number()),
            |parent| parent.trace,
        );
        let (trace, id) = (format!("{trace:032x}"), format!("{:016x}", self.number()));
        // As the protocol has it, no parent is an empty one.
        let above = parent.map(|parent| format!("{:016x}", parent.span)).unwrap_or_default();
        let whole = json!({
            "traceId": trace,
            "spanId": id,
            "parentSpanId": above,
            "name": name(summary.phase),
            "kind": SERVER,
            "startTimeUnixNano": moment(*time, Duration::ZERO),
            "endTimeUnixNano": moment(*time, *took),
            "attributes": attributes(traced),
        });
        let step = |(name, begun, took): &(&str, Duration, Duration)| {
            json!({
                "traceId": trace,
                "spanId": format!("{:016x}", self.number()),
                "parentSpanId": id,
                "name": name,
                "kind": INTERNAL,
                "startTimeUnixNano": moment(*time, *begun),
                "endTimeUnixNano": moment(*time, begun.saturating_add(*took)),
            })
        };
        std::iter::once(whole).chain(steps.iter().map(step)).collect()
    }

    /// Another one each time, and never zero, which would be no id.
    fn number(&self) -> u64 {
        self.numbers.hash_one(self.next.fetch_add(1, Ordering::Relaxed)).max(1)
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Mutate => "POST /mutate",
        Phase::Validate => "POST /validate",
    }
}

fn attributes(traced: &Traced) -> Vec<Value> {
    let Traced { summary, verdict, pod: (namespace, pod), .. } = traced;
    let Summary { phase: _, allowed, reason, dry_run, decision, changes } = summary;
    let decision = decision.map(|id| text("postern.decision", &id.to_string()));
    let fixed = [
        text("postern.verdict", verdict),
        text("postern.answer", if *allowed { "allowed" } else { "refused" }),
        text("postern.reason", reason.as_str()),
        json!({"key": "postern.dry_run", "value": {"boolValue": dry_run}}),
        json!({"key": "postern.changes", "value": {"intValue": changes.to_string()}}),
        text("k8s.namespace.name", namespace),
        text("k8s.pod.name", pod),
    ];
    fixed.into_iter().chain(decision).collect()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Nanoseconds since 1970; in JSON the protocol writes large numbers as text.
fn moment(time: Timestamp, after: Duration) -> String {
    let after = i128::try_from(after.as_nanos()).unwrap_or(i128::MAX);
    time.as_nanosecond().saturating_add(after).to_string()
}
