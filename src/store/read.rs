//! Reading, the same from both databases.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::links::{self, Links};
use super::lossy::Lossy;
use super::row::{Block, indexed_as};
use super::statement::{Columns, Pool, Statement};
use super::writer::{State, inbox, upkeep};
use super::{StoreError, Stored, nanoseconds, number};
use crate::ledger::chain::Hash;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::id_prefix::IdPrefix;
use crate::ledger::query::{Cursor, Query, column};
use crate::ledger::tree::Frontier;
use crate::ledger::verify::{Link, StoredCheckpoint};
use crate::ledger::{Entry, Event, Kept, LedgerError, Outcome};

/// Places that are read at once where all are wanted.
const PAGE: usize = 1000;

/// Connections that cannot write.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) pool: Pool,
    /// What messages call the database.
    pub(super) place: String,
}

/// What a row of the listing has: id, time, text.
pub(super) type Listed = (String, i64, String);

/// Whoever has entries, as `own`, in order and at last null. Asked of the records themselves, each
/// by one step in their index: whoever removes a chain removes it everywhere else.
pub(super) const WRITERS: &str = "WITH RECURSIVE own(writer) AS (SELECT MIN(writer) FROM records \
     UNION ALL SELECT (SELECT MIN(writer) FROM records WHERE writer > own.writer) FROM own \
     WHERE writer IS NOT NULL)";

impl Reader {
    pub(super) async fn list(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        // Of a reason without words the index knows nothing, and every record has to be looked at.
        let has_reason = query.reason.as_ref().is_some_and(|reason| !reason.is_empty());
        if query.clues().is_empty() && !has_reason {
            let mut listing = Statement::new("SELECT id, time, record FROM records WHERE ");
            narrow(&mut listing, query);
            listing.push(" ORDER BY time DESC, id DESC LIMIT ").bind(rows(query.limit));
            return self.stored(listing).await;
        }
        self.search(query).await
    }

    /// The events of a time, newest first. Of a query no other part than time and limit counts.
    pub(super) async fn events(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        let mut listing = Statement::new("SELECT id, time, record FROM records WHERE answer = ''");
        narrow_time(&mut listing, query);
        listing.push(" ORDER BY time DESC, id DESC LIMIT ").bind(rows(query.limit));
        self.stored(listing).await
    }

    /// A writer's last event of a kind.
    pub(super) async fn last_event(
        &self,
        writer: &str,
        kind: &str,
    ) -> Result<Option<Stored>, LedgerError> {
        let mut sql = Statement::new("SELECT id, time, record FROM records WHERE answer = ''");
        sql.push(" AND writer = ").bind(writer).push(" AND record LIKE ");
        sql.bind(format!("%\"event\":\"{kind}\"%"));
        sql.push(" ORDER BY time DESC, id DESC LIMIT 1");
        Ok(self.stored(sql).await?.into_iter().next())
    }

    /// What holds everything, and releases it again; at last what no server has taken up yet, which
    /// has no writer.
    pub(super) async fn holds(&self) -> Result<Vec<Event>, LedgerError> {
        // First: what is taken up meanwhile is then seen twice, and not never.
        let waiting = Statement::new("SELECT event FROM inbox ORDER BY id");
        let waiting: Vec<(String,)> = self.fetch(waiting).await?;
        let written: Vec<(String,)> = self.fetch(Statement::new(upkeep::HOLDS)).await?;
        let events = written.iter().map(|(text,)| serde_json::from_str(text));
        let mut events = events
            .collect::<Result<Vec<Event>, _>>()
            .map_err(|error| StoreError::Json(error).while_doing("read"))?;
        let waiting = waiting.iter().filter_map(|(text,)| inbox::admitted(text));
        events.extend(waiting.map(|event| Event { writer: String::new(), ..event }));
        Ok(events)
    }

    /// The notes in which a writer's keys handed over, the first first.
    pub(super) async fn rotations(&self, writer: &str) -> Result<Vec<Stored>, LedgerError> {
        self.stored(upkeep::events(writer, "KeyRotated", i64::MAX)).await
    }

