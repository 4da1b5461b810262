//! Reading, beside whoever writes.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::super::StoreError;
use super::super::read::Reader;
use super::super::statement::Pool;
use super::{file, options, place, schema, sql_error};

/// How long a lock is waited for; with a write-ahead log, readers and the writer rarely meet.
const BUSY: Duration = Duration::from_secs(5);
/// An idle connection is a thread and two megabytes of cache.
const IDLE: Duration = Duration::from_secs(30);

/// For a file that this process writes: connects when it is first asked.
pub(super) fn beside_a_writer(path: &Path) -> Reader {
    reader(path, read_only(path))
}

/// For a file of which nothing is known.
pub(super) async fn open(path: &Path) -> Result<Reader, StoreError> {
    file::look(path)?;
    let options = match check(path, read_only(path)).await {
        Ok(options) => options,
        // A copy in a folder that cannot be written has no room for the files that readers
        // share. With nothing left in its log, and so nobody who writes, it needs none.
        Err(StoreError::Sql { .. }) if has_no_log(path) => {
            check(path, read_only(path).immutable(true)).await?
        }
        Err(error) => return Err(error),
    };
    Ok(reader(path, options))
}

fn reader(path: &Path, options: SqliteConnectOptions) -> Reader {
    let pool = SqlitePoolOptions::new()
        .min_connections(0)
        .max_connections(2)
        // A file does not hang up; asking first would double what a short read costs.
        .test_before_acquire(false)
        .idle_timeout(IDLE)
        .connect_lazy_with(options);
    Reader { pool: Pool::Sqlite(pool), place: place(path) }
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
        0 if has_no_log(path) => Err(StoreError::Bare { path: path.to_owned() }),
        0 => Err(StoreError::NotALedger { place: place(path) }),
        _ if found < schema::known() => {
            Err(StoreError::Older { place: place(path), found, known: schema::known() })
        }
        _ => Ok(options),
    }
}

fn has_no_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |metadata| metadata.len() == 0)
}

#[cfg(test)]
mod tests;
