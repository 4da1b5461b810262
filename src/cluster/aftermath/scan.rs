//! Debug containers that no decision allowed: Postern was passed by, or was not there.
//!
//! All pods are listed now and then, a page at a time. A decision is on record before its container
//! can be in a pod, so what is in a pod and not on record was not decided here. That holds for
//! servers that share one ledger; with a ledger for each, the others' decisions would be missed.
//! Of what is older than what the ledger still has, nobody can tell.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::sleep;
use tracing::warn;

use super::observe::{Sight, sight};
use super::pod::Pod;
use super::{Archive, Complaint, Fate, Happened, Keeper, PodContainer, ask};
use crate::ledger::event::{ContainerOutcome, What};
use crate::ledger::{Cursor, Entry, Event, LedgerError, Outcome, Query, Record};
use crate::policy::text::Plain;

/// How many pods are listed at once: few, because each comes whole.
const PODS: u32 = 100;
/// Between two pages.
const BETWEEN: Duration = Duration::from_millis(100);
/// How many decisions about one pod are read at once.
const DECISIONS: usize = 100;
/// By how much the clocks of the API server and of Postern may differ.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// How much later than it was decided a container may start.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// Searches all pods.
pub(super) struct Scan<L> {
    pods: Api<Pod>,
    keeper: Keeper<L>,
    /// Containers of which there is nothing more to find out.
    settled: HashSet<PodContainer>,
    complaint: Complaint,
}

/// An ephemeral container of a pod.
#[derive(Debug, Clone)]
struct Found {
    namespace: String,
    pod: String,
    uid: String,
    created: Option<Timestamp>,
    started: Option<Timestamp>,
    container: String,
    image: String,
}

impl Found {
    fn key(&self) -> PodContainer {
        (self.uid.clone(), self.container.clone())
    }

    /// Whether it may have been decided before this time.
    fn may_be_of(&self, before: Timestamp) -> bool {
        let since = self.started.or(self.created).unwrap_or(Timestamp::UNIX_EPOCH);
        since.checked_sub(LATE).is_ok_and(|decided| decided < before)
    }
}

/// When in the interval this server searches: not when another does.
pub(super) fn offset(writer: &str, interval: Duration) -> Duration {
    const PARTS: u64 = 1 << 10;
    let mut hasher = DefaultHasher::new();
    writer.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % PARTS).unwrap_or_default();
    interval.mul_f64(f64::from(part) / f64::from(1 << 10))
}

impl<L: Archive> Scan<L> {
    pub(super) fn new(client: Client, keeper: Keeper<L>) -> Self {
        let complaint = Complaint::new("Pods cannot be searched for unattested debug containers");
        Self { pods: Api::all(client), keeper, settled: HashSet::new(), complaint }
    }

    /// Searches again and again, for ever.
    pub(super) async fn run(mut self, interval: Duration, offset: Duration) {
        sleep(offset).await;
        loop {
            let fate = match self.round().await {
                Ok(()) => Fate::Done,
                Err(why) => {
                    self.complaint.say(&why);
                    Fate::Failed
                }
            };
            (self.keeper.tally)(Happened::Scan(fate), 1);
            sleep(interval).await;
        }
    }

    async fn round(&mut self) -> Result<(), String> {
        let found = self.list().await?;
        let there: HashSet<_> = found.iter().map(Found::key).collect();
        self.settled.retain(|key| there.contains(key));
        let mut suspects = Vec::new();
        let mut failure = None;
        for found in found {
            if self.settled.contains(&found.key()) {
                continue;
            }
            match self.is_attested(&found).await {
                Ok(true) => drop(self.settled.insert(found.key())),
                Ok(false) => suspects.push(found),
                // What cannot be told of one pod says nothing of another.
                Err(error) => failure = Some(error),
            }
        }
        let told = match self.forgotten().await {
            Ok(before) => {
                suspects.retain(|it| before.is_none_or(|before| !it.may_be_of(before)));
                self.tell(&suspects).await
            }
            Err(error) => Err(error),
        };
        let ended = told.err().or(failure);
        ended.map_or(Ok(()), |error| Err(error.to_string()))
    }

