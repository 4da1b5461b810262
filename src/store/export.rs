//! What goes with records that are copied out of a ledger.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::read::Reader;
use super::statement::Statement;
use super::{AnyLedger, Stored};
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

    async fn chain_hashes(&self, records: &[Stored]) -> Result<BTreeMap<Uuid, Hash>, LedgerError> {
        if records.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut sql = Statement::new("SELECT id, hash FROM records WHERE id IN (");
        let mut between = "";
        for record in records {
            sql.push(between).bind(record.id.to_string());
            between = ", ";
        }
        sql.push(")");
        let found: Vec<(String, Option<Vec<u8>>)> = self.fetch(sql).await?;
        let hash = |(id, hash): (String, Option<Vec<u8>>)| {
            Some((Uuid::try_parse(&id).ok()?, Hash::from_slice(&hash?)?))
        };
        Ok(found.into_iter().filter_map(hash).collect())
    }
}
