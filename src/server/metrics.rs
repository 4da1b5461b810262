//! What is counted. Labels have fixed sets of values: never a user, a pod or an image, whose number
//! is in the hands of others.

mod access;
mod aftermath;
mod checks;
mod forwarding;
mod ledger;
mod policies;
mod process;
mod text;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use uuid::Uuid;

use self::access::AccessReviews;
use self::aftermath::Aftermath;
use self::checks::Checks;
use self::forwarding::Forwarding;
use self::ledger::Writes;
use self::policies::Policies;
use self::process::Process;
use crate::gate::{Phase, Reason, Summary};

/// Upper bounds in seconds, from half a millisecond to just below the webhook's timeout of 3 s.
const DURATION_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5];

/// The statuses that requests are turned away with.
const TURNED_AWAY: [u16; 10] = [400, 401, 404, 405, 408, 413, 415, 500, 503, 504];

/// Every metric of the server, to be shared by whoever has something to count.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    durations: Family<PhaseLabel, Durations, fn() -> Durations>,
    exemplars: bool,
    turned_away: Family<StatusLabel, Counter>,
    in_flight: Gauge,
    in_flight_limit: Gauge,
    connections: Gauge,
    connections_refused: Counter,
    policies: Policies,
    cluster_watch_age: Family<WatchLabel, Gauge<f64, AtomicU64>>,
    certificate_expiry: Family<KindLabel, Gauge>,
    certificate_reload_failures: Counter,
    certificate_rotations: Family<RotationLabels, Counter>,
    checks: Checks,
    writes: Writes,
    access_reviews: AccessReviews,
    forwarding: Forwarding,
    aftermath: Aftermath,
}

type Durations = HistogramWithExemplars<DecisionLabel>;

/// Counts one thing for as long as it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// Shown to the API server.
    Serving,
    /// The authority whose clients are let in.
    ClientCa,
    /// The authority that signs serving certificates, where Postern makes them.
    Ca,
    /// One that has signed before and is still trusted.
    RetiringCa,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    phase: &'static str,
    answer: &'static str,
    reason: &'static str,
    dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

