//! What is signed about a writer's entries.

use super::AnyLedger;
use super::read::Reader;
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::VerifyingKey;
use crate::ledger::verify::StoredCheckpoint;

impl AnyLedger {
    /// For how many of a writer's entries a checkpoint speaks that one of these keys signed, and
    /// that is about these very entries: whoever can write the database can put others there.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn attested(
        &self,
        writer: &str,
        trusted: &[VerifyingKey],
    ) -> Result<u64, LedgerError> {
        let Self::Stored(ledger) = self else { return Ok(0) };
        let reader = &ledger.reader;
        // Nearly always the newest is the one.
        let newest = reader.newest_checkpoint(writer).await?;
        if let Some(size) = newest_of(reader, writer, trusted, newest.as_slice()).await? {
            return Ok(size);
        }
        let all = reader.checkpoints(writer).await?;
        Ok(newest_of(reader, writer, trusted, &all).await?.unwrap_or(0))
    }
}

async fn newest_of(
    reader: &Reader,
    writer: &str,
    trusted: &[VerifyingKey],
    checkpoints: &[StoredCheckpoint],
) -> Result<Option<u64>, LedgerError> {
    for StoredCheckpoint { size, note, .. } in checkpoints.iter().rev() {
        let Ok(told) = Checkpoint::verify(note, trusted) else { continue };
        if told.is_about(writer, *size, reader.hash(writer, *size).await?) {
            return Ok(Some(*size));
        }
    }
    Ok(None)
}
