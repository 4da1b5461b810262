//! Whether a search finds what is there: the index of terms, compared with the records.
//!
//! Nothing signs the index, and a block that does not name a term is never read for it. So all of
//! it is computed anew. That an entry is there twice, or a term without a record, costs time alone.

use std::collections::BTreeSet;

use super::read::Reader;
use super::row::BLOCK;
use super::statement::{Pool, Statement};
use super::{AnyLedger, StoreError, nanoseconds, number};
use crate::ledger::query::terms;
use crate::ledger::{LedgerError, Record};
use crate::policy::text::{Plain, Quoted};

/// A block of one writer: number, first and last entry, and their times.
type Block = (i64, i64, i64, i64, i64);

impl AnyLedger {
    /// Which decisions of a writer a search may pass by, up to the first block that is wrong;
    /// nothing where all are found. `progress` is told up to which entry all is well.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn unsearchable(
        &self,
        writer: &str,
        mut progress: impl FnMut(u64),
    ) -> Result<Option<String>, LedgerError> {
        let Self::Stored(ledger) = self else { return Ok(None) };
        let reader = &ledger.reader;
        // What comes after the last block is read by every search.
        let mut through = 0;
        while let Some(block) = reader.block_after(writer, through).await? {
            let (_, first, last, ..) = block;
            if first.saturating_sub(1) > through
                && let Some(lost) = reader.decision(writer, through + 1, first - 1).await?
            {
                return Ok(Some(format!(
                    "record {lost} of {} is not in the index that searches go by",
                    Plain(writer)
                )));
            }
            // What was dropped meanwhile is no longer in the index either.
            if let Some(wrong) = reader.unindexed(writer, block).await?
                && reader.decision(writer, first, last).await?.is_some()
            {
                return Ok(Some(wrong));
            }
            through = last;
            progress(through.unsigned_abs());
        }
        Ok(None)
    }
}

impl Reader {
    async fn block_after(&self, writer: &str, through: i64) -> Result<Option<Block>, LedgerError> {
        let mut sql =
            Statement::new("SELECT id, first, last, oldest, newest FROM blocks WHERE writer = ");
        sql.bind(writer).push(" AND last > ").bind(through).push(" ORDER BY last LIMIT 1");
        Ok(self.fetch(sql).await?.into_iter().next())
    }

    /// The first decision between these entries.
    async fn decision(
        &self,
        writer: &str,
        first: i64,
        last: i64,
    ) -> Result<Option<i64>, LedgerError> {
        let mut sql = Statement::new("SELECT MIN(sequence) FROM records WHERE answer <> ''");
        sql.push(" AND writer = ").bind(writer);
        sql.push(" AND sequence BETWEEN ").bind(first).push(" AND ").bind(last);
        let found: Vec<(Option<i64>,)> = self.fetch(sql).await?;
        Ok(found.into_iter().find_map(|(sequence,)| sequence))
    }

    /// What a block lacks of what its records say.
    async fn unindexed(&self, writer: &str, block: Block) -> Result<Option<String>, LedgerError> {
        let (id, first, last, oldest, newest) = block;
        // The first after an upgrade is as long as what was there before.
        let at_once = usize::try_from(BLOCK).unwrap_or(usize::MAX);
        let mut through = first.saturating_sub(1).max(0).unsigned_abs();
        loop {
            let mut entries = self.kept(writer, through, at_once).await?;
            entries.retain(|entry| number(entry.sequence) <= last);
            let Some(end) = entries.last() else { return Ok(None) };
            through = end.sequence;
            let mut expected = BTreeSet::new();
            // What cannot be read has no terms; the chain says what is wrong with it.
            let records = entries.iter().map(|entry| serde_json::from_str::<Record>(&entry.json));
            for record in records.filter_map(Result::ok) {
                if !(oldest..=newest).contains(&nanoseconds(record.time)) {
                    return Ok(Some(format!(
                        "the index has another time for record {}",
                        record.id
                    )));
                }
                expected.extend(terms(&record));
            }
            if let Some(term) = self.lacks(id, &expected).await? {
                return Ok(Some(format!(
                    "searches for {} pass by records {first} to {last} of {}, where it occurs",
                    Quoted(&term),
                    Plain(writer)
                )));
            }
        }
    }

    /// The first of these terms that a block is not said to have.
    async fn lacks(
        &self,
        block: i64,
        terms: &BTreeSet<String>,
    ) -> Result<Option<String>, LedgerError> {
        let terms = serde_json::to_string(terms)
            .map_err(|error| StoreError::Json(error).while_doing("read"))?;
        let mut sql = Statement::new("SELECT value FROM ");
        sql.push(match self.pool {
            Pool::Sqlite(_) => "json_each(",
            Pool::Postgres(..) => "pg_catalog.json_array_elements_text(CAST(",
        });
        sql.bind(terms).push(match self.pool {
            Pool::Sqlite(_) => ")",
            Pool::Postgres(..) => " AS json))",
        });
        sql.push(
            " WHERE NOT EXISTS (SELECT 1 FROM terms JOIN postings ON postings.term = terms.id \
             WHERE terms.term = value AND postings.block = ",
        );
        sql.bind(block).push(") ORDER BY value LIMIT 1");
        let lacking: Vec<(String,)> = self.fetch(sql).await?;
        Ok(lacking.into_iter().next().map(|(term,)| term))
    }
}
