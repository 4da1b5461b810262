//! What is counted. Labels have fixed sets of values: never a user, a pod or an image, whose number
//! is in the hands of others.

mod forwarding;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::forwarding::Forwarding;
use crate::gate::{Phase, Summary};
use crate::policy::rule::{Effect, Enforcement};
use crate::policy::set::PolicySet;

/// Upper bounds in seconds, from half a millisecond to just below the webhook's timeout of 3 s.
const DURATION_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5];

/// Every metric of the server, to be shared by whoever has something to count.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    durations: Family<PhaseLabel, Histogram>,
    turned_away: Family<StatusLabel, Counter>,
    in_flight: Gauge,
    connections: Gauge,
    connections_refused: Counter,
    policies: Family<PolicyLabels, Gauge>,
    policies_loaded: Gauge,
    policies_reload_failures: Counter,
    policies_broken: Gauge,
    cluster_watch_age: Family<WatchLabel, Gauge<f64, AtomicU64>>,
    certificate_expiry: Family<KindLabel, Gauge>,
    certificate_reload_failures: Counter,
    certificate_rotations: Family<RotationLabels, Counter>,
    forwarding: Forwarding,
    pod_events: Family<ResultLabel, Counter>,
    observations: Family<ResultLabel, Counter>,
    pod_scans: Family<ResultLabel, Counter>,
    unattested: Counter,
}

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    effect: &'static str,
    enforcement: &'static str,
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
        let histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let mut metrics = Self {
            registry: Registry::with_prefix("postern"),
            reviews: Family::default(),
            durations: Family::new_with_constructor(histogram),
            turned_away: Family::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            policies: Family::default(),
            policies_loaded: Gauge::default(),
            policies_reload_failures: Counter::default(),
            policies_broken: Gauge::default(),
            cluster_watch_age: Family::default(),
            certificate_expiry: Family::default(),
            certificate_reload_failures: Counter::default(),
            certificate_rotations: Family::default(),
            forwarding: Forwarding::default(),
            pod_events: Family::default(),
            observations: Family::default(),
            pod_scans: Family::default(),
            unattested: Counter::default(),
        };
        metrics.register_requests();
        metrics.register_state();
        metrics.register_aftermath();
        metrics.forwarding.register(&mut metrics.registry);
        metrics
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
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
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register(
            "connections_refused",
            "Connections over the limit, or without a TLS handshake",
            self.connections_refused.clone(),
        );
    }

    fn register_state(&mut self) {
        let registry = &mut self.registry;
        registry.register("policies", "Policies in force", self.policies.clone());
        registry.register_with_unit(
            "policies_loaded_timestamp",
            "When the policies in force were loaded",
            Unit::Seconds,
            self.policies_loaded.clone(),
        );
        registry.register(
            "policies_reload_failures",
            "Changed policies that could not be loaded; the old ones stayed in force",
            self.policies_reload_failures.clone(),
        );
        registry.register(
            "policies_broken",
            "Policies of the cluster that only object, because they are wrong",
            self.policies_broken.clone(),
        );
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

    fn register_aftermath(&mut self) {
        let registry = &mut self.registry;
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

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    ///
    /// None in practice: a `String` takes every write.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(8 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// One answered review.
    pub fn answered(&self, summary: &Summary, took: Duration) {
        let Summary { phase, allowed, reason, dry_run, decision: _, changes: _ } = *summary;
        let phase = phase_label(phase);
        let answer = if allowed { "allowed" } else { "refused" };
        let labels = ReviewLabels { phase, answer, reason: reason.as_str(), dry_run };
        self.reviews.get_or_create(&labels).inc();
        self.durations.get_or_create(&PhaseLabel { phase }).observe(took.as_secs_f64());
    }

    /// A request that got an HTTP status instead of an answer.
    pub fn turned_away(&self, status: u16) {
        self.turned_away.get_or_create(&StatusLabel { status }).inc();
    }

    /// A review that is being answered while the result lives.
    pub fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// A connection that is open while the result lives.
    pub fn connected(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// A connection that ended before it could carry a request.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// These policies are in force from now on.
    pub fn policies_loaded(&self, set: &PolicySet, now: Timestamp) {
        for effect in [Effect::Permit, Effect::Require] {
            for enforcement in [Enforcement::Audit, Enforcement::Warn, Enforcement::Enforce] {
                let number = set
                    .policies()
                    .iter()
                    .filter(|policy| policy.effect == effect && policy.enforcement == enforcement)
                    .count();
                let labels =
                    PolicyLabels { effect: effect.as_str(), enforcement: enforcement.as_str() };
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                self.policies.get_or_create(&labels).set(number);
            }
        }
        let broken = set.policies().iter().filter(|policy| policy.broken.is_some()).count();
        self.policies_broken.set(i64::try_from(broken).unwrap_or(i64::MAX));
        self.policies_loaded.set(now.as_second());
    }

    /// Changed policies could not be loaded.
    pub fn policies_reload_failed(&self) {
        self.policies_reload_failures.inc();
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

    /// So many decisions were, or were not, told by an Event on the pod.
    pub fn pod_events(&self, result: &'static str, times: u64) {
        self.pod_events.get_or_create(&ResultLabel { result }).inc_by(times);
    }

    /// So many observations of containers were, or were not, written down.
    pub fn observations(&self, result: &'static str, times: u64) {
        self.observations.get_or_create(&ResultLabel { result }).inc_by(times);
    }

    /// All pods were, or were not, searched.
    pub fn pod_scans(&self, result: &'static str, times: u64) {
        self.pod_scans.get_or_create(&ResultLabel { result }).inc_by(times);
    }

    /// So many debug containers were found that nothing had allowed.
    pub fn unattested_containers(&self, times: u64) {
        self.unattested.inc_by(times);
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
    use crate::gate::Reason;

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
