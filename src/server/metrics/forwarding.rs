//! What the ledger signs, and what is sent elsewhere.

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;

/// Of each target.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    checkpoint_time: Gauge,
    lag_entries: Family<TargetLabel, Gauge>,
    failures: Family<TargetLabel, Counter>,
    entries: Family<TargetLabel, Counter>,
    checkpoint_failures: Family<TargetLabel, Counter>,
}

/// Kind and place of a target among the settings: there are as many as were configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

impl From<&str> for TargetLabel {
    fn from(target: &str) -> Self {
        Self { target: target.to_owned() }
    }
}

impl Forwarding {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "ledger_checkpoint_timestamp",
            "When this server last signed a checkpoint of its ledger",
            Unit::Seconds,
            self.checkpoint_time.clone(),
        );
        registry.register(
            "forward_lag_entries",
            "Entries of the ledger that a target does not have yet",
            self.lag_entries.clone(),
        );
        registry.register(
            "forward_failures",
            "Attempts to send entries to a target that failed",
            self.failures.clone(),
        );
        registry.register(
            "forwarded_entries",
            "Entries that a target has taken",
            self.entries.clone(),
        );
        registry.register(
            "checkpoint_failures",
            "Attempts to send a checkpoint that failed",
            self.checkpoint_failures.clone(),
        );
    }
}

impl Metrics {
    /// A checkpoint was signed.
    pub fn checkpoint_signed(&self, now: Timestamp) {
        self.forwarding.checkpoint_time.set(now.as_second());
    }

    /// So many entries wait for a target.
    pub fn forward_lag(&self, target: &str, entries: u64) {
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        let label = target.into();
        self.forwarding.lag_entries.get_or_create(&label).set(entries);
        // Whoever waits for the first failure has to see the zero before it.
        drop(self.forwarding.failures.get_or_create(&label));
        drop(self.forwarding.entries.get_or_create(&label));
    }

    /// Entries were not taken.
    pub fn forward_failed(&self, target: &str) {
        self.forwarding.failures.get_or_create(&target.into()).inc();
    }

    /// Entries were taken.
    pub fn forwarded(&self, target: &str, entries: u64) {
        self.forwarding.entries.get_or_create(&target.into()).inc_by(entries);
    }

    /// Checkpoints are sent to a target from now on.
    pub fn checkpoint_target(&self, target: &str) {
        drop(self.forwarding.checkpoint_failures.get_or_create(&target.into()));
    }

    /// A checkpoint was not taken.
    pub fn checkpoint_failed(&self, target: &str) {
        self.forwarding.checkpoint_failures.get_or_create(&target.into()).inc();
    }
}
