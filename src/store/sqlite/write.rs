//! The one connection that writes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::super::row::Row;
use super::super::writer::{BATCH, Destination};
use super::super::{StoreError, nanoseconds};
use super::file::{self, Identity, Log};
use super::{options, schema, sql_error};

/// How long another writer of the same file is waited for. Less than a request's deadline, so that
/// it is answered with the reason.
const BUSY: Duration = Duration::from_millis(500);

/// Pages in the write-ahead log before they are folded into the file, which a commit then waits
/// for: 16 MiB. SQLite's own 1,000 made one commit in 25 four milliseconds late.
const CHECKPOINT_PAGES: &str = "4000";

/// A SQLite file, written as one writer.
#[derive(Debug)]
pub(super) struct SqliteDestination {
    path: PathBuf,
    writer: String,
    /// The file that was opened first; no other will do, see [`Self::check_file`].
    identity: Identity,
    open: Option<Open>,
    _held: File,
}

#[derive(Debug)]
struct Open {
    connection: SqliteConnection,
    last_sequence: i64,
    /// Since the first write of this connection.
    log: Option<Log>,
}

impl SqliteDestination {
    pub(super) async fn open(path: &Path, writer: &str) -> Result<Self, StoreError> {
        file::make(path)?;
        let mut this = Self {
            path: path.to_owned(),
            writer: writer.to_owned(),
            identity: Identity::of(path)?,
            open: None,
            _held: file::hold(path, writer)?,
        };
        this.probe().await?;
        Ok(this)
    }

    /// The connection, made anew where there is none.
    async fn connected(&mut self) -> Result<&mut Open, StoreError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => connect(&self.path, &self.writer).await?,
        };
        Ok(self.open.insert(open))
    }

    /// Whether the file still has its name. SQLite would go on writing one that has lost it, and
    /// that is gone with the process.
    ///
    /// Nothing else in its place will do. An empty ledger instead of a full one is not something to
    /// carry on with unasked, and the write-ahead log beside a file that was replaced belongs to
    /// the one before: SQLite would mix the two.
    fn check_file(&self) -> Result<(), StoreError> {
        let is_there = Identity::of(&self.path).is_ok_and(|identity| identity == self.identity);
        if is_there && self.log_is_whole() { Ok(()) } else { Err(self.gone()) }
    }

    /// Whether the write-ahead log is the one that this connection writes, with all that it wrote.
    fn log_is_whole(&self) -> bool {
        let before = self.open.as_ref().and_then(|open| open.log);
        before.is_none_or(|before| Log::beside(&self.path).is_some_and(|now| now.follows(before)))
    }

    fn gone(&self) -> StoreError {
        StoreError::Gone { path: self.path.clone() }
    }

    /// After a write: what was written is in the log, and is looked for there before the next.
    fn written(&mut self) -> Result<(), StoreError> {
        self.check_file()?;
        let now = Log::beside(&self.path).ok_or_else(|| self.gone())?;
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

    async fn try_last_sequence(&mut self) -> Result<i64, StoreError> {
        self.check_file()?;
        Ok(self.connected().await?.last_sequence)
    }

    async fn try_write(&mut self, rows: Vec<Row>) -> Result<(), StoreError> {
        let path = self.path.clone();
        let writer = self.writer.clone();
        let open = self.connected().await?;
        let last_sequence = rows.last().map_or(open.last_sequence, |row| row.sequence);
        let images = images(&rows)?;
        let mut query = sqlx::query(AssertSqlSafe(insertion(rows.len())));
        for row in rows {
            let Row { sequence, id, time, username, namespace, pod, .. } = row;
            let Row { answer, amends, images: _, json, .. } = row;
            query = query.bind(writer.clone()).bind(sequence).bind(id).bind(time);
            query = query.bind(username).bind(namespace).bind(pod);
            query = query.bind(answer).bind(amends).bind(json);
        }
        query
            .bind(writer.clone())
            .bind(images)
            .execute(&mut open.connection)
            .await
            .map_err(|error| write_error(&path, &writer, error))?;
        open.last_sequence = last_sequence;
        self.written()
    }

    async fn try_probe(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let writer = self.writer.clone();
        self.check_file()?;
        let open = self.connected().await?;
        sqlx::query(
            "INSERT INTO writers (writer, seen) VALUES (?, ?)
             ON CONFLICT (writer) DO UPDATE SET seen = excluded.seen",
        )
        .bind(writer)
        .bind(nanoseconds(Timestamp::now()))
        .execute(&mut open.connection)
        .await
        .map_err(|error| sql_error(&path, error))?;
        self.written()
    }
}

impl Destination for SqliteDestination {
    async fn last_sequence(&mut self) -> Result<i64, StoreError> {
        let result = self.try_last_sequence().await;
        self.settle(result).await
    }

    async fn write(&mut self, rows: Vec<Row>) -> Result<(), StoreError> {
        let result = self.try_write(rows).await;
        self.settle(result).await
    }

    async fn probe(&mut self) -> Result<(), StoreError> {
        let result = self.try_probe().await;
        self.settle(result).await
    }

    async fn close(mut self) {
        self.disconnect().await;
    }
}

async fn connect(path: &Path, writer: &str) -> Result<Open, StoreError> {
    let sql = |error| sql_error(path, error);
    let mut connection = options(path, BUSY)
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
        schema::migrate(&mut connection, path).await?;
    }
    let last_sequence =
        sqlx::query_scalar("SELECT coalesce(max(sequence), 0) FROM records WHERE writer = ?")
            .bind(writer)
            .fetch_one(&mut connection)
            .await
            .map_err(sql)?;
    Ok(Open { connection, last_sequence, log: None })
}

/// A whole transaction in one message to the connection's thread: each further message costs two
/// changes of thread, as much as writing a row. The shape depends on the number of rows alone, so
/// each shape is compiled once.
fn insertion(rows: usize) -> String {
    let values = vec!["(?,?,?,?,?,?,?,?,?,?)"; rows].join(",");
    format!(
        "BEGIN IMMEDIATE;
         INSERT INTO records
         (writer, sequence, id, time, username, namespace, pod, answer, amends, record)
         VALUES {values};
         INSERT INTO images (writer, sequence, image)
         SELECT ?, value ->> 0, value ->> 1 FROM json_each(?);
         COMMIT"
    )
}

/// The images of all rows as one parameter, whatever their number.
fn images(rows: &[Row]) -> Result<String, StoreError> {
    let pairs: Vec<_> =
        rows.iter().flat_map(|row| row.images.iter().map(|image| (row.sequence, image))).collect();
    serde_json::to_string(&pairs).map_err(StoreError::Json)
}

fn write_error(path: &Path, writer: &str, error: sqlx::Error) -> StoreError {
    /// `SQLITE_CONSTRAINT_PRIMARYKEY`: the next number of the sequence is taken.
    const TAKEN: &str = "1555";

    let code = error.as_database_error().and_then(|error| error.code());
    if code.as_deref() == Some(TAKEN) {
        return StoreError::Conflict { path: path.to_owned(), writer: writer.to_owned() };
    }
    sql_error(path, error)
}

#[cfg(test)]
mod tests;
