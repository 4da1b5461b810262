//! The DebugPolicies of the cluster, published whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::DynamicObject;
use tokio::sync::watch;

use super::watch::Keep;
use crate::crd::live::{self, Live};
use crate::crd::status::DebugPolicyStatus;

/// All of them at one moment; `None` before they have been read for the first time.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// All DebugPolicies at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Another number for each difference in what is judged by.
    pub revision: u64,
    /// By name.
    pub policies: BTreeMap<String, Seen>,
}

/// One DebugPolicy.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What is judged by.
    pub live: Arc<Live>,
    /// What its status says.
    pub status: Option<DebugPolicyStatus>,
}

/// Keeps what a watch tells.
pub(super) struct Policies {
    snapshot: Snapshot,
    /// What has been told of a new beginning so far.
    beginning: Option<BTreeMap<String, Seen>>,
    synced: bool,
    published: watch::Sender<Option<Arc<Snapshot>>>,
}

impl Policies {
    pub(super) fn new() -> (Self, Snapshots) {
        let (published, snapshots) = watch::channel(None);
        let snapshot = Snapshot::default();
        (Self { snapshot, beginning: None, synced: false, published }, snapshots)
    }

    /// A status that changed leaves what was compiled as it is. The generation alone does not tell:
    /// while a definition is changed, an API server leaves fields out that it knows a moment later.
    fn seen(&self, object: &DynamicObject) -> Option<(String, Seen)> {
        let name = object.metadata.name.clone()?;
        let told = live::told(object.data.get("spec"));
        let same = |seen: &&Seen| {
            let id = &seen.live.policy.id;
            id.uid == object.metadata.uid
                && id.generation == object.metadata.generation
                && seen.live.told == told
        };
        let known = self.snapshot.policies.get(&name).filter(same);
        let live = known.map_or_else(
            || Arc::new(live::read(&object.metadata, object.data.get("spec"))),
            |seen| Arc::clone(&seen.live),
        );
        let status = object.data.get("status").cloned();
        // A status that cannot be read is written anew.
        let status = status.and_then(|status| serde_json::from_value(status).ok());
        Some((name, Seen { live, status }))
    }
}

impl Keep for Policies {
    type Object = DynamicObject;

    fn begin(&mut self) {
        self.beginning = Some(BTreeMap::new());
    }

    fn initial(&mut self, object: DynamicObject) {
        let seen = self.seen(&object);
        if let (Some(beginning), Some((name, seen))) = (&mut self.beginning, seen) {
            beginning.insert(name, seen);
        }
    }

    fn complete(&mut self) {
        if let Some(beginning) = self.beginning.take() {
            let Snapshot { revision, policies } = &mut self.snapshot;
            let lives = |(_, seen): (&String, &Seen)| Arc::as_ptr(&seen.live);
            if !policies.iter().map(lives).eq(beginning.iter().map(lives)) {
                *revision += 1;
            }
            *policies = beginning;
            self.synced = true;
        }
    }

    fn put(&mut self, object: DynamicObject) {
        let Some((name, seen)) = self.seen(&object) else { return };
        let live = Arc::clone(&seen.live);
        let before = self.snapshot.policies.insert(name, seen);
        if !before.is_some_and(|before| Arc::ptr_eq(&before.live, &live)) {
            self.snapshot.revision += 1;
        }
    }

    fn remove(&mut self, object: &DynamicObject) {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        if self.snapshot.policies.remove(name).is_some() {
            self.snapshot.revision += 1;
        }
    }

    fn publish(&mut self) {
        if self.synced {
            self.published.send_replace(Some(Arc::new(self.snapshot.clone())));
        }
    }
}
