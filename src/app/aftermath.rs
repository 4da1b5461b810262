//! What is done after decisions, between a cluster, a ledger and the metrics.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::cluster::{
    AftermathOptions, Archive, Connected, Fate, Happened, PodContainer, Tally, Task,
};
use crate::config::Settings;
use crate::gate::Audience;
use crate::ledger::event::What;
use crate::ledger::{Entry, Event, LedgerError, Query};
use crate::server::metrics::Metrics;
use crate::store::{AnyLedger, Stored};

/// Who is to hear of decisions, and what runs for them; nobody where no cluster is known.
pub(super) fn prepare(
    connected: Option<&Connected>,
    settings: &Settings,
    ledger: &AnyLedger,
    metrics: &Arc<Metrics>,
) -> (Audience, Vec<Task>) {
    let (Some(connected), Some(cluster)) = (connected, &settings.cluster) else {
        return Default::default();
    };
    let options = AftermathOptions {
        cluster: settings.cluster_name.clone(),
        writer: settings.writer.clone(),
        pod_events: cluster.pod_events,
        follow_limit: cluster.follow_limit,
        scan_interval: cluster.scan_interval,
    };
    connected.aftermath.prepare(ledger, options, &tally(Arc::clone(metrics)))
}

fn tally(metrics: Arc<Metrics>) -> Tally {
    Arc::new(move |happened, times| match happened {
        Happened::PodEvent(fate) => metrics.pod_events(word(fate), times),
        Happened::Observation(fate) => metrics.observations(word(fate), times),
        Happened::Scan(fate) => metrics.pod_scans(word(fate), times),
        Happened::Unattested => metrics.unattested_containers(times),
    })
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Done => "done",
        Fate::Failed => "failed",
        Fate::Limited => "limited",
        Fate::Missed => "missed",
    }
}

impl Archive for AnyLedger {
    async fn observed(&self, decision: Uuid) -> Result<Vec<Event>, LedgerError> {
        let stored = self.observations(decision).await?;
        Ok(stored.iter().filter_map(event).collect())
    }

    async fn is_amended(&self, decision: Uuid) -> Result<bool, LedgerError> {
        Ok(self.amendment(decision).await?.is_some())
    }

    async fn unattested_since(
        &self,
        since: Timestamp,
    ) -> Result<HashSet<PodContainer>, LedgerError> {
        let mut found = HashSet::new();
        let query = Query { since: Some(since), ..Query::default() };
        let mut pages = self.pages_of_events(query, None);
        while let Some(stored) = pages.next().await? {
            for event in stored.iter().filter_map(event) {
                if let What::Unattested { pod_uid, container, .. } = event.what {
                    found.insert((pod_uid, container));
                }
            }
        }
        Ok(found)
    }
}

/// What cannot be read says nothing here; `audit verify` says what is wrong with it.
fn event(stored: &Stored) -> Option<Event> {
    match stored.entry() {
        Ok(Entry::Event(event)) => Some(*event),
        Ok(Entry::Decision(_)) | Err(_) => None,
    }
}
