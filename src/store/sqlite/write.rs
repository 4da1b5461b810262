//! The one connection that writes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::super::row::Batch;
use super::super::statement::{Columns, Statement};
use super::super::writer::{BATCH, Destination, State, upkeep};
use super::super::{StoreError, unread};
use super::file::{self, ENDS, Identity, Log};
use super::insert::{bind_rows, insertion, write_more};
use super::{options, place, read, schema, sql_error};

/// How long another writer of the same file is waited for. Less than a request's deadline, so that
/// it is answered with the reason.
const BUSY: Duration = Duration::from_millis(500);

/// Bytes in a page of a new file. A record of a larger pod has 2.3 kB: SQLite's own 4 KiB take one,
/// these three, and a verifier reads a tenth more of them in a second. In 16 KiB it reads no more,
/// and commits write more than they have to.
const PAGE_BYTES: u32 = 8 * 1024;

/// Pages in the write-ahead log before they are folded into the file, which a commit then waits
/// for: 16 MiB. A quarter of that, SQLite's own 1,000 pages of 4 KiB, made one commit in 25 four
/// milliseconds late.
const CHECKPOINT_PAGES: &str = "2000";

/// A SQLite file, written as one writer.
#[derive(Debug)]
pub(super) struct SqliteDestination {
    path: PathBuf,
    writer: Arc<str>,
    /// The file that was opened first; no other will do, see [`Self::check_file`].
    identity: Identity,
    open: Option<Open>,
    _held: File,
}

#[derive(Debug)]
struct Open {
    connection: SqliteConnection,
    /// Since the first write of this connection.
    log: Option<Log>,
}

impl SqliteDestination {
    pub(super) async fn open(path: &Path, writer: &str) -> Result<Self, StoreError> {
        file::make(path)?;
        let mut this = Self::new(path, writer, ENDS)?;
        this.probe().await?;
        Ok(this)
    }

    /// As a writer that is gone, while nobody else has its name.
    pub(super) fn of_gone(path: &Path, writer: &str) -> Result<Self, StoreError> {
        Self::new(path, writer, Duration::ZERO)
    }

    fn new(path: &Path, writer: &str, patience: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            writer: writer.into(),
            identity: Identity::of(path)?,
            open: None,
            _held: file::hold(path, writer, patience)?,
        })
    }

    /// The connection, made anew where there is none.
    async fn connected(&mut self) -> Result<&mut Open, StoreError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => connect(&self.path).await?,
        };
        Ok(self.open.insert(open))
    }

    /// Whether the file still has its name. SQLite would go on writing one that has lost it, and
    /// that is gone with the process.
    ///
    /// Nothing else in its place will do. An empty ledger instead of a full one is not something to
    /// carry on with unasked, and the write-ahead log beside a file that was replaced belongs to
    /// the one before: SQLite would mix the two.
    ///
    /// Gives the write-ahead log, which has to be the one that this connection writes, with all
    /// that it wrote.
    fn check_file(&self) -> Result<Option<Log>, StoreError> {
        let is_there = Identity::of(&self.path).is_ok_and(|identity| identity == self.identity);
        let before = self.open.as_ref().and_then(|open| open.log);
        let now = Log::beside(&self.path);
        let is_whole = before.is_none_or(|before| now.is_some_and(|now| now.follows(before)));
        if is_there && is_whole { Ok(now) } else { Err(self.gone()) }
    }

    fn gone(&self) -> StoreError {
        StoreError::Gone { path: self.path.clone() }
    }

    /// After a write: what was written is in the log, and is looked for there before the next.
    fn written(&mut self) -> Result<(), StoreError> {
        let now = self.check_file()?.ok_or_else(|| self.gone())?;
        if let Some(open) = &mut self.open {
            open.log = Some(now);
        }
        Ok(())
    }

    /// After an error nothing is known about the connection, so it goes.
    async fn settle<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() {
            self.disconnect().await;
        }
        result
    }

    async fn disconnect(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = open.connection.close().await
        {
            tracing::debug!("the ledger's connection did not close: {error}");
        }
    }

    async fn try_load(&mut self) -> Result<State, StoreError> {
        self.check_file()?;
        self.connected().await?;
        // A connection of before may hold on to files that are no longer there.
        let reader = read::beside_a_writer(&self.path);
        let state = reader.state(&self.writer).await.map_err(unread);
        reader.pool.close().await;
        state
    }

    async fn try_write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let path = self.path.clone();
        let writer = Arc::clone(&self.writer);
        self.check_file()?;
        let open = self.connected().await?;
        let written = if batch.block.is_none() && batch.absorbed.is_empty() {
            let sql = AssertSqlSafe(insertion(batch.rows.len()));
            let query = bind_rows(sqlx::query(sql), &writer, batch.rows);
            query.execute(&mut open.connection).await.map(drop)
        } else {
            write_more(&mut open.connection, &writer, batch).await?
        };
        written.map_err(|error| write_error(&path, &writer, error))?;
        self.written()
    }

    async fn try_fetch<T: Columns>(&mut self, sql: Statement) -> Result<Vec<T>, StoreError> {
        let path = self.path.clone();
        let connection = &mut self.connected().await?.connection;
        let fetched = sql.rows_for_sqlite().fetch_all(connection).await;
        fetched.map_err(|error| sql_error(&path, error))
    }

    async fn try_execute(&mut self, sql: Statement) -> Result<u64, StoreError> {
        let path = self.path.clone();
        self.check_file()?;
        let connection = &mut self.connected().await?.connection;
        let done = sql.for_sqlite().execute(connection).await;
        let done = done.map_err(|error| sql_error(&path, error))?;
        self.written()?;
        Ok(done.rows_affected())
    }
}

