//! A record taken apart for the database.

use crate::ledger::{Injection, Record};

use super::{StoreError, nanoseconds};

/// What is stored of one record: its text, and the parts that filters ask for.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) id: String,
    pub(super) time: i64,
    pub(super) username: String,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) answer: &'static str,
    pub(super) amends: Option<String>,
    pub(super) images: Vec<String>,
    pub(super) json: String,
}

impl Row {
    /// `record` already has its place in the sequence.
    pub(super) fn new(record: &Record, sequence: i64) -> Result<Self, StoreError> {
        let mut images: Vec<_> =
            record.injections.iter().flat_map(Injection::image_names).collect();
        images.sort_unstable();
        images.dedup();
        Ok(Self {
            sequence,
            id: record.id.to_string(),
            time: nanoseconds(record.time),
            username: record.requester.username.clone(),
            namespace: record.namespace.clone(),
            pod: record.pod.name.clone(),
            answer: record.answer.as_str(),
            amends: record.amends.map(|id| id.to_string()),
            images,
            json: record.to_json().map_err(StoreError::Json)?,
        })
    }
}