    /// Every ephemeral container of every pod.
    async fn list(&self) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        let mut page = ListParams::default().limit(PODS);
        loop {
            let listed = ask(self.pods.list(&page)).await?;
            found.extend(listed.items.iter().flat_map(ephemeral_containers));
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
            sleep(BETWEEN).await;
        }
    }

    /// Whether a decision allowed it.
    async fn is_attested(&self, found: &Found) -> Result<bool, LedgerError> {
        let ledger = &self.keeper.ledger;
        let mut query = Query {
            namespace: Some(found.namespace.clone()),
            pod: Some(found.pod.clone()),
            answer: Some(Outcome::Allowed),
            limit: DECISIONS,
            ..Query::default()
        };
        loop {
            let records = ledger.list(&query).await?;
            for record in records.iter().filter(|record| is_about(record, found)) {
                if !ledger.is_amended(record.id).await? {
                    return Ok(true);
                }
            }
            match records.last() {
                Some(last) => query.before = Some(Cursor { time: last.time, id: last.id }),
                None => return Ok(false),
            }
        }
    }

    /// Before when decisions may be gone from the ledger, because it keeps no older ones; nothing
    /// where all are there.
    async fn forgotten(&self) -> Result<Option<Timestamp>, LedgerError> {
        let ledger = &self.keeper.ledger;
        let mut forgotten = None;
        for writer in ledger.writers().await? {
            let first = ledger.entries_after(&writer, 0, 1).await?;
            let first = first.first().filter(|first| first.sequence > 1);
            let first = first.and_then(|first| serde_json::from_str::<Entry>(&first.json).ok());
            forgotten = forgotten.max(first.map(|entry| entry.time()));
        }
        Ok(forgotten)
    }

    /// Writes down what nothing allowed, unless that has been done: before a restart, or by
    /// another server.
    async fn tell(&mut self, suspects: &[Found]) -> Result<(), LedgerError> {
        if suspects.is_empty() {
            return Ok(());
        }
        // Nothing can have been written of a pod before there was one.
        let times = suspects.iter().map(|it| it.created.unwrap_or(Timestamp::UNIX_EPOCH));
        let first = times.min().unwrap_or(Timestamp::UNIX_EPOCH);
        let since = first.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
        let written = self.keeper.ledger.unattested_since(since).await?;
        for suspect in suspects {
            if !written.contains(&suspect.key()) {
                self.write(suspect).await?;
            }
            self.settled.insert(suspect.key());
        }
        Ok(())
    }

    async fn write(&self, suspect: &Found) -> Result<(), LedgerError> {
        let Keeper { ledger, cluster, tally } = &self.keeper;
        let Found { namespace, pod, uid, container, image, .. } = suspect.clone();
        warn!(
            %namespace, %pod, %container,
            "Debug container `{container}` of pod {namespace}/{pod} was allowed by no decision \
             of this ledger; its image is `{}`",
            Plain(&image)
        );
        let what = What::Unattested { namespace, pod, pod_uid: uid, container, image };
        ledger.append_event(Event::now(cluster, what)).await?;
        tally(Happened::Unattested, 1);
        Ok(())
    }
}

fn ephemeral_containers(pod: &Pod) -> impl Iterator<Item = Found> + '_ {
    let metadata = &pod.metadata;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    pod.debug_containers().iter().map(move |container| Found {
        namespace: text(&metadata.namespace),
        pod: text(&metadata.name),
        uid: text(&metadata.uid),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        started: started(pod, &container.name),
        container: container.name.clone(),
        image: container.image.clone(),
    })
}

fn started(pod: &Pod, container: &str) -> Option<Timestamp> {
    match sight(pod, container) {
        Sight::Is(
            ContainerOutcome::Running { started_at, .. }
            | ContainerOutcome::Ended { started_at, .. },
        ) => started_at,
        _ => None,
    }
}

fn is_about(record: &Record, found: &Found) -> bool {
    let Record { pod, injections, injections_total, .. } = record;
    // Clusters up to 1.21 did not tell the uid. Of very many containers not all are on record.
    let same_pod = pod.uid == found.uid || pod.uid.is_empty();
    let named = injections.iter().any(|injection| injection.name == found.container);
    same_pod && (named || *injections_total > injections.len())
}

#[cfg(test)]
mod tests;
