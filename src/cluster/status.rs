//! Says in the status of each policy what became of it. Off the path: nothing waits for it.
//!
//! Several servers write without fighting. What they agree on (the conditions) is written only by
//! whoever sees that it is missing, as one field manager; what is each server's own (that it has
//! loaded the policy) is in an entry of its own, written as a manager of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, Status};
use kube::{Api, Resource};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::conditions::{self, Stated};
use super::join::Report;
use super::policies::{Seen, Snapshots};
use super::watch::plain;
use crate::crd::debug_policy::DebugPolicy;
use crate::crd::status::DebugPolicyStatus;
use crate::policy::text::Quoted;

/// The manager of what all servers agree on.
const MANAGER: &str = "postern";
/// How often the clock is looked at: policies expire.
const TICK: Duration = Duration::from_secs(20);
/// Between two writes: a thousand policies are a minute's work, not a burst.
const BETWEEN: Duration = Duration::from_millis(50);
/// After a write that failed.
const PAUSE: Duration = Duration::from_secs(10);
/// What was written and is there no longer is not written again before this: another server may
/// have reasons of its own, and neither is to win by being faster.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a server says that it still has a policy loaded.
const REFRESH: SignedDuration = SignedDuration::from_hours(6);
/// How often a server that stops tries to take back what it has said, where others write as well.
const FAREWELLS: usize = 5;
/// A server that has not said so for this long is gone.
const GONE: SignedDuration = SignedDuration::from_hours(24);

/// What is to be said of all policies; nothing before the first set is in force.
pub type Reports = watch::Sender<Arc<Vec<Report>>>;

/// Writes statuses.
#[derive(Debug)]
pub(super) struct Writer {
    api: Api<DynamicObject>,
    replica: String,
    began: Timestamp,
    /// The ledger of this server is nobody else's, and another server was not seen yet.
    alone: bool,
    snapshots: Snapshots,
    reports: watch::Receiver<Arc<Vec<Report>>>,
    /// By uid.
    told: HashMap<String, Told>,
    trouble: Option<String>,
}

/// What was written last of one policy.
#[derive(Debug, Clone, PartialEq, Default)]
struct Told {
    stated: Option<(Stated, Instant)>,
    loaded: Option<(i64, Timestamp)>,
}

/// One thing to be written.
#[derive(Debug)]
struct Change {
    params: PatchParams,
    patch: Patch<Value>,
}

impl Writer {
    pub(super) fn new(
        api: Api<DynamicObject>,
        replica: String,
        shared_ledger: bool,
        snapshots: Snapshots,
    ) -> (Self, Reports) {
        let (sender, reports) = watch::channel(Arc::default());
        let (began, alone) = (Timestamp::now(), !shared_ledger);
        let told = HashMap::new();
        (Self { api, replica, began, alone, snapshots, reports, told, trouble: None }, sender)
    }