    /// Whoever signed here, in order.
    pub(super) async fn signers(&self) -> Result<Vec<String>, LedgerError> {
        let sql = Statement::new("SELECT DISTINCT writer FROM checkpoints ORDER BY writer");
        self.names(sql).await
    }

    pub(super) async fn find(
        &self,
        prefix: IdPrefix,
        limit: usize,
    ) -> Result<Vec<Stored>, LedgerError> {
        let mut sql = Statement::new("SELECT id, time, record FROM records WHERE id BETWEEN ");
        sql.bind(prefix.first.to_string()).push(" AND ").bind(prefix.last.to_string());
        sql.push(" ORDER BY id LIMIT ").bind(rows(limit));
        self.stored(sql).await
    }

    pub(super) async fn amendment(&self, id: Uuid) -> Result<Option<Uuid>, LedgerError> {
        let mut sql = Statement::new("SELECT id FROM records WHERE answer <> '' AND about = ");
        sql.bind(id.to_string()).push(" ORDER BY id LIMIT 1");
        let found: Vec<(String,)> = self.fetch(sql).await?;
        found.first().map(|(id,)| parse_id(id)).transpose()
    }

    /// What was observed of a decision's containers, oldest first.
    pub(super) async fn observations(&self, id: Uuid) -> Result<Vec<Stored>, LedgerError> {
        let mut sql = Statement::new("SELECT id, time, record FROM records WHERE answer = ''");
        sql.push(" AND about = ").bind(id.to_string()).push(" ORDER BY id");
        self.stored(sql).await
    }

    /// Of the user's own records since then, their number of containers.
    pub(super) async fn added_since(
        &self,
        user: &str,
        since: Timestamp,
    ) -> Result<usize, LedgerError> {
        let mut sql = Statement::new("SELECT CAST(COALESCE(SUM(");
        sql.push(match self.pool {
            Pool::Sqlite(_) => "json_extract(record, '$.injectionsTotal')",
            // PostgreSQL reads no JSON in which anybody wrote a NUL. What people wrote stands
            // before the last of these, or has its quotes escaped.
            Pool::Postgres(..) => "substring(record FROM '.*\"injectionsTotal\":([0-9]+)')::bigint",
        });
        sql.push("), 0) AS BIGINT) FROM records WHERE answer = 'Allowed' AND time >= ");
        sql.bind(nanoseconds(since)).push(" AND username = ").bind(column(user).as_ref());
        sql.push(
            " AND NOT EXISTS (SELECT 1 FROM records AS later \
             WHERE later.about = records.id AND later.answer <> '')",
        );
        let total: Vec<(i64,)> = self.fetch(sql).await?;
        let total = total.first().map_or(0, |(total,)| *total);
        Ok(usize::try_from(total).unwrap_or(usize::MAX))
    }

    /// Whoever has entries here, in order.
    pub(super) async fn writers(&self) -> Result<Vec<String>, LedgerError> {
        let sql = format!("{WRITERS} SELECT writer FROM own WHERE writer IS NOT NULL");
        self.names(Statement::new(&sql)).await
    }

    async fn names(&self, sql: Statement) -> Result<Vec<String>, LedgerError> {
        let names: Vec<(Lossy,)> = self.fetch(sql).await?;
        Ok(names.into_iter().map(|(Lossy(name),)| name).collect())
    }

    /// The entries of a writer after a place in its sequence, with everything that is stored.
    pub(super) async fn links(
        &self,
        writer: &str,
        after: u64,
        places: usize,
    ) -> Result<Links, LedgerError> {
        Ok(Links::new(self.fetch(links::page(&self.pool, writer, after, places)).await?))
    }

