//! Puts the policies of all sources in force, as one set.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::cluster::{self, PolicySource, Report, Reports, Snapshot};
use crate::gate::Policies;
use crate::policy::rule::Policy;
use crate::policy::set::PolicySet;
use crate::server::metrics::Metrics;

/// Publishes whole sets, never before every source has been read.
#[derive(Debug)]
pub(super) struct Publisher {
    published: Policies,
    metrics: Arc<Metrics>,
    sources: Mutex<Sources>,
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Sources {
    files: Vec<Policy>,
    cluster: Cluster,
}

#[derive(Debug)]
enum Cluster {
    /// It is not asked for policies.
    Unused,
    Used {
        /// `None`: not read yet.
        seen: Option<Arc<Snapshot>>,
        reports: Reports,
        /// What was said of policies that only object, by name.
        complaints: BTreeMap<String, String>,
    },
}

impl Publisher {
    /// For files alone, until [`Publisher::follow`] is called.
    pub(super) fn new(metrics: Arc<Metrics>, cluster: Option<&PolicySource>) -> Self {
        let cluster = cluster.map_or(Cluster::Unused, |source| Cluster::Used {
            seen: None,
            reports: source.reports.clone(),
            complaints: BTreeMap::new(),
        });
        let sources = Mutex::new(Sources { files: Vec::new(), cluster });
        Self { published: Policies::default(), metrics, sources, changed: Arc::default() }
    }

    /// Told after each set that was put in force.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// For the gate.
    pub(super) fn published(&self) -> Policies {
        Arc::clone(&self.published)
    }

    /// These are the policies of files from now on.
    pub(super) fn take_files(&self, set: &PolicySet) {
        let files = set.policies().iter().map(|policy| Policy::clone(policy)).collect();
        self.publish(|sources| sources.files = files);
    }

    /// Takes over what the cluster has, for ever.
    pub(super) async fn follow(self: Arc<Self>, source: PolicySource) {
        let PolicySource { mut snapshots, .. } = source;
        let mut revision = None;
        while snapshots.changed().await.is_ok() {
            let Some(snapshot) = snapshots.borrow_and_update().clone() else { continue };
            // A status that was written changes nothing that is judged by.
            if revision.replace(snapshot.revision) != Some(snapshot.revision) {
                self.publish(|sources| {
                    if let Cluster::Used { seen, .. } = &mut sources.cluster {
                        *seen = Some(snapshot);
                    }
                });
            }
        }
    }

    fn publish(&self, change: impl FnOnce(&mut Sources)) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sources);
        let Sources { files, cluster } = &mut *sources;
        match cluster {
            Cluster::Unused => self.put_in_force(PolicySet::new(files.clone())),
            Cluster::Used { seen: None, .. } => {
                info!(files = files.len(), "Waiting for the policies of the cluster");
            }
            Cluster::Used { seen: Some(snapshot), reports, complaints } => {
                let (set, became) = cluster::join(files, snapshot);
                complain(&became, complaints);
                self.put_in_force(set);
                // Nothing is called Ready before it is in force.
                reports.send_replace(Arc::new(became));
            }
        }
    }

    fn put_in_force(&self, set: PolicySet) {
        let number = set.policies().len();
        self.metrics.policies_loaded(&set, Timestamp::now());
        self.published.store(Some(Arc::new(set)));
        self.changed.notify_one();
        if number == 0 {
            warn!("There is no policy: every debug container is refused");
        } else {
            info!(number, "Policies are in force");
        }
    }
}

/// Says once of each policy that is wrong what is wrong with it.
fn complain(reports: &[Report], complaints: &mut BTreeMap<String, String>) {
    let faults = reports.iter().filter_map(|report| {
        let fault = report.fault.as_ref()?;
        Some((report.name.clone(), fault.message.clone()))
    });
    let now: BTreeMap<_, _> = faults.collect();
    for (name, message) in &now {
        if complaints.get(name) != Some(message) {
            warn!(policy.name = %name, "Policy `{name}` of the cluster only objects: {message}");
        }
    }
    *complaints = now;
}
