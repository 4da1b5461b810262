//! What the settings say of the cluster.

use std::path::PathBuf;
use std::time::Duration;

use super::{Given, SettingError};

/// What is asked of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `--cluster-policies`; without, only labels of namespaces and rights are asked.
    pub policies: bool,
    /// `--kubeconfig`
    pub kubeconfig: Option<PathBuf>,
    /// `--cluster-stale-limit`
    pub stale_limit: Duration,
    /// `--access-allow-ttl`
    pub allow_ttl: Duration,
    /// `--access-deny-ttl`
    pub deny_ttl: Duration,
    /// `--pod-events`
    pub pod_events: bool,
    /// `--follow-limit`; zero: nothing is followed.
    pub follow_limit: Duration,
    /// `--scan-interval`; zero: nothing is searched.
    pub scan_interval: Duration,
}

impl Given {
    /// A kubeconfig says that there is a cluster, even if its policies are not wanted.
    pub(super) fn cluster(&self) -> Result<Option<ClusterSettings>, SettingError> {
        let policies = self.cluster_policies.unwrap_or(false);
        if !policies && self.kubeconfig.is_none() {
            return self.nothing_of_a_cluster().map(|()| None);
        }
        Ok(Some(ClusterSettings {
            policies,
            kubeconfig: self.kubeconfig.clone(),
            stale_limit: self.cluster_stale_limit.map_or(Duration::from_mins(5), |it| it.0),
            allow_ttl: self.access_allow_ttl.map_or(Duration::from_secs(10), |it| it.0),
            deny_ttl: self.access_deny_ttl.map_or(Duration::from_secs(2), |it| it.0),
            pod_events: self.pod_events.unwrap_or(true),
            follow_limit: self.follow_limit.map_or(Duration::from_hours(24), |it| it.0),
            scan_interval: self.scan_interval.map_or(Duration::from_mins(10), |it| it.0),
        }))
    }

    /// What would be ignored is refused: whoever sets it expects it to happen.
    fn nothing_of_a_cluster(&self) -> Result<(), SettingError> {
        let given = [
            ("cluster-stale-limit", self.cluster_stale_limit.is_some()),
            ("access-allow-ttl", self.access_allow_ttl.is_some_and(|it| !it.0.is_zero())),
            ("access-deny-ttl", self.access_deny_ttl.is_some_and(|it| !it.0.is_zero())),
            ("pod-events", self.pod_events == Some(true)),
            ("follow-limit", self.follow_limit.is_some_and(|it| !it.0.is_zero())),
            ("scan-interval", self.scan_interval.is_some_and(|it| !it.0.is_zero())),
        ];
        let why = "needs `--cluster-policies` or `--kubeconfig`, and does nothing without";
        match given.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(SettingError::Value { name, why: why.to_owned() }),
            None => Ok(()),
        }
    }
}
