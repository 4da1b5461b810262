//! Layer 5, ledgers that last.
//!
//! ```text
//! append ─ queue ─┐
//! append ─ queue ─┼─ writer: one transaction, one sync ─ replies
//! append ─ queue ─┘
//! ```
//!
//! [`AnyLedger`] is what the rest of the program holds; which database is behind it is decided by a
//! [`Location`]. The writer gathers what concurrent requests append into one transaction, and
//! keeps the ledger truthful about answers that were never delivered.

mod attested;
mod error;
mod export;
mod index;
mod inherit;
mod journal;
pub mod keys;
mod left;
mod links;
mod location;
mod lossy;
mod memory;
pub mod own;
mod pages;
mod postgres;
mod read;
mod replaced;
mod row;
mod search;
mod sqlite;
mod statement;
mod stopped;
mod stored;
mod structure;
mod writer;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::error::{StoreError, may_pass};
pub use self::inherit::Preface;
pub use self::links::Links;
pub use self::location::{Location, LocationError, Server};
pub use self::memory::MemoryLedger;
pub use self::pages::Pages;
use self::read::Reader;
use self::statement::Statement;
pub use self::stored::Stored;
use self::writer::Writer;
pub use self::writer::{Gauge, Keep, Signing, Undelivered, Writing};
use crate::ledger::event::What;
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::verify::StoredCheckpoint;
use crate::ledger::{Entry, Ledger, LedgerError, Query, Record};

/// How many places of a chain are best read at once: as much as stays in a core's cache.
pub const PAGE: usize = 512;

/// A ledger in one of the places that a [`Location`] can name. Clones share it.
#[derive(Debug, Clone)]
pub enum AnyLedger {
    /// In the process.
    Memory(MemoryLedger),
    /// In a database.
    Stored(Arc<StoredLedger>),
}

impl AnyLedger {
    /// Opens a ledger to write it; makes it where it does not exist, for SQLite the folders above
    /// it too; brings an older one up to this version's schema.
    ///
    /// # Errors
    ///
    /// It cannot be written, is not a ledger, was written by a newer version, or is being written
    /// under the same name by another process. The source is a [`StoreError`].
    pub async fn open(
        location: &Location,
        writing: impl Into<Writing>,
    ) -> Result<Self, LedgerError> {
        let writing = writing.into();
        if !is_writer_name(&writing.writer) {
            return Err(StoreError::WriterName { name: writing.writer }.while_doing("open"));
        }
        match location {
            Location::Memory => {
                tracing::warn!(
                    "the ledger is kept in memory and is gone with this process: \
                     for measuring, never in a cluster"
                );
                Ok(Self::Memory(MemoryLedger::new(&writing.writer)))
            }
            Location::Sqlite(path) => sqlite::open(path, writing).await.map(Self::stored),
            Location::Postgres(server) => postgres::open(server, writing).await.map(Self::stored),
        }
    }

    fn stored(ledger: StoredLedger) -> Self {
        Self::Stored(Arc::new(ledger))
    }

    /// Opens a ledger that another process may be writing. Makes and changes nothing.
    ///
    /// # Errors
    ///
    /// It does not exist, is not a ledger, or is of another version's schema.
    pub async fn open_read_only(location: &Location) -> Result<Self, LedgerError> {
        match location {
            Location::Memory => Err(StoreError::InMemory.while_doing("open")),
            Location::Sqlite(path) => sqlite::open_read_only(path).await.map(Self::stored),
            Location::Postgres(server) => postgres::open_read_only(server).await.map(Self::stored),
        }
    }

