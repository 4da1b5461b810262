//! Whether the database itself is as a server made it.
//!
//! The chain tells what is wrong with a record that is read. Who can change the database can also
//! have some reads pass a record by: with an index or a view that lacks it, or a row of another
//! type.

use std::path::Path;

use super::statement::{Pool, Statement};
use super::{AnyLedger, sqlite};
use crate::ledger::LedgerError;

/// The tables that are read, in PostgreSQL. What is read of each must be what lies in it.
const NOT_PLAIN: &str = "SELECT relname::text FROM pg_class WHERE oid IN (to_regclass('records'), \
     to_regclass('checkpoints'), to_regclass('blocks'), to_regclass('terms'), \
     to_regclass('postings'), to_regclass('cursors'), to_regclass('inbox')) \
     AND (relkind <> 'r' OR relrowsecurity OR relhasrules OR relhastriggers) ORDER BY relname";

const WITHOUT_NUMBER: &str = "SELECT id FROM records WHERE sequence < 1 ORDER BY id LIMIT 1";

/// Most faults that SQLite is asked to name.
const MAX_FAULTS: usize = 5;

impl AnyLedger {
    /// What is wrong with the database, beside its records; nothing where all is well. Reads all
    /// of an SQLite file.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn misfits(&self) -> Result<Vec<String>, LedgerError> {
        let Self::Stored(ledger) = self else { return Ok(Vec::new()) };
        let reader = &ledger.reader;
        let mut found = match &reader.pool {
            Pool::Sqlite(pool) => {
                let found = sqlite::misfits(pool, Path::new(&reader.place), MAX_FAULTS).await;
                found.map_err(|error| error.while_doing("read"))?
            }
            Pool::Postgres(_) => {
                let tables: Vec<(String,)> = reader.fetch(Statement::new(NOT_PLAIN)).await?;
                let told = |(name,)| format!("`{name}` is not a plain table as a server makes it");
                tables.into_iter().map(told).collect()
            }
        };
        let stray: Vec<(String,)> = reader.fetch(Statement::new(WITHOUT_NUMBER)).await?;
        let told = |(id,)| format!("record {id} has no place in its writer's sequence");
        found.extend(stray.into_iter().map(told));
        Ok(found)
    }
}
