//! A ledger in one SQLite file.

mod file;
mod read;
mod schema;
mod write;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

use self::read::Reader;
use self::write::SqliteDestination;
use super::writer::Writer;
use super::{StoreError, Stored};
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::{LedgerError, Query, Record};

/// A ledger in one SQLite file. Clones share it.
#[derive(Debug, Clone)]
pub struct SqliteLedger {
    /// Nothing where the ledger was opened to be read.
    writer: Option<Writer>,
    reader: Reader,
}

impl SqliteLedger {
    pub(super) async fn open(path: &Path, writer: &str) -> Result<Self, LedgerError> {
        let destination = SqliteDestination::open(path, writer)
            .await
            .map_err(|error| error.while_doing("open"))?;
        Ok(Self {
            writer: Some(Writer::start(destination, writer)),
            reader: Reader::beside_a_writer(path),
        })
    }

    pub(super) async fn open_read_only(path: &Path) -> Result<Self, LedgerError> {
        let reader = Reader::open(path).await.map_err(|error| error.while_doing("open"))?;
        Ok(Self { writer: None, reader })
    }

    pub(super) async fn append(&self, record: Record) -> Result<(), LedgerError> {
        match &self.writer {
            Some(writer) => writer.append(record).await,
            None => Err(StoreError::ReadOnly.while_doing("write")),
        }
    }

    pub(super) async fn list_stored(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        self.reader.list(query).await
    }

    pub(super) async fn find(
        &self,
        prefix: IdPrefix,
        limit: usize,
    ) -> Result<Vec<Stored>, LedgerError> {
        self.reader.find(prefix, limit).await
    }

    pub(super) async fn amendment(&self, id: Uuid) -> Result<Option<Uuid>, LedgerError> {
        self.reader.amendment(id).await
    }

    pub(super) async fn added_since(
        &self,
        user: &str,
        since: Timestamp,
    ) -> Result<usize, LedgerError> {
        self.reader.added_since(user, since).await
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::is_writable)
    }

    pub(super) async fn close(&self) {
        // Readers first: the last connection to go folds the write-ahead log into the file.
        self.reader.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }
}

/// What every connection has in common.
fn options(path: &Path, busy: Duration) -> SqliteConnectOptions {
    // SQLite takes a name that begins with `file:` for a URL, with options of its own.
    let path = if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) };
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy)
        // Statements carry what people wrote; the log is no place for it.
        .disable_statement_logging()
}

fn sql_error(path: &Path, source: sqlx::Error) -> StoreError {
    /// `SQLITE_NOTADB`
    const NOT_A_DATABASE: &str = "26";

    let code = source.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some(NOT_A_DATABASE) => StoreError::NotALedger { path: path.to_owned() },
        _ => StoreError::Sql { path: path.to_owned(), source },
    }
}
