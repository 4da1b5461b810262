//! What writers left that are gone.

use super::{AnyLedger, Location, Writing, is_writer_name, postgres, sqlite};
use crate::ledger::LedgerError;
use crate::ledger::event::{Event, What};

/// What is written of a writer that is gone where something of it is dropped.
#[derive(Debug, Default)]
pub struct Preface {
    /// What has to be said before.
    pub events: Vec<What>,
    /// That it stopped. It is said again if it is dropped, or nobody would know that the writer is
    /// not silent.
    pub stopped: Option<Event>,
}

impl AnyLedger {
    /// Drops what need not be kept any longer of a writer that is gone, as if by itself, once
    /// `preface` is written; whether there was anything. Of one that is not gone, nothing.
    ///
    /// # Errors
    ///
    /// The store failed; what is left is dropped the next time.
    pub async fn inherit(
        location: &Location,
        writing: Writing,
        preface: Preface,
    ) -> Result<bool, LedgerError> {
        let inherited = match location {
            // What stands in a database as a name need not be one, and would be a file's.
            _ if !is_writer_name(&writing.writer) => Ok(false),
            Location::Memory => Ok(false),
            Location::Sqlite(path) => sqlite::inherit(path, writing, preface).await,
            Location::Postgres(server) => postgres::inherit(server, writing, preface).await,
        };
        inherited.map_err(|error| error.while_doing("write"))
    }
}
