//! Group commit: many requests append, one task writes, one sync makes a whole batch durable.

use std::future::{self, Future};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::StoreError;
use super::row::Row;
use crate::ledger::{LedgerError, Outcome, Record};

/// Records that may wait. Each is a few kilobytes and a request that somebody waits for: more than
/// this cannot be answered within any deadline.
const QUEUE: usize = 1024;

/// Most records in one transaction. Beyond this a larger one gains little and delays the first.
pub(super) const BATCH: usize = 64;

/// How often a ledger that failed is tried while nobody writes to it.
const RETRY: Duration = Duration::from_secs(1);

/// A write that takes longer makes the server say that it is not ready: whatever the disk is doing,
/// nobody gets an answer.
const STALL: Duration = Duration::from_secs(2);

/// What an amending record says.
const UNDELIVERED: &str = "the decision was not delivered in time";

/// A database with one connection that writes, as one writer.
///
/// After an error it connects anew, and reads anew where its sequence ends: whether a transaction
/// that failed at its very end is in the database, only the database knows.
pub(super) trait Destination: Send + 'static {
    /// The writer's last sequence number in the database.
    fn last_sequence(&mut self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Writes all rows or none; they are durable once it returns `Ok`.
    fn write(&mut self, rows: Vec<Row>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes something that says nothing, to learn whether it could write.
    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets go of the database.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The way to the task that writes. Clones lead to the same one; without any, it ends.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Entry>,
    undelivered: mpsc::UnboundedSender<Box<Record>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_writable: AtomicBool,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
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

/// The written record comes back with the reply, so that it can be amended if nobody takes it.
type Reply = Result<Box<Record>, LedgerError>;

#[derive(Debug)]
struct Entry {
    record: Box<Record>,
    reply: oneshot::Sender<Reply>,
}

impl Writer {
    /// Starts the task. `destination` has just been opened and could be written.
    pub(super) fn start<D: Destination>(destination: D, name: &str) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        let (undelivered, returned) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            is_writable: AtomicBool::new(true),
            closing: CancellationToken::new(),
            task: Mutex::new(None),
        });
        let task = Task {
            destination,
            name: name.to_owned(),
            entries,
            returned,
            amendments: Vec::new(),
            shared: Arc::clone(&shared),
        };
        let task = tokio::spawn(task.run());
        *shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Self { queue, undelivered, shared }
    }

    pub(super) async fn append(&self, record: Record) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry { record: Box::new(record), reply };
        self.queue.try_send(entry).map_err(|error| match error {
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
        if let Ok(Ok(record)) = self.answer.try_recv() {
            // Without a task there is nobody left to amend it.
            drop(self.undelivered.send(record));
        }
    }
}

struct Task<D> {
    destination: D,
    name: String,
    entries: mpsc::Receiver<Entry>,
    returned: mpsc::UnboundedReceiver<Box<Record>>,
    /// Not written yet.
    amendments: Vec<Record>,
    shared: Arc<Shared>,
}

impl<D: Destination> Task<D> {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.gather(&mut batch).await {
            self.settle(&mut batch).await;
        }
        // What the last replies brought back.
        self.settle(&mut batch).await;
        self.shared.is_writable.store(false, Ordering::Relaxed);
        for record in &self.amendments {
            tracing::error!("could not write that decision {:?} was not delivered", record.amends);
        }
        self.destination.close().await;
    }

    /// Waits until there is something to do; `false` once nothing more can come.
    async fn gather(&mut self, batch: &mut Vec<Entry>) -> bool {
        let is_writable = self.shared.is_writable.load(Ordering::Relaxed);
        let owes = is_writable && !self.amendments.is_empty();
        tokio::select! {
            biased;
            () = self.shared.closing.cancelled(), if !self.entries.is_closed() => {
                self.entries.close();
                true
            }
            count = self.entries.recv_many(batch, BATCH) => count > 0,
            Some(record) = self.returned.recv() => {
                self.amendments.push(amendment(*record));
                true
            }
            () = future::ready(()), if owes => true,
            () = tokio::time::sleep(RETRY), if !is_writable => true,
        }
    }

    /// Writes a batch and answers everybody in it.
    async fn settle(&mut self, batch: &mut Vec<Entry>) {
        while let Ok(record) = self.returned.try_recv() {
            self.amendments.push(amendment(*record));
        }
        // Whoever has gone was answered by the deadline; nothing was said, nothing is written.
        batch.retain(|entry| !entry.reply.is_closed());
        match self.attempt(batch).await {
            Ok(()) => {
                self.shared.turn_writable();
                for Entry { record, reply } in batch.drain(..) {
                    if let Err(Ok(record)) = reply.send(Ok(record)) {
                        self.amendments.push(amendment(*record));
                    }
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                self.shared.turn_unwritable(&error);
                for Entry { reply, .. } in batch.drain(..) {
                    let source = Box::new(Arc::clone(&error));
                    drop(reply.send(Err(LedgerError::Failed { what: "write", source })));
                }
            }
        }
    }

    /// Writes all that is owed, and says so while that takes too long.
    async fn attempt(&mut self, batch: &mut [Entry]) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut writing = pin!(self.write_all(batch));
        tokio::select! {
            biased;
            result = &mut writing => result,
            () = tokio::time::sleep(STALL) => {
                shared.turn_unwritable(&StoreError::Stalled { seconds: STALL.as_secs() });
                writing.await
            }
        }
    }

    async fn write_all(&mut self, batch: &mut [Entry]) -> Result<(), StoreError> {
        let mut amendments = std::mem::take(&mut self.amendments);
        while !amendments.is_empty() {
            let rest = amendments.split_off(amendments.len().min(BATCH));
            let written = self.write(amendments.iter_mut()).await;
            if let Err(error) = written {
                amendments.extend(rest);
                self.amendments = amendments;
                return Err(error);
            }
            amendments = rest;
        }
        if !batch.is_empty() {
            self.write(batch.iter_mut().map(|entry| &mut *entry.record)).await
        } else if self.shared.is_writable.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.destination.probe().await
        }
    }

    /// Gives each record its place in the sequence and writes them in one transaction.
    async fn write(
        &mut self,
        records: impl Iterator<Item = &mut Record>,
    ) -> Result<(), StoreError> {
        let mut last = self.destination.last_sequence().await?;
        let mut rows = Vec::with_capacity(BATCH);
        for record in records {
            last += 1;
            record.writer.clone_from(&self.name);
            record.sequence = last.unsigned_abs();
            rows.push(Row::new(record, last)?);
        }
        self.destination.write(rows).await
    }
}

/// A record that takes back what another one says was answered.
fn amendment(mut record: Record) -> Record {
    record.amends = Some(record.id);
    record.id = Uuid::now_v7();
    record.time = Timestamp::now();
    record.answer = Outcome::Refused;
    record.message = Some(UNDELIVERED.to_owned());
    record
}

#[cfg(test)]
mod tests;
