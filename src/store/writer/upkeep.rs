//! What a writer reads and changes beside its entries, the same in every database.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::read::Listed;
use super::super::row::Row;
use super::super::statement::{Columns, Statement};
use super::super::{StoreError, nanoseconds};
use super::{BATCH, Destination, Signed};
use crate::ledger::chain::Hash;
use crate::ledger::event::{Event, What};
use crate::ledger::hold::held;

/// Entries that are deleted at once: about a millisecond, for which somebody may wait.
const STEP: i64 = 100;
/// The texts of what holds everything, and releases it again.
pub(in crate::store) const HOLDS: &str = "SELECT record FROM records WHERE answer = '' \
     AND (record LIKE '%\"event\":\"Held\"%' OR record LIKE '%\"event\":\"Released\"%')";
/// What the text of a hold is like.
const HELD: &str = "%\"event\":\"Held\"%";
/// Checkpoints that are looked at, and deleted, at once.
pub(super) const CHECKPOINTS: i64 = 1000;
/// Entries that fill some pages of 8 KiB, and bytes of each that PostgreSQL does not compress yet.
const BLANKS: usize = 12;
const BLANK_BYTES: usize = 1900;
/// Terms that are looked at at once.
const TERMS: i64 = 200;
/// By how much the clocks of those who hold and of those who drop may differ.
const CLOCKS: SignedDuration = SignedDuration::from_hours(1);

/// Says when it was last seen to write.
pub(in crate::store) async fn probe<D: Destination>(to: &mut D) -> Result<(), StoreError> {
    let mut sql = Statement::new("INSERT INTO writers (writer, seen) VALUES (");
    sql.bind(to.writer()).push(", ").bind(nanoseconds(Timestamp::now()));
    sql.push(") ON CONFLICT (writer) DO UPDATE SET seen = excluded.seen");
    to.execute(sql).await.map(drop)
}

/// Entries of nobody, for a transaction that is taken back: as long as one of a large pod, and
/// more than fit where there is room already. Their numbers are nobody else's.
pub(in crate::store) fn blanks() -> Vec<Row> {
    let nothing: Arc<str> = "".into();
    let blank = |id: Uuid| Row {
        // Half of it is random.
        sequence: i64::try_from(id.as_u64_pair().1 >> 1).unwrap_or(i64::MAX),
        id: id.to_string().into(),
        time: 0,
        username: Arc::clone(&nothing),
        namespace: Arc::clone(&nothing),
        pod: Arc::clone(&nothing),
        answer: Arc::clone(&nothing),
        about: None,
        json: " ".repeat(BLANK_BYTES),
        hash: Hash::NOTHING,
    };
    std::iter::repeat_with(Uuid::now_v7).take(BLANKS).map(blank).collect()
}

/// Writes a checkpoint.
pub(super) async fn attest<D: Destination>(to: &mut D, signed: Signed) -> Result<(), StoreError> {
    let mut sql =
        Statement::new("INSERT INTO checkpoints (writer, size, time, note, frontier) VALUES (");
    sql.bind(to.writer()).push(", ").bind(signed.size);
    sql.push(", ").bind(nanoseconds(signed.time)).push(", ").bind(signed.note.as_ref());
    sql.push(", ").bind(signed.frontier).push(") ON CONFLICT DO NOTHING");
    to.execute(sql).await.map(drop)
}

/// Events that others left to be written: id and text.
pub(super) async fn inbox<D: Destination>(to: &mut D) -> Result<Vec<(String, String)>, StoreError> {
    // As they were left: what is held after it was released stays so.
    let mut sql = Statement::new("SELECT id, event FROM inbox ORDER BY id LIMIT ");
    sql.bind(i64::try_from(BATCH).unwrap_or(i64::MAX));
    to.fetch(sql).await
}

/// The ids of those of these entries that are there.
pub(super) async fn written<D: Destination>(
    to: &mut D,
    ids: &[Uuid],
) -> Result<BTreeSet<String>, StoreError> {
    let mut sql = Statement::new("SELECT id FROM records WHERE id IN (");
    for (place, id) in ids.iter().enumerate() {
        sql.push(if place > 0 { ", " } else { "" }).bind(id.to_string());
    }
    let written: Vec<(String,)> = to.fetch(sql.push(")").clone()).await?;
    Ok(written.into_iter().map(|(id,)| id).collect())
}

/// The number of the oldest entry that is there.
pub(super) async fn first<D: Destination>(to: &mut D) -> Result<Option<i64>, StoreError> {
    let mut sql = Statement::new("SELECT MIN(sequence) FROM records WHERE writer = ");
    sql.bind(to.writer());
    Ok(one::<_, Option<i64>>(to, sql).await?.flatten())
}

