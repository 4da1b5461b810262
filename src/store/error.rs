//! What can go wrong with a store, in words.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

use super::MAX_WRITER_NAME;
use crate::ledger::LedgerError;

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
        "`{}` is a folder; give the file in it, as in `sqlite:{}`",
        .path.display(), .path.join("postern.db").display()
    )]
    Folder { path: PathBuf },
    #[error("`{}` is not a file", .path.display())]
    NotAFile { path: PathBuf },
    #[error("`{}` cannot be read: {source}", .path.display())]
    NotRead { path: PathBuf, source: std::io::Error },
    #[error(
        "`{}` was removed or replaced under the server; put the same file back, or restart the \
         server to go on with what is there",
        .path.display()
    )]
    Gone { path: PathBuf },
    #[error(
        "an entry has the last number that there can be, which no server gave it; `postern audit \
         verify` says what is wrong"
    )]
    NoNumbers,
    #[error("the database answered with something else than it was asked for")]
    Garbled,
    #[error("`{}` cannot be made: {source}", .path.display())]
    NotMade { path: PathBuf, source: std::io::Error },
    #[error("`{place}` is not a ledger of Postern")]
    NotALedger { place: String },
    #[error(
        "`{}` holds no ledger; if it was copied from beside a server, what the server had written \
         is in `{}-wal`, which has to be copied with it",
        .path.display(), .path.display()
    )]
    Bare { path: PathBuf },
    #[error(
        "`{place}` was written by a newer version of Postern: its schema is {found}, this version \
         knows {known}"
    )]
    Newer { place: String, found: i64, known: i64 },
    #[error(
        "`{place}` is of an older schema, {found} instead of {known}; a server of this version \
         brings it up to date when it starts"
    )]
    Older { place: String, found: i64, known: i64 },
    #[error(
        "`{place}` holds text as {encoding}, which cannot hold every record; make the database with \
         `createdb --encoding=UTF8 --locale=C --template=template0`"
    )]
    Encoding { place: String, encoding: String },
    #[error("`{place}` is already being written as `{writer}` by another process")]
    InUse { place: String, writer: String },
    #[error(
        "`{place}` was written as `{writer}` by another process meanwhile; give each its own name"
    )]
    Conflict { place: String, writer: String },
    #[error(
        "entries {from} to {to}, which this server had written, are no longer there, as after a \
         failover to a standby that lacked them; bring them back, or restart the server to go on \
         with what is there"
    )]
    Lost { from: u64, to: u64 },
    #[error(
        "record {at} is no longer the one that this server wrote: what is there was written anew; \
         keep a copy for whoever looks into it, and restart the server to go on with what is there"
    )]
    Rewritten { at: u64 },
    #[error(
        "`{place}` holds a record that is no text, which no server wrote; `postern audit verify` \
         says which"
    )]
    NotText { place: String },
    #[error("another writer took up what was left here")]
    Taken,
    #[error("`{place}`: {}", Told(.source))]
    Sql { place: String, source: sqlx::Error },
    #[error("it cannot be read back: {source}")]
    Unread { source: Box<LedgerError> },
    #[error("a write has been under way for {seconds} s")]
    Stalled { seconds: u64 },
    #[error("a record cannot be written as JSON: {0}")]
    Json(serde_json::Error),
}

impl StoreError {
    pub(super) fn while_doing(self, what: &'static str) -> LedgerError {
        LedgerError::Failed { what, source: Box::new(self) }
    }
}

/// Whether an error of reading may pass by itself, as one of the network does.
#[must_use]
pub fn may_pass(error: &LedgerError) -> bool {
    let LedgerError::Failed { source, .. } = error else { return false };
    match source.downcast_ref() {
        // A file that is being copied there is none of ours yet.
        Some(
            StoreError::Missing { .. } | StoreError::Bare { .. } | StoreError::NotALedger { .. },
        ) => true,
        Some(StoreError::Sql { source, .. }) => match source {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => is_passing(error.as_ref()),
            _ => false,
        },
        _ => false,
    }
}

fn is_passing(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        // Busy, locked, no memory, read error, not whole as while it is copied, full, not opened,
        // out of date, and of those that say "read-only" the ones by which a log waits to be
        // recovered.
        let code: u32 = code.parse().unwrap_or_default();
        return matches!(code & 0xff, 5 | 6 | 7 | 10 | 11 | 13 | 14 | 17)
            || matches!(code, 264 | 520 | 1288);
    }
    // Connection, rolled back, too little of something, in use, ended by somebody, system.
    matches!(code.get(..2), Some("08" | "40" | "53" | "55" | "57" | "58"))
}

/// What a database says, and what to do about it.
struct Told<'a>(&'a sqlx::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        let advice = match error {
            sqlx::Error::PoolTimedOut => "see whether it runs and can be reached",
            sqlx::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                "see whether it runs, and whether host and port are right"
            }
            sqlx::Error::Database(error) => advice(error.code().as_deref().unwrap_or_default()),
            _ => "",
        };
        if advice.is_empty() { error.fmt(f) } else { write!(f, "{error}; {advice}") }
    }
}

/// What to do about an error of PostgreSQL.
fn advice(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" => "give the user in the URL, and the password there or in PGPASSWORD",
        "3D000" => "see whether the URL names the database, or make it with `createdb`",
        "42501" => "the user needs the right to it, or another user is to be given",
        "53300" => "wait until others are done, or raise `max_connections`",
        "57P03" => "wait until it is ready",
        _ => "",
    }
}
