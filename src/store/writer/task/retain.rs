//! How old entries are dropped: those of a writer that writes, and those of one that is gone.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::super::retention;
use super::super::upkeep::{self, Pruning};
use super::{Destination, Entry, Event, Keep, StoreError, Task};
use crate::store::Preface;

/// Between two steps of an heir: whoever else writes the same file has its turn, as decisions do.
const TURN: Duration = Duration::from_millis(20);

impl<D: Destination> Task<D> {
    /// Drops what need not be kept any longer: first says so, and has that signed.
    pub(super) async fn retain(&mut self) -> Result<(), StoreError> {
        let closing = self.channels.entries.is_closed();
        if self.keep == Keep::default() || self.pruning.is_some() || closing {
            return Ok(());
        }
        let extent = self.extent().await?;
        self.drop_before(extent, Preface::default()).await
    }

    /// The number of the last entry, and how many bytes all of them have.
    async fn extent(&mut self) -> Result<(i64, u64), StoreError> {
        let state = self.take_state().await?;
        let extent = (state.sequence, state.bytes);
        self.state = Some(state);
        Ok(extent)
    }

    /// Once, for a writer that is gone: nothing more comes, so all that it wrote may go. `preface`
    /// is written before, if anything is dropped; whether that is so.
    pub(in crate::store::writer) async fn inherit(
        mut self,
        preface: Preface,
    ) -> Result<bool, StoreError> {
        let (last, bytes) = self.extent().await?;
        self.drop_before((last.saturating_add(1), bytes), preface).await?;
        let is_any = self.pruning.is_some();
        if is_any {
            self.sign().await?;
        }
        while self.pruning.is_some() {
            self.prune().await;
            sleep(TURN).await;
        }
        self.destination.close().await;
        Ok(is_any)
    }

    async fn drop_before(
        &mut self,
        extent: (i64, u64),
        Preface { events, stopped }: Preface,
    ) -> Result<(), StoreError> {
        let trusted = self.signing.as_ref().map_or(&[][..], |signing| &signing.trusted);
        let end = retention::end(&mut self.destination, self.keep, extent, trusted).await?;
        let Some((through, what)) = end else { return Ok(()) };
        let cluster = self.signing.as_ref().map_or("", |signing| &signing.cluster);
        let events = events.into_iter().chain([what]);
        let mut entries: Vec<_> =
            events.map(|what| Entry::from(Event::now(cluster, what))).collect();
        // Whoever trusts an earlier key still has to find the way to this one.
        for text in upkeep::rotations(&mut self.destination, through).await? {
            if let Ok(Event { what, .. }) = serde_json::from_str(&text) {
                entries.push(Entry::from(Event::now(cluster, what)));
            }
        }
        // What was released is not held again because it was this chain that said so.
        for release in upkeep::releases(&mut self.destination, through).await? {
            entries.push(Entry::from(Event::now(cluster, release)));
        }
        let stopped = stopped.filter(|event| event.sequence <= through.unsigned_abs());
        entries.extend(stopped.map(|event| Entry::from(Event { id: Uuid::now_v7(), ..event })));
        self.write_entries(&mut entries, Vec::new()).await?;
        self.owes_checkpoint = true;
        self.pruning = Some(Pruning::new(through));
        Ok(())
    }

    /// A little at a time, between what somebody waits for.
    pub(super) async fn prune(&mut self) {
        let Some(pruning) = &mut self.pruning else { return };
        match pruning.step(&mut self.destination).await {
            Ok(false) => {}
            Ok(true) => self.pruning = None,
            Err(error) => {
                tracing::warn!("old records are not deleted yet: {error}");
                self.pruning = None;
            }
        }
    }
}
