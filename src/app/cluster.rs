//! The cluster, as the settings want it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::cluster::{
    AccessLimits, AccessTally, AnyCluster, ConnectError, Connected, Farewell, Health, Kubernetes,
    Leave, Options, connect,
};
use crate::config::{ClusterSettings, Settings};
use crate::gate::lookup::NoCluster;
use crate::server::metrics::Metrics;
use crate::server::probes::Check;
use crate::store::Location;

/// The part of a deadline within which a right must be told: the rest is for judging by it.
const ANSWER: u32 = 2;
/// How often the ages of what was seen are measured.
const MEASURE: Duration = Duration::from_secs(1);
/// How long a server that stops may take to say so.
const FAREWELL: Duration = Duration::from_secs(2);

impl AccessTally for Metrics {
    fn asked(&self, result: &'static str, took: Duration) {
        self.access_reviewed(result, took);
    }
}

/// Prepares what the settings want of a cluster; `None`: they want nothing.
pub(super) async fn prepare(
    settings: &Settings,
    metrics: &Arc<Metrics>,
) -> Result<Option<Connected>, ConnectError> {
    let Some(cluster) = &settings.cluster else { return Ok(None) };
    let ClusterSettings { policies, kubeconfig, stale_limit, allow_ttl, deny_ttl, .. } =
        cluster.clone();
    let access = AccessLimits { allow_ttl, deny_ttl, answer: settings.deadline / ANSWER };
    let replica = settings.writer.clone();
    let tally: Arc<dyn AccessTally> = Arc::clone(metrics) as _;
    // One that cannot be read is told of when it is opened.
    let shared_ledger = matches!(settings.ledger.parse(), Ok(Location::Postgres(_)));
    connect(Options { kubeconfig, policies, stale_limit, access, tally, replica, shared_ledger })
        .await
        .map(Some)
}

/// What is asked about a cluster beside its requests, and said to it at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    kubernetes: Option<Arc<Kubernetes>>,
    watches: Vec<Arc<Health>>,
    stale_limit: Duration,
    farewell: Option<Farewell>,
    leave: Option<Leave>,
}

impl Watched {
    pub(super) fn new(
        connected: Option<&Connected>,
        settings: &Settings,
        leave: Option<Leave>,
    ) -> Self {
        let Some(connected) = connected else { return Self { leave, ..Self::default() } };
        let stale_limit = settings.cluster.as_ref().map(|cluster| cluster.stale_limit);
        Self {
            kubernetes: Some(Arc::clone(&connected.kubernetes)),
            watches: connected.watches.clone(),
            stale_limit: stale_limit.unwrap_or_default(),
            farewell: connected.policies.as_ref().map(|source| source.farewell.clone()),
            leave,
        }
    }

    /// Has the statuses of policies and the Lease no longer name this server; as far as it goes.
    pub(super) async fn say_farewell(&self) {
        let statuses = async {
            if let Some(farewell) = &self.farewell {
                farewell.say().await;
            }
        };
        let lease = async {
            if let Some(leave) = &self.leave {
                leave.say().await;
            }
        };
        if timeout(FAREWELL, async { tokio::join!(statuses, lease) }).await.is_err() {
            debug!("The Lease or some statuses of policies still name this server");
        }
    }

    /// For the gate.
    pub(super) fn for_gate(&self) -> AnyCluster {
        match &self.kubernetes {
            Some(kubernetes) => AnyCluster::Present(Arc::clone(kubernetes)),
            None => AnyCluster::Absent(NoCluster),
        }
    }

    /// For readiness; nothing where no cluster is wanted.
    pub(super) fn check(&self) -> Option<Check> {
        let kubernetes = self.kubernetes.as_ref()?;
        let states: Result<Vec<_>, _> =
            self.watches.iter().map(|watch| watch.state(self.stale_limit)).collect();
        let state = states.map(|remarks| {
            let access = kubernetes.access_trouble();
            let access = access.map(|why| format!("rights cannot be asked: {why}"));
            let remarks: Vec<_> = remarks.into_iter().flatten().chain(access).collect();
            (!remarks.is_empty()).then(|| remarks.join("; "))
        });
        Some(Check { name: "cluster", state })
    }

    /// Measures, for ever.
    pub(super) async fn measure(self, metrics: Arc<Metrics>) {
        loop {
            for watch in &self.watches {
                if let Some(age) = watch.age() {
                    metrics.cluster_watch_age(watch.what(), age);
                }
            }
            sleep(MEASURE).await;
        }
    }
}
