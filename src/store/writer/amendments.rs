//! Records that take back a decision which is on record and was not what somebody was told; and
//! those of decisions that were told although they were not on record yet.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{BATCH, Undelivered, Waiting};
use crate::ledger::{Entry, Outcome, Record};

/// What an amending record says where nobody waited for the decision any more.
const LATE: &str = "the decision was not delivered in time";

/// What it says where the database failed and wrote the decision all the same.
const DOUBTED: &str = "the decision was refused, since the ledger seemed not to be written";

/// Decisions that are kept for later, at most: a few megabytes.
const MAX_OWED: usize = 4096;

/// What is not written yet.
#[derive(Debug)]
pub(super) struct Amendments {
    undelivered: Undelivered,
    owed: Vec<Entry>,
    /// Decisions of the last transaction, which failed: whether they are on record, only the
    /// database knows.
    doubtful: Vec<Record>,
}

impl Amendments {
    pub(super) fn new(undelivered: Undelivered) -> Self {
        Self { undelivered, owed: Vec::new(), doubtful: Vec::new() }
    }

    /// Whether there are any that can be written now.
    pub(super) fn are_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// An entry that goes in before all others.
    pub(super) fn owe(&mut self, entry: Entry) {
        self.owed.push(entry);
    }

    /// A decision is on record, and nobody waited for it any more.
    pub(super) fn undelivered(&mut self, record: Record) {
        self.take_back(record, LATE);
    }

    /// A decision could not be written, as far as that is known; where it was not even tried, it is
    /// not there. A refusal was given all the same, and needs no record.
    pub(super) fn failed(&mut self, record: Record, is_tried: bool) {
        match self.undelivered {
            _ if record.answer == Outcome::Refused => {}
            Undelivered::TakenBack if is_tried => self.doubtful.push(record),
            Undelivered::TakenBack => {}
            Undelivered::Stands if self.owed.len() < MAX_OWED => self.owed.push(record.into()),
            Undelivered::Stands => {
                tracing::error!("Decision {} was allowed, and will not be on record", record.id);
            }
        }
    }

    fn take_back(&mut self, mut record: Record, why: &str) {
        if self.undelivered == Undelivered::Stands {
            return;
        }
        record.amends = Some(record.id);
        record.id = Uuid::now_v7();
        record.time = Timestamp::now();
        record.answer = Outcome::Refused;
        record.message = Some(why.to_owned());
        self.owed.push(record.into());
    }

    /// Where a decision is taken back that nobody is told, it need not be written: whoever has gone
    /// was answered by the deadline.
    pub(super) fn leave_out_undelivered(&self, batch: &mut Vec<Waiting>) {
        if self.undelivered == Undelivered::TakenBack {
            batch.retain(|waiting| !waiting.asked.reply.is_closed());
        }
    }

    /// Which entries the database is to be asked for: the decisions in doubt, and where a failure
    /// may have written an amendment, those.
    pub(super) fn to_look_for(&self, is_known: bool) -> Vec<Uuid> {
        let owed = if is_known { &[] } else { self.owed.as_slice() };
        let doubtful = self.doubtful.iter().map(|record| record.id);
        owed.iter().map(Entry::id).chain(doubtful).collect()
    }

    /// These of them are on record.
    pub(super) fn found(&mut self, written: &BTreeSet<String>) {
        let is_written = |id: Uuid| written.contains(&id.to_string());
        self.owed.retain(|entry| !is_written(entry.id()));
        for record in std::mem::take(&mut self.doubtful) {
            if is_written(record.id) {
                self.take_back(record, DOUBTED);
            }
        }
    }

    /// The oldest, as many as go into one transaction.
    pub(super) fn take(&mut self) -> Option<Vec<Entry>> {
        let count = self.owed.len().min(BATCH);
        (count > 0).then(|| self.owed.drain(..count).collect())
    }

    /// They could not be written.
    pub(super) fn put_back(&mut self, entries: Vec<Entry>) {
        self.owed.splice(..0, entries);
    }

    /// Nothing is written any more.
    pub(super) fn give_up(&self) {
        for entry in &self.owed {
            match entry.about() {
                Some(id) => tracing::error!("could not write that decision {id} was not delivered"),
                None => tracing::error!("could not write entry {}", entry.id()),
            }
        }
    }
}
