//! What happens after a decision: it is told on the pod, and what became of it is written down.
//!
//! Nothing of this is on the path of an admission. Each part hears of decisions once they are on
//! record, from a queue that is dropped from rather than waited for, and asks the API server one
//! thing at a time.

mod follow;
mod observe;
mod pod;
mod pod_events;
mod scan;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::time::{Instant, timeout};
use tracing::warn;
use uuid::Uuid;

use super::Task;
use super::watch::reason;
use crate::gate::Audience;
use crate::ledger::{Event, Journal, Ledger, LedgerError};

use follow::Follower;
use pod_events::PodEvents;
use scan::Scan;

/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the log hears of one kind of failure.
const SILENCE: Duration = Duration::from_secs(60);

/// A container of a pod: the pod's uid, the container's name.
pub type PodContainer = (String, String);

/// What is read back of a ledger here.
pub trait Archive: Ledger + Journal {
    /// What was observed of a decision's containers, as far as it can be read, oldest first.
    fn observed(
        &self,
        decision: Uuid,
    ) -> impl Future<Output = Result<Vec<Event>, LedgerError>> + Send;

    /// Whether the answer of this decision was never delivered.
    fn is_amended(&self, decision: Uuid) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Every container that was found unattested since then.
    fn unattested_since(
        &self,
        since: Timestamp,
    ) -> impl Future<Output = Result<HashSet<PodContainer>, LedgerError>> + Send;
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// To an Event on a pod.
    PodEvent(Fate),
    /// To what became of a container.
    Observation(Fate),
    /// To a search of all pods.
    Scan(Fate),
    /// A container was found that nothing had allowed.
    Unattested,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// There were too many like it.
    Limited,
    /// There was no room for it.
    Missed,
}

/// Counts what happened, so many times.
pub type Tally = Arc<dyn Fn(Happened, u64) + Send + Sync>;

/// What is wanted after decisions.
#[derive(Debug, Clone)]
pub struct AftermathOptions {
    /// Name of the cluster, for what is written down.
    pub cluster: String,
    /// What Events and the ledger call this server.
    pub writer: String,
    /// Whether there are Events on pods.
    pub pod_events: bool,
    /// How long a container is followed; zero: nothing is.
    pub follow_limit: Duration,
    /// How often all pods are searched; zero: never.
    pub scan_interval: Duration,
}

/// The cluster after a decision.
pub struct Aftermath {
    client: Client,
}

impl Aftermath {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Who is to hear of decisions, and the tasks that do something about them.
    pub fn prepare<L: Archive>(
        &self,
        ledger: &L,
        options: AftermathOptions,
        tally: &Tally,
    ) -> (Audience, Vec<Task>) {
        let AftermathOptions { cluster, writer, pod_events, follow_limit, scan_interval } = options;
        let mut audience = Audience::default();
        let mut tasks: Vec<Task> = Vec::new();
        if pod_events {
            let events = PodEvents::new(self.client.clone(), &writer, Arc::clone(tally));
            tasks.push(Box::pin(events.run(audience.seat())));
        }
        let keeper = Keeper { ledger: ledger.clone(), cluster, tally: Arc::clone(tally) };
        if !follow_limit.is_zero() {
            let follower = Follower::new(self.client.clone(), keeper.clone(), follow_limit);
            tasks.push(Box::pin(follower.run(audience.seat())));
        }
        if !scan_interval.is_zero() {
            let scan = Scan::new(self.client.clone(), keeper);
            tasks.push(Box::pin(scan.run(scan_interval, scan::offset(&writer, scan_interval))));
        }
        (audience, tasks)
    }
}

impl std::fmt::Debug for Aftermath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aftermath").finish_non_exhaustive()
    }
}

/// The ledger, and what is to be said and counted about it.
#[derive(Clone)]
struct Keeper<L> {
    ledger: L,
    cluster: String,
    tally: Tally,
}

/// One kind of failure, of which the log hears at most once a minute.
#[derive(Debug)]
struct Complaint {
    what: &'static str,
    said: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    fn new(what: &'static str) -> Self {
        Self { what, said: None, unsaid: 0 }
    }

    /// Returns whether it was said.
    fn say(&mut self, why: &str) -> bool {
        let Self { what, said, unsaid } = self;
        if said.is_some_and(|said| said.elapsed() < SILENCE) {
            *unsaid += 1;
            return false;
        }
        *said = Some(Instant::now());
        match std::mem::take(unsaid) {
            0 => warn!("{what}, which changes no answer: {why}"),
            more => warn!("{what}, which changes no answer: {why} (and {more} times before)"),
        }
        true
    }
}

/// One answer of the API server, or why there is none.
async fn ask<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(|error| reason(&error)),
        Err(_late) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_said_at_most_once_a_minute() {
        let mut complaint = Complaint::new("x");
        let mut said = Vec::new();
        for _ in 0..5 {
            said.push(complaint.say("y"));
            tokio::time::sleep(Duration::from_secs(25)).await;
        }
        assert_eq!(said, [true, false, false, true, false]);
    }
}

#[cfg(test)]
mod testing;
