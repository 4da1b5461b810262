//! What is old enough to be dropped.

use jiff::Timestamp;

use super::super::{StoreError, nanoseconds};
use super::{Destination, Keep, upkeep};
use crate::ledger::event::{Event, What};
use crate::ledger::hold::held;

/// Up to where everything is to go, and what is to be written first; nothing where all is kept.
pub(super) async fn end<D: Destination>(
    destination: &mut D,
    keep: Keep,
    last: i64,
) -> Result<Option<(i64, What)>, StoreError> {
    let oldest = keep.age.and_then(|age| Timestamp::now().checked_sub(age).ok());
    let older_than = oldest.map_or(i64::MIN, nanoseconds);
    let entries = keep.entries.map(|entries| i64::try_from(entries).unwrap_or(i64::MAX));
    let most = entries.map_or(0, |entries| last.saturating_sub(entries));
    let Some((through, checkpoint)) = upkeep::boundary(destination, last, older_than, most).await?
    else {
        return Ok(None);
    };
    let holds = upkeep::holds(destination).await?;
    let holds: Result<Vec<Event>, _> = holds.iter().map(|it| serde_json::from_str(it)).collect();
    // What cannot be read may be a hold.
    if holds.map_or(true, |events| !held(events).is_empty()) {
        return Ok(None);
    }
    let reason = if through <= most { "size" } else { "age" }.to_owned();
    let what = What::Dropped { through: through.unsigned_abs(), checkpoint, reason };
    Ok(Some((through, what)))
}