/// The one value of the first row.
async fn one<D, T>(to: &mut D, sql: Statement) -> Result<Option<T>, StoreError>
where
    D: Destination,
    (T,): Columns,
{
    let rows: Vec<(T,)> = to.fetch(sql).await?;
    Ok(rows.into_iter().next().map(|(value,)| value))
}

/// The oldest checkpoints about entries from `first` on and below `end`, one of each size: size and
/// note. Where nothing is written, many have one size.
pub(super) async fn checkpoints<D: Destination>(
    to: &mut D,
    first: i64,
    end: i64,
    most: i64,
) -> Result<Vec<(i64, String)>, StoreError> {
    let next = "SELECT MIN(size) FROM checkpoints WHERE writer = ";
    let mut sql = Statement::new("WITH RECURSIVE sizes(size) AS (SELECT (");
    sql.push(next).bind(to.writer()).push(" AND size >= ").bind(first);
    sql.push(" AND size < ").bind(end).push(") UNION ALL SELECT (");
    sql.push(next).bind(to.writer()).push(" AND size > sizes.size AND size < ").bind(end);
    sql.push(") FROM sizes WHERE size IS NOT NULL) SELECT size, (SELECT note FROM checkpoints ");
    sql.push("WHERE writer = ").bind(to.writer()).push(" AND checkpoints.size = sizes.size ");
    sql.push("ORDER BY time LIMIT 1) FROM sizes WHERE size IS NOT NULL LIMIT ").bind(most);
    to.fetch(sql).await
}

/// The note of the last checkpoint before an entry.
pub(super) async fn note_before<D: Destination>(
    to: &mut D,
    entry: i64,
) -> Result<Option<String>, StoreError> {
    let mut sql = Statement::new("SELECT note FROM checkpoints WHERE writer = ");
    sql.bind(to.writer()).push(" AND size < ").bind(entry);
    sql.push(" ORDER BY size DESC, time LIMIT 1");
    one(to, sql).await
}

/// The hash of an entry.
pub(super) async fn hash<D: Destination>(
    to: &mut D,
    entry: i64,
) -> Result<Option<Hash>, StoreError> {
    let sql = hash_of(to.writer(), entry);
    let hash = one::<_, Option<Vec<u8>>>(to, sql).await?.flatten();
    Ok(hash.and_then(|hash| Hash::from_slice(&hash)))
}

pub(in crate::store) fn hash_of(writer: &str, entry: i64) -> Statement {
    let mut sql = Statement::new("SELECT hash FROM records WHERE writer = ");
    sql.bind(writer).push(" AND sequence = ").bind(entry);
    sql
}

/// Whether a hold waits to be taken up.
async fn is_hold_waiting<D: Destination>(to: &mut D) -> Result<bool, StoreError> {
    let mut sql = Statement::new("SELECT event FROM inbox WHERE event LIKE ");
    sql.bind(HELD).push(" LIMIT 1");
    Ok(one::<_, String>(to, sql).await?.is_some())
}

/// Whether anything holds everything.
pub(super) async fn is_held<D: Destination>(to: &mut D) -> Result<bool, StoreError> {
    // First: what is taken up meanwhile is then seen twice, and not never.
    if is_hold_waiting(to).await? {
        return Ok(true);
    }
    let holds: Vec<(String,)> = to.fetch(Statement::new(HOLDS)).await?;
    let holds: Result<Vec<Event>, _> =
        holds.iter().map(|(text,)| serde_json::from_str(text)).collect();
    // What cannot be read may be a hold.
    Ok(holds.map_or(true, |events| !held(&events).is_empty()))
}

/// Whether a hold has come since then, taken up by whatever writer or not. One statement: between
/// two it could go from where the second looks to where the first has looked.
async fn is_held_since<D: Destination>(to: &mut D, since: Timestamp) -> Result<bool, StoreError> {
    let mut sql = Statement::new("SELECT event FROM inbox WHERE event LIKE ");
    sql.bind(HELD).push(" UNION ALL SELECT record FROM records WHERE answer = '' AND time >= ");
    sql.bind(nanoseconds(since)).push(" AND record LIKE ").bind(HELD).push(" LIMIT 1");
    Ok(one::<_, String>(to, sql).await?.is_some())
}

/// The texts of the hand-overs of this writer's keys among the entries up to this one.
pub(super) async fn rotations<D: Destination>(
    to: &mut D,
    through: i64,
) -> Result<Vec<String>, StoreError> {
    let sql = events(to.writer(), "KeyRotated", through);
    let rows: Vec<Listed> = to.fetch(sql).await?;
    Ok(rows.into_iter().map(|(_, _, text)| text).collect())
}

