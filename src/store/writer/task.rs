//! The task that writes.

mod retain;

use std::future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::super::StoreError;
use super::super::row::{Batch, Draft};
use super::allowance::Allowance;
use super::amendments::Amendments;
use super::inbox;
use super::recent::Recent;
use super::upkeep::{self, Pruning};
use super::{Asked, BATCH, Destination, Gauge, Keep, Shared, Signing, State, Waiting, Writing};
use crate::ledger::chain::Hash;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::event::{Event, What};
use crate::ledger::{Entry, LedgerError, Record};
use crate::policy::text::Quoted;

/// How often what others left to be written is taken up where there are no checkpoints.
const INBOX: Duration = Duration::from_secs(10);

/// How often a ledger that failed is tried while nobody writes to it.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// A write that takes longer makes the server say that it is not ready: whatever the disk is doing,
/// nobody gets an answer.
pub(super) const STALL: Duration = Duration::from_secs(2);

/// Records after which a checkpoint is due before its time: a server that starts again reads those
/// that no checkpoint covers.
const CHECKPOINT_RECORDS: u64 = 10_000;

/// The ends of the writer's channels that the task has.
pub(super) struct Channels {
    pub(super) entries: mpsc::Receiver<Waiting>,
    pub(super) returned: mpsc::UnboundedReceiver<Box<Record>>,
    pub(super) published: watch::Sender<Option<Arc<str>>>,
}

pub(super) struct Task<D> {
    destination: D,
    name: String,
    signing: Option<Signing>,
    keep: Keep,
    gauge: Option<Arc<dyn Gauge>>,
    pruning: Option<Pruning>,
    /// When the next checkpoint is.
    due: tokio::time::Interval,
    owes_checkpoint: bool,
    /// How many entries the last checkpoint of this process covers.
    attested: u64,
    /// Nothing where only the database knows.
    state: Option<State>,
    /// The last entry that is known to be in the database, and its hash.
    known: Option<(i64, Hash)>,
    /// The last entry of the last transaction, whether it is there or not.
    attempted: Option<(i64, Hash)>,
    channels: Channels,
    recent: Recent,
    amendments: Amendments,
    /// Nothing: any number of persons' entries may be written.
    allowance: Option<Allowance>,
    shared: Arc<Shared>,
}

