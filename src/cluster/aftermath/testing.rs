//! A ledger that tests fill, a tally that they read, and decisions.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Archive, Happened, Keeper, PodContainer, Tally};
use crate::ledger::chain::Hash;
use crate::ledger::event::What;
use crate::ledger::query::Matcher;
use crate::ledger::{Event, Journal, Kept, Ledger, LedgerError, Query, Record};

/// Keeps everything in lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Book(Arc<Pages>);

#[derive(Debug, Default)]
struct Pages {
    records: Mutex<Vec<Record>>,
    events: Mutex<Vec<Event>>,
    /// What is left of a writer's chain begins here.
    first: Mutex<Option<Kept>>,
    fails: AtomicBool,
}

impl Book {
    pub(super) fn record(&self, record: &Record) {
        self.0.records.lock().unwrap().push(record.clone());
    }

    pub(super) fn event(&self, what: What) {
        self.0.events.lock().unwrap().push(Event::now("test", what));
    }

    /// As if all that was written before this one were dropped.
    pub(super) fn forget_before(&self, first: &Record) {
        let json = serde_json::to_string(first).unwrap();
        let first = Kept { sequence: 7, json, hash: Hash::NOTHING };
        *self.0.first.lock().unwrap() = Some(first);
    }

    /// What was written, the oldest first.
    pub(super) fn events(&self) -> Vec<What> {
        self.0.events.lock().unwrap().iter().map(|event| event.what.clone()).collect()
    }

    /// From here on neither reading nor writing works, or it does again.
    pub(super) fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::Relaxed);
    }

    fn works(&self) -> Result<(), LedgerError> {
        if self.0.fails.load(Ordering::Relaxed) { Err(LedgerError::Closed) } else { Ok(()) }
    }
}

impl Ledger for Book {
    async fn append(&self, record: Record) -> Result<(), LedgerError> {
        self.record(&record);
        Ok(())
    }

    async fn list(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        self.works()?;
        let matcher = Matcher::new(query);
        let mut records = self.0.records.lock().unwrap().clone();
        records.retain(|record| matcher.matches(record));
        records.sort_by_key(|record| std::cmp::Reverse((record.time, record.id)));
        records.truncate(query.limit);
        Ok(records)
    }

    async fn get(&self, _: Uuid) -> Result<Option<Record>, LedgerError> {
        Ok(None)
    }

    async fn added_since(&self, _user: &str, _since: Timestamp) -> Result<usize, LedgerError> {
        Ok(0)
    }

    fn is_writable(&self) -> bool {
        true
    }
}

impl Journal for Book {
    async fn append_event(&self, event: Event) -> Result<(), LedgerError> {
        self.works()?;
        self.0.events.lock().unwrap().push(event);
        Ok(())
    }

    async fn writers(&self) -> Result<Vec<String>, LedgerError> {
        Ok(vec!["postern-0".to_owned()])
    }

    async fn entries_after(&self, _: &str, _: u64, _: usize) -> Result<Vec<Kept>, LedgerError> {
        Ok(self.0.first.lock().unwrap().iter().cloned().collect())
    }

    async fn cursors(&self, _: &str) -> Result<BTreeMap<String, u64>, LedgerError> {
        Ok(BTreeMap::new())
    }

    async fn advance(&self, _: &str, _: &str, _: u64) -> Result<(), LedgerError> {
        Ok(())
    }
}

impl Archive for Book {
    async fn observed(&self, decision: Uuid) -> Result<Vec<Event>, LedgerError> {
        self.works()?;
        let events = self.0.events.lock().unwrap();
        Ok(events.iter().filter(|it| it.what.decision() == Some(decision)).cloned().collect())
    }

    async fn is_amended(&self, decision: Uuid) -> Result<bool, LedgerError> {
        let records = self.0.records.lock().unwrap();
        Ok(records.iter().any(|record| record.amends == Some(decision)))
    }

    async fn unattested_since(
        &self,
        since: Timestamp,
    ) -> Result<HashSet<PodContainer>, LedgerError> {
        let events = self.0.events.lock().unwrap();
        let unattested = events.iter().filter(|event| event.time >= since);
        let unattested = unattested.filter_map(|event| match &event.what {
            What::Unattested { pod_uid, container, .. } => {
                Some((pod_uid.clone(), container.clone()))
            }
            _ => None,
        });
        Ok(unattested.collect())
    }
}

/// What was counted.
pub(super) type Counts = Arc<Mutex<Vec<(Happened, u64)>>>;

pub(super) fn tally() -> (Tally, Counts) {
    let counts = Counts::default();
    let counted = Arc::clone(&counts);
    (Arc::new(move |happened, times| counted.lock().unwrap().push((happened, times))), counts)
}

pub(super) fn keeper(book: &Book) -> (Keeper<Book>, Counts) {
    let (tally, counts) = tally();
    (Keeper { ledger: book.clone(), cluster: "test".to_owned(), tally }, counts)
}

/// alice adds these busyboxes to the pod `api` of `payments`, and may.
pub(super) fn allowed(containers: &[&str]) -> Record {
    let injections: Vec<Value> = containers
        .iter()
        .map(|name| {
            json!({
                "name": name, "image": "busybox:1.36", "env": [], "mounts": [], "command": [],
                "interactive": true, "changes": [],
                "privileges": {"podSecurity": "restricted", "privileged": false,
                               "capabilities": []},
                "permittedBy": {"name": "developers", "hash": "0"},
            })
        })
        .collect();
    serde_json::from_value(json!({
        "id": Uuid::now_v7(), "time": Timestamp::now(), "cluster": "test", "writer": "postern-0",
        "sequence": 1, "reviewUid": "u-1", "phase": "Validate", "surface": "EphemeralContainer",
        "operation": "UPDATE", "requester": {"username": "alice"}, "namespace": "payments",
        "pod": {"name": "api", "uid": "pod-1"}, "injections": injections,
        "injectionsTotal": containers.len(), "verdict": "Allowed", "answer": "Allowed",
        "enforcement": "Enforce", "findings": [], "timings": {"judgeUs": 1},
    }))
    .unwrap()
}

/// alice adds one and may not.
pub(super) fn refused() -> Record {
    let finding = json!({
        "container": "debugger", "policy": {"name": "developers", "hash": "0"},
        "enforcement": "Enforce", "constraint": "spec.containers.images.allow",
        "message": "image `busybox:1.36` is not approved here",
    });
    let mut record = allowed(&["debugger"]);
    record.answer = crate::ledger::Outcome::Refused;
    record.verdict = crate::ledger::Outcome::Refused;
    record.injections[0].permitted_by = None;
    record.findings = vec![serde_json::from_value(finding).unwrap()];
    record
}

/// The pod `api` with these ephemeral containers and what a kubelet says of them.
pub(super) fn pod(uid: &str, containers: &[(&str, Value)]) -> Value {
    let listed = containers.iter().map(|(name, _)| json!({"name": name, "image": "busybox:1.36"}));
    let statuses = containers.iter().filter(|(_, state)| !state.is_null()).map(|(name, state)| {
        json!({
            "name": name, "image": "busybox:1.36", "imageID": "docker.io/library/busybox@sha256:1",
            "ready": false, "restartCount": 0, "state": state,
        })
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "api", "namespace": "payments", "uid": uid,
                     "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "app", "image": "app"}],
                 "ephemeralContainers": listed.collect::<Vec<_>>()},
        "status": {"ephemeralContainerStatuses": statuses.collect::<Vec<_>>()},
    })
}
