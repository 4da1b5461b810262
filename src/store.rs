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

mod location;
mod memory;
mod row;
mod sqlite;
mod writer;

use std::path::PathBuf;

use jiff::Timestamp;
use uuid::Uuid;

pub use self::location::{Location, LocationError};
pub use self::memory::MemoryLedger;
pub use self::sqlite::SqliteLedger;
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::{Cursor, Ledger, LedgerError, Query, Record};

/// A ledger in one of the places that a [`Location`] can name. Clones share it.
#[derive(Debug, Clone)]
pub enum AnyLedger {
    /// In the process.
    Memory(MemoryLedger),
    /// In a file.
    Sqlite(SqliteLedger),
}

impl AnyLedger {
    /// Opens a ledger to write it as `writer`; makes it, and the folders above it, where it does
    /// not exist; brings an older one up to this version's schema.
    ///
    /// A writer's name is 1 to 63 letters, digits, `.`, `_` and `-`.
    ///
    /// # Errors
    ///
    /// It cannot be written, is not a ledger, was written by a newer version, or is being written
    /// under the same name by another process. The source is a [`StoreError`].
    pub async fn open(location: &Location, writer: &str) -> Result<Self, LedgerError> {
        if !is_writer_name(writer) {
            return Err(StoreError::WriterName { name: writer.to_owned() }.while_doing("open"));
        }
        match location {
            Location::Memory => {
                tracing::warn!(
                    "the ledger is kept in memory and is gone with this process: \
                     for measuring, never in a cluster"
                );
                Ok(Self::Memory(MemoryLedger::new(writer)))
            }
            Location::Sqlite(path) => SqliteLedger::open(path, writer).await.map(Self::Sqlite),
        }
    }

    /// Opens a ledger that another process may be writing. Makes and changes nothing.
    ///
    /// # Errors
    ///
    /// It does not exist, is not a ledger, or is of another version's schema.
    pub async fn open_read_only(location: &Location) -> Result<Self, LedgerError> {
        match location {
            Location::Memory => Err(StoreError::InMemory.while_doing("open")),
            Location::Sqlite(path) => SqliteLedger::open_read_only(path).await.map(Self::Sqlite),
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
            Self::Sqlite(ledger) => ledger.list_stored(query).await,
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
            Self::Sqlite(ledger) => ledger.find(prefix, limit).await,
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
            Self::Sqlite(ledger) => ledger.amendment(id).await,
        }
    }

    /// Writes what waits, then lets go of the database. Later appends fail.
    pub async fn close(&self) {
        match self {
            Self::Memory(ledger) => ledger.close(),
            Self::Sqlite(ledger) => ledger.close().await,
        }
    }
}

impl Ledger for AnyLedger {
    async fn append(&self, record: Record) -> Result<(), LedgerError> {
        match self {
            Self::Memory(ledger) => ledger.append(record),
            Self::Sqlite(ledger) => ledger.append(record).await,
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
            Self::Sqlite(ledger) => ledger.added_since(user, since).await,
        }
    }

    fn is_writable(&self) -> bool {
        match self {
            Self::Memory(ledger) => ledger.is_writable(),
            Self::Sqlite(ledger) => ledger.is_writable(),
        }
    }
}

/// A record as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// When the decision was made.
    pub time: Timestamp,
    /// The text, exactly as written.
    pub json: String,
}

impl Stored {
    /// Reads the text.
    ///
    /// # Errors
    ///
    /// It is not a record that this version can read.
    pub fn record(&self) -> Result<Record, LedgerError> {
        serde_json::from_str(&self.json).map_err(|source| LedgerError::Corrupt {
            id: self.id.to_string(),
            source: Box::new(source),
        })
    }

    /// Its place in the listing.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { time: self.time, id: self.id }
    }
}

/// What stands between a ledger and its store. The variants that speak of a missing, locked or full
/// database may pass by themselves; the others need a person.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum StoreError {
    #[error("`memory` is inside the server that writes it and cannot be read from elsewhere")]
    InMemory,
    #[error("it was opened to be read only")]
    ReadOnly,
    #[error(
        "{} cannot be a writer's name: 1 to {MAX_WRITER_NAME} letters, digits, `.`, `_` and `-`",
        crate::policy::text::Quoted(.name)
    )]
    WriterName { name: String },
    #[error("`{}` does not exist", .path.display())]
    Missing { path: PathBuf },
    #[error(
        "`{}` was removed or replaced under the server; put the same file back, or restart the \
         server to go on with what is there",
        .path.display()
    )]
    Gone { path: PathBuf },
    #[error("`{}` cannot be made: {source}", .path.display())]
    NotMade { path: PathBuf, source: std::io::Error },
    #[error("`{}` is not a ledger of Postern", .path.display())]
    NotALedger { path: PathBuf },
    #[error(
        "`{}` was written by a newer version of Postern: its schema is {found}, this version \
         knows {known}",
        .path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "`{}` is of an older schema, {found} instead of {known}; a server of this version brings \
         it up to date when it starts",
        .path.display()
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("`{}` is already being written as `{writer}` by another process", .path.display())]
    InUse { path: PathBuf, writer: String },
    #[error(
        "`{}` was written as `{writer}` by another process meanwhile; give each its own name",
        .path.display()
    )]
    Conflict { path: PathBuf, writer: String },
    #[error("`{}`: {source}", .path.display())]
    Sql { path: PathBuf, source: sqlx::Error },
    #[error("a write has been under way for {seconds} s")]
    Stalled { seconds: u64 },
    #[error("a record cannot be written as JSON: {0}")]
    Json(serde_json::Error),
}

impl StoreError {
    fn while_doing(self, what: &'static str) -> LedgerError {
        LedgerError::Failed { what, source: Box::new(self) }
    }
}

/// Longest name of a writer: that of a Kubernetes host.
const MAX_WRITER_NAME: usize = 63;

/// A writer's name becomes part of a file's name and, later, of a checkpoint's first line.
fn is_writer_name(name: &str) -> bool {
    (1..=MAX_WRITER_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Nanoseconds since 1970, as far as 64 bits reach: from the year 1677 to 2262.
fn nanoseconds(time: Timestamp) -> i64 {
    let time = time.as_nanosecond();
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
}
