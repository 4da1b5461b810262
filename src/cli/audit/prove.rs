//! `postern audit prove`

use serde::{Deserialize, Serialize};

use super::offline::distrust;
use super::progress::Progress;
use super::verify::followed;
use super::{CANDIDATES, Source, note};
use crate::cli::{Outcome, print};
use crate::ledger::chain::Hash;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::json::printable;
use crate::ledger::note::VerifyingKey;
use crate::ledger::port::Journal;
use crate::ledger::tree::{Frontier, Prover, is_included};
use crate::ledger::verify::StoredCheckpoint;
use crate::store::{AnyLedger, PAGE, Stored};

/// How often it is begun anew because records were dropped meanwhile.
const ATTEMPTS: usize = 5;

/// Print a proof that one record is in the ledger, to be checked without it
///
/// The proof holds the record, a signed checkpoint, and the few hashes that lead from one to the
/// other; `postern audit verify --proof FILE` checks it.
#[derive(Debug, clap::Args)]
pub(super) struct Prove {
    /// The decision's id, or its first 8 or more digits
    #[arg(value_name = "ID")]
    id: IdPrefix,
    #[command(flatten)]
    source: Source,
}

/// That a record is one of those about which a checkpoint was signed (RFC 6962, section 2.1.1).
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "what `postern audit prove` prints"
)]
pub(super) struct Proof {
    /// The text of the record, exactly as stored.
    pub(super) record: String,
    /// Its place among the records, from 0.
    pub(super) index: u64,
    /// The signed note.
    pub(super) checkpoint: String,
    /// The notes in which the keys before handed over to the one that signed it.
    #[serde(default)]
    pub(super) rotations: Vec<String>,
    /// The hashes on the way from the record to the head of the tree, in hexadecimal.
    pub(super) hashes: Vec<String>,
}

impl Proof {
    /// The checkpoint that confirms the record, or why none does.
    pub(super) fn check(&self, trusted: &[VerifyingKey]) -> Result<Checkpoint, String> {
        let trusted = followed(trusted, &self.rotations);
        let checkpoint = Checkpoint::verify(&self.checkpoint, &trusted).map_err(|error| {
            format!("the checkpoint: {}", distrust(&error, &self.checkpoint, &trusted))
        })?;
        let hashes: Option<Vec<_>> = self.hashes.iter().map(|hash| Hash::from_hex(hash)).collect();
        let hashes = hashes.ok_or("the hashes are not hashes")?;
        if self.leads_to(&checkpoint, &hashes) {
            Ok(checkpoint)
        } else {
            Err("the record is not among those about which the checkpoint was signed".to_owned())
        }
    }

    fn leads_to(&self, checkpoint: &Checkpoint, hashes: &[Hash]) -> bool {
        let Checkpoint { size, root, .. } = *checkpoint;
        is_included(self.record.as_bytes(), self.index, size, root, hashes)
    }
}

impl Prove {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let ledger = self.source.open_for_reading(format!("audit prove {}", self.id)).await?;
        let found = ledger.find(self.id, CANDIDATES).await?;
        let outcome = match found.as_slice() {
            [stored] => prove(&ledger, stored).await?,
            [] => {
                note("there is no such record in this ledger");
                Outcome::No
            }
            _ => {
                note("several records begin so; give more of the id");
                Outcome::No
            }
        };
        ledger.close().await;
        Ok(outcome)
    }
}

async fn prove(ledger: &AnyLedger, stored: &Stored) -> anyhow::Result<Outcome> {
    let (writer, sequence) = place(stored)?;
    for _ in 0..ATTEMPTS {
        let first = first(ledger, &writer).await?;
        let checkpoints = ledger.signed(&writer).await?;
        let Some(checkpoint) = checkpoints.last().filter(|last| last.size >= sequence) else {
            note("no checkpoint was signed since; try again in a minute");
            return Ok(Outcome::No);
        };
        let begin = begin(first, sequence, &checkpoints);
        if let Some(hashes) = gather(ledger, &writer, sequence, checkpoint, begin).await? {
            let proof = Proof {
                record: stored.json.clone(),
                index: sequence - 1,
                checkpoint: checkpoint.note.clone(),
                rotations: ledger.rotations(&writer).await?,
                hashes: hashes.iter().map(Hash::to_string).collect(),
            };
            let told = Checkpoint::unverified(&proof.checkpoint);
            if !told.is_ok_and(|told| proof.leads_to(&told, &hashes)) {
                note(
                    "what is in the ledger is not what was signed; `postern audit verify` says \
                     what is wrong",
                );
                return Ok(Outcome::No);
            }
            let proof = serde_json::to_string_pretty(&proof)?;
            print(&format!("{}\n", proof.lines().map(printable).collect::<Vec<_>>().join("\n")))?;
            return Ok(Outcome::Done);
        }
        // What was dropped meanwhile is not missing.
        let now = self::first(ledger, &writer).await?;
        if now == first {
            note("records of this ledger are missing; `postern audit verify` says which");
            return Ok(Outcome::No);
        }
        if now > sequence {
            note("the record was dropped meanwhile, as old ones are");
            return Ok(Outcome::No);
        }
    }
    note("old records are being dropped meanwhile; try again in a minute");
    Ok(Outcome::No)
}

/// The number of the first record that is there; 0 where none is.
async fn first(ledger: &AnyLedger, writer: &str) -> anyhow::Result<u64> {
    Ok(ledger.entries_after(writer, 0, 1).await?.first().map_or(0, |first| first.sequence))
}

/// What stands for the records before those that are there, or are being dropped.
fn begin(first: u64, sequence: u64, checkpoints: &[StoredCheckpoint]) -> Frontier {
    let mut able = checkpoints.iter().filter(|it| it.size + 1 >= first && it.size < sequence);
    let base = (first > 1).then(|| able.find_map(|it| Frontier::from_bytes(it.size, &it.frontier)));
    base.flatten().unwrap_or_default()
}

fn place(stored: &Stored) -> anyhow::Result<(String, u64)> {
    #[derive(Deserialize)]
    struct Place {
        writer: String,
        sequence: u64,
    }
    let Place { writer, sequence } = serde_json::from_str(&stored.json)?;
    Ok((writer, sequence.max(1)))
}

/// The hashes, from all records of the writer after those that `begin` stands for; nothing where some
/// are missing.
async fn gather(
    ledger: &AnyLedger,
    writer: &str,
    sequence: u64,
    checkpoint: &StoredCheckpoint,
    begin: Frontier,
) -> anyhow::Result<Option<Vec<Hash>>> {
    let Some(mut prover) = Prover::new(sequence - 1, checkpoint.size) else { return Ok(None) };
    let mut progress = Progress::new(writer, checkpoint.size);
    let mut after = begin.size();
    prover.pass(&begin);
    while after < checkpoint.size {
        let page = ledger.links(writer, after, PAGE).await?;
        for link in page.iter() {
            let link = link?;
            if link.sequence > checkpoint.size {
                // Beyond the tree, whose last records may be missing.
                return Ok(prover.finish());
            }
            if link.sequence != after + 1 {
                return Ok(None);
            }
            prover.push(link.json.as_bytes());
            after = link.sequence;
        }
        if page.is_empty() {
            break;
        }
        progress.at(after);
    }
    Ok(prover.finish())
}
