//! What became of the containers that were allowed.
//!
//! Only pods with such a container are asked for, one at a time and ever more seldom: what a
//! container came to stays in its pod's status, so that seldom is enough. A decision is followed by
//! the server that made it. After a start, decisions of whatever server are taken up that have no
//! end yet; before anything is written it is looked up whether another server has written it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::observe::{Sight, is_final, is_new, sight};
use super::pod::Pod;
use super::{Archive, Complaint, Fate, Happened, Keeper, ask};
use crate::gate::Decisions;
use crate::ledger::event::{ContainerOutcome, What};
use crate::ledger::{Cursor, Event, LedgerError, Outcome, Query, Record};

/// Between two looks at one pod, from the first to the longest. Something new starts over.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Between two looks at whatever pod.
const BETWEEN: Duration = Duration::from_millis(50);
/// After a failure, before the next look at whatever pod.
const PAUSE: Duration = Duration::from_secs(5);
/// How long after the decision a container has to appear: longer than webhooks after this one may
/// take.
const APPEARS: Duration = Duration::from_secs(30);
/// How many containers are followed at once.
const MAX_FOLLOWED: usize = 1000;
/// How many decisions are read at once after a start.
const PAGE: usize = 100;

/// A pod: namespace, name, uid. Without a uid (clusters up to 1.21) whatever pod has the name.
type PodKey = (String, String, String);

/// Follows containers.
pub(super) struct Follower<L> {
    client: Client,
    keeper: Keeper<L>,
    limit: Duration,
    followed: BTreeMap<PodKey, Followed>,
    /// Nothing is asked before.
    rest: Instant,
    complaint: Complaint,
}

/// The containers of one pod.
struct Followed {
    due: Instant,
    pause: Duration,
    expected: Vec<Expected>,
}

/// A container that was allowed.
struct Expected {
    decision: Uuid,
    container: String,
    /// How old the decision was, and when.
    age: (Duration, Instant),
    said: Vec<ContainerOutcome>,
}

impl Expected {
    fn age(&self) -> Duration {
        let (age, at) = self.age;
        age + at.elapsed()
    }
}

impl<L: Archive> Follower<L> {
    pub(super) fn new(client: Client, keeper: Keeper<L>, limit: Duration) -> Self {
        let complaint = Complaint::new("What became of containers cannot be written down");
        let followed = BTreeMap::new();
        Self { client, keeper, limit, followed, rest: Instant::now(), complaint }
    }

    /// Follows what is decided, until nothing more will be.
    pub(super) async fn run(mut self, mut decisions: Decisions) {
        while let Err(error) = self.resume().await {
            self.fail(&error.to_string());
            if matches!(error, LedgerError::Corrupt { .. }) {
                // Waiting makes it no better. What came after it has been taken up.
                break;
            }
            sleep(PAUSE).await;
        }
        loop {
            let due = self.followed.values().map(|pod| pod.due).min();
            let due = due.unwrap_or_else(|| Instant::now() + self.limit).max(self.rest);
            tokio::select! {
                record = decisions.next() => match record {
                    Some(record) => self.take(&record, &[]),
                    None => return,
                },
                () = sleep_until(due) => self.look().await,
            }
            self.count(Fate::Missed, decisions.missed());
        }
    }

    /// Takes up what has no end yet, of the time for which containers are followed.
    async fn resume(&mut self) -> Result<(), LedgerError> {
        let since = SignedDuration::try_from(self.limit).unwrap_or(SignedDuration::MAX);
        let mut query = Query {
            since: Timestamp::now().checked_sub(since).ok(),
            answer: Some(Outcome::Allowed),
            limit: PAGE,
            ..Query::default()
        };
        loop {
            let records = self.keeper.ledger.list(&query).await?;
            for record in &records {
                if !self.keeper.ledger.is_amended(record.id).await? {
                    let said = self.keeper.ledger.observed(record.id).await?;
                    self.take(record, &said);
                }
            }
            match records.last() {
                Some(last) => query.before = Some(Cursor { time: last.time, id: last.id }),
                None => return Ok(()),
            }
        }
    }

