//! What lies beside an exported file and says what is in it.
//!
//! The hash of the file finds a change. The hash of the stored texts is the same for every format
//! of the same records, so that two exports, or an export and the ledger, can be compared.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Format, Item, csv};
use crate::ledger::Outcome;
use crate::ledger::chain::Hash;
use crate::ledger::entry::Entry;
use crate::ledger::event::Person;
use crate::ledger::query::Query;

/// What this is, and in which version.
const KIND: &str = "dev.postern.export.v1";

/// What is known of an exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "what `--manifest` of `postern audit export` writes"
)]
pub struct Manifest {
    /// `dev.postern.export.v1`
    pub kind: String,
    /// What the file is written in.
    pub format: Format,
    /// What was asked for.
    pub filter: Filter,
    /// How many records are in it.
    pub count: u64,
    /// The first of them; nothing where there are none.
    pub newest: Option<Position>,
    /// The last of them.
    pub oldest: Option<Position>,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// SHA-256 of the stored texts one after the other, newest first, with nothing between.
    pub records_sha256: String,
    /// When it was written.
    pub time: Timestamp,
    /// By whom.
    pub by: Person,
    /// The newest checkpoint of each writer at that time: signed notes.
    pub checkpoints: BTreeMap<String, String>,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// Its id.
    pub id: Uuid,
    /// Its time.
    pub time: Timestamp,
    /// Who wrote it.
    pub writer: String,
    /// Its place in the writer's sequence.
    pub sequence: u64,
}

impl Position {
    fn of(entry: &Entry) -> Self {
        Self {
            id: entry.id(),
            time: entry.time(),
            writer: entry.writer().to_owned(),
            sequence: entry.sequence(),
        }
    }

    /// As a table has it in [`csv::PLACE`].
    fn cells(&self) -> Vec<String> {
        let Self { id, time, writer, sequence } = self;
        let texts = [id.to_string(), time.to_string(), writer.clone(), sequence.to_string()];
        texts.iter().map(|text| csv::cell(text)).collect()
    }
}

/// A query without its paging. What was not asked for is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the part of a query of the same name")]
pub struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Outcome>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<&Query> for Filter {
    fn from(query: &Query) -> Self {
        let Query { since, until, user, group, namespace, pod, image, .. } = query.clone();
        let Query { policy, constraint, answer, differs, privileged, reason, .. } = query.clone();
        Self {
            since,
            until,
            user,
            group,
            namespace,
            pod,
            image,
            policy,
            constraint,
            answer,
            differs,
            privileged,
            reason,
        }
    }
}

/// What is counted while a file is written.
#[derive(Debug)]
pub struct Tally {
    format: Format,
    filter: Filter,
    count: u64,
    newest: Option<Position>,
    oldest: Option<Position>,
    bytes: u64,
    file: Sha256,
    texts: Sha256,
}

impl Tally {
    /// Of a file that is empty so far.
    #[must_use]
    pub fn new(format: Format, query: &Query) -> Self {
        Self {
            format,
            filter: query.into(),
            count: 0,
            newest: None,
            oldest: None,
            bytes: 0,
            file: Sha256::new(),
            texts: Sha256::new(),
        }
    }

    /// What the file is written in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// This was written, and is no record.
    pub fn add_text(&mut self, written: &str) {
        self.bytes += written.len() as u64;
        self.file.update(written);
    }

    /// This was written, and is that record.
    pub fn add(&mut self, item: &Item<'_>, written: &str) {
        self.add_text(written);
        self.texts.update(item.json);
        self.count += 1;
        let position = Position::of(item.entry);
        self.newest.get_or_insert_with(|| position.clone());
        self.oldest = Some(position);
    }

    /// How many records were written.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Of the file as it is now.
    #[must_use]
    pub fn manifest(self, by: Person, checkpoints: BTreeMap<String, String>) -> Manifest {
        let Self { format, filter, count, newest, oldest, bytes, file, texts } = self;
        Manifest {
            kind: KIND.to_owned(),
            format,
            filter,
            count,
            newest,
            oldest,
            bytes,
            sha256: Hash(file.finalize().into()).to_string(),
            records_sha256: Hash(texts.finalize().into()).to_string(),
            time: Timestamp::now(),
            by,
            checkpoints,
        }
    }
}

/// What [`check`] found of a file that is as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was said of it.
    pub manifest: Manifest,
    /// What it says of the records that the file does not tell, so that it was not compared: a
    /// table has no stored texts.
    pub not_compared: Vec<&'static str>,
}

