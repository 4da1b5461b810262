//! An entry taken apart for the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::ser::Error as _;

use crate::ledger::Entry;
use crate::ledger::chain::Hash;
use crate::ledger::query::{column, terms};

use super::{StoreError, nanoseconds};

/// What is stored of one entry: its text, and the parts that filters ask for.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) id: Arc<str>,
    pub(super) time: i64,
    pub(super) username: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) pod: Arc<str>,
    /// Empty for an event.
    pub(super) answer: Arc<str>,
    pub(super) about: Option<Arc<str>>,
    pub(super) json: String,
    pub(super) hash: Hash,
}

/// A row that has no place in the sequence yet. Whoever waits for it makes it: the one task that
/// writes, for which everybody waits, has only its number and its hash left to fill in.
#[derive(Debug)]
pub(super) struct Draft {
    row: Row,
    /// Where its number goes in its text.
    gap: usize,
    terms: BTreeSet<String>,
}

/// What stands before the number. No string holds it: there its quotes would be escaped.
const NUMBER: &str = r#","sequence":"#;
/// The number that every text is made with.
const UNPLACED: &str = "0";

impl Draft {
    pub(super) fn new(entry: &mut Entry, writer: &str) -> Result<Self, StoreError> {
        entry.place(writer, 0);
        let mut json = entry.to_json().map_err(StoreError::Json)?;
        let gap = json.find(NUMBER).ok_or_else(unplaceable)? + NUMBER.len();
        json.replace_range(gap..gap + UNPLACED.len(), "");
        let (namespace, pod) = entry.pod();
        let row = Row {
            sequence: 0,
            id: entry.id().to_string().into(),
            time: nanoseconds(entry.time()),
            username: column(entry.username()).into(),
            namespace: column(namespace).into(),
            pod: column(pod).into(),
            answer: entry.answer().map_or("", |answer| answer.as_str()).into(),
            about: entry.about().map(|id| id.to_string().into()),
            hash: Hash::NOTHING,
            json,
        };
        Ok(Self { row, gap, terms: indexed_as(entry) })
    }

    pub(super) fn time(&self) -> i64 {
        self.row.time
    }

    /// Gives it its place, after the entry with the hash `before`; its terms come along.
    pub(super) fn place(self, sequence: i64, before: Hash) -> (Row, BTreeSet<String>) {
        let Self { mut row, gap, terms } = self;
        row.sequence = sequence;
        row.json.insert_str(gap, &sequence.to_string());
        row.hash = before.then(row.json.as_bytes());
        (row, terms)
    }
}

fn unplaceable() -> StoreError {
    StoreError::Json(serde_json::Error::custom("an entry without a place for its number"))
}

/// What an entry is indexed under; an event under nothing.
pub(super) fn indexed_as(entry: &Entry) -> BTreeSet<String> {
    match entry {
        Entry::Decision(record) => terms(record),
        Entry::Event(_) => BTreeSet::new(),
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
    pub(super) terms: BTreeSet<String>,
}

impl Block {
    /// One that begins with this entry.
    fn new(sequence: i64, time: i64) -> Self {
        let (first, last, oldest, newest) = (sequence, sequence, time, time);
        Self { first, last, oldest, newest, terms: BTreeSet::new() }
    }

    /// Adds an entry to the block that is open; gives the block back once it is complete.
    pub(super) fn add(
        open: &mut Option<Self>,
        sequence: i64,
        time: i64,
        terms: BTreeSet<String>,
    ) -> Option<Self> {
        let block = open.get_or_insert_with(|| Self::new(sequence, time));
        block.last = sequence;
        block.oldest = block.oldest.min(time);
        block.newest = block.newest.max(time);
        block.terms.extend(terms);
        if sequence % BLOCK == 0 { open.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::Record;
    use crate::ledger::event::{Event, What};

    fn record(text: &str) -> Record {
        serde_json::from_value(serde_json::json!({
            "id": uuid::Uuid::now_v7(), "time": "2026-01-01T08:00:00Z", "cluster": text,
            "writer": "", "sequence": 7, "reviewUid": text, "phase": "Validate", "surface": "",
            "operation": "", "requester": {"username": text}, "namespace": text,
            "pod": {"name": text}, "injections": [], "injectionsTotal": 0, "verdict": "Allowed",
            "answer": "Allowed", "enforcement": "Enforce", "findings": [],
            "timings": {"judgeUs": 1},
        }))
        .unwrap()
    }

    /// Whatever an attacker calls a cluster, a person or a pod.
    fn hostile() -> impl Strategy<Value = String> {
        const PARTS: &[&str] = &[r#"","sequence":0"#, r#"\","sequence":"#, "\u{9b}", "…", "0", "a"];
        proptest::collection::vec(proptest::sample::select(PARTS), 0..6)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn a_draft_becomes_what_the_entry_is_at_its_place(
            text in hostile(),
            sequence in 1..i64::MAX,
            is_decision in any::<bool>(),
        ) {
            let stopped = || Event::now(&text, What::Stopped {});
            let mut entry: Entry =
                if is_decision { record(&text).into() } else { stopped().into() };
            let draft = Draft::new(&mut entry, "w").unwrap();
            let (row, terms) = draft.place(sequence, Hash::of(b"before"));
            entry.place("w", sequence.unsigned_abs());
            prop_assert_eq!(&row.json, &entry.to_json().unwrap());
            prop_assert_eq!(row.sequence, sequence);
            prop_assert_eq!(row.hash, Hash::of(b"before").then(row.json.as_bytes()));
            prop_assert_eq!(terms.is_empty(), !is_decision);
        }
    }
}
