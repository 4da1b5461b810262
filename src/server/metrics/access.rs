//! Rights that were asked of the API server.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{DURATION_BUCKETS, Metrics, ResultLabel};

#[derive(Debug)]
pub(super) struct AccessReviews {
    results: Family<ResultLabel, Counter>,
    durations: Histogram,
}

impl Default for AccessReviews {
    fn default() -> Self {
        Self { results: Family::default(), durations: Histogram::new(DURATION_BUCKETS) }
    }
}

impl AccessReviews {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "access_reviews",
            "Rights asked of the API server, by what it said; answers that were kept are not asked",
            self.results.clone(),
        );
        registry.register_with_unit(
            "access_review_duration",
            "How long the API server took to tell a right, or to fail",
            Unit::Seconds,
            self.durations.clone(),
        );
    }

    pub(super) fn begin_at_zero(&self) {
        for result in ["granted", "denied", "failed", "late"] {
            drop(self.results.get_or_create(&ResultLabel { result }));
        }
    }
}

impl Metrics {
    /// A right was asked for.
    pub fn access_reviewed(&self, result: &'static str, took: Duration) {
        self.access_reviews.results.get_or_create(&ResultLabel { result }).inc();
        self.access_reviews.durations.observe(took.as_secs_f64());
    }
}
