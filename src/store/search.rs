//! Searching without reading everything.
//!
//! The index says which terms occur in which block of 256 records. A search reads those blocks
//! alone, the newest first, and what no block holds yet; whether a record is wanted, it decides
//! itself.

use futures_util::future::join_all;

use super::read::{Reader, WRITERS, narrow};
use super::statement::Statement;
use super::{Stored, nanoseconds};
use crate::ledger::LedgerError;
use crate::ledger::query::{Clue, Cursor, MAX_TERM_BYTES, Matcher, Query};

/// A pattern that fits more terms than this does not narrow anything.
const MAX_TERMS: usize = 2000;

/// How many blocks are asked for at once, at most.
const MAX_TOGETHER: usize = 64;

/// How many statements run at once: as many as a reader has connections.
const AT_ONCE: usize = 2;

/// Entries of one writer in a row: its name, the first and the last, and their times.
type Span = (String, i64, i64, i64, i64);

impl Reader {
    pub(super) async fn search(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        let matcher = Matcher::new(query);
        let mut found: Vec<Stored> = Vec::new();
        let spans = self.spans(query).await?;
        let spans = if asks_for_columns(query) { together(spans) } else { spans };
        for spans in spans.chunks(AT_ONCE) {
            let oldest_wanted = query.limit.checked_sub(1).and_then(|last| found.get(last));
            let newest = spans.iter().map(|(.., newest)| *newest).max().unwrap_or(i64::MAX);
            if oldest_wanted.is_some_and(|oldest| nanoseconds(oldest.time) > newest) {
                break;
            }
            for rows in join_all(spans.iter().map(|span| self.within(query, span))).await {
                // What cannot be read is shown: whoever spoilt a record must not have hidden it.
                let is_wanted = |stored: &Stored| {
                    stored.record().map_or(true, |record| matcher.matches(&record))
                };
                found.extend(rows?.into_iter().filter(is_wanted));
            }
            found.sort_unstable_by_key(|stored| std::cmp::Reverse((stored.time, stored.id)));
            // Times of blocks overlap.
            found.dedup_by_key(|stored| stored.id);
            found.truncate(query.limit);
        }
        Ok(found)
    }

    /// Everything in a span that columns do not rule out. Where columns are asked for, by its
    /// times: the index of those has the columns beside them, and so reads a twentieth of what the
    /// entries themselves are.
    async fn within(&self, query: &Query, span: &Span) -> Result<Vec<Stored>, LedgerError> {
        let (writer, first, last, oldest, newest) = span;
        let mut sql = Statement::new("SELECT id, time, record FROM records WHERE ");
        narrow(&mut sql, query);
        if asks_for_columns(query) && is_block(span) {
            sql.push(" AND time BETWEEN ").bind(*oldest).push(" AND ").bind(*newest);
        } else {
            sql.push(" AND writer = ").bind(writer.as_str());
            sql.push(" AND sequence BETWEEN ").bind(*first).push(" AND ").bind(*last);
        }
        self.stored(sql).await
    }

    /// What may hold records that are wanted, the newest first.
    async fn spans(&self, query: &Query) -> Result<Vec<Span>, LedgerError> {
        let tails = format!(
            "{WRITERS} SELECT writer, \
             COALESCE((SELECT MAX(last) FROM blocks WHERE blocks.writer = own.writer), 0) + 1, \
             9223372036854775807, CAST(0 AS BIGINT), 9223372036854775807 \
             FROM own WHERE writer IS NOT NULL"
        );
        let mut spans: Vec<Span> = self.fetch(Statement::new(&tails)).await?;
        let mut blocks =
            Statement::new("SELECT writer, first, last, oldest, newest FROM blocks WHERE TRUE");
        if let Some(since) = query.since {
            blocks.push(" AND newest >= ").bind(nanoseconds(since));
        }
        if let Some(until) = query.until {
            blocks.push(" AND oldest < ").bind(nanoseconds(until));
        }
        if let Some(Cursor { time, .. }) = query.before {
            blocks.push(" AND oldest <= ").bind(nanoseconds(time));
        }
        for clue in query.clues() {
            let Some(terms) = self.terms(&clue).await? else { continue };
            if terms.is_empty() {
                return Ok(spans);
            }
            blocks.push(" AND id IN (SELECT block FROM postings WHERE term IN ").push_ids(&terms);
            blocks.push(")");
        }
        blocks.push(" ORDER BY newest DESC");
        spans.extend(self.fetch::<Span>(blocks).await?);
        Ok(spans)
    }

