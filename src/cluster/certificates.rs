//! The certificates that Postern makes itself: kept in a Secret, watched by every server, changed
//! by the one that holds a Lease, and told to the API server by `caBundle`.
//!
//! What is due is decided in [`crate::certificate::custody`]; here it is read and written. The
//! Lease only keeps servers out of each other's way. What keeps the Secret whole is that nothing is
//! written over what was not read: of two that make the first one, the second is refused, reads
//! what the first has made, and serves that.

mod configurations;
mod inspect;
mod latest;
mod lease;
mod rotate;
mod secret;
mod warden;

use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::Task;
use super::client::{self, ConnectError, Pulse};
use super::health::Health;
use super::watch::{self as watching};
use crate::certificate::Pair;
use crate::certificate::custody::Wanted;

use configurations::Configurations;
use latest::{Latest, Seen};
use lease::Lease;
use secret::Keeping;
use warden::Warden;

pub use inspect::{Call, Inspector};
pub use rotate::{RotateError, Rotated, Rotation, rotate};
pub use warden::{CustodyEvent, Leave};

/// How long one watch lasts.
const WATCH: std::time::Duration = std::time::Duration::from_secs(60);

/// Which certificates, for whom.
#[derive(Debug, Clone)]
pub struct CustodyOptions {
    /// Where the cluster is; else what a pod is given, else what kubectl would take.
    pub kubeconfig: Option<PathBuf>,
    /// Where the Secret is, if not where this server is.
    pub namespace: Option<String>,
    /// The Secret, and the Lease beside it.
    pub name: String,
    /// The webhook configurations that are told whom to trust.
    pub webhook_configurations: String,
    /// What is wanted of the certificates. No names: that of the Service.
    pub wanted: Wanted,
    /// What the Lease calls this server.
    pub replica: String,
}

/// Certificates in custody. Nothing happens before the tasks run.
pub struct Custody {
    /// The newest pair that can be used; `None`: there is none yet.
    pub pair: watch::Receiver<Option<Arc<Pair>>>,
    /// What goes wrong at the moment.
    pub trouble: watch::Receiver<Option<String>>,
    /// For a server that stops.
    pub leave: Leave,
    /// To be run.
    pub tasks: Vec<Task>,
}

impl std::fmt::Debug for Custody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Custody").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

/// Prepares everything. The API server need not be there yet. `tell` hears what is to be counted.
///
/// # Errors
///
/// There is no telling where it is, or who asks.
pub async fn custody(
    options: CustodyOptions,
    tell: impl Fn(CustodyEvent) + Send + Sync + 'static,
) -> Result<Custody, ConnectError> {
    let CustodyOptions { kubeconfig, namespace, name, webhook_configurations, .. } = &options;
    let config = client::config(kubeconfig.as_deref(), WATCH).await?;
    let namespace = namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = client::client(&config)?;
    let mut wanted = options.wanted.clone();
    if wanted.names.is_empty() {
        wanted.names.push(format!("postern.{namespace}.svc"));
    }
    // Not by its name alone: a server that is started again must not take its past self's place
    // before that has let go.
    let holder = format!("{}_{}", options.replica, Uuid::now_v7());

    let (secrets, mut tasks) = watch_secret(&config, &namespace, name)?;
    let stirred = Arc::new(Notify::new());
    let mut configurations = Configurations::new(&client, webhook_configurations);
    tasks.extend(configurations.watch(&config, &stirred)?);

    let keeping = Keeping::new(client.clone(), &namespace, name, &holder);
    let lease = Lease::new(client, &namespace, name, holder);
    let (warden, (pair, trouble, leave)) =
        Warden::new(wanted, secrets, (keeping, lease), configurations, Box::new(tell));
    tasks.push(Box::pin(warden.run(stirred)));
    Ok(Custody { pair, trouble, leave, tasks })
}

type Watched = (watch::Receiver<Seen<Secret>>, Arc<Health>);

fn watch_secret(
    config: &Config,
    namespace: &str,
    name: &str,
) -> Result<(Watched, Vec<Task>), ConnectError> {
    let pulse = Pulse::default();
    let listening = client::listening_client(config, &pulse)?;
    let health = Arc::new(Health::new("certificates", pulse));
    let (keeper, seen) = Latest::new();
    let namespace = namespace.to_owned();
    let settings = watching::settings(WATCH).fields(&format!("metadata.name={name}"));
    let api = move || Api::<Secret>::namespaced(Client::clone(&listening), &namespace);
    let events = move || watcher(api(), settings.clone());
    let task = watching::follow(events, keeper, Arc::clone(&health));
    Ok(((seen, health), vec![Box::pin(task)]))
}
