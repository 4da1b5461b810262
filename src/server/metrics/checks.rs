//! What `/readyz` says, as numbers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

#[derive(Debug, Default)]
pub(super) struct Checks {
    ready: Family<CheckLabel, Gauge>,
    degraded: Family<CheckLabel, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabel {
    check: &'static str,
}

impl Checks {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "ready",
            "Whether a check of /readyz passes, 1 or 0; the server is ready if all do",
            self.ready.clone(),
        );
        registry.register(
            "degraded",
            "Whether a check passes with something to look at, 1 or 0; /readyz says what",
            self.degraded.clone(),
        );
    }
}

impl Metrics {
    /// This check was asked: whether it passes, and whether it has something to say all the same.
    pub fn checked(&self, check: &'static str, ready: bool, degraded: bool) {
        let label = CheckLabel { check };
        self.checks.ready.get_or_create(&label).set(i64::from(ready));
        self.checks.degraded.get_or_create(&label).set(i64::from(degraded));
    }
}
