//! Entries in the formats of other programs.
//!
//! [`Format::text`] is pure: it says what the entry says, in the words of the format. What a format
//! has no place for is left out, and where that is a whole entry there is no text.

pub mod manifest;

mod cloud_events;
mod csv;
mod ecs;
mod ocsf;
#[cfg(test)]
mod testing;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chain::Hash;
use super::entry::Entry;
use super::json::printable;
use super::{Finding, Outcome, Policy, Record};

/// A format that entries can be written in. Its texts one after the other are a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The stored texts, unchanged, a line each.
    Jsonl,
    /// A table with a row for each decision.
    Csv,
    /// API Activity of the Open Cybersecurity Schema Framework; decisions only.
    Ocsf,
    /// The Elastic Common Schema.
    Ecs,
    /// CloudEvents in their JSON format, with the stored text as `data`.
    CloudEvents,
}

/// Why an entry cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Whoever wrote this was no server of ours.
    #[error("its text is not one line; `postern audit verify` says what is wrong with the ledger")]
    NotOneLine,
    /// None that is known of: nothing here has keys that are not strings.
    #[error("it cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// None that is known of: rows are written to memory, and are all of one length.
    #[error("it cannot be written as a row of a table: {0}")]
    Row(String),
}

/// An entry, with what is known of it besides.
#[derive(Debug)]
pub struct Item<'a> {
    entry: &'a Entry,
    /// As stored.
    json: &'a str,
    chain: Option<Hash>,
}

impl<'a> Item<'a> {
    /// `json` is the text of `entry` as stored, `chain` its hash in its writer's chain.
    ///
    /// # Errors
    ///
    /// The text has a line break in it.
    pub fn new(entry: &'a Entry, json: &'a str, chain: Option<Hash>) -> Result<Self, ExportError> {
        if json.contains(['\n', '\r']) {
            return Err(ExportError::NotOneLine);
        }
        Ok(Self { entry, json, chain })
    }

    fn chain(&self) -> Option<String> {
        self.chain.map(|hash| hash.to_string())
    }
}

impl Format {
    /// What a file begins with.
    ///
    /// # Errors
    ///
    /// None that is known of.
    pub fn head(self) -> Result<String, ExportError> {
        match self {
            Self::Csv => csv::head(),
            Self::Jsonl | Self::Ocsf | Self::Ecs | Self::CloudEvents => Ok(String::new()),
        }
    }

    /// The entry, with the line break after it; nothing if the format has no place for it.
    ///
    /// # Errors
    ///
    /// None that is known of.
    pub fn text(self, item: &Item<'_>) -> Result<Option<String>, ExportError> {
        match (self, item.entry) {
            (Self::Jsonl, _) => Ok(Some(format!("{}\n", item.json))),
            (Self::Csv, Entry::Decision(record)) => csv::row(record, item).map(Some),
            (Self::Ocsf, Entry::Decision(record)) => line(ocsf::event(record, item)).map(Some),
            (Self::Csv | Self::Ocsf, Entry::Event(_)) => Ok(None),
            (Self::Ecs, _) => line(ecs::document(item)).map(Some),
            (Self::CloudEvents, _) => cloud_events::event(item).map(Some),
        }
    }
}

/// One line, without what says nothing.
fn line(mut json: Value) -> Result<String, ExportError> {
    strip(&mut json);
    let text = serde_json::to_string(&json).map_err(ExportError::Json)?;
    Ok(format!("{}\n", printable(&text)))
}

/// Takes out what is empty; returns whether nothing is left.
fn strip(json: &mut Value) -> bool {
    match json {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => {
            items.retain_mut(|item| !strip(item));
            items.is_empty()
        }
        Value::Object(fields) => {
            fields.retain(|_, field| !strip(field));
            fields.is_empty()
        }
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The policy on which the answer rests: the first that objected, or the Permit of the first
/// container.
fn deciding(record: &Record) -> Option<&Policy> {
    let objection = || record.findings.iter().find_map(|finding| finding.policy.as_ref());
    let permit = || record.injections.iter().find_map(|it| it.permitted_by.as_ref());
    match record.verdict {
        Outcome::Allowed => permit(),
        Outcome::Refused => objection(),
    }
}

/// The sentence of every finding.
fn reasons(record: &Record) -> String {
    let sentence = |finding: &Finding| match finding.container.as_str() {
        "" => format!("{} ({})", finding.message, finding.constraint),
        name => format!("{name}: {} ({})", finding.message, finding.constraint),
    };
    record.findings.iter().map(sentence).collect::<Vec<_>>().join("\n")
}

/// The decision in one sentence.
fn summary(record: &Record) -> String {
    let count: Cow<'_, str> = match record.injections_total {
        1 => "a debug container".into(),
        total => format!("{total} debug containers").into(),
    };
    let answer = match record.answer {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
    };
    let Record { requester, namespace, pod, .. } = record;
    format!("{count} in {namespace}/{} for {}: {answer}", pod.name, requester.username)
}

#[cfg(test)]
mod tests {
    use super::testing::{STORED, decision, event, hostile};
    use super::{ExportError, Format, Item};
    use crate::policy::text::is_plain;

    #[test]
    fn json_lines_are_the_stored_texts_unchanged() {
        for entry in [decision(), hostile(), event()] {
            let json = entry.to_json().unwrap();
            let item = Item::new(&entry, &json, None).unwrap();
            assert_eq!(Format::Jsonl.text(&item).unwrap(), Some(format!("{json}\n")));
        }
    }

    #[test]
    fn a_text_that_is_not_one_line_is_none_of_ours() {
        let entry = decision();
        for json in ["{\n}", "{\r}"] {
            let item = Item::new(&entry, json, None);
            assert!(matches!(item, Err(ExportError::NotOneLine)), "{json:?}");
        }
    }

    #[test]
    fn events_are_left_out_where_there_is_no_place_for_them() {
        let entry = event();
        let json = entry.to_json().unwrap();
        let item = Item::new(&entry, &json, None).unwrap();
        let has_place = STORED.map(|format| format.text(&item).unwrap().is_some());
        assert_eq!(has_place, [true, false, false, true, true]);
    }

    /// Whoever may debug pods can choose these texts.
    #[test]
    fn hostile_text_stays_on_its_line_and_cannot_move_a_cursor() {
        let entry = hostile();
        let json = entry.to_json().unwrap();
        let item = Item::new(&entry, &json, None).unwrap();
        for format in STORED {
            let text = format.text(&item).unwrap().unwrap();
            let breaks = ['\n', '\r'];
            let raw = text.chars().find(|&it| !breaks.contains(&it) && !is_plain(it));
            assert_eq!(raw, None, "{format:?}: {text}");
            if format != Format::Csv {
                assert_eq!(text.lines().count(), 1, "{format:?}");
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
    }
}