impl<D: Destination> Task<D> {
    pub(super) fn new(
        destination: D,
        writing: Writing,
        channels: Channels,
        shared: Arc<Shared>,
    ) -> Self {
        let Writing { writer, signing, keep, undelivered, gauge } = writing;
        let every = signing.as_ref().map_or(INBOX, |signing| signing.every);
        let mut due = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            destination,
            name: writer,
            signing,
            keep,
            gauge,
            pruning: None,
            due,
            owes_checkpoint: false,
            attested: 0,
            state: None,
            known: None,
            attempted: None,
            channels,
            recent: Recent::default(),
            amendments: Amendments::new(undelivered),
            allowance: Allowance::new(keep),
            shared,
        }
    }

    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.gather(&mut batch).await {
            self.settle(&mut batch).await;
        }
        // What the last replies brought back, and that this is the end.
        self.owes_checkpoint = true;
        self.settle(&mut batch).await;
        self.shared.is_writable.store(false, Ordering::Relaxed);
        self.amendments.give_up();
        self.destination.close().await;
    }

    /// Waits until there is something to do; `false` once nothing more can come.
    async fn gather(&mut self, batch: &mut Vec<Waiting>) -> bool {
        let is_writable = self.shared.is_writable.load(Ordering::Relaxed);
        let owes = is_writable && self.amendments.are_owed();
        tokio::select! {
            biased;
            () = self.shared.closing.cancelled(), if !self.channels.entries.is_closed() => {
                self.channels.entries.close();
                true
            }
            _ = self.due.tick() => {
                self.owes_checkpoint = true;
                true
            }
            count = self.channels.entries.recv_many(batch, BATCH) => {
                if count > 0 {
                    self.recent.wait_for_others(&mut self.channels.entries, batch).await;
                }
                count > 0
            }
            Some(record) = self.channels.returned.recv() => {
                self.amendments.undelivered(*record);
                true
            }
            () = future::ready(()), if owes => true,
            () = future::ready(()), if is_writable && self.pruning.is_some() => {
                // Not before it is signed that something is dropped.
                if !self.owes_checkpoint {
                    self.prune().await;
                }
                true
            }
            () = tokio::time::sleep(RETRY), if !is_writable => true,
        }
    }

    /// Writes a batch and answers everybody in it.
    async fn settle(&mut self, batch: &mut Vec<Waiting>) {
        while let Ok(record) = self.channels.returned.try_recv() {
            self.amendments.undelivered(*record);
        }
        self.amendments.leave_out_undelivered(batch);
        self.owes_checkpoint |=
            batch.iter().any(|waiting| is_attested_at_once(&waiting.asked.entry));
        let size = batch.len();
        let (mut drafts, asked): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|Waiting { draft, asked }| (draft, asked)).unzip();
        // They come in no order that means anything. In that of their times the database puts them
        // where its indexes end, and need not make room between others.
        drafts.sort_by_key(Draft::time);
        let before = self.attempted;
        match self.attempt(drafts).await {
            Ok(()) => {
                self.recent.wrote(size);
                self.shared.turn_writable();
                for Asked { entry, reply } in asked {
                    if let Err(Ok(Entry::Decision(record))) = reply.send(Ok(entry)) {
                        self.amendments.undelivered(*record);
                    }
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                if let Some(gauge) = &self.gauge {
                    gauge.failed();
                }
                self.shared.turn_unwritable(&error);
                let is_tried = self.attempted != before;
                for Asked { entry, reply } in asked {
                    let source = Box::new(Arc::clone(&error));
                    drop(reply.send(Err(LedgerError::Failed { what: "write", source })));
                    if let Entry::Decision(record) = entry {
                        self.amendments.failed(*record, is_tried);
                    }
                }
            }
        }
    }

    /// Writes all that is owed, and says so while that takes too long.
    async fn attempt(&mut self, drafts: Vec<Draft>) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut writing = pin!(self.write_all(drafts));
        tokio::select! {
            biased;
            result = &mut writing => result,
            () = tokio::time::sleep(STALL) => {
                shared.turn_unwritable(&StoreError::Stalled { seconds: STALL.as_secs() });
                writing.await
            }
        }
    }

    async fn write_all(&mut self, drafts: Vec<Draft>) -> Result<(), StoreError> {
        self.look_for_written().await?;
        while let Some(mut amendments) = self.amendments.take() {
            if let Err(error) = self.write_entries(&mut amendments, Vec::new()).await {
                self.amendments.put_back(amendments);
                return Err(error);
            }
        }
        let is_writable = self.shared.is_writable.load(Ordering::Relaxed);
        if !drafts.is_empty() {
            self.write(drafts, Vec::new()).await?;
        } else if !is_writable {
            self.destination.probe().await?;
        }
        self.attest().await
    }

    /// A transaction that failed at its very end may have written amendments, and decisions of
    /// which was said that they are not. No amendment goes in twice: it would be refused, and
    /// everything after it.
    async fn look_for_written(&mut self) -> Result<(), StoreError> {
        let ids = self.amendments.to_look_for(self.state.is_some());
        if ids.is_empty() {
            return Ok(());
        }
        let state = self.take_state().await?;
        self.state = Some(state);
        let written = upkeep::written(&mut self.destination, &ids).await?;
        self.amendments.found(&written);
        Ok(())
    }

    /// Writes entries that nobody waits for.
    async fn write_entries(
        &mut self,
        entries: &mut [Entry],
        absorbed: Vec<String>,
    ) -> Result<(), StoreError> {
        let drafts = entries.iter_mut().map(|entry| Draft::new(entry, &self.name));
        let drafts = drafts.collect::<Result<_, _>>()?;
        self.write(drafts, absorbed).await
    }

    /// Gives each entry its place in the sequence and writes them in one transaction.
    async fn write(&mut self, drafts: Vec<Draft>, absorbed: Vec<String>) -> Result<(), StoreError> {
        let mut state = self.take_state().await?;
        let own = if absorbed.is_empty() { drafts.len() } else { 0 };
        let mut batch = Batch { absorbed, ..Batch::default() };
        for draft in drafts {
            state.add(draft, &mut batch)?;
        }
        self.attempted = Some((state.sequence, state.hash));
        let begun = Instant::now();
        self.destination.write(batch).await?;
        if let Some(gauge) = &self.gauge {
            gauge.wrote(state.sequence.unsigned_abs(), begun.elapsed());
        }
        if let Some(allowance) = &mut self.allowance {
            allowance.earn(own);
        }
        self.known = Some((state.sequence, state.hash));
        self.state = Some(state);
        Ok(())
    }

    /// Put back only where all went well: after an error the database is asked again.
    async fn take_state(&mut self) -> Result<State, StoreError> {
        if let Some(state) = self.state.take() {
            return Ok(state);
        }
        let mut state = self.destination.load().await?;
        // What nobody signed tells nothing about what has been written.
        let trusted = self.signing.as_ref().map_or(&[][..], |signing| &signing.trusted);
        let signed = state.note.take().and_then(|note| Checkpoint::verify(&note, trusted).ok());
        let before = signed.and_then(|checkpoint| checkpoint.bytes).unwrap_or(0);
        state.bytes = state.bytes.saturating_add(before);
        // Of a transaction that failed at its very end only the database knows; of anything else
        // beyond what was written here, whoever put it there.
        let is_ours = |it: &(i64, Hash)| *it == (state.sequence, state.hash);
        if let Some(known) = self.known
            && !is_ours(&known)
            && !self.attempted.as_ref().is_some_and(is_ours)
        {
            let (from, to) = (known.0.unsigned_abs() + 1, state.sequence.unsigned_abs());
            // Going on would hide that what somebody was told is on record is not.
            if to < from - 1 {
                return Err(StoreError::Lost { from: to + 1, to: from - 1 });
            }
            // Nor is it this server that may sign another history than the one it wrote. What is
            // not there any more may have been dropped by a server that took this one for gone.
            let (at, hash) = known;
            let there = upkeep::hash(&mut self.destination, at).await?;
            if there.is_some_and(|there| there != hash) {
                return Err(StoreError::Rewritten { at: at.unsigned_abs() });
            }
            tracing::error!(
                "records {from} to {to} of this ledger were not written by this server"
            );
            let cluster = self.signing.as_ref().map_or("", |signing| &signing.cluster);
            let foreign = Event::now(cluster, What::Foreign { from, to });
            self.amendments.owe(Entry::from(foreign));
        }
        self.known = Some((state.sequence, state.hash));
        Ok(state)
    }

    /// Takes up what others left to be written, and signs a checkpoint, where that is due.
    async fn attest(&mut self) -> Result<(), StoreError> {
        let next = self.attested.saturating_add(CHECKPOINT_RECORDS);
        if !self.owes_checkpoint && self.size() < next {
            return Ok(());
        }
        // What others left is no reason to refuse a decision.
        if let Err(error) = self.take_inbox().await {
            tracing::error!("events that were left here are not taken up yet: {error}");
        }
        self.sign().await?;
        self.retain().await
    }

    /// How many entries there are, as far as that is known here.
    fn size(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.frontier.size())
    }

    /// A checkpoint about all that there is.
    async fn sign(&mut self) -> Result<(), StoreError> {
        if let Some(signing) = self.signing.clone() {
            let state = self.take_state().await?;
            let signed = signing.sign(&self.name, &state);
            let note = Arc::clone(&signed.note);
            upkeep::attest(&mut self.destination, signed).await?;
            self.attested = state.frontier.size();
            self.channels.published.send_replace(Some(note));
            self.state = Some(state);
        } else {
            self.attested = self.size();
        }
        self.owes_checkpoint = false;
        Ok(())
    }

    async fn take_inbox(&mut self) -> Result<(), StoreError> {
        let mut left = upkeep::inbox(&mut self.destination).await?;
        if let Some(allowance) = &mut self.allowance {
            let fits = left.iter().take_while(|(_, text)| allowance.spend(text.len())).count();
            if fits < left.len() {
                tracing::warn!("what persons left waits: it is more than what is decided");
                left.truncate(fits);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::with_capacity(left.len());
        let mut entries = Vec::with_capacity(left.len());
        for (id, text) in left {
            match inbox::admitted(&text) {
                Some(event) => entries.push(Entry::from(event)),
                None => tracing::error!(
                    "what was left in the inbox as {} is not for others to say; it is discarded",
                    Quoted(&id)
                ),
            }
            ids.push(id);
        }
        match self.write_entries(&mut entries, ids).await {
            // Another writer was quicker.
            Err(StoreError::Taken) => Ok(()),
            result => result,
        }
    }
}

/// A server that begins says at once what it found.
fn is_attested_at_once(entry: &Entry) -> bool {
    matches!(entry, Entry::Event(event) if matches!(event.what, What::Started { .. }))
}
