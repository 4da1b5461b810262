//! An entry taken apart for the database.

use crate::ledger::Entry;
use crate::ledger::chain::Hash;
use crate::ledger::query::{column, terms};

use super::{StoreError, nanoseconds};

/// What is stored of one entry: its text, and the parts that filters ask for.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) id: String,
    pub(super) time: i64,
    pub(super) username: String,
    pub(super) namespace: String,
    pub(super) pod: String,
    /// Empty for an event.
    pub(super) answer: &'static str,
    pub(super) about: Option<String>,
    pub(super) json: String,
    pub(super) hash: Hash,
}

impl Row {
    /// `entry` already has its place in the sequence, after the entry with the hash `before`.
    pub(super) fn new(entry: &Entry, before: Hash) -> Result<Self, StoreError> {
        let json = entry.to_json().map_err(StoreError::Json)?;
        let (namespace, pod) = entry.pod();
        Ok(Self {
            sequence: i64::try_from(entry.sequence()).unwrap_or(i64::MAX),
            id: entry.id().to_string(),
            time: nanoseconds(entry.time()),
            username: column(entry.username()).into_owned(),
            namespace: column(namespace).into_owned(),
            pod: column(pod).into_owned(),
            answer: entry.answer().map_or("", |answer| answer.as_str()),
            about: entry.about().map(|id| id.to_string()),
            hash: before.then(json.as_bytes()),
            json,
        })
    }
}

/// Records of one writer in a row that the index of terms takes as one.
pub(super) const BLOCK: i64 = 256;

/// What is to be written in one transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    /// The block that is complete with these rows.
    pub(super) block: Option<Block>,
    /// Ids of the inbox that these rows take up.
    pub(super) absorbed: Vec<String>,
}

/// A block of rows, complete or not.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) oldest: i64,
    pub(super) newest: i64,
    pub(super) terms: std::collections::BTreeSet<String>,
}

impl Block {
    /// One that begins with this entry.
    fn new(sequence: i64, time: i64) -> Self {
        let (first, last, oldest, newest) = (sequence, sequence, time, time);
        Self { first, last, oldest, newest, terms: std::collections::BTreeSet::new() }
    }

    /// Adds an entry to the block that is open; gives the block back once it is complete.
    pub(super) fn add(open: &mut Option<Self>, entry: &Entry) -> Option<Self> {
        let sequence = i64::try_from(entry.sequence()).unwrap_or(i64::MAX);
        let time = nanoseconds(entry.time());
        let block = open.get_or_insert_with(|| Self::new(sequence, time));
        block.last = sequence;
        block.oldest = block.oldest.min(time);
        block.newest = block.newest.max(time);
        if let Entry::Decision(record) = entry {
            block.terms.extend(terms(record));
        }
        if sequence % BLOCK == 0 { open.take() } else { None }
    }
}
