//! The statements with which old entries go, the same for both databases.

use super::statement::Statement;

/// Entries that are deleted at once: about a millisecond, for which somebody may wait.
const STEP: i64 = 100;
/// Terms that are looked at at once.
const TERMS: i64 = 200;

/// See [`super::writer::Destination::boundary`].
pub(super) fn boundary(writer: &str, size: i64, older_than: i64, most: i64) -> Statement {
    let mut sql = Statement::new("SELECT size, note FROM checkpoints WHERE writer = ");
    sql.bind(writer).push(" AND size < ").bind(size);
    // What is gone already need not go again.
    sql.push(" AND size >= (SELECT MIN(sequence) FROM records WHERE writer = ").bind(writer);
    sql.push(") AND (time < ").bind(older_than).push(" OR size <= ").bind(most);
    sql.push(") ORDER BY size DESC, time LIMIT 1");
    sql
}

pub(super) fn holds() -> Statement {
    Statement::new(
        "SELECT record FROM records WHERE answer = '' AND (record LIKE '%\"event\":\"Held\"%' \
         OR record LIKE '%\"event\":\"Released\"%') ORDER BY time, id",
    )
}

/// A writer's events of a kind, as a listing has them, up to a place of its sequence.
pub(super) fn events(writer: &str, kind: &str, through: i64) -> Statement {
    let mut sql = Statement::new("SELECT id, time, record FROM records WHERE answer = ''");
    sql.push(" AND writer = ").bind(writer).push(" AND sequence <= ").bind(through);
    sql.push(" AND record LIKE ").bind(format!("%\"event\":\"{kind}\"%"));
    sql.push(" ORDER BY sequence");
    sql
}

/// A few of the entries up to `through`.
pub(super) fn entries(writer: &str, through: i64) -> Statement {
    let mut sql = Statement::new("DELETE FROM records WHERE writer = ");
    sql.bind(writer).push(" AND sequence <= ").bind(through);
    sql.push(" AND sequence < (SELECT MIN(sequence) FROM records WHERE writer = ").bind(writer);
    sql.push(") + ").bind(STEP);
    sql
}

/// What is about entries up to `through` alone. The checkpoint of exactly those stays: it stands for
/// them.
pub(super) fn about_entries(writer: &str, through: i64) -> [Statement; 2] {
    let mut blocks = Statement::new("DELETE FROM blocks WHERE writer = ");
    blocks.bind(writer).push(" AND last <= ").bind(through);
    let mut checkpoints = Statement::new("DELETE FROM checkpoints WHERE writer = ");
    checkpoints.bind(writer).push(" AND size < ").bind(through);
    [blocks, checkpoints]
}

/// The next terms to look at.
pub(super) fn next_terms(after: i64) -> Statement {
    let mut sql = Statement::new("SELECT id FROM terms WHERE id > ");
    sql.bind(after).push(" ORDER BY id LIMIT ").bind(TERMS);
    sql
}

/// Where those terms occur in blocks that are gone. Blocks are numbered as they are made.
pub(super) fn postings(first: i64, last: i64) -> Statement {
    let mut sql = Statement::new("DELETE FROM postings WHERE term BETWEEN ");
    sql.bind(first).push(" AND ").bind(last);
    sql.push(" AND block < (SELECT MIN(id) FROM blocks)");
    sql
}
