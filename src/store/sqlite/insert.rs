//! What one transaction inserts.

use std::sync::Arc;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};

use super::super::StoreError;
use super::super::row::{Batch, Block, Row};

/// By itself a whole transaction, in one message to the connection's thread: each further message
/// costs two changes of thread, as much as writing a row. Between BEGIN and COMMIT it would be the
/// same, but SQLite would keep a copy of each page to take back the one statement. The shape
/// depends on the number of rows alone, so each shape is compiled once.
pub(super) fn insertion(rows: usize) -> String {
    let values = vec!["(?,?,?,?,?,?,?,?,?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO records
         (writer, sequence, id, time, username, namespace, pod, answer, about, record, hash)
         VALUES {values}"
    )
}

pub(super) type Insertion<'q> = Query<'q, Sqlite, SqliteArguments>;

pub(super) fn bind_rows<'q>(
    mut query: Insertion<'q>,
    writer: &Arc<str>,
    rows: Vec<Row>,
) -> Insertion<'q> {
    for row in rows {
        let Row { sequence, id, time, username, namespace, pod, .. } = row;
        let Row { answer, about, json, hash, .. } = row;
        query = query.bind(Arc::clone(writer)).bind(sequence).bind(id).bind(time);
        query = query.bind(username).bind(namespace).bind(pod);
        query = query.bind(answer).bind(about).bind(json).bind(hash.0.to_vec());
    }
    query
}

/// A batch with more than rows: once in 256 records, and where somebody left an event.
pub(super) async fn write_more(
    connection: &mut SqliteConnection,
    writer: &Arc<str>,
    batch: Batch,
) -> Result<Result<(), sqlx::Error>, StoreError> {
    let Batch { rows, block, absorbed } = batch;
    let ids = serde_json::to_string(&absorbed).map_err(StoreError::Json)?;
    let writing = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        if !absorbed.is_empty() {
            let taken =
                sqlx::query("DELETE FROM inbox WHERE id IN (SELECT value FROM json_each(?))")
                    .bind(ids)
                    .execute(&mut *transaction)
                    .await?;
            if taken.rows_affected() != absorbed.len() as u64 {
                transaction.rollback().await?;
                return Ok(false);
            }
        }
        if !rows.is_empty() {
            let sql = AssertSqlSafe(insertion(rows.len()));
            bind_rows(sqlx::query(sql), writer, rows).execute(&mut *transaction).await?;
        }
        if let Some(block) = block {
            write_block(&mut transaction, writer, block).await?;
        }
        transaction.commit().await.map(|()| true)
    };
    match writing.await {
        Ok(true) => Ok(Ok(())),
        Ok(false) => Err(StoreError::Taken),
        Err(error) => Ok(Err(error)),
    }
}

async fn write_block(
    connection: &mut SqliteConnection,
    writer: &str,
    block: Block,
) -> Result<(), sqlx::Error> {
    let Block { first, last, oldest, newest, terms } = block;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO blocks (writer, first, last, oldest, newest) VALUES (?, ?, ?, ?, ?)
         RETURNING id",
    )
    .bind(writer)
    .bind(first)
    .bind(last)
    .bind(oldest)
    .bind(newest)
    .fetch_one(&mut *connection)
    .await?;
    let terms = serde_json::to_string(&terms).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT INTO terms (term) SELECT value FROM json_each(?) WHERE TRUE
         ON CONFLICT DO NOTHING",
    )
    .bind(terms.clone())
    .execute(&mut *connection)
    .await?;
    // Once every block was dropped, numbers begin anew, and what is left of those of before may not
    // be swept away yet. It has searches read a block for nothing, no more.
    sqlx::query(
        "INSERT INTO postings (term, block)
         SELECT terms.id, ? FROM json_each(?) JOIN terms ON terms.term = value WHERE TRUE
         ORDER BY terms.id ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(terms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}
