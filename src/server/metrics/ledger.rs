//! What this server writes into its ledger.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{DURATION_BUCKETS, Metrics};

#[derive(Debug)]
pub(super) struct Writes {
    sequence: Gauge,
    durations: Histogram,
    failures: Counter,
    unrecorded: Counter,
    checkpoint_interval: Gauge,
}

impl Default for Writes {
    fn default() -> Self {
        Self {
            sequence: Gauge::default(),
            durations: Histogram::new(DURATION_BUCKETS),
            failures: Counter::default(),
            unrecorded: Counter::default(),
            checkpoint_interval: Gauge::default(),
        }
    }
}

impl Writes {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "ledger_sequence",
            "Place of this server's last entry in its chain",
            self.sequence.clone(),
        );
        registry.register_with_unit(
            "ledger_write_duration",
            "How long it took to make entries durable; all that wait are written at once",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "ledger_write_failures",
            "Attempts to write entries or a checkpoint that failed",
            self.failures.clone(),
        );
        registry.register(
            "unrecorded_allows",
            "Reviews that let something in without a record, or before there was one",
            self.unrecorded.clone(),
        );
        registry.register_with_unit(
            "ledger_checkpoint_interval",
            "How often a checkpoint is to be signed; 0: never",
            Unit::Seconds,
            self.checkpoint_interval.clone(),
        );
    }
}

impl Metrics {
    /// Entries were made durable, up to this place of the chain.
    pub fn ledger_written(&self, sequence: u64, took: Duration) {
        self.writes.sequence.set(i64::try_from(sequence).unwrap_or(i64::MAX));
        self.writes.durations.observe(took.as_secs_f64());
    }

    /// An attempt to write failed.
    pub fn ledger_write_failed(&self) {
        self.writes.failures.inc();
    }

    /// Something was let in of which there is no record yet.
    pub(super) fn allowed_unrecorded(&self) {
        self.writes.unrecorded.inc();
    }

    /// A checkpoint is to be signed this often.
    pub fn checkpoint_interval(&self, every: Duration) {
        self.writes.checkpoint_interval.set(i64::try_from(every.as_secs()).unwrap_or(i64::MAX));
    }
}
