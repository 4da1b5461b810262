//! What goes with records that are shown, or copied out of a ledger.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::read::Reader;
use super::statement::Statement;
use super::{AnyLedger, PAGE, Stored};
use crate::ledger::LedgerError;
use crate::ledger::chain::Hash;

impl AnyLedger {
    /// The newest checkpoint of each writer: signed notes, as they lie in the store.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn latest_checkpoints(&self) -> Result<BTreeMap<String, String>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(BTreeMap::new()),
            Self::Stored(ledger) => ledger.reader.latest_checkpoints().await,
        }
    }

    /// Those of these records that another takes back.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn amended(&self, records: &[Stored]) -> Result<BTreeSet<Uuid>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(BTreeSet::new()),
            Self::Stored(ledger) => ledger.reader.amended(records).await,
        }
    }

    /// The hashes of these records in their writers' chains, as they lie in the store.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn chain_hashes(
        &self,
        records: &[Stored],
    ) -> Result<BTreeMap<Uuid, Hash>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(BTreeMap::new()),
            Self::Stored(ledger) => ledger.reader.chain_hashes(records).await,
        }
    }
}

impl Reader {
    async fn latest_checkpoints(&self) -> Result<BTreeMap<String, String>, LedgerError> {
        let mut latest = BTreeMap::new();
        for writer in self.writers().await? {
            let checkpoint = self.newest_checkpoint(&writer).await?;
            latest.extend(checkpoint.map(|checkpoint| (writer, checkpoint.note)));
        }
        Ok(latest)
    }

    async fn amended(&self, records: &[Stored]) -> Result<BTreeSet<Uuid>, LedgerError> {
        let mut amended = BTreeSet::new();
        for some in records.chunks(PAGE) {
            let sql = "SELECT about FROM records WHERE answer <> '' AND about IN (";
            let found: Vec<(String,)> = self.fetch(about_these(sql, some)).await?;
            amended.extend(found.iter().filter_map(|(id,)| Uuid::try_parse(id).ok()));
        }
        Ok(amended)
    }

    async fn chain_hashes(&self, records: &[Stored]) -> Result<BTreeMap<Uuid, Hash>, LedgerError> {
        if records.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = about_these("SELECT id, hash FROM records WHERE id IN (", records);
        let found: Vec<(String, Option<Vec<u8>>)> = self.fetch(sql).await?;
        let hash = |(id, hash): (String, Option<Vec<u8>>)| {
            Some((Uuid::try_parse(&id).ok()?, Hash::from_slice(&hash?)?))
        };
        Ok(found.into_iter().filter_map(hash).collect())
    }
}

fn about_these(sql: &str, records: &[Stored]) -> Statement {
    let mut sql = Statement::new(sql);
    let mut between = "";
    for record in records {
        sql.push(between).bind(record.id.to_string());
        between = ", ";
    }
    sql.push(")");
    sql
}
