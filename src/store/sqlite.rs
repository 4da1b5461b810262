//! A ledger in one SQLite file.

mod file;
mod insert;
mod read;
mod schema;
mod write;

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

pub(super) use self::file::{Identity, followed};
use self::write::SqliteDestination;
use super::location::Location;
use super::statement::{Pool, Statement};
use super::writer::{Writer, Writing};
use super::{Preface, StoreError, StoredLedger};
use crate::ledger::LedgerError;

/// How long a lock is waited for where nobody waits for an answer.
const BUSY: Duration = Duration::from_secs(5);

pub(super) async fn open(path: &Path, writing: Writing) -> Result<StoredLedger, LedgerError> {
    let path = followed(path);
    let reader = read::beside_a_writer(&path);
    let destination = SqliteDestination::open(&path, &writing.writer)
        .await
        .map_err(|error| error.while_doing("open"))?;
    Ok(StoredLedger {
        writer: Some(Writer::start(destination, writing)),
        reader,
        location: Location::Sqlite(path),
        file: None,
    })
}

/// Drops what is old of a writer that is gone; nothing where it is not gone.
pub(super) async fn inherit(
    path: &Path,
    writing: Writing,
    preface: Preface,
) -> Result<bool, StoreError> {
    match SqliteDestination::of_gone(&followed(path), &writing.writer) {
        Ok(destination) => Writer::inherit(destination, writing, preface).await,
        Err(StoreError::InUse { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn open_read_only(path: &Path) -> Result<StoredLedger, LedgerError> {
    // Before it is opened: whatever takes its place from here on is another.
    let file = Identity::of(path).ok();
    let reader = read::open(path).await.map_err(|error| error.while_doing("open"))?;
    let location = Location::Sqlite(path.to_owned());
    Ok(StoredLedger { writer: None, reader, location, file })
}

/// See [`super::AnyLedger::is_replaced`].
pub(super) fn is_replaced(path: &Path, opened: Identity) -> Result<bool, StoreError> {
    file::look(path)?;
    Ok(Identity::of(path)? != opened)
}

/// See [`super::AnyLedger::misfits`].
pub(super) async fn misfits(
    pool: &SqlitePool,
    path: &Path,
    most: usize,
) -> Result<Vec<String>, StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| sql_error(path, error))?;
    schema::misfits(&mut connection, path, most).await
}

/// Changes something beside the records, on a connection of its own.
pub(super) async fn change(path: &Path, sql: Statement) -> Result<(), StoreError> {
    let failed = |error| sql_error(path, error);
    file::look(path)?;
    let options = options(path, BUSY);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = Pool::Sqlite(pool.map_err(failed)?);
    let changed = pool.execute(sql).await.map(drop).map_err(failed);
    pool.close().await;
    changed
}

/// What every connection has in common.
fn options(path: &Path, busy: Duration) -> SqliteConnectOptions {
    // SQLite takes a name that begins with `file:` for a URL, with options of its own.
    let path = if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) };
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy)
        // SQLite would put what does not fit into its memory in `/var/tmp`, and could do nothing
        // with it in a container that may write its ledger only.
        .pragma("temp_store", "MEMORY")
        // Statements carry what people wrote; the log is no place for it.
        .disable_statement_logging()
}

fn sql_error(path: &Path, source: sqlx::Error) -> StoreError {
    /// `SQLITE_NOTADB`
    const NOT_A_DATABASE: &str = "26";
    /// `SQLITE_CANTOPEN`
    const NOT_OPENED: &str = "14";

    let code = source.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some(NOT_A_DATABASE) => StoreError::NotALedger { place: place(path) },
        // SQLite does not say why. Only now may it be asked: to close the file again would lose the
        // locks that SQLite has on it.
        Some(NOT_OPENED) => match std::fs::File::open(path) {
            Err(error) => StoreError::NotRead { path: path.to_owned(), source: error },
            Ok(_) => StoreError::Sql { place: place(path), source },
        },
        _ => StoreError::Sql { place: place(path), source },
    }
}

/// What messages call the file.
fn place(path: &Path) -> String {
    path.display().to_string()
}
