//! A ledger without a store: what measuring compares the others with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{StoreError, Stored};
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::query::Matcher;
use crate::ledger::{Entry, LedgerError, Outcome, Query, Record};

/// How many records are kept, the newest.
const KEPT: usize = 1024;

/// The newest 1,024 records, in the process. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryLedger {
    writer: Arc<str>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Record>,
    last_sequence: u64,
    is_closed: bool,
}

impl MemoryLedger {
    pub(super) fn new(writer: &str) -> Self {
        Self { writer: Arc::from(writer), kept: Arc::default() }
    }

    pub(super) fn append(&self, mut record: Record) -> Result<(), LedgerError> {
        let mut kept = self.lock();
        if kept.is_closed {
            return Err(LedgerError::Closed);
        }
        kept.last_sequence += 1;
        record.writer = self.writer.to_string();
        record.sequence = kept.last_sequence;
        if kept.records.len() == KEPT {
            kept.records.pop_front();
        }
        kept.records.push_back(record);
        Ok(())
    }

    pub(super) fn list_stored(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        let matcher = Matcher::new(query);
        let kept = self.lock();
        let mut matching: Vec<_> =
            kept.records.iter().filter(|record| matcher.matches(record)).collect();
        matching.sort_unstable_by_key(|record| std::cmp::Reverse((record.time, record.id)));
        matching.into_iter().take(query.limit).map(stored).collect()
    }

    pub(super) fn find(&self, prefix: IdPrefix, limit: usize) -> Result<Vec<Stored>, LedgerError> {
        let kept = self.lock();
        let mut matching: Vec<_> = kept
            .records
            .iter()
            .filter(|record| (prefix.first..=prefix.last).contains(&record.id))
            .collect();
        matching.sort_unstable_by_key(|record| record.id);
        matching.into_iter().take(limit).map(stored).collect()
    }

    pub(super) fn added_since(&self, user: &str, since: Timestamp) -> usize {
        let kept = self.lock();
        let allowed = kept.records.iter().filter(|record| {
            record.requester.username == user
                && record.time >= since
                && record.answer == Outcome::Allowed
                && kept.records.iter().all(|later| later.amends != Some(record.id))
        });
        allowed.map(|record| record.injections_total).sum()
    }

    pub(super) fn is_writable(&self) -> bool {
        !self.lock().is_closed
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(record: &Record) -> Result<Stored, LedgerError> {
    let json = Entry::from(record.clone())
        .to_json()
        .map_err(|error| StoreError::Json(error).while_doing("read"))?;
    Ok(Stored { id: record.id, time: record.time, json })
}