    /// Follows the containers of a decision of which the end was not `said`.
    fn take(&mut self, record: &Record, said: &[Event]) {
        if record.answer != Outcome::Allowed {
            return;
        }
        let age = Timestamp::now().duration_since(record.time);
        let age = (Duration::try_from(age).unwrap_or_default(), Instant::now());
        let number: usize = self.followed.values().map(|pod| pod.expected.len()).sum();
        let mut room = MAX_FOLLOWED.saturating_sub(number);
        let key = (record.namespace.clone(), record.pod.name.clone(), record.pod.uid.clone());
        for injection in &record.injections {
            let (decision, container) = (record.id, injection.name.clone());
            let said: Vec<_> =
                said.iter().filter_map(|event| said_of(event, &container)).cloned().collect();
            let known = self.followed.get(&key).is_some_and(|pod| {
                pod.expected.iter().any(|it| it.decision == decision && it.container == container)
            });
            if known || said.iter().any(is_final) {
                continue;
            }
            if room == 0 {
                self.count(Fate::Missed, 1);
                continue;
            }
            room -= 1;
            let (pause, _) = PAUSES;
            let due = Instant::now() + pause;
            let nothing = Followed { due, pause, expected: Vec::new() };
            let pod = self.followed.entry(key.clone()).or_insert(nothing);
            pod.expected.push(Expected { decision, container, age, said });
            (pod.due, pod.pause) = (pod.due.min(due), pause);
        }
    }

    /// Looks at the pod that is due first.
    async fn look(&mut self) {
        let first = self.followed.iter().min_by_key(|(_, pod)| pod.due);
        let Some(key) = first.map(|(key, _)| key.clone()) else { return };
        let Some(mut pod) = self.followed.remove(&key) else { return };
        pod.expected.retain(|expected| expected.age() < self.limit);
        if pod.expected.is_empty() {
            return;
        }
        let (first, longest) = PAUSES;
        match self.see(&key, &mut pod.expected).await {
            Ok(true) => pod.pause = first,
            Ok(false) => pod.pause = (pod.pause * 2).min(longest),
            Err(why) => {
                self.fail(&why);
                pod.pause = (pod.pause * 2).min(longest);
                self.rest = Instant::now() + PAUSE;
            }
        }
        self.rest = self.rest.max(Instant::now() + BETWEEN);
        pod.expected.retain(|expected| !expected.said.iter().any(is_final));
        if !pod.expected.is_empty() {
            pod.due = Instant::now() + pod.pause;
            self.followed.insert(key, pod);
        }
    }

    /// Writes down what is new of a pod; returns whether anything was.
    async fn see(&self, key: &PodKey, expected: &mut [Expected]) -> Result<bool, String> {
        let (namespace, name, uid) = key;
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let found = ask(pods.get_opt(name)).await?;
        let is_same = |pod: &Pod| uid.is_empty() || pod.metadata.uid.as_ref() == Some(uid);
        let pod = found.filter(is_same);
        let mut news = false;
        for expected in expected {
            let sight = pod.as_ref().map(|pod| sight(pod, &expected.container));
            let outcome = match sight {
                None => ContainerOutcome::PodGone {},
                Some(Sight::Absent) if expected.age() >= APPEARS => {
                    ContainerOutcome::NeverAppeared {}
                }
                Some(Sight::Absent | Sight::Silent) => continue,
                Some(Sight::Is(outcome)) => outcome,
            };
            if is_new(&outcome, &expected.said) {
                let written = self.write(namespace, name, expected, outcome).await;
                written.map_err(|error| error.to_string())?;
                news = true;
            }
        }
        Ok(news)
    }

    async fn write(
        &self,
        namespace: &str,
        pod: &str,
        expected: &mut Expected,
        outcome: ContainerOutcome,
    ) -> Result<(), LedgerError> {
        let Keeper { ledger, cluster, .. } = &self.keeper;
        let Expected { decision, container, said, .. } = expected;
        let written = ledger.observed(*decision).await?;
        let of_container: Vec<_> =
            written.iter().filter_map(|event| said_of(event, container)).cloned().collect();
        if is_new(&outcome, &of_container) {
            let what = What::Observed {
                decision: *decision,
                namespace: namespace.to_owned(),
                pod: pod.to_owned(),
                container: container.clone(),
                outcome: outcome.clone(),
            };
            ledger.append_event(Event::now(cluster, what)).await?;
            self.count(Fate::Done, 1);
        }
        said.push(outcome);
        Ok(())
    }

    fn fail(&mut self, why: &str) {
        self.count(Fate::Failed, 1);
        self.complaint.say(why);
    }

    fn count(&self, fate: Fate, times: u64) {
        if times > 0 {
            (self.keeper.tally)(Happened::Observation(fate), times);
        }
    }
}

/// What an event says became of this container.
fn said_of<'e>(event: &'e Event, name: &str) -> Option<&'e ContainerOutcome> {
    match &event.what {
        What::Observed { container, outcome, .. } if container == name => Some(outcome),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
