//! The settings as the ledger records them.

use super::Settings;

impl Settings {
    /// Every setting with its value, for a record. The ledger's place is left out: it may hold a
    /// password, and only the store can tell.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let path = |path: &std::path::Path| path.display().to_string();
        let paths: Vec<_> = self.policies.iter().map(|it| path(it)).collect();
        let cluster = self.cluster.as_ref();
        let given = [
            ("ledger-key", self.ledger_key.as_ref().map(ToString::to_string)),
            ("keep-for", self.keep_for.map(|age| age.to_string())),
            ("keep-records", self.keep_records.map(|number| number.to_string())),
            ("keep-bytes", self.keep_bytes.map(|bytes| bytes.to_string())),
            ("cluster-policies", cluster.map(|cluster| cluster.policies.to_string())),
            ("cluster-stale-limit", cluster.map(|cluster| format!("{:?}", cluster.stale_limit))),
            ("access-allow-ttl", cluster.map(|cluster| format!("{:?}", cluster.allow_ttl))),
            ("pod-events", cluster.map(|cluster| cluster.pod_events.to_string())),
            ("follow-limit", cluster.map(|cluster| format!("{:?}", cluster.follow_limit))),
            ("scan-interval", cluster.map(|cluster| format!("{:?}", cluster.scan_interval))),
            ("access-deny-ttl", cluster.map(|cluster| format!("{:?}", cluster.deny_ttl))),
        ];
        let always = [
            ("listen", self.listen.to_string()),
            ("health-listen", self.health_listen.to_string()),
            ("policies", paths.join(":")),
            ("checkpoint-interval", format!("{:?}", self.checkpoint_interval)),
            ("enforcement", self.enforcement.as_str().to_owned()),
            ("deadline", format!("{:?}", self.deadline)),
            ("drain-delay", format!("{:?}", self.drain_delay)),
            ("max-in-flight", self.max_in_flight.to_string()),
            ("cluster-name", self.cluster_name.clone()),
            ("writer", self.writer.clone()),
            ("metrics-exemplars", self.metrics_exemplars.to_string()),
            ("log-level", self.logs.level.as_str().to_owned()),
            ("danger-allow-on-ledger-failure", self.danger_allow_on_ledger_failure.to_string()),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        always.into_iter().chain(self.tls.named()).chain(given).collect()
    }
}
