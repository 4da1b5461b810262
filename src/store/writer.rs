//! Group commit: many requests append, one task writes, one sync makes a whole batch durable.

mod allowance;
mod amendments;
pub(super) mod inbox;
mod recent;
mod retention;
mod task;
pub(super) mod upkeep;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::task::{Channels, Task};
use super::row::{Batch, Block, Draft};
use super::statement::{Columns, Statement};
use super::{Preface, StoreError};
use crate::ledger::chain::Hash;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::event::Event;
use crate::ledger::note::{SigningKey, VerifyingKey};
use crate::ledger::tree::Frontier;
use crate::ledger::{Entry, LedgerError, Record};

/// Records that may wait. Each is a few kilobytes and a request that somebody waits for: more than
/// this cannot be answered within any deadline.
const QUEUE: usize = 1024;

/// Most records in one transaction. Beyond this a larger one gains little and delays the first.
pub(super) const BATCH: usize = 64;

/// A database with one connection that writes, as one writer.
///
/// After an error it connects anew, and the writer reads anew where its sequence ends: whether a
/// transaction that failed at its very end is in the database, only the database knows.
pub(super) trait Destination: Send + 'static {
    /// Where the writer's sequence ends in the database.
    fn load(&mut self) -> impl Future<Output = Result<State, StoreError>> + Send;

    /// Writes all of it or nothing; it is durable once this returns `Ok`.
    fn write(&mut self, batch: Batch) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes something that says nothing, to learn whether an entry could be written.
    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// As which writer.
    fn writer(&self) -> &str;

    /// Reads something on the connection that writes.
    fn fetch<T: Columns>(
        &mut self,
        sql: Statement,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send;

    /// Changes something beside the entries; how many rows that were. It is durable once this
    /// returns `Ok`.
    fn execute(&mut self, sql: Statement) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Lets go of the database.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Where a writer goes on.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Of its last entry; 0 before the first.
    pub(super) sequence: i64,
    /// Of its last entry.
    pub(super) hash: Hash,
    /// Of the tree over all its entries.
    pub(super) frontier: Frontier,
    /// How long the texts of all its entries are together, also of those that are gone.
    pub(super) bytes: u64,
    /// The checkpoint that `frontier` came with.
    pub(super) note: Option<String>,
    /// The entries that are in no block yet.
    pub(super) block: Option<Block>,
}

impl State {
    /// Gives an entry the next place, and adds it to a batch.
    fn add(&mut self, draft: Draft, batch: &mut Batch) -> Result<(), StoreError> {
        self.sequence = self.sequence.checked_add(1).ok_or(StoreError::NoNumbers)?;
        let (row, terms) = draft.place(self.sequence, self.hash);
        self.hash = row.hash;
        self.attach(&row.json);
        let complete = Block::add(&mut self.block, row.sequence, row.time, terms);
        batch.block = complete.or(batch.block.take());
        batch.rows.push(row);
        Ok(())
    }

    /// Takes the text of the next entry into what a checkpoint is about.
    pub(super) fn attach(&mut self, text: &str) {
        self.frontier.push(text.as_bytes());
        self.bytes = self.bytes.saturating_add(text.len() as u64);
    }
}

/// A checkpoint, as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) size: i64,
    pub(super) time: Timestamp,
    pub(super) note: Arc<str>,
    pub(super) frontier: Vec<u8>,
}

/// As whom to write.
#[derive(Debug, Clone)]
pub struct Writing {
    /// The writer's name: 1 to 63 letters, digits, `.`, `_` and `-`.
    pub writer: String,
    /// How checkpoints are made; nothing: none are.
    pub signing: Option<Signing>,
    /// What is dropped in time.
    pub keep: Keep,
    /// What becomes of a decision that nobody could be told.
    pub undelivered: Undelivered,
    /// Who measures the writing.
    pub gauge: Option<Arc<dyn Gauge>>,
}

/// What becomes of a decision that is on record after its request was answered without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undelivered {
    /// A second record takes it back: the request was refused.
    #[default]
    TakenBack,
    /// It stands: the request was answered as if it had been on record in time.
    Stands,
}

/// Measures how writing goes.
pub trait Gauge: std::fmt::Debug + Send + Sync {
    /// Entries were made durable, up to this place of the chain.
    fn wrote(&self, sequence: u64, took: Duration);

    /// An attempt to write failed.
    fn failed(&self);
}

/// How much is kept. What is beyond any of them goes, the oldest first, in whole stretches between
/// checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Entries of this age and younger; nothing: of any age.
    pub age: Option<SignedDuration>,
    /// So many of each writer; nothing: any number.
    pub entries: Option<u64>,
    /// So many bytes of the entries' texts of each writer; nothing: any number.
    pub bytes: Option<u64>,
}

impl From<&str> for Writing {
    fn from(writer: &str) -> Self {
        Self {
            writer: writer.to_owned(),
            signing: None,
            keep: Keep::default(),
            undelivered: Undelivered::default(),
            gauge: None,
        }
    }
}

