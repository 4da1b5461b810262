//! What those who do not write leave for a writer to take up.

use std::collections::BTreeSet;

use super::statement::Statement;
use super::{AnyLedger, Location, StoreError, postgres, sqlite};
use crate::ledger::hold::held;
use crate::ledger::{Event, LedgerError};

impl AnyLedger {
    /// Leaves an event for a server to take up, where this process does not write itself.
    ///
    /// # Errors
    ///
    /// The database does not let this process write.
    pub async fn leave_event(location: &Location, event: &Event) -> Result<(), LedgerError> {
        let json = serde_json::to_string(event)
            .map_err(|error| StoreError::Json(error).while_doing("write"))?;
        let mut sql = Statement::new("INSERT INTO inbox (id, event) VALUES (");
        sql.bind(event.id.to_string()).push(", ").bind(json).push(")");
        let left = match location {
            Location::Memory => Err(StoreError::InMemory),
            Location::Sqlite(path) => sqlite::change(path, sql).await,
            Location::Postgres(server) => postgres::change(server, sql).await,
        };
        left.map_err(|error| error.while_doing("write"))
    }

    /// The names of what is held, or will be with the next checkpoint.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn held(&self) -> Result<BTreeSet<String>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(BTreeSet::new()),
            Self::Stored(ledger) => ledger.reader.holds().await.map(|it| held(&it)),
        }
    }
}
