//! `postern audit prove`

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::verify::followed;
use super::{CANDIDATES, Source, note};
use crate::cli::{Outcome, print};
use crate::ledger::chain::Hash;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::note::VerifyingKey;
use crate::ledger::tree::{Frontier, Prover, is_included};
use crate::ledger::verify::StoredCheckpoint;
use crate::store::{AnyLedger, PAGE, Stored};

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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
        let checkpoint = Checkpoint::verify(&self.checkpoint, &trusted)
            .map_err(|error| format!("the checkpoint: {error}"))?;
        let hashes: Option<Vec<_>> = self.hashes.iter().map(|hash| Hash::from_hex(hash)).collect();
        let hashes = hashes.ok_or("the hashes are not hashes")?;
        let Checkpoint { size, root, .. } = checkpoint;
        if is_included(self.record.as_bytes(), self.index, size, root, &hashes) {
            Ok(checkpoint)
        } else {
            Err("the record is not among those about which the checkpoint was signed".to_owned())
        }
    }
}

impl Prove {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let ledger = self.source.open().await?;
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
    let checkpoints = ledger.signed(&writer).await?;
    let Some(checkpoint) = checkpoints.last().filter(|last| last.size >= sequence) else {
        note("no checkpoint was signed since; try again in a minute");
        return Ok(Outcome::No);
    };
    match gather(ledger, &writer, sequence, checkpoint, &checkpoints).await? {
        Some(hashes) => {
            let proof = Proof {
                record: stored.json.clone(),
                index: sequence - 1,
                checkpoint: checkpoint.note.clone(),
                rotations: ledger.rotations(&writer).await?,
                hashes: hashes.iter().map(Hash::to_string).collect(),
            };
            print(&format!("{}\n", serde_json::to_string_pretty(&proof)?))?;
            Ok(Outcome::Done)
        }
        None => {
            note("records of this ledger are missing; `postern audit verify` says which");
            Ok(Outcome::No)
        }
    }
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

/// The hashes, from all records of the writer; nothing where some are missing.
async fn gather(
    ledger: &AnyLedger,
    writer: &str,
    sequence: u64,
    checkpoint: &StoredCheckpoint,
    checkpoints: &[StoredCheckpoint],
) -> anyhow::Result<Option<Vec<Hash>>> {
    let Some(mut prover) = Prover::new(sequence - 1, checkpoint.size) else { return Ok(None) };
    let mut progress = Progress::new(writer, checkpoint.size);
    let mut after = 0;
    while after < checkpoint.size {
        let page = ledger.links(writer, after, PAGE).await?;
        for link in page.iter() {
            let link = link?;
            if link.sequence > checkpoint.size {
                // Beyond the tree, whose last records may be missing.
                return Ok(prover.finish());
            }
            if link.sequence != after + 1 {
                // What was dropped is stood for by the checkpoint about it.
                let dropped = checkpoints.iter().find(|it| it.size + 1 == link.sequence);
                let base = dropped.and_then(|it| Frontier::from_bytes(it.size, &it.frontier));
                match base {
                    Some(base) if after == 0 => prover.pass(&base),
                    _ => return Ok(None),
                }
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
