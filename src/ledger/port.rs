//! The ports through which the rest of the program uses a ledger, whatever it is kept in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::chain::Hash;
use super::{Event, Query, Record};

/// Where decisions are kept.
///
/// Implementations are in [`crate::store`]. A record is durable once `append` has returned `Ok`.
pub trait Ledger: Send + Sync + 'static {
    /// Writes one record; fills in its `writer` and `sequence`.
    ///
    /// Dropping the future before it is ready tells the store that nobody will deliver this
    /// answer: what is not yet written is left out, and what was written is amended.
    fn append(&self, record: Record) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// The records that match, newest first.
    fn list(&self, query: &Query) -> impl Future<Output = Result<Vec<Record>, LedgerError>> + Send;

    /// One record by its id.
    fn get(&self, id: Uuid) -> impl Future<Output = Result<Option<Record>, LedgerError>> + Send;

    /// How many containers a user was allowed to add since then, by decisions whose answers were
    /// delivered.
    fn added_since(
        &self,
        user: &str,
        since: Timestamp,
    ) -> impl Future<Output = Result<usize, LedgerError>> + Send;

    /// Whether the last attempt to write succeeded; what readiness asks.
    fn is_writable(&self) -> bool;
}

/// What runs beside the gate does with a ledger: events, and reading it in the order of its chains.
pub trait Journal: Clone + Send + Sync + 'static {
    /// Writes one event; fills in its `writer` and `sequence`. It is durable once this is `Ok`.
    fn append_event(&self, event: Event) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Whoever has entries here, in order.
    fn writers(&self) -> impl Future<Output = Result<Vec<String>, LedgerError>> + Send;

    /// A writer's entries after a place in its sequence, in that order, at most `limit`.
    fn entries_after(
        &self,
        writer: &str,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Kept>, LedgerError>> + Send;

    /// How far a target has each writer's entries; a writer of which it has none is left out.
    fn cursors(
        &self,
        target: &str,
    ) -> impl Future<Output = Result<BTreeMap<String, u64>, LedgerError>> + Send;

    /// Notes that a target has a writer's entries up to this one.
    fn advance(
        &self,
        target: &str,
        writer: &str,
        sequence: u64,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// An entry as it lies in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its place in the writer's sequence.
    pub sequence: u64,
    /// The text, exactly as written.
    pub json: String,
    /// Its hash, as stored.
    pub hash: Hash,
}

/// Why the ledger did not do what was asked. Every one of them refuses the request at hand; all but
/// `Corrupt` may pass by themselves, so the server stays up and says that it is not ready.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// More is waiting to be written than the queue holds.
    #[error("the ledger is behind: too many decisions are waiting to be written")]
    Behind,
    /// The store's task is gone; only a restart brings it back.
    #[error("the ledger is closed")]
    Closed,
    /// The store failed.
    #[error("the ledger failed to {what}: {source}")]
    Failed {
        /// What was being done: `open`, `write`, `read`.
        what: &'static str,
        /// The store's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record cannot be read back.
    #[error("record {id} cannot be read: {source}")]
    Corrupt {
        /// Its id as stored.
        id: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