/// Only ever on an exemplar: no series has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabel {
    decision: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabel {
    watch: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RotationLabels {
    what: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let histogram: fn() -> Durations = || Durations::new(DURATION_BUCKETS.into_iter());
        let mut metrics = Self {
            registry: Registry::default(),
            reviews: Family::default(),
            durations: Family::new_with_constructor(histogram),
            exemplars: false,
            turned_away: Family::default(),
            in_flight: Gauge::default(),
            in_flight_limit: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            policies: Policies::default(),
            cluster_watch_age: Family::default(),
            certificate_expiry: Family::default(),
            certificate_reload_failures: Counter::default(),
            certificate_rotations: Family::default(),
            checks: Checks::default(),
            writes: Writes::default(),
            access_reviews: AccessReviews::default(),
            forwarding: Forwarding::default(),
            aftermath: Aftermath::default(),
        };
        metrics.register();
        metrics.begin_at_zero();
        metrics
    }

    /// The same, where each bucket of the durations names a decision that fell into it.
    #[must_use]
    pub fn with_exemplars(self, wanted: bool) -> Self {
        Self { exemplars: wanted, ..self }
    }

    fn register(&mut self) {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix("postern");
        self.register_requests(ours);
        self.register_state(ours);
        self.policies.register(ours);
        self.checks.register(ours);
        self.writes.register(ours);
        self.access_reviews.register(ours);
        self.forwarding.register(ours);
        self.aftermath.register(ours);
        // Under the names that every dashboard knows, so without ours in front.
        registry.register_collector(Box::new(Process));
        self.registry = registry;
    }

    /// Whoever waits for the first refusal of a kind has to see the zero before it.
    fn begin_at_zero(&self) {
        for phase in [Phase::Mutate, Phase::Validate] {
            for reason in Reason::ALL.into_iter().filter(|reason| reason.is_of(phase)) {
                drop(self.reviews.get_or_create(&review_labels(phase, reason, false)));
            }
            drop(self.durations.get_or_create(&PhaseLabel { phase: phase_label(phase) }));
        }
        for status in TURNED_AWAY {
            drop(self.turned_away.get_or_create(&StatusLabel { status }));
        }
        for what in ["serving", "ca", "bundle", "webhooks"] {
            for result in ["done", "failed"] {
                drop(self.certificate_rotations.get_or_create(&RotationLabels { what, result }));
            }
        }
        self.access_reviews.begin_at_zero();
        self.aftermath.begin_at_zero();
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register("reviews", "Reviews answered", self.reviews.clone());
        registry.register_with_unit(
            "review_duration",
            "From the request's headers to the answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "requests_turned_away",
            "Requests that are no reviews or could not be read, by HTTP status",
            self.turned_away.clone(),
        );
        registry.register("in_flight", "Reviews being answered", self.in_flight.clone());
        registry.register(
            "in_flight_limit",
            "So many reviews are answered at once; more are refused",
            self.in_flight_limit.clone(),
        );
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register(
            "connections_refused",
            "Connections over the limit, or without a TLS handshake",
            self.connections_refused.clone(),
        );
    }

    fn register_state(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "cluster_watch_age",
            "How long ago the API server was last heard, by what is watched",
            Unit::Seconds,
            self.cluster_watch_age.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the first certificate of a kind expires",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry.register(
            "certificate_reload_failures",
            "Changed certificates that could not be loaded; the old ones stayed in use",
            self.certificate_reload_failures.clone(),
        );
        registry.register(
            "certificate_rotations",
            "Certificates made here that were replaced, or could not be",
            self.certificate_rotations.clone(),
        );
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running program", version);
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    ///
    /// None in practice: a `String` takes every write.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(32 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The same in the text format that came before OpenMetrics.
    ///
    /// # Errors
    ///
    /// As for [`Metrics::text`].
    pub fn classic_text(&self) -> Result<String, std::fmt::Error> {
        Ok(text::classic(&self.text()?))
    }

    /// One answered review.
    pub fn answered(&self, summary: &Summary, took: Duration) {
        let Summary { phase, allowed: _, reason, dry_run, decision, changes: _ } = *summary;
        self.reviews.get_or_create(&review_labels(phase, reason, dry_run)).inc();
        if summary.is_unrecorded() {
            self.allowed_unrecorded();
        }
        let exemplar = decision.filter(|_| self.exemplars).map(DecisionLabel::from);
        let durations = self.durations.get_or_create(&PhaseLabel { phase: phase_label(phase) });
        durations.observe(took.as_secs_f64(), exemplar, None);
    }

    /// A request that got an HTTP status instead of an answer.
    pub fn turned_away(&self, status: u16) {
        self.turned_away.get_or_create(&StatusLabel { status }).inc();
    }

    /// A review that is being answered while the result lives.
    pub fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// So many reviews may be answered at once.
    pub fn in_flight_limit(&self, limit: usize) {
        self.in_flight_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// A connection that is open while the result lives.
    pub fn connected(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// A connection that ended before it could carry a request.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// What is watched was heard of this long ago.
    pub fn cluster_watch_age(&self, watch: &'static str, age: Duration) {
        self.cluster_watch_age.get_or_create(&WatchLabel { watch }).set(age.as_secs_f64());
    }

    /// This is the first moment at which a certificate in use is no longer valid; `None`: there is
    /// none of that kind.
    pub fn certificate_loaded(&self, kind: CertificateKind, expires: Option<Timestamp>) {
        let kind = match kind {
            CertificateKind::Serving => "serving",
            CertificateKind::ClientCa => "client_ca",
            CertificateKind::Ca => "ca",
            CertificateKind::RetiringCa => "retiring_ca",
        };
        let kind = KindLabel { kind };
        match expires {
            Some(expires) => {
                self.certificate_expiry.get_or_create(&kind).set(expires.as_second());
            }
            None => {
                self.certificate_expiry.remove(&kind);
            }
        }
    }

    /// A certificate made here was replaced, or could not be: `serving`, `ca`, `bundle` or
    /// `webhooks`.
    pub fn certificate_rotated(&self, what: &'static str, result: &'static str) {
        self.certificate_rotations.get_or_create(&RotationLabels { what, result }).inc();
    }

    /// Changed certificates could not be loaded.
    pub fn certificate_reload_failed(&self) {
        self.certificate_reload_failures.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl From<Uuid> for DecisionLabel {
    fn from(decision: Uuid) -> Self {
        Self { decision: decision.to_string() }
    }
}

fn review_labels(phase: Phase, reason: Reason, dry_run: bool) -> ReviewLabels {
    let answer = if reason.allows() { "allowed" } else { "refused" };
    ReviewLabels { phase: phase_label(phase), answer, reason: reason.as_str(), dry_run }
}

/// How logs and metrics call a phase.
pub(super) fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::Mutate => "mutate",
        Phase::Validate => "validate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::PolicySet;

    #[test]
    fn text_is_open_metrics_with_the_documented_names() {
        let metrics = Metrics::new();
        let summary = Summary {
            phase: Phase::Validate,
            allowed: false,
            reason: Reason::Policy,
            dry_run: true,
            decision: None,
            changes: 0,
        };
        metrics.answered(&summary, Duration::from_micros(700));
        let passed = Summary { allowed: true, reason: Reason::Permitted, ..summary.clone() };
        metrics.answered(&passed, Duration::from_micros(7000));
        metrics.answered(&Summary { dry_run: false, ..passed }, Duration::from_micros(7000));
        metrics.turned_away(413);
        metrics.policies_loaded(&PolicySet::default(), Timestamp::UNIX_EPOCH);
        metrics.certificate_loaded(CertificateKind::Serving, Some(Timestamp::UNIX_EPOCH));
        metrics.cluster_watch_age("policies", Duration::from_millis(1500));
        metrics.pod_events("limited", 2);
        metrics.observations("done", 1);
        metrics.pod_scans("failed", 1);
        metrics.unattested_containers(3);
        metrics.checkpoint_signed(Timestamp::UNIX_EPOCH);
        metrics.forward_lag("file-1", 3);
        metrics.forward_failed("http-2");
        metrics.forwarded("file-1", 7);
        metrics.checkpoint_failed("configmap-1");
        let in_flight = metrics.in_flight();
        let text = metrics.text().unwrap();
        drop(in_flight);
        for line in [
            r#"postern_reviews_total{phase="validate",answer="refused",reason="policy",dry_run="true"} 1"#,
            r#"postern_review_duration_seconds_bucket{le="0.001",phase="validate"} 1"#,
            "postern_unrecorded_allows_total 1",
            r#"postern_requests_turned_away_total{status="413"} 1"#,
            r#"postern_policies{effect="Require",enforcement="Enforce"} 0"#,
            r#"postern_certificate_expiry_timestamp_seconds{kind="serving"} 0"#,
            "postern_policies_loaded_timestamp_seconds 0",
            "postern_policies_reload_failures_total 0",
            "postern_policies_broken 0",
            r#"postern_cluster_watch_age_seconds{watch="policies"} 1.5"#,
            "postern_certificate_reload_failures_total 0",
            "postern_ledger_checkpoint_timestamp_seconds 0",
            r#"postern_forward_lag_entries{target="file-1"} 3"#,
            r#"postern_forward_failures_total{target="http-2"} 1"#,
            r#"postern_forwarded_entries_total{target="file-1"} 7"#,
            r#"postern_checkpoint_failures_total{target="configmap-1"} 1"#,
            r#"postern_pod_events_total{result="limited"} 2"#,
            r#"postern_observations_total{result="done"} 1"#,
            r#"postern_pod_scans_total{result="failed"} 1"#,
            "postern_unattested_containers_total 3",
            "postern_in_flight 1",
            concat!(r#"postern_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(metrics.text().unwrap().contains("postern_in_flight 0"));
    }
}