    /// Writes whatever there is to write, for ever.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                changed = self.reports.changed() => if changed.is_err() { return },
                changed = self.snapshots.changed() => if changed.is_err() { return },
                () = sleep(TICK) => {}
            }
            self.round().await;
            if let Some(other) = self.other().filter(|_| self.alone) {
                self.alone = false;
                warn!(
                    "`{other}` serves too, and what it decides is not in the ledger of this \
                     server: more than one server needs a PostgreSQL ledger"
                );
            }
        }
    }

    /// Another server that has said something since this one began.
    fn other(&self) -> Option<String> {
        let snapshot = self.snapshots.borrow().clone()?;
        let statuses = snapshot.policies.values().filter_map(|seen| seen.status.as_ref());
        let mut others = statuses
            .flat_map(|status| &status.replicas)
            .filter(|(name, it)| **name != self.replica && it.seen.0 > self.began);
        others.next().map(|(name, _)| name.clone())
    }

    async fn round(&mut self) {
        let trouble = self.tell().await;
        match &trouble {
            Some(why) if trouble != self.trouble => {
                warn!("The status of policies cannot be written, which changes no answer: {why}");
            }
            None if self.trouble.is_some() => info!("The status of policies is written again"),
            _ => {}
        }
        self.trouble = trouble;
        if self.trouble.is_some() {
            sleep(PAUSE).await;
        }
    }

    /// Writes what has changed; what could not be written, and why.
    async fn tell(&mut self) -> Option<String> {
        let mut trouble = None;
        let reports = Arc::clone(&self.reports.borrow_and_update());
        let uids: Vec<_> = reports.iter().filter_map(|report| report.uid.as_ref()).collect();
        self.told.retain(|uid, _| uids.contains(&uid));
        for report in reports.iter() {
            let (Some(uid), Some(generation)) = (&report.uid, report.generation) else { continue };
            // As it is now: a round over many policies takes a while.
            let seen = self
                .snapshots
                .borrow()
                .as_ref()
                .and_then(|snapshot| snapshot.policies.get(&report.name).cloned());
            let same = |seen: &Seen| {
                let id = &seen.live.policy.id;
                id.uid.as_ref() == Some(uid) && id.generation == Some(generation)
            };
            let Some(seen) = seen.filter(same) else { continue };
            for change in self.changes(report, uid, generation, &seen.status.unwrap_or_default()) {
                let written = self.write(&report.name, uid, &change).await;
                sleep(BETWEEN).await;
                match written {
                    Ok(()) => {}
                    // Only of this policy: that of the others may be written.
                    Err(kube::Error::Api(status)) if is_about_the_object(&status) => {
                        let why = plain(&kube::Error::Api(status));
                        trouble = Some(format!("of {}: {why}", Quoted(&report.name)));
                        self.told.remove(uid);
                        break;
                    }
                    Err(error) => {
                        self.told.clear();
                        return Some(plain(&error));
                    }
                }
            }
        }
        trouble
    }

    /// What is to be written of one policy, as if it had been.
    fn changes(
        &mut self,
        report: &Report,
        uid: &str,
        generation: i64,
        status: &DebugPolicyStatus,
    ) -> Vec<Change> {
        let now = Timestamp::now();
        let told = self.told.entry(uid.to_owned()).or_default();
        let mut changes = Vec::new();
        let stated = conditions::state(report, generation, now);
        let lately = |at: &Instant| at.elapsed() < PATIENCE;
        let said = told.stated.as_ref().is_some_and(|(said, at)| *said == stated && lately(at));
        if !stated.is_said_by(status) && !said {
            let status = stated.status(status, now);
            changes.push(apply(report, uid, MANAGER, &status));
            told.stated = Some((stated, Instant::now()));
        }
        let entry = status.replicas.get(&self.replica).map(|it| (it.generation, it.seen.0));
        let fresh = |(of, at): &(i64, Timestamp)| *of == generation && age(now, *at) < REFRESH;
        if !entry.as_ref().is_some_and(fresh) && !told.loaded.as_ref().is_some_and(fresh) {
            let entry = json!({"generation": generation, "seen": Time(now)});
            let status = json!({"replicas": {&self.replica: entry}});
            changes.push(apply(report, uid, &format!("{MANAGER}-{}", self.replica), &status));
            told.loaded = Some((generation, now));
        }
        let gone = status.replicas.iter().filter(|(_, it)| age(now, it.seen.0) > GONE);
        let gone: serde_json::Map<_, _> =
            gone.map(|(name, _)| (name.clone(), Value::Null)).collect();
        if !gone.is_empty() {
            let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
            let patch =
                Patch::Merge(json!({"metadata": {"uid": uid}, "status": {"replicas": gone}}));
            changes.push(Change { params, patch });
        }
        changes
    }

    async fn write(&mut self, name: &str, uid: &str, change: &Change) -> kube::Result<()> {
        let Change { params, patch } = change;
        match self.api.patch_status(name, params, patch).await {
            Ok(_) => Ok(()),
            // It is gone; its own events are on their way.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            // Another one of the same name, whose events are on their way too, or several servers
            // wrote at once and this one was not heard: then it says so again.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.told.remove(uid);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether an API server that answers so does not want this object: it is not valid, or another
/// webhook refuses it. Without the right to write it refuses all of them.
fn is_about_the_object(status: &Status) -> bool {
    matches!(status.code, 400 | 422) || status.message.starts_with("admission webhook ")
}

/// Takes back what this server has said of itself, when it stops as it was told to. Whoever is
/// killed says nothing, and is forgotten after a day.
#[derive(Debug, Clone)]
pub struct Farewell {
    api: Api<DynamicObject>,
    replica: String,
    snapshots: Snapshots,
}

impl Farewell {
    pub(super) fn new(api: Api<DynamicObject>, replica: String, snapshots: Snapshots) -> Self {
        Self { api, replica, snapshots }
    }

    /// Removes this server's entry from the status of each policy that has one.
    pub async fn say(&self) {
        let Some(snapshot) = self.snapshots.borrow().clone() else { return };
        let manager = format!("{MANAGER}-{}", self.replica);
        let params = PatchParams { field_manager: Some(manager), ..Default::default() };
        for (name, seen) in &snapshot.policies {
            let said = seen.status.as_ref().map(|status| &status.replicas);
            if !said.is_some_and(|replicas| replicas.contains_key(&self.replica)) {
                continue;
            }
            let uid = &seen.live.policy.id.uid;
            let gone = json!({"metadata": {"uid": uid},
                              "status": {"replicas": {&self.replica: null}}});
            let patch = Patch::Merge(gone);
            for _ in 0..FAREWELLS {
                match self.api.patch_status(name, &params, &patch).await {
                    // Several servers stop at once.
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    Ok(_) | Err(kube::Error::Api(_)) => break,
                    // It cannot be reached, and no policy's status is worth waiting for.
                    Err(_) => return,
                }
            }
        }
    }
}

fn age(now: Timestamp, then: Timestamp) -> SignedDuration {
    now.duration_since(then)
}

/// By the uid a policy that was made anew under the same name is not told what its predecessor was.
fn apply(report: &Report, uid: &str, manager: &str, status: &Value) -> Change {
    let object = json!({
        "apiVersion": DebugPolicy::api_version(&()),
        "kind": DebugPolicy::kind(&()),
        "metadata": {"name": report.name, "uid": uid},
        "status": status,
    });
    Change { params: PatchParams::apply(manager).force(), patch: Patch::Apply(object) }
}

#[cfg(test)]
mod tests;
