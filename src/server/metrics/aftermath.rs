//! What is done after decisions.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Metrics, ResultLabel};

#[derive(Debug, Default)]
pub(super) struct Aftermath {
    pod_events: Family<ResultLabel, Counter>,
    observations: Family<ResultLabel, Counter>,
    pod_scans: Family<ResultLabel, Counter>,
    unattested: Counter,
}

impl Aftermath {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pod_events",
            "Decisions told by an Event on the pod, or not",
            self.pod_events.clone(),
        );
        registry.register(
            "observations",
            "What became of allowed containers, written down or not",
            self.observations.clone(),
        );
        registry.register("pod_scans", "Searches of all pods", self.pod_scans.clone());
        registry.register(
            "unattested_containers",
            "Debug containers found in pods that no decision in the ledger allowed",
            self.unattested.clone(),
        );
    }

    pub(super) fn begin_at_zero(&self) {
        for result in ["done", "failed", "limited", "missed"] {
            drop(self.pod_events.get_or_create(&ResultLabel { result }));
        }
        for result in ["done", "failed", "missed"] {
            drop(self.observations.get_or_create(&ResultLabel { result }));
        }
        for result in ["done", "failed"] {
            drop(self.pod_scans.get_or_create(&ResultLabel { result }));
        }
    }
}

impl Metrics {
    /// So many decisions were, or were not, told by an Event on the pod.
    pub fn pod_events(&self, result: &'static str, times: u64) {
        self.aftermath.pod_events.get_or_create(&ResultLabel { result }).inc_by(times);
    }

    /// So many observations of containers were, or were not, written down.
    pub fn observations(&self, result: &'static str, times: u64) {
        self.aftermath.observations.get_or_create(&ResultLabel { result }).inc_by(times);
    }

    /// All pods were, or were not, searched.
    pub fn pod_scans(&self, result: &'static str, times: u64) {
        self.aftermath.pod_scans.get_or_create(&ResultLabel { result }).inc_by(times);
    }

    /// So many debug containers were found that nothing had allowed.
    pub fn unattested_containers(&self, times: u64) {
        self.aftermath.unattested.inc_by(times);
    }
}
