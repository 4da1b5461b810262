//! What is old enough to be dropped.
//!
//! That is told by checkpoints alone, by what is signed in them: whoever can write into the
//! database must not be able to have history dropped, and that signed.

use jiff::{SignedDuration, Timestamp};

use super::super::StoreError;
use super::upkeep::{self, CHECKPOINTS};
use super::{Destination, Keep};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::event::What;
use crate::ledger::note::VerifyingKey;

/// Fewer entries are not dropped at once: that something is dropped is an entry too, and where
/// nothing else is written, each would drive out the next until there are no others.
const WORTHWHILE: u64 = 64;
/// Unless they are this part of the bytes that are kept.
const PART: u64 = 16;
/// Or the oldest should have gone so long ago.
const OVERDUE: SignedDuration = SignedDuration::from_hours(24);
/// Checkpoints that are looked at each time: mostly none is beyond. More than one, because a clock
/// may have been wrong.
const FEW: i64 = 64;

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

    /// Those of these checkpoints that are about nothing else, each with its size and note. They
    /// are in order of size.
    fn of(&self, notes: Vec<(i64, String)>) -> Vec<(i64, Checkpoint, String)> {
        let now = Timestamp::now();
        let mut latest = Timestamp::MIN;
        let told = |(size, note): (i64, String)| {
            let checkpoint = Checkpoint::unverified(&note).ok()?;
            // A clock that was set back makes nothing old that was written before; one that was
            // ahead keeps nothing.
            let time = latest.max(checkpoint.time);
            if checkpoint.time <= now {
                latest = time;
            }
            self.has(&checkpoint, time).then_some((size, checkpoint, note))
        };
        notes.into_iter().filter_map(told).collect()
    }

    fn has(&self, checkpoint: &Checkpoint, time: Timestamp) -> bool {
        time < self.time
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
    let Some(first) = upkeep::first(destination).await? else { return Ok(None) };
    let few = upkeep::checkpoints(destination, first, end, FEW).await?;
    let Some((_, oldest, _)) = beyond.of(few).into_iter().next() else { return Ok(None) };
    let more = upkeep::checkpoints(destination, first, end, CHECKPOINTS).await?;
    let Some((through, checkpoint, note)) = beyond.of(more).pop() else { return Ok(None) };
    let is_overdue = oldest.time.checked_add(OVERDUE).is_ok_and(|due| due < beyond.time);
    let is_many = checkpoint.size.saturating_sub(first.unsigned_abs()) >= WORTHWHILE;
    if !is_many && !is_overdue && !is_long(destination, keep, first, &checkpoint).await? {
        return Ok(None);
    }
    let last = upkeep::hash(destination, through).await?;
    let is_ours = checkpoint.is_about(destination.writer(), through.unsigned_abs(), last)
        && Checkpoint::verify(&note, trusted).is_ok();
    if !is_ours {
        tracing::warn!(
            "Nothing is dropped: what stands as a checkpoint about {through} records, beyond what \
             is kept, is not about them or not signed by a key of this server"
        );
        return Ok(None);
    }
    if upkeep::is_held(destination).await? {
        return Ok(None);
    }
    let reason = if checkpoint.time < beyond.time { "age" } else { "size" }.to_owned();
    let what = What::Dropped { through: checkpoint.size, checkpoint: note, reason };
    Ok(Some((through, what)))
}

/// Whether the entries from `first` up to a checkpoint are much of the bytes that are kept.
async fn is_long<D: Destination>(
    destination: &mut D,
    keep: Keep,
    first: i64,
    checkpoint: &Checkpoint,
) -> Result<bool, StoreError> {
    let (Some(keep), Some(through)) = (keep.bytes, checkpoint.bytes) else { return Ok(false) };
    let before = upkeep::note_before(destination, first).await?;
    let before = before.and_then(|note| Checkpoint::unverified(&note).ok()?.bytes).unwrap_or(0);
    Ok(through.saturating_sub(before) >= keep / PART)
}
