//! What can be wrong with a chain, in words.

use std::fmt;

use jiff::Timestamp;

use crate::ledger::note::NoteError;
use crate::policy::text::Quoted;

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// At this place of the sequence.
    pub sequence: u64,
    /// What it is.
    pub kind: FaultKind,
}

/// What can be wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum FaultKind {
    Missing { until: u64 },
    OutOfOrder,
    NoHash,
    WrongHash,
    Unreadable,
    Elsewhere,
    Column { name: &'static str },
    Root { time: Timestamp },
    Chain { time: Timestamp },
    Frontier,
    Note { size: u64, error: NoteError },
    OtherWriter { writer: String },
    Truncated { size: u64, time: Timestamp },
    NotDropped { until: u64 },
    Leftover,
    Unsigned,
    Newest { error: NoteError },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.sequence;
        match &self.kind {
            FaultKind::Missing { until } if *until > at => {
                write!(f, "records {at} to {until} are missing")
            }
            FaultKind::Missing { .. } => write!(f, "record {at} is missing"),
            FaultKind::OutOfOrder => write!(f, "record {at} is there twice"),
            FaultKind::NoHash => write!(f, "record {at} has no hash"),
            FaultKind::WrongHash => write!(
                f,
                "record {at} is not what was written: its hash does not follow from its text and \
                 the record before"
            ),
            FaultKind::Unreadable => write!(f, "record {at} cannot be read"),
            FaultKind::Elsewhere => write!(f, "record {at} says that it belongs elsewhere"),
            FaultKind::Column { name } => write!(
                f,
                "the column `{name}` of record {at} says something else than the record, so filters \
                 may pass it by"
            ),
            FaultKind::Root { time } => write!(
                f,
                "the first {at} records are not those about which the checkpoint of {time} was signed"
            ),
            FaultKind::Chain { time } => {
                write!(f, "record {at} is not the one that the checkpoint of {time} names as last")
            }
            FaultKind::Frontier => write!(
                f,
                "what is kept of the tree with the checkpoint of {at} records (`frontier`) is not \
                 what was signed, so nothing can go on from there"
            ),
            FaultKind::Note { size, error } => {
                write!(f, "a checkpoint of {size} records is not one: {error}")
            }
            FaultKind::OtherWriter { writer } => {
                write!(f, "a checkpoint is about another writer: {}", Quoted(writer))
            }
            FaultKind::Truncated { size, time } => write!(
                f,
                "records {at} to {size} are missing: the checkpoint of {time} counts {size}"
            ),
            FaultKind::NotDropped { until } => {
                write!(
                    f,
                    "records 1 to {until} are missing, and no record says that they were dropped"
                )
            }
            FaultKind::Leftover => write!(
                f,
                "record {at} is among those that were dropped, and does not fit to what is left of them"
            ),
            FaultKind::Unsigned => {
                write!(f, "no checkpoint at all speaks for the {at} records that are there")
            }
            FaultKind::Newest { error } => {
                write!(f, "the newest checkpoint, of {at} records, cannot be trusted: {error}")
            }
        }
    }
}