/// How checkpoints are made.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Signs them.
    pub key: Arc<SigningKey>,
    /// Whose checkpoints are believed: those of this key and of the ones before it.
    pub trusted: Vec<VerifyingKey>,
    /// Name of the cluster, in each of them.
    pub cluster: String,
    /// How often, also when nothing happened.
    pub every: Duration,
}

impl Signing {
    /// A checkpoint about all that there is.
    fn sign(&self, writer: &str, state: &State) -> Signed {
        let checkpoint = Checkpoint {
            writer: writer.to_owned(),
            size: state.frontier.size(),
            root: state.frontier.root(),
            time: Timestamp::now(),
            chain: state.hash,
            cluster: self.cluster.clone(),
            bytes: Some(state.bytes),
        };
        Signed {
            size: state.sequence,
            time: checkpoint.time,
            note: checkpoint.sign(&self.key).into(),
            frontier: state.frontier.to_bytes(),
        }
    }
}

/// The way to the task that writes. Clones lead to the same one; without any, it ends.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    name: Arc<str>,
    queue: mpsc::Sender<Waiting>,
    undelivered: mpsc::UnboundedSender<Box<Record>>,
    checkpoints: watch::Receiver<Option<Arc<str>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_writable: AtomicBool,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            is_writable: AtomicBool::new(true),
            closing: CancellationToken::new(),
            task: Mutex::new(None),
        })
    }

    fn turn_writable(&self) {
        if !self.is_writable.swap(true, Ordering::Relaxed) {
            tracing::info!("the ledger can be written again");
        }
    }

    fn turn_unwritable(&self, error: &StoreError) {
        if self.is_writable.swap(false, Ordering::Relaxed) {
            tracing::error!("the ledger cannot be written: {error}");
        } else {
            tracing::debug!("the ledger still cannot be written: {error}");
        }
    }
}

/// The written entry comes back with the reply, so that it can be amended if nobody takes it.
type Reply = Result<Entry, LedgerError>;

#[derive(Debug)]
struct Waiting {
    draft: Draft,
    asked: Asked,
}

/// Who waits, and for what.
#[derive(Debug)]
struct Asked {
    entry: Entry,
    reply: oneshot::Sender<Reply>,
}

impl Writer {
    /// Starts the task. `destination` has just been opened and could be written.
    pub(super) fn start<D: Destination>(destination: D, writing: Writing) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        let (undelivered, returned) = mpsc::unbounded_channel();
        let (published, checkpoints) = watch::channel(None);
        let shared = Shared::new();
        let name = Arc::from(writing.writer.as_str());
        let channels = Channels { entries, returned, published };
        let task = Task::new(destination, writing, channels, Arc::clone(&shared));
        let task = tokio::spawn(task.run());
        *shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Self { name, queue, undelivered, checkpoints, shared }
    }

    /// Drops what is old of a writer that is gone; whether there was anything.
    pub(super) async fn inherit<D: Destination>(
        destination: D,
        writing: Writing,
        preface: Preface,
    ) -> Result<bool, StoreError> {
        // Nobody appends: a queue that stays open says that the writer is not about to end.
        let (_queue, entries) = mpsc::channel(1);
        let (_undelivered, returned) = mpsc::unbounded_channel();
        let (published, _checkpoints) = watch::channel(None);
        let channels = Channels { entries, returned, published };
        Task::new(destination, writing, channels, Shared::new()).inherit(preface).await
    }

    pub(super) async fn append(&self, record: Record) -> Result<(), LedgerError> {
        self.enter(record.into()).await
    }

    pub(super) async fn append_event(&self, event: Event) -> Result<(), LedgerError> {
        self.enter(event.into()).await
    }

    async fn enter(&self, mut entry: Entry) -> Result<(), LedgerError> {
        let draft =
            Draft::new(&mut entry, &self.name).map_err(|error| error.while_doing("write"))?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { draft, asked: Asked { entry, reply } };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LedgerError::Behind,
            mpsc::error::TrySendError::Closed(_) => LedgerError::Closed,
        })?;
        let mut waiter = Waiter { answer, undelivered: &self.undelivered };
        match (&mut waiter.answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(LedgerError::Closed),
        }
    }

    /// The newest checkpoint, and those that follow.
    pub(super) fn checkpoints(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.checkpoints.clone()
    }

    pub(super) fn is_writable(&self) -> bool {
        self.shared.is_writable.load(Ordering::Relaxed)
    }

    /// Writes what waits; returns once the database is let go of.
    pub(super) async fn close(&self) {
        self.shared.closing.cancel();
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!("the ledger's task did not end well: {error}");
        }
    }
}

/// Somebody who waits for a reply. Dropped too early, it gives back a record that was written.
struct Waiter<'a> {
    answer: oneshot::Receiver<Reply>,
    undelivered: &'a mpsc::UnboundedSender<Box<Record>>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // After this the task's reply either bounces, or is here already.
        self.answer.close();
        // An event answers nobody.
        if let Ok(Ok(Entry::Decision(record))) = self.answer.try_recv() {
            // Without a task there is nobody left to amend it.
            drop(self.undelivered.send(record));
        }
    }
}

#[cfg(test)]
mod tests;
