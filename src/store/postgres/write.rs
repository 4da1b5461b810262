//! The one connection that writes.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use super::super::location::Server;
use super::super::read::Reader;
use super::super::row::{Batch, Block, Row};
use super::super::statement::{Columns, Statement};
use super::super::writer::{Destination, State, upkeep};
use super::super::{StoreError, unread};
use super::session::{self, Session};
use super::{PATIENCE, connect, schema, sql_error};

/// How long a process may take to end that has the writer's name still, or to let go of it: another
/// server drops what a gone one wrote in its name.
const ENDS: Duration = Duration::from_secs(5);

/// A database, written as one writer.
#[derive(Debug)]
pub(super) struct PostgresDestination {
    server: Server,
    writer: String,
    connection: Option<PgConnection>,
    /// That of the last connection: it may have the name still.
    session: Option<Session>,
    /// How long another is waited for that has the name.
    patience: Duration,
    reader: Reader,
}

impl PostgresDestination {
    pub(super) async fn open(
        server: &Server,
        writer: &str,
        reader: Reader,
    ) -> Result<Self, StoreError> {
        let mut this = Self::new(server, writer, reader);
        this.patience = ENDS;
        this.probe().await?;
        // From now on nobody takes this writer for gone.
        this.patience = Duration::ZERO;
        Ok(this)
    }

    /// As a writer that is gone, while nobody else has its name.
    pub(super) async fn of_gone(
        server: &Server,
        writer: &str,
        reader: Reader,
    ) -> Result<Self, StoreError> {
        let mut this = Self::new(server, writer, reader);
        this.connected().await?;
        Ok(this)
    }

    fn new(server: &Server, writer: &str, reader: Reader) -> Self {
        let (server, writer) = (server.clone(), writer.to_owned());
        let (connection, session, patience) = (None, None, Duration::ZERO);
        Self { server, writer, connection, session, patience, reader }
    }

    /// The connection, made anew where there is none.
    async fn connected(&mut self) -> Result<&mut PgConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.connect().await?;
                let session = Session::of(&mut connection).await;
                self.session = session.map_err(|error| sql_error(&self.server, error))?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let sql = |error| sql_error(&self.server, error);
        let mut connection = connect(&self.server).await?;
        // Whatever the server's own default is: an answer is given once the record is durable.
        connection.execute("SET synchronous_commit = on").await.map_err(sql)?;
        session::watch(&mut connection).await.map_err(sql)?;
        schema::migrate(&mut connection, &self.server).await?;
        let (writer, before) = (&self.writer, self.session);
        if !session::take_name(&mut connection, writer, before, self.patience).await.map_err(sql)? {
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

    async fn probe(&mut self) -> Result<(), StoreError> {
        upkeep::probe(self).await?;
        // That fits where something was before, and needs no right to the records.
        self.with(async |connection, _| {
            let mut transaction = connection.begin().await?;
            // Of a writer that nobody can be: no number of ours may be in the way.
            insert(&mut transaction, "", upkeep::blanks()).await?;
            transaction.rollback().await
        })
        .await
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
            session::give_back(&mut connection, &self.writer).await?;
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