/// What releases, among the entries of this writer up to this one, what another one's chain holds.
pub(super) async fn releases<D: Destination>(
    to: &mut D,
    through: i64,
) -> Result<Vec<What>, StoreError> {
    let mut elsewhere =
        Statement::new("SELECT record FROM records WHERE answer = '' AND writer <> ");
    elsewhere.bind(to.writer()).push(" AND record LIKE ").bind(HELD);
    let elsewhere: Vec<(String,)> = to.fetch(elsewhere).await?;
    let what = |text: &str| serde_json::from_str::<Event>(text).ok().map(|event| event.what);
    let is_held = |name: &str| {
        elsewhere.iter().any(|(text,)| match what(text) {
            Some(What::Held { hold, .. }) => hold == name,
            _ => false,
        })
    };
    let sql = events(to.writer(), "Released", through);
    let rows: Vec<Listed> = to.fetch(sql).await?;
    let releases = rows.iter().filter_map(|(_, _, text)| what(text));
    Ok(releases
        .filter(|release| match release {
            What::Released { hold, .. } => is_held(hold),
            _ => false,
        })
        .collect())
}

/// A writer's events of a kind, as a listing has them, up to a place of its sequence.
pub(in crate::store) fn events(writer: &str, kind: &str, through: i64) -> Statement {
    let mut sql = Statement::new("SELECT id, time, record FROM records WHERE answer = ''");
    sql.push(" AND writer = ").bind(writer).push(" AND sequence <= ").bind(through);
    sql.push(" AND record LIKE ").bind(format!("%\"event\":\"{kind}\"%"));
    sql.push(" ORDER BY sequence");
    sql
}

/// Old entries that are being deleted, a few at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Pruning {
    /// Entries up to this one.
    through: i64,
    /// Holds of before were looked at when that was decided.
    decided: Timestamp,
    /// The last term that was looked at for what can go.
    swept: i64,
}

impl Pruning {
    pub(in crate::store) fn new(through: i64) -> Self {
        let now = Timestamp::now();
        Self { through, decided: now.checked_sub(CLOCKS).unwrap_or(Timestamp::MIN), swept: 0 }
    }

    /// Deletes a few more entries, and at last what else is about them alone; `true` once nothing
    /// is left to do, or a hold has come. The checkpoint of exactly those entries stays: it stands
    /// for them.
    pub(in crate::store) async fn step<D: Destination>(
        &mut self,
        to: &mut D,
    ) -> Result<bool, StoreError> {
        if is_held_since(to, self.decided).await? && is_held(to).await? {
            tracing::info!("what is left of the records that were being dropped is held now");
            return Ok(true);
        }
        let through = self.through;
        let mut entries = Statement::new("DELETE FROM records WHERE writer = ");
        entries.bind(to.writer()).push(" AND sequence <= ").bind(through);
        entries.push(" AND sequence < (SELECT MIN(sequence) FROM records WHERE writer = ");
        entries.bind(to.writer()).push(") + ").bind(STEP);
        if to.execute(entries).await? > 0 {
            return Ok(false);
        }
        if self.swept == 0 {
            let mut blocks = Statement::new("DELETE FROM blocks WHERE writer = ");
            blocks.bind(to.writer()).push(" AND last <= ").bind(through);
            to.execute(blocks).await?;
            let mut checkpoints = Statement::new("DELETE FROM checkpoints WHERE writer = ");
            checkpoints.bind(to.writer()).push(" AND (size, time) IN (SELECT size, time ");
            checkpoints.push("FROM checkpoints WHERE writer = ").bind(to.writer());
            checkpoints.push(" AND size < ").bind(through).push(" ORDER BY size, time LIMIT ");
            checkpoints.bind(CHECKPOINTS).push(")");
            if to.execute(checkpoints).await? > 0 {
                return Ok(false);
            }
        }
        self.sweep(to).await
    }

    /// Where the next terms occur in blocks that are gone. Blocks are numbered as they are made.
    async fn sweep<D: Destination>(&mut self, to: &mut D) -> Result<bool, StoreError> {
        let mut next = Statement::new("SELECT id FROM terms WHERE id > ");
        next.bind(self.swept).push(" ORDER BY id LIMIT ").bind(TERMS);
        let terms: Vec<(i64,)> = to.fetch(next).await?;
        let (Some((first,)), Some((last,))) = (terms.first(), terms.last()) else {
            return Ok(true);
        };
        let mut postings = Statement::new("DELETE FROM postings WHERE term BETWEEN ");
        postings.bind(*first).push(" AND ").bind(*last);
        postings.push(" AND block < COALESCE((SELECT MIN(id) FROM blocks), ");
        postings.bind(i64::MAX).push(")");
        to.execute(postings).await?;
        self.swept = *last;
        Ok(false)
    }
}
