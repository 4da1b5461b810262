//! What runs beside the gate does with a ledger.

use std::collections::BTreeMap;

use super::statement::Statement;
use super::{AnyLedger, number};
use crate::ledger::{Event, Journal, Kept, LedgerError};

impl Journal for AnyLedger {
    async fn append_event(&self, event: Event) -> Result<(), LedgerError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Stored(ledger) => ledger.writer()?.append_event(event).await,
        }
    }

    async fn writers(&self) -> Result<Vec<String>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Stored(ledger) => ledger.reader.writers().await,
        }
    }

    async fn entries_after(
        &self,
        writer: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Kept>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Stored(ledger) => ledger.reader.kept(writer, after, limit).await,
        }
    }

    async fn cursors(&self, target: &str) -> Result<BTreeMap<String, u64>, LedgerError> {
        match self {
            Self::Memory(_) => Ok(BTreeMap::new()),
            Self::Stored(ledger) => ledger.reader.cursors(target).await,
        }
    }

    async fn advance(&self, target: &str, writer: &str, sequence: u64) -> Result<(), LedgerError> {
        let mut sql = Statement::new("INSERT INTO cursors (target, writer, sequence) VALUES (");
        sql.bind(target)
            .push(", ")
            .bind(writer)
            .push(", ")
            .bind(number(sequence))
            .push(") ON CONFLICT (target, writer) DO UPDATE SET sequence = excluded.sequence");
        match self {
            Self::Memory(_) => Ok(()),
            Self::Stored(ledger) => ledger.change(sql).await,
        }
    }
}
