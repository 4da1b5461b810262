//! The one connection that writes.

use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use super::super::location::Server;
use super::super::read::Reader;
use super::super::row::{Batch, Block, Row};
use super::super::statement::{Columns, Statement};
use super::super::writer::{Destination, State, upkeep};
use super::super::{StoreError, unread};
use super::{PATIENCE, connect, schema, sql_error};
use crate::ledger::chain::Hash;

/// A database, written as one writer.
#[derive(Debug)]
pub(super) struct PostgresDestination {
    server: Server,
    writer: String,
    connection: Option<PgConnection>,
    reader: Reader,
}

impl PostgresDestination {
    pub(super) async fn open(
        server: &Server,
        writer: &str,
        reader: Reader,
    ) -> Result<Self, StoreError> {
        let (server, writer) = (server.clone(), writer.to_owned());
        let mut this = Self { server, writer, connection: None, reader };
        upkeep::probe(&mut this).await?;
        Ok(this)
    }

    /// The connection, made anew where there is none.
    async fn connected(&mut self) -> Result<&mut PgConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let sql = |error| sql_error(&self.server, error);
        let mut connection = connect(&self.server).await?;
        // Whatever the server's own default is: an answer is given once the record is durable.
        connection.execute("SET synchronous_commit = on").await.map_err(sql)?;
        schema::migrate(&mut connection, &self.server).await?;
        // Held by the session: the server lets go of it when the connection ends.
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(lock_of(&self.writer))
            .fetch_one(&mut connection)
            .await
            .map_err(sql)?;
        if !is_ours {
            let (place, writer) = (self.server.to_string(), self.writer.clone());
            return Err(StoreError::InUse { place, writer });
        }
        Ok(connection)
    }

    /// Does something with the connection; after an error nothing is known about it, so it goes.
    async fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection, &str) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let (server, writer) = (self.server.clone(), self.writer.clone());
        let connection = self.connected().await?;
        let result = match timeout(PATIENCE, work(connection, &writer)).await {
            Ok(result) => result.map_err(|error| write_error(&server, &writer, error)),
            Err(_late) => Err(StoreError::Stalled { seconds: PATIENCE.as_secs() }),
        };
        if result.is_err() {
            // Not closed in good order: that would wait for a server that may be gone.
            self.connection = None;
        }
        result
    }
}

/// The first eight bytes of a hash of the writer's name.
fn lock_of(writer: &str) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(format!("postern writer {writer}").as_bytes()).0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Destination for PostgresDestination {
    async fn load(&mut self) -> Result<State, StoreError> {
        self.connected().await?;
        self.reader.state(&self.writer).await.map_err(unread)
    }

    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Batch { rows, block, absorbed } = batch;
        if block.is_none() && absorbed.is_empty() {
            return self
                .with(async |connection, writer| insert(connection, writer, rows).await)
                .await;
        }
        let is_written = self
            .with(async |connection, writer| {
                let mut transaction = connection.begin().await?;
                if !absorbed.is_empty() {
                    let taken = sqlx::query("DELETE FROM inbox WHERE id = ANY($1)")
                        .bind(&absorbed)
                        .execute(&mut *transaction)
                        .await?;
                    if taken.rows_affected() != absorbed.len() as u64 {
                        transaction.rollback().await?;
                        return Ok(false);
                    }
                }
                if !rows.is_empty() {
                    insert(&mut transaction, writer, rows).await?;
                }
                if let Some(block) = block {
                    insert_block(&mut transaction, writer, block).await?;
                }
                transaction.commit().await?;
                Ok(true)
            })
            .await?;
        if is_written { Ok(()) } else { Err(StoreError::Taken) }
    }

    fn writer(&self) -> &str {
        &self.writer
    }

    async fn fetch<T: Columns>(&mut self, sql: Statement) -> Result<Vec<T>, StoreError> {
        let fetch = async |connection: &mut PgConnection, _: &str| {
            sql.rows_for_postgres().fetch_all(connection).await
        };
        self.with(fetch).await
    }

    async fn execute(&mut self, sql: Statement) -> Result<u64, StoreError> {
        let execute = async |connection: &mut PgConnection, _: &str| {
            sql.for_postgres().execute(connection).await.map(|done| done.rows_affected())
        };
        self.with(execute).await
    }

    async fn close(mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let closing = async {
            // The server ends a session some time after it is told to, and whoever follows under
            // this name may be there before.
            let sql = sqlx::query("SELECT pg_advisory_unlock($1)").bind(lock_of(&self.writer));
            connection.execute(sql).await?;
            connection.close().await
        };
        if let Ok(Err(error)) = timeout(PATIENCE, closing).await {
            tracing::debug!("the ledger's connection did not close: {error}");
        }
    }
}