impl Destination for SqliteDestination {
    async fn load(&mut self) -> Result<State, StoreError> {
        let result = self.try_load().await;
        self.settle(result).await
    }

    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let result = self.try_write(batch).await;
        self.settle(result).await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        upkeep::probe(self).await
    }

    fn writer(&self) -> &str {
        &self.writer
    }

    async fn fetch<T: Columns>(&mut self, sql: Statement) -> Result<Vec<T>, StoreError> {
        let result = self.try_fetch(sql).await;
        self.settle(result).await
    }

    async fn execute(&mut self, sql: Statement) -> Result<u64, StoreError> {
        let result = self.try_execute(sql).await;
        self.settle(result).await
    }

    async fn close(mut self) {
        self.disconnect().await;
    }
}

async fn connect(path: &Path) -> Result<Open, StoreError> {
    let sql = |error| sql_error(path, error);
    let mut connection = options(path, BUSY)
        .page_size(PAGE_BYTES)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        // One for each size of batch, and a few more.
        .statement_cache_capacity(BATCH + 16)
        .connect()
        .await
        .map_err(sql)?;
    let found = schema::found(&mut connection, path).await?;
    connection.execute("PRAGMA journal_mode = WAL").await.map_err(sql)?;
    if found < schema::known() {
        let steps = format!("from schema {found} to {}", schema::known());
        if found > 0 {
            tracing::info!("bringing the ledger {steps}, which may take minutes");
        }
        schema::migrate(&mut connection, path).await?;
        if found > 0 {
            tracing::info!("the ledger is brought {steps}");
        }
    }
    Ok(Open { connection, log: None })
}

fn write_error(path: &Path, writer: &str, error: sqlx::Error) -> StoreError {
    /// `SQLITE_CONSTRAINT_PRIMARYKEY`: the next number of the sequence is taken.
    const TAKEN: &str = "1555";

    let code = error.as_database_error().and_then(|error| error.code());
    if code.as_deref() == Some(TAKEN) {
        return StoreError::Conflict { place: place(path), writer: writer.to_owned() };
    }
    sql_error(path, error)
}

#[cfg(test)]
mod tests;
