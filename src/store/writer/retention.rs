//! What is old enough to be dropped.

use jiff::Timestamp;

use super::super::{StoreError, nanoseconds};
use super::upkeep::{self, Beyond};
use super::{Destination, Keep};
use crate::ledger::event::{Event, What};
use crate::ledger::hold::held;

impl Keep {
    /// What is beyond it, of so many entries and bytes.
    fn beyond(self, entries: i64, bytes: i64) -> Beyond {
        // Nothing has less than none, and nothing was before time began.
        let before = |most: Option<u64>, all: i64| {
            most.map_or(-1, |most| all.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX)))
        };
        let oldest = self.age.and_then(|age| Timestamp::now().checked_sub(age).ok());
        Beyond {
            older_than: oldest.map_or(i64::MIN, nanoseconds),
            entries: before(self.entries, entries),
            bytes: before(self.bytes, bytes),
        }
    }
}

/// Fewer entries are not dropped at once: that something is dropped is an entry too, and where
/// nothing else is written, each would drive out the next until there are no others.
const WORTHWHILE: i64 = 64;
/// Unless the oldest should have gone so long ago, in nanoseconds.
const OVERDUE: i64 = 24 * 3600 * 1_000_000_000;

/// Up to where everything below `end` is to go, and what is to be written first; nothing where all
/// is kept. The writer has written so many bytes.
pub(super) async fn end<D: Destination>(
    destination: &mut D,
    keep: Keep,
    end: i64,
    bytes: i64,
) -> Result<Option<(i64, What)>, StoreError> {
    let beyond = keep.beyond(end, bytes);
    let Some((first, since)) = upkeep::oldest(destination).await? else { return Ok(None) };
    let boundary = upkeep::boundary(destination, first, end, beyond).await?;
    let Some((through, time, checkpoint)) = boundary else { return Ok(None) };
    let is_overdue = since < beyond.older_than.saturating_sub(OVERDUE);
    if through.saturating_sub(first) < WORTHWHILE && !is_overdue {
        return Ok(None);
    }
    let holds = upkeep::holds(destination).await?;
    let holds: Result<Vec<Event>, _> = holds.iter().map(|it| serde_json::from_str(it)).collect();
    // What cannot be read may be a hold.
    if holds.map_or(true, |events| !held(events).is_empty()) {
        return Ok(None);
    }
    let reason = if time < beyond.older_than { "age" } else { "size" }.to_owned();
    let what = What::Dropped { through: through.unsigned_abs(), checkpoint, reason };
    Ok(Some((through, what)))
}