    /// As [`Ledger::list`], without reading what is in the records.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn list_stored(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        match self {
            Self::Memory(ledger) => ledger.list_stored(query),
            Self::Stored(ledger) => ledger.reader.list(query).await,
        }
    }

    /// Events, newest first. Of the query only times, place and limit count.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn list_events(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Stored(ledger) => ledger.reader.events(query).await,
        }
    }

    /// The records whose ids begin so, oldest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn find(&self, prefix: IdPrefix, limit: usize) -> Result<Vec<Stored>, LedgerError> {
        match self {
            Self::Memory(ledger) => ledger.find(prefix, limit),
            Self::Stored(ledger) => ledger.reader.find(prefix, limit).await,
        }
    }

    /// The record that says that this one's answer was never delivered, if there is one.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn amendment(&self, id: Uuid) -> Result<Option<Uuid>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Stored(ledger) => ledger.reader.amendment(id).await,
        }
    }

    /// What was observed of the containers that a decision is about, oldest first.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn observations(&self, id: Uuid) -> Result<Vec<Stored>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Stored(ledger) => ledger.reader.observations(id).await,
        }
    }

    /// A writer's last event of a kind, by the word in its text.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn last_event(
        &self,
        writer: &str,
        kind: &str,
    ) -> Result<Option<Stored>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Stored(ledger) => ledger.reader.last_event(writer, kind).await,
        }
    }

    /// The notes in which a writer's keys handed over, the first first, as far as they can be read.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn rotations(&self, writer: &str) -> Result<Vec<String>, LedgerError> {
        let Self::Stored(ledger) = self else { return Ok(Vec::new()) };
        let events = ledger.reader.rotations(writer).await?;
        let note = |stored: &Stored| match stored.entry() {
            Ok(Entry::Event(event)) => match event.what {
                What::KeyRotated { note } => Some(note),
                _ => None,
            },
            _ => None,
        };
        Ok(events.iter().filter_map(note).collect())
    }

    /// Whoever signed checkpoints here, in order.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn signers(&self) -> Result<Vec<String>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Stored(ledger) => ledger.reader.signers().await,
        }
    }

    /// A writer's first entries after a place in its sequence, of so many places, with all that is
    /// stored of them.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn links(
        &self,
        writer: &str,
        after: u64,
        places: usize,
    ) -> Result<Links, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Links::default()),
            Self::Stored(ledger) => ledger.reader.links(writer, after, places).await,
        }
    }

    /// The last place of a writer's sequence; 0 where there is none.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn last_sequence(&self, writer: &str) -> Result<u64, LedgerError> {
        match self {
            Self::Memory(_) => Ok(0),
            Self::Stored(ledger) => ledger.reader.last_sequence(writer).await,
        }
    }

    /// A writer's checkpoints by size and time.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn signed(&self, writer: &str) -> Result<Vec<StoredCheckpoint>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Stored(ledger) => ledger.reader.checkpoints(writer).await,
        }
    }

    /// The newest of them.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn newest_signed(
        &self,
        writer: &str,
    ) -> Result<Option<StoredCheckpoint>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Stored(ledger) => ledger.reader.newest_checkpoint(writer).await,
        }
    }

    /// The newest signed checkpoint, and those that follow; nothing where none are made.
    #[must_use]
    pub fn checkpoints(&self) -> Option<watch::Receiver<Option<Arc<str>>>> {
        match self {
            Self::Memory(_) => None,
            Self::Stored(ledger) => ledger.writer.as_ref().map(Writer::checkpoints),
        }
    }

    /// Writes what waits, then lets go of the database. Later appends fail.
    pub async fn close(&self) {
        match self {
            Self::Memory(ledger) => ledger.close(),
            Self::Stored(ledger) => ledger.close().await,
        }
    }
}

/// A ledger in a database.
#[derive(Debug)]
pub struct StoredLedger {
    /// Nothing where the ledger was opened to be read.
    writer: Option<Writer>,
    reader: Reader,
    location: Location,
    /// What was opened to be read, where that is a file.
    file: Option<sqlite::Identity>,
}

impl StoredLedger {
    fn writer(&self) -> Result<&Writer, LedgerError> {
        self.writer.as_ref().ok_or_else(|| StoreError::ReadOnly.while_doing("write"))
    }

    /// Changes something beside the records.
    async fn change(&self, sql: Statement) -> Result<(), LedgerError> {
        let changed = match &self.location {
            Location::Memory => Err(StoreError::InMemory),
            Location::Sqlite(path) => sqlite::change(path, sql).await,
            Location::Postgres(server) => postgres::change(server, sql).await,
        };
        changed.map_err(|error| error.while_doing("write"))
    }

    async fn close(&self) {
        // Readers first: the last connection to go folds SQLite's write-ahead log into the file.
        // But in PostgreSQL it is they who find where the writer goes on.
        if !matches!(self.location, Location::Postgres(_)) {
            self.reader.pool.close().await;
        }
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.reader.pool.close().await;
    }
}

impl Ledger for AnyLedger {
    async fn append(&self, record: Record) -> Result<(), LedgerError> {
        match self {
            Self::Memory(ledger) => ledger.append(record),
            Self::Stored(ledger) => ledger.writer()?.append(record).await,
        }
    }

    async fn list(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        self.list_stored(query).await?.iter().map(Stored::record).collect()
    }

    async fn get(&self, id: Uuid) -> Result<Option<Record>, LedgerError> {
        let whole = IdPrefix { first: id, last: id };
        self.find(whole, 1).await?.first().map(Stored::record).transpose()
    }

    async fn added_since(&self, user: &str, since: Timestamp) -> Result<usize, LedgerError> {
        match self {
            Self::Memory(ledger) => Ok(ledger.added_since(user, since)),
            Self::Stored(ledger) => ledger.reader.added_since(user, since).await,
        }
    }

    fn is_writable(&self) -> bool {
        match self {
            Self::Memory(ledger) => ledger.is_writable(),
            Self::Stored(ledger) => ledger.writer.as_ref().is_some_and(Writer::is_writable),
        }
    }
}

/// What a writer could not read of its own.
fn unread(source: LedgerError) -> StoreError {
    StoreError::Unread { source: Box::new(source) }
}

/// Longest name of a writer: that of a Kubernetes host.
const MAX_WRITER_NAME: usize = 63;

/// A writer's name becomes part of a file's name and, later, of a checkpoint's first line.
fn is_writer_name(name: &str) -> bool {
    (1..=MAX_WRITER_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A place in a sequence, as databases hold it.
fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// Nanoseconds since 1970, as far as 64 bits reach: from the year 1677 to 2262.
fn nanoseconds(time: Timestamp) -> i64 {
    let time = time.as_nanosecond();
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
}
