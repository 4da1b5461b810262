//! Reading, beside whoever writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row};
use uuid::Uuid;

use super::super::{StoreError, Stored, nanoseconds};
use super::{options, schema, sql_error};
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::{LedgerError, Outcome, Query};

/// How long a lock is waited for; with a write-ahead log, readers and the writer rarely meet.
const BUSY: Duration = Duration::from_secs(5);
/// An idle connection is a thread and two megabytes of cache.
const IDLE: Duration = Duration::from_secs(30);

/// Connections that cannot write.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pool: SqlitePool,
    path: PathBuf,
}

impl Reader {
    /// For a file that this process writes: connects when it is first asked.
    pub(super) fn beside_a_writer(path: &Path) -> Self {
        Self::new(path, read_only(path))
    }

    /// For a file of which nothing is known.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let options = match check(path, read_only(path)).await {
            Ok(options) => options,
            // A copy in a folder that cannot be written has no room for the files that readers
            // share. With nothing left in its log, and so nobody who writes, it needs none.
            Err(StoreError::Sql { .. }) if has_no_log(path) => {
                check(path, read_only(path).immutable(true)).await?
            }
            Err(error) => return Err(error),
        };
        Ok(Self::new(path, options))
    }

    fn new(path: &Path, options: SqliteConnectOptions) -> Self {
        let pool = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(2)
            .idle_timeout(IDLE)
            .connect_lazy_with(options);
        Self { pool, path: path.to_owned() }
    }

    pub(super) async fn list(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        self.fetch(selection(query)).await
    }

    pub(super) async fn find(
        &self,
        prefix: IdPrefix,
        limit: usize,
    ) -> Result<Vec<Stored>, LedgerError> {
        let mut sql = QueryBuilder::new("SELECT id, time, record FROM records WHERE id BETWEEN ");
        sql.push_bind(prefix.first.to_string());
        sql.push(" AND ").push_bind(prefix.last.to_string());
        sql.push(" ORDER BY id LIMIT ").push_bind(rows(limit));
        self.fetch(sql).await
    }

    pub(super) async fn amendment(&self, id: Uuid) -> Result<Option<Uuid>, LedgerError> {
        let found: Option<String> =
            sqlx::query_scalar("SELECT id FROM records WHERE amends = ? ORDER BY id LIMIT 1")
                .bind(id.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| self.failed(error))?;
        found.map(|id| parse_id(&id)).transpose()
    }

    /// From the index `records_newest`, and of the user's own records their number of containers.
    pub(super) async fn added_since(
        &self,
        user: &str,
        since: Timestamp,
    ) -> Result<usize, LedgerError> {
        let total: i64 = sqlx::query_scalar(
            "SELECT COALESCE(SUM(json_extract(record, '$.injectionsTotal')), 0) FROM records \
             WHERE time >= ? AND username = ? AND answer = 'Allowed' AND NOT EXISTS \
             (SELECT 1 FROM records AS later WHERE later.amends = records.id)",
        )
        .bind(nanoseconds(since))
        .bind(user)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(usize::try_from(total).unwrap_or(usize::MAX))
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn fetch(&self, mut sql: QueryBuilder<Sqlite>) -> Result<Vec<Stored>, LedgerError> {
        let rows = sql.build().fetch_all(&self.pool).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.stored(row)).collect()
    }

    fn stored(&self, row: &SqliteRow) -> Result<Stored, LedgerError> {
        let failed = |error| self.failed(error);
        let id: String = row.try_get("id").map_err(failed)?;
        let time: i64 = row.try_get("time").map_err(failed)?;
        let time = Timestamp::from_nanosecond(time.into())
            .map_err(|source| LedgerError::Corrupt { id: id.clone(), source: Box::new(source) })?;
        Ok(Stored { id: parse_id(&id)?, time, json: row.try_get("record").map_err(failed)? })
    }

    fn failed(&self, error: sqlx::Error) -> LedgerError {
        sql_error(&self.path, error).while_doing("read")
    }
}

fn read_only(path: &Path) -> SqliteConnectOptions {
    options(path, BUSY).read_only(true)
}

/// Whether these options open a ledger of this version.
async fn check(
    path: &Path,
    options: SqliteConnectOptions,
) -> Result<SqliteConnectOptions, StoreError> {
    let mut connection = options.connect().await.map_err(|error| sql_error(path, error))?;
    let found = schema::found(&mut connection, path).await?;
    connection.close().await.map_err(|error| sql_error(path, error))?;
    match found {
        0 => Err(StoreError::NotALedger { path: path.to_owned() }),
        _ if found < schema::known() => {
            Err(StoreError::Older { path: path.to_owned(), found, known: schema::known() })
        }
        _ => Ok(options),
    }
}

fn has_no_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |metadata| metadata.len() == 0)
}

/// The listing: newest first, from the index `records_newest`.
fn selection(query: &Query) -> QueryBuilder<Sqlite> {
    let Query { since, until, user, namespace, pod, image, answer, before, limit } = query;
    let mut sql = QueryBuilder::new("SELECT id, time, record FROM records WHERE TRUE");
    if let Some(since) = since {
        sql.push(" AND time >= ").push_bind(nanoseconds(*since));
    }
    if let Some(until) = until {
        sql.push(" AND time < ").push_bind(nanoseconds(*until));
    }
    if let Some(user) = user {
        sql.push(" AND username = ").push_bind(user.clone());
    }
    if let Some(namespace) = namespace {
        sql.push(" AND namespace = ").push_bind(namespace.clone());
    }
    if let Some(pod) = pod {
        sql.push(" AND pod = ").push_bind(pod.clone());
    }
    if let Some(image) = image {
        sql.push(" AND EXISTS (SELECT 1 FROM images WHERE images.writer = records.writer");
        sql.push(" AND images.sequence = records.sequence AND images.image GLOB ");
        sql.push_bind(glob(image)).push(")");
    }
    // Written out, not bound: only so does SQLite know that the index of refusals will do.
    match answer {
        Some(Outcome::Allowed) => drop(sql.push(" AND answer = 'Allowed'")),
        Some(Outcome::Refused) => drop(sql.push(" AND answer = 'Refused'")),
        None => {}
    }
    if let Some(before) = before {
        sql.push(" AND (time, id) < (").push_bind(nanoseconds(before.time));
        sql.push(", ").push_bind(before.id.to_string()).push(")");
    }
    sql.push(" ORDER BY time DESC, id DESC LIMIT ").push_bind(rows(*limit));
    sql
}

/// Of the characters that mean something to `GLOB`, only `*` does here.
fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '?' | '[' => glob.extend(['[', character, ']']),
            _ => glob.push(character),
        }
    }
    glob
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn parse_id(id: &str) -> Result<Uuid, LedgerError> {
    Uuid::try_parse(id)
        .map_err(|source| LedgerError::Corrupt { id: id.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests;
