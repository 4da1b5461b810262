//! Whether the database itself is as a server made it.
//!
//! The chain tells what is wrong with a record that is read. Who can change the database can also
//! have some reads pass a record by: with an index or a view that lacks it, or a row of another
//! type.

use std::collections::BTreeSet;
use std::path::Path;

use super::read::Reader;
use super::statement::{Pool, Statement};
use super::{AnyLedger, is_writer_name, sqlite};
use crate::ledger::LedgerError;
use crate::policy::text::{Plain, Quoted};

/// The tables of PostgreSQL, a line for each column, index and constraint, as [`LAID_OUT`] tells of
/// them.
const EXPECTED: &str = include_str!("migrations/postgres/structure.txt");

/// How the tables are laid out. What is read of each must be what lies in it: no rule of a view or
/// of rows stands between, no index or constraint by which some are passed by, and no other table
/// whose rows are read along.
const LAID_OUT: &str = "WITH own AS (SELECT oid, relname, relkind, relrowsecurity, \
     relhasrules, relhastriggers FROM pg_class WHERE oid IN (to_regclass('records'), \
     to_regclass('checkpoints'), to_regclass('blocks'), to_regclass('terms'), \
     to_regclass('postings'), to_regclass('cursors'), to_regclass('inbox'))) \
     SELECT pg_catalog.concat('table ', relname, \
     CASE WHEN relkind <> 'r' OR relrowsecurity OR relhasrules OR relhastriggers \
     THEN ' that is not plain' END) AS line FROM own \
     UNION ALL SELECT pg_catalog.concat('column ', relname, '.', attname, ' ', \
     format_type(atttypid, atttypmod), \
     CASE WHEN collname IS NOT NULL THEN pg_catalog.concat(' ', collname) END, \
     CASE WHEN attnotnull THEN ' not null' END, \
     CASE WHEN attidentity <> '' THEN ' identity' END, \
     CASE WHEN attgenerated <> '' THEN ' generated' END, \
     CASE WHEN atthasdef THEN ' default' END) \
     FROM own JOIN pg_attribute ON attrelid = own.oid \
     LEFT JOIN pg_collation ON pg_collation.oid = attcollation \
     WHERE attnum > 0 AND NOT attisdropped \
     UNION ALL SELECT pg_catalog.concat(pg_get_indexdef(indexrelid, 0, true), \
     CASE WHEN NOT indisvalid THEN ' that is not valid' END) \
     FROM own JOIN pg_index ON indrelid = own.oid \
     UNION ALL SELECT pg_catalog.concat('constraint ', conname, ' ', \
     pg_get_constraintdef(pg_constraint.oid, true)) \
     FROM own JOIN pg_constraint ON conrelid = own.oid WHERE contype::text <> 'n' \
     UNION ALL SELECT pg_catalog.concat('rows of another table in ', relname) \
     FROM own JOIN pg_inherits ON inhparent = own.oid";

const WITHOUT_NUMBER: &str = "SELECT COALESCE(id, '') FROM records WHERE sequence < 1 \
     OR sequence IS NULL OR writer IS NULL ORDER BY id LIMIT 1";

/// Most faults that are named.
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
            Pool::Postgres(..) => {
                let lines: Vec<(String,)> = reader.fetch(Statement::new(LAID_OUT)).await?;
                let there: BTreeSet<&str> = lines.iter().map(|(line,)| line.as_str()).collect();
                let expected: BTreeSet<&str> = EXPECTED.lines().collect();
                let added = there.difference(&expected).map(|line| (line, "no server made it"));
                let lacking = expected.difference(&there).map(|line| (line, "it is not there"));
                let told = |(line, what): (&&str, _)| format!("`{}`: {what}", Plain(line));
                let mut told: Vec<_> = lacking.chain(added).map(told).collect();
                // Tables come last, and say most.
                told.reverse();
                told.truncate(MAX_FAULTS);
                told
            }
        };
        let stray: Vec<(String,)> = reader.fetch(Statement::new(WITHOUT_NUMBER)).await?;
        let told = |(id,): (String,)| {
            format!("record {} has no place in its writer's sequence", Plain(&id))
        };
        found.extend(stray.into_iter().map(told));
        found.extend(unnamable(reader).await?);
        Ok(found)
    }
}

/// Writers that no server can be. What such a name has in place of text is not found by it.
async fn unnamable(reader: &Reader) -> Result<Vec<String>, LedgerError> {
    let mut names = reader.writers().await?;
    names.append(&mut reader.signers().await?);
    names.retain(|name| !is_writer_name(name));
    names.sort_unstable();
    names.dedup();
    names.truncate(MAX_FAULTS);
    let told =
        |name: &String| format!("no server writes as {}, and something here is its", Quoted(name));
    Ok(names.iter().map(told).collect())
}
