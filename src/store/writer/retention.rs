//! What is old enough to be dropped.
//!
//! That is told by checkpoints alone, by what is signed in them: whoever can write into the
//! database must not be able to have history dropped, and that signed.

use jiff::{SignedDuration, Timestamp};

use super::super::StoreError;
use super::upkeep::{self, CHECKPOINTS};
use super::{Destination, Keep};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::event::{Event, What};
use crate::ledger::hold::held;
use crate::ledger::note::VerifyingKey;

/// Fewer entries are not dropped at once: that something is dropped is an entry too, and where
/// nothing else is written, each would drive out the next until there are no others.
const WORTHWHILE: u64 = 64;
/// Unless the oldest should have gone so long ago.
const OVERDUE: SignedDuration = SignedDuration::from_hours(24);

/// Beyond what need not be kept. Any of them is enough.
struct Beyond {
    /// What was signed before.
    time: Timestamp,
    /// About so many entries at most.
    entries: Option<u64>,
    /// About so many bytes at most.
    bytes: Option<u64>,
}

impl Beyond {
    /// Of so many entries and bytes.
    fn new(keep: Keep, entries: u64, bytes: u64) -> Self {
        let oldest = keep.age.and_then(|age| Timestamp::now().checked_sub(age).ok());
        Self {
            time: oldest.unwrap_or(Timestamp::MIN),
            entries: keep.entries.and_then(|keep| entries.checked_sub(keep)),
            bytes: keep.bytes.and_then(|keep| bytes.checked_sub(keep)),
        }
    }

    fn has(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.time < self.time
            || self.entries.is_some_and(|most| checkpoint.size <= most)
            || self.bytes.is_some_and(|most| checkpoint.bytes.unwrap_or(0) <= most)
    }
}

/// Up to where everything below `end` is to go, and what is to be written first; nothing where all
/// is kept. The writer has written so many bytes, and believes these keys.
pub(super) async fn end<D: Destination>(
    destination: &mut D,
    keep: Keep,
    (end, bytes): (i64, u64),
    trusted: &[VerifyingKey],
) -> Result<Option<(i64, What)>, StoreError> {
    let beyond = Beyond::new(keep, end.unsigned_abs(), bytes);
    let is_beyond =
        |note: &str| Checkpoint::unverified(note).ok().filter(|checkpoint| beyond.has(checkpoint));
    let Some(first) = upkeep::first(destination).await? else { return Ok(None) };
    // Mostly the oldest is not.
    let oldest = upkeep::checkpoints(destination, first, end, 1).await?;
    let Some(oldest) = oldest.first().and_then(|(_, note)| is_beyond(note)) else {
        return Ok(None);
    };
    let few = upkeep::checkpoints(destination, first, end, CHECKPOINTS).await?;
    let last = few.into_iter().rev().find_map(|(size, note)| Some((size, is_beyond(&note)?, note)));
    let Some((through, checkpoint, note)) = last else { return Ok(None) };
    let is_overdue = oldest.time.checked_add(OVERDUE).is_ok_and(|due| due < beyond.time);
    if checkpoint.size.saturating_sub(first.unsigned_abs()) < WORTHWHILE && !is_overdue {
        return Ok(None);
    }
    let is_ours = checkpoint.writer == destination.writer()
        && checkpoint.size == through.unsigned_abs()
        && Checkpoint::verify(&note, trusted).is_ok();
    if !is_ours {
        tracing::warn!(
            "Nothing is dropped: the checkpoint about {through} records, beyond what is kept, is \
             not one that this server's keys have signed"
        );
        return Ok(None);
    }
    let holds = upkeep::holds(destination).await?;
    let holds: Result<Vec<Event>, _> = holds.iter().map(|it| serde_json::from_str(it)).collect();
    // What cannot be read may be a hold.
    if holds.map_or(true, |events| !held(events).is_empty()) {
        return Ok(None);
    }
    let reason = if checkpoint.time < beyond.time { "age" } else { "size" }.to_owned();
    let what = What::Dropped { through: checkpoint.size, checkpoint: note, reason };
    Ok(Some((through, what)))
}
