//! What can go wrong with a store, in words.

use std::path::PathBuf;

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
    #[error("`{place}`: {source}")]
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