    /// The entries of a writer after a place in its sequence, as they lie in its chain.
    pub(super) async fn kept(
        &self,
        writer: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Kept>, LedgerError> {
        let mut sql = Statement::new("SELECT sequence, record, hash FROM records WHERE writer = ");
        sql.bind(writer).push(" AND sequence > ").bind(number(after));
        sql.push(" ORDER BY sequence LIMIT ").bind(rows(limit));
        let entries: Vec<(i64, String, Vec<u8>)> = self.fetch(sql).await?;
        let kept = |(sequence, json, hash): (i64, String, Vec<u8>)| Kept {
            sequence: sequence.unsigned_abs(),
            json,
            hash: Hash::from_slice(&hash).unwrap_or_default(),
        };
        Ok(entries.into_iter().map(kept).collect())
    }

    pub(super) async fn cursors(&self, target: &str) -> Result<BTreeMap<String, u64>, LedgerError> {
        let mut sql = Statement::new("SELECT writer, sequence FROM cursors WHERE target = ");
        sql.bind(target);
        let cursors: Vec<(String, i64)> = self.fetch(sql).await?;
        Ok(cursors.into_iter().map(|(writer, at)| (writer, at.unsigned_abs())).collect())
    }

    pub(super) async fn last_sequence(&self, writer: &str) -> Result<u64, LedgerError> {
        let mut sql =
            Statement::new("SELECT COALESCE(MAX(sequence), 0) FROM records WHERE writer = ");
        sql.bind(writer);
        let last: Vec<(i64,)> = self.fetch(sql).await?;
        Ok(last.first().map_or(0, |(last,)| last.unsigned_abs()))
    }

    /// A writer's checkpoints by size and time.
    pub(super) async fn checkpoints(
        &self,
        writer: &str,
    ) -> Result<Vec<StoredCheckpoint>, LedgerError> {
        let mut sql =
            Statement::new("SELECT size, note, frontier FROM checkpoints WHERE writer = ");
        sql.bind(writer).push(" ORDER BY size, time");
        let rows: Vec<(i64, Lossy, Vec<u8>)> = self.fetch(sql).await?;
        Ok(rows.into_iter().map(checkpoint).collect())
    }

    pub(super) async fn newest_checkpoint(
        &self,
        writer: &str,
    ) -> Result<Option<StoredCheckpoint>, LedgerError> {
        let mut sql =
            Statement::new("SELECT size, note, frontier FROM checkpoints WHERE writer = ");
        sql.bind(writer).push(" ORDER BY size DESC, time DESC LIMIT 1");
        let rows: Vec<(i64, Lossy, Vec<u8>)> = self.fetch(sql).await?;
        Ok(rows.into_iter().next().map(checkpoint))
    }

    /// The hash of an entry.
    pub(super) async fn hash(
        &self,
        writer: &str,
        sequence: u64,
    ) -> Result<Option<Hash>, LedgerError> {
        let rows: Vec<(Option<Vec<u8>>,)> =
            self.fetch(upkeep::hash_of(writer, number(sequence))).await?;
        let hash = rows.into_iter().next().and_then(|(hash,)| hash);
        Ok(hash.and_then(|hash| Hash::from_slice(&hash)))
    }

    /// Where a writer goes on.
    pub(super) async fn state(&self, writer: &str) -> Result<State, LedgerError> {
        let mut state = State::default();
        let mut signed = None;
        if let Some(checkpoint) = self.newest_checkpoint(writer).await? {
            let frontier = Frontier::from_bytes(checkpoint.size, &checkpoint.frontier);
            state.frontier = frontier.unwrap_or_default();
            signed = Checkpoint::unverified(&checkpoint.note).ok().filter(|told| {
                (&*told.writer, told.size) == (writer, state.frontier.size())
                    && told.root == state.frontier.root()
            });
            state.note = signed.as_ref().map(|_| checkpoint.note);
        }
        let mut sql = Statement::new("SELECT COALESCE(MAX(last), 0) FROM blocks WHERE writer = ");
        sql.bind(writer);
        let blocks: Vec<(i64,)> = self.fetch(sql).await?;
        let indexed = blocks.first().map_or(0, |(last,)| last.unsigned_abs());
        let covered = state.frontier.size();
        // The last one too where all are known: its hash is not.
        let mut after = indexed.min(covered).saturating_sub(1);
        loop {
            let page = self.links(writer, after, PAGE).await?;
            if page.is_empty() {
                return Ok(state);
            }
            for link in page.iter() {
                let link = link?;
                // A checkpoint about other records than these says nothing about them.
                if link.sequence == covered
                    && signed.as_ref().is_none_or(|told| Some(told.chain) != link.hash)
                {
                    state.note = None;
                }
                take_up(&mut state, &link, indexed, covered);
            }
            after = page.end();
        }
    }

    pub(super) async fn stored(&self, sql: Statement) -> Result<Vec<Stored>, LedgerError> {
        let rows: Vec<Listed> = self.fetch(sql).await?;
        rows.into_iter().map(stored).collect()
    }

    pub(super) async fn fetch<T: Columns>(&self, sql: Statement) -> Result<Vec<T>, LedgerError> {
        self.pool.fetch(sql).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: sqlx::Error) -> LedgerError {
        let place = self.place.clone();
        match source {
            sqlx::Error::ColumnDecode { .. } => StoreError::NotText { place },
            source => StoreError::Sql { place, source },
        }
        .while_doing("read")
    }
}

fn take_up(state: &mut State, link: &Link<'_>, indexed: u64, covered: u64) {
    state.sequence = number(link.sequence);
    state.hash = link.hash.unwrap_or_default();
    if link.sequence > covered {
        state.attach(&link.json);
    }
    if link.sequence > indexed {
        // What cannot be read has no terms; `verify` says what is wrong with it.
        if let Ok(entry) = serde_json::from_str::<Entry>(&link.json) {
            let (sequence, time) = (number(link.sequence), nanoseconds(entry.time()));
            drop(Block::add(&mut state.block, sequence, time, indexed_as(&entry)));
        }
    }
}

fn checkpoint((size, Lossy(note), frontier): (i64, Lossy, Vec<u8>)) -> StoredCheckpoint {
    StoredCheckpoint { size: size.unsigned_abs(), note, frontier }
}

fn stored((id, time, json): Listed) -> Result<Stored, LedgerError> {
    let time = Timestamp::from_nanosecond(time.into())
        .map_err(|source| LedgerError::Corrupt { id: id.clone(), source: Box::new(source) })?;
    Ok(Stored { id: parse_id(&id)?, time, json })
}

/// What the columns can say of a query.
pub(super) fn narrow(sql: &mut Statement, query: &Query) {
    // Written out, not bound: only so does a database know that the index of refusals will do.
    sql.push(match query.answer {
        None => "answer <> ''",
        Some(Outcome::Allowed) => "answer = 'Allowed'",
        Some(Outcome::Refused) => "answer = 'Refused'",
    });
    narrow_time(sql, query);
    let columns = [
        (" AND username = ", &query.user),
        (" AND namespace = ", &query.namespace),
        (" AND pod = ", &query.pod),
    ];
    for (condition, wanted) in columns {
        if let Some(wanted) = wanted {
            sql.push(condition).bind(column(wanted).as_ref());
        }
    }
}

fn narrow_time(sql: &mut Statement, query: &Query) {
    if let Some(since) = query.since {
        sql.push(" AND time >= ").bind(nanoseconds(since));
    }
    if let Some(until) = query.until {
        sql.push(" AND time < ").bind(nanoseconds(until));
    }
    if let Some(Cursor { time, id }) = query.before {
        sql.push(" AND (time, id) < (").bind(nanoseconds(time));
        sql.push(", ").bind(id.to_string()).push(")");
    }
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn parse_id(id: &str) -> Result<Uuid, LedgerError> {
    Uuid::try_parse(id)
        .map_err(|source| LedgerError::Corrupt { id: id.to_owned(), source: Box::new(source) })
}