/// One statement, and so one round trip and one transaction, whatever the number of rows.
async fn insert(
    connection: &mut PgConnection,
    writer: &str,
    rows: Vec<Row>,
) -> Result<(), sqlx::Error> {
    let mut sequences = Vec::with_capacity(rows.len());
    let mut times = Vec::with_capacity(rows.len());
    let mut hashes = Vec::with_capacity(rows.len());
    let mut abouts = Vec::with_capacity(rows.len());
    let mut texts: [Vec<&str>; 6] = Default::default();
    for row in &rows {
        sequences.push(row.sequence);
        times.push(row.time);
        hashes.push(row.hash.0.to_vec());
        abouts.push(row.about.as_deref());
        let own = [&*row.id, &row.username, &row.namespace, &row.pod, &row.answer, &row.json];
        texts.iter_mut().zip(own).for_each(|(column, text)| column.push(text));
    }
    let [ids, usernames, namespaces, pods, answers, records] = texts;
    sqlx::query(
        "INSERT INTO records \
         (writer, sequence, time, hash, about, id, username, namespace, pod, answer, record) \
         SELECT $1, * FROM UNNEST($2::bigint[], $3::bigint[], $4::bytea[], $5::text[], \
         $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])",
    )
    .bind(writer)
    .bind(sequences)
    .bind(times)
    .bind(hashes)
    .bind(abouts)
    .bind(ids)
    .bind(usernames)
    .bind(namespaces)
    .bind(pods)
    .bind(answers)
    .bind(records)
    .execute(connection)
    .await
    .map(drop)
}

async fn insert_block(
    connection: &mut PgConnection,
    writer: &str,
    block: Block,
) -> Result<(), sqlx::Error> {
    let Block { first, last, oldest, newest, terms } = block;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO blocks (writer, first, last, oldest, newest) VALUES ($1, $2, $3, $4, $5) \
         RETURNING id",
    )
    .bind(writer)
    .bind(first)
    .bind(last)
    .bind(oldest)
    .bind(newest)
    .fetch_one(&mut *connection)
    .await?;
    // In order, so that two writers never wait for each other in a circle.
    let terms: Vec<String> = terms.into_iter().collect();
    sqlx::query(
        "INSERT INTO terms (term) SELECT term FROM pg_catalog.unnest($1::text[]) AS new (term) \
         WHERE NOT EXISTS (SELECT 1 FROM terms WHERE terms.term = new.term) \
         ORDER BY term COLLATE \"C\" ON CONFLICT DO NOTHING",
    )
    .bind(&terms)
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO postings (term, block) SELECT id, $1 FROM terms WHERE term = ANY($2)")
        .bind(id)
        .bind(&terms)
        .execute(&mut *connection)
        .await
        .map(drop)
}

fn write_error(server: &Server, writer: &str, error: sqlx::Error) -> StoreError {
    let taken = error.as_database_error().is_some_and(|error| {
        error.is_unique_violation() && error.constraint() == Some("records_pkey")
    });
    if taken {
        return StoreError::Conflict { place: server.to_string(), writer: writer.to_owned() };
    }
    sql_error(server, error)
}