/// Why a file is not the one that a manifest speaks of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum CheckError {
    #[error("it is not a manifest of an export: {0}")]
    NotAManifest(String),
    #[error("the file has {found} bytes, its manifest says {said}")]
    Length { said: u64, found: u64 },
    #[error("the file is not the one that was exported: its SHA-256 is {found}, not {said}")]
    Changed { said: String, found: Hash },
    #[error("record {0} of the file cannot be read")]
    Unreadable(usize),
    #[error("the file has {found} records, its manifest says {said}")]
    Count { said: u64, found: u64 },
    #[error("the records are not those that the manifest speaks of: their SHA-256 is {found}")]
    Records { found: Hash },
    #[error("the newest or oldest record is another one than the manifest says")]
    Ends,
}

/// Holds an exported file to its manifest.
///
/// A manifest is not signed: whoever can change it can change both. What they cannot change is
/// what the ledger's own record of the export says, and what its checkpoints say of the ledger.
///
/// # Errors
///
/// They do not belong together.
pub fn check(manifest: &[u8], export: &[u8]) -> Result<Report, CheckError> {
    let manifest = read(manifest)?;
    let bytes = export.len() as u64;
    if bytes != manifest.bytes {
        return Err(CheckError::Length { said: manifest.bytes, found: bytes });
    }
    let found = Hash::of(export);
    if found.to_string() != manifest.sha256 {
        return Err(CheckError::Changed { said: manifest.sha256, found });
    }
    let not_compared = match texts(manifest.format, export)? {
        Some(texts) => {
            check_texts(&manifest, &texts)?;
            Vec::new()
        }
        None => check_rows(&manifest, export)?,
    };
    Ok(Report { manifest, not_compared })
}

fn read(manifest: &[u8]) -> Result<Manifest, CheckError> {
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|error| CheckError::NotAManifest(error.to_string()))?;
    if manifest.kind != KIND {
        return Err(CheckError::NotAManifest(format!("its kind is not `{KIND}`")));
    }
    Ok(manifest)
}

fn check_count(manifest: &Manifest, found: u64) -> Result<(), CheckError> {
    if found == manifest.count {
        Ok(())
    } else {
        Err(CheckError::Count { said: manifest.count, found })
    }
}

/// What of the manifest was not compared.
fn check_rows(manifest: &Manifest, table: &[u8]) -> Result<Vec<&'static str>, CheckError> {
    let csv::Rows { count, ends } = csv::rows(table).ok_or(CheckError::Unreadable(1))?;
    check_count(manifest, count)?;
    let Some(ends) = ends else { return Ok(vec!["newest", "oldest", "recordsSha256"]) };
    let said = [&manifest.newest, &manifest.oldest].map(|end| end.as_ref().map(Position::cells));
    if ends == said { Ok(vec!["recordsSha256"]) } else { Err(CheckError::Ends) }
}

fn check_texts(manifest: &Manifest, texts: &[String]) -> Result<(), CheckError> {
    check_count(manifest, texts.len() as u64)?;
    let hash = texts.iter().fold(Sha256::new(), |hash, text| hash.chain_update(text));
    let found = Hash(hash.finalize().into());
    if found.to_string() != manifest.records_sha256 {
        return Err(CheckError::Records { found });
    }
    let position =
        |text: &String| serde_json::from_str::<Entry>(text).map(|entry| Position::of(&entry)).ok();
    let ends = (texts.first().and_then(position), texts.last().and_then(position));
    if ends == (manifest.newest.clone(), manifest.oldest.clone()) {
        Ok(())
    } else {
        Err(CheckError::Ends)
    }
}

/// The stored texts; nothing for a format that does not carry them.
fn texts(format: Format, export: &[u8]) -> Result<Option<Vec<String>>, CheckError> {
    let text: fn(&str) -> Option<String> = match format {
        Format::Csv => return Ok(None),
        Format::Jsonl => |line| Some(line.to_owned()),
        Format::Ocsf => |line| serde_json::from_str(line).ok().map(|event: Ocsf| event.raw_data),
        Format::Ecs => {
            |line| serde_json::from_str(line).ok().map(|document: Ecs| document.event.original)
        }
        Format::CloudEvents => |line| {
            let event: CloudEvent = serde_json::from_str(line).ok()?;
            Some(event.data.get().to_owned())
        },
    };
    let lines = std::str::from_utf8(export).map_err(|_| CheckError::Unreadable(1))?.lines();
    let read =
        (1..).zip(lines).map(|(number, line)| text(line).ok_or(CheckError::Unreadable(number)));
    read.collect::<Result<_, _>>().map(Some)
}

#[derive(Deserialize)]
struct Ocsf {
    raw_data: String,
}

#[derive(Deserialize)]
struct Ecs {
    event: EcsEvent,
}

#[derive(Deserialize)]
struct EcsEvent {
    original: String,
}

#[derive(Deserialize)]
struct CloudEvent {
    data: Box<serde_json::value::RawValue>,
}

#[cfg(test)]
mod tests;
