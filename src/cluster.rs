//! Layer 5, the Kubernetes client: policies and namespaces watched, rights asked, statuses written,
//! and what became of decisions told and followed.
//!
//! Of all this only the question for a right is on the path of an admission, and its answers are
//! kept; the rest publishes what it has seen, and goes on doing so when the API server is away.

mod access;
mod aftermath;
mod certificates;
mod checkpoints;
mod client;
mod conditions;
mod health;
mod join;
mod look;
mod namespaces;
mod policies;
mod signing;
mod status;
mod survey;
#[cfg(test)]
mod testing;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher;
use kube::{Api, Client, Config};

use crate::admission::decode::User;
use crate::crd::debug_policy::DebugPolicy;
use crate::gate::lookup::{Cluster, NoCluster};
use crate::policy::circumstances::Right;
use crate::policy::request::Fact;

pub use access::{AccessLimits, AccessTally};
pub use aftermath::{Aftermath, AftermathOptions, Archive, Fate, Happened, PodContainer, Tally};
pub use certificates::{
    Call, Custody, CustodyEvent, CustodyOptions, Inspector, Leave, RotateError, Rotated, Rotation,
    custody, rotate,
};
pub use checkpoints::CheckpointMap;
pub use client::{ConnectError, kubeconfigs};
pub use health::Health;
pub use join::{Report, join};
pub use look::{Look, LookError};
pub use policies::{Seen, Snapshot, Snapshots};
pub use signing::SigningSecret;
pub use status::{Farewell, Reports};
pub use survey::{SurveyError, SurveyOptions, survey};

use access::Access;
use client::Pulse;
use namespaces::Namespaces;

/// What is wanted of a cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is and who asks; else what a pod is given, else what kubectl would take.
    pub kubeconfig: Option<PathBuf>,
    /// Whether its DebugPolicies are wanted.
    pub policies: bool,
    /// After how much silence it counts as lost.
    pub stale_limit: Duration,
    /// How rights are asked.
    pub access: AccessLimits,
    /// Who counts them.
    pub tally: Arc<dyn AccessTally>,
    /// What statuses call this server.
    pub replica: String,
    /// Whether other servers may write into its ledger.
    pub shared_ledger: bool,
}

/// What a cluster can tell while a request is judged.
#[derive(Debug)]
pub struct Kubernetes {
    access: Access,
    namespaces: Namespaces,
}

/// A cluster, or none.
#[derive(Debug, Clone)]
pub enum AnyCluster {
    /// Nothing is known.
    Absent(NoCluster),
    /// An API server is asked.
    Present(Arc<Kubernetes>),
}

/// What follows the DebugPolicies.
#[derive(Debug)]
pub struct PolicySource {
    /// They are published here.
    pub snapshots: Snapshots,
    /// What became of them is to be said here.
    pub reports: Reports,
    /// To be said when the server stops.
    pub farewell: Farewell,
}

/// A task that runs as long as the server.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that a cluster gives. Nothing happens before the tasks run.
pub struct Connected {
    /// For the gate.
    pub kubernetes: Arc<Kubernetes>,
    /// The policies, if they are wanted.
    pub policies: Option<PolicySource>,
    /// One for each watch.
    pub watches: Vec<Arc<Health>>,
    /// For what is done after a decision.
    pub aftermath: Aftermath,
    /// To be run.
    pub tasks: Vec<Task>,
}

/// Prepares everything. The API server need not be there yet.
///
/// # Errors
///
/// There is no telling where it is, or who asks.
pub async fn connect(options: Options) -> Result<Connected, ConnectError> {
    let Options { kubeconfig, policies, stale_limit, access, tally, replica, shared_ledger } =
        options;
    let duration = watch::duration(stale_limit);
    let config = client::config(kubeconfig.as_deref(), duration).await?;
    let client = client::client(&config)?;
    let namespaces = Namespaces::default();
    let mut connected = Connected {
        kubernetes: Arc::new(Kubernetes {
            access: Access::new(client.clone(), access).counted_by(tally),
            namespaces: namespaces.clone(),
        }),
        policies: None,
        watches: Vec::new(),
        aftermath: Aftermath::new(client.clone()),
        tasks: Vec::new(),
    };
    let (health, listening) = listen("namespaces", &config)?;
    let events = move || watcher(Api::all(listening.clone()), watch::settings(duration));
    connected.follow(health, |health| watch::follow(events, namespaces.keeper(), health));
    if policies {
        let (health, listening) = listen("policies", &config)?;
        let (keeper, snapshots) = policies::Policies::new();
        let events = move || watcher(debug_policies(listening.clone()), watch::settings(duration));
        connected.follow(health, |health| watch::follow(events, keeper, health));
        let farewell =
            Farewell::new(debug_policies(client.clone()), replica.clone(), snapshots.clone());
        let api = debug_policies(client);
        let (writer, reports) = status::Writer::new(api, replica, shared_ledger, snapshots.clone());
        connected.tasks.push(Box::pin(writer.run()));
        connected.policies = Some(PolicySource { snapshots, reports, farewell });
    }
    Ok(connected)
}

/// Not by their type: one object of the wrong shape would hide all others.
fn debug_policies(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &ApiResource::erase::<DebugPolicy>(&()))
}

fn listen(what: &'static str, config: &Config) -> Result<(Arc<Health>, Client), ConnectError> {
    let pulse = Pulse::default();
    let client = client::listening_client(config, &pulse)?;
    Ok((Arc::new(Health::new(what, pulse)), client))
}

impl Connected {
    fn follow<F>(&mut self, health: Arc<Health>, task: impl FnOnce(Arc<Health>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Box::pin(task(Arc::clone(&health))));
        self.watches.push(health);
    }
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kubernetes, policies, watches, aftermath, tasks } = self;
        f.debug_struct("Connected")
            .field("kubernetes", kubernetes)
            .field("policies", policies)
            .field("watches", watches)
            .field("aftermath", aftermath)
            .field("tasks", &tasks.len())
            .finish()
    }
}

impl Kubernetes {
    /// What keeps rights from being told at the moment.
    #[must_use]
    pub fn access_trouble(&self) -> Option<String> {
        self.access.trouble()
    }
}

impl Cluster for AnyCluster {
    async fn may_use(&self, user: &User, policy: &str, namespace: &str) -> Right {
        match self {
            Self::Absent(none) => none.may_use(user, policy, namespace).await,
            Self::Present(kubernetes) => kubernetes.access.may_use(user, policy, namespace).await,
        }
    }

    fn namespace_labels(&self, namespace: &str) -> Fact<BTreeMap<String, String>> {
        match self {
            Self::Absent(none) => none.namespace_labels(namespace),
            Self::Present(kubernetes) => kubernetes.namespaces.labels(namespace),
        }
    }
}