    /// The terms that a clue fits; nothing if they are too many to look up.
    async fn terms(&self, clue: &Clue) -> Result<Option<Vec<i64>>, LedgerError> {
        let (Clue::Term(kind, _) | Clue::Like(kind, _)) = clue;
        let more = kind.more();
        let mut sql = Statement::new("SELECT id, term FROM terms WHERE term = ");
        sql.bind(more.as_str());
        sql.push(" UNION ALL SELECT id, term FROM terms WHERE term ");
        match clue {
            Clue::Term(_, text) => sql.push("= ").bind(kind.term(text)),
            Clue::Like(_, pattern) => {
                let beginning = kind.term(pattern.beginning());
                sql.push(">= ").bind(beginning.as_str()).push(" AND term < ");
                // After it in the order of bytes comes whatever else begins so, and that may go on
                // with the last of all characters, as many of them as a term holds.
                sql.bind(beginning.clone() + &"\u{10ffff}".repeat(MAX_TERM_BYTES))
            }
        };
        let mut terms: Vec<(i64, String)> = self.fetch(sql).await?;
        if let Clue::Like(_, pattern) = clue {
            terms.retain(|(_, term)| *term == more || pattern.matches(*kind, term));
        }
        let few = terms.len() <= MAX_TERMS;
        Ok(few.then(|| terms.into_iter().map(|(id, _)| id).collect()))
    }
}

/// Columns that the index of times has beside it.
fn asks_for_columns(query: &Query) -> bool {
    query.user.is_some() || query.namespace.is_some() || query.pod.is_some()
}

/// Blocks whose times touch, ever more of them together the longer the search goes on: two things
/// that are in every block and never in one record would be asked for block by block.
fn together(spans: Vec<Span>) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    let (mut most, mut taken, mut width) = (0, 0, 0);
    for span in spans {
        if !is_block(&span) {
            all.push(span);
            continue;
        }
        let before = all.last_mut().filter(|before| taken < most && is_block(before));
        let own = span.4.saturating_sub(span.3);
        match before {
            // Less lies between them than the narrower of both takes up.
            Some(before) if before.3.saturating_sub(span.4) <= own.min(width) => {
                before.3 = before.3.min(span.3);
                taken += 1;
            }
            _ => {
                most = (most * 2).clamp(1, MAX_TOGETHER);
                taken = 1;
                all.push(span);
            }
        }
        width = own;
    }
    all
}

/// What no block holds yet goes to the end of the ledger, and has no times.
fn is_block((_, _, last, _, _): &Span) -> bool {
    *last < i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(oldest: i64, newest: i64) -> Span {
        ("postern-0".to_owned(), 1, 256, oldest, newest)
    }

    fn unindexed(writer: &str) -> Span {
        (writer.to_owned(), 257, i64::MAX, 0, i64::MAX)
    }

    #[test]
    fn blocks_that_touch_are_asked_for_together() {
        let blocks = (0..200).rev().map(|it| block(it * 10, it * 10 + 9));
        let spans = together([unindexed("a"), unindexed("b")].into_iter().chain(blocks).collect());
        assert_eq!(spans[..2], [unindexed("a"), unindexed("b")]);
        assert_eq!(spans[2], block(1990, 1999), "the newest alone");
        assert!(spans.len() < 12, "{}", spans.len());
        let mut end = 2000;
        for (.., oldest, newest) in &spans[2..] {
            assert_eq!(*newest, end - 1, "nothing is left out");
            end = *oldest;
        }
        assert_eq!(end, 0);
    }

    #[test]
    fn what_lies_apart_is_asked_for_apart() {
        let spans = vec![
            unindexed("a"),
            unindexed("b"),
            block(900, 909),
            block(800, 809),
            block(700, 709),
            block(500, 509),
            unindexed("c"),
            block(490, 499),
        ];
        assert_eq!(together(spans.clone()), spans);
    }
}
