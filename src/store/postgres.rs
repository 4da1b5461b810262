//! A ledger in a PostgreSQL database, for several writers at once.

mod schema;
mod session;
mod write;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tokio::time::timeout;

use self::write::PostgresDestination;
use super::location::{Location, Server};
use super::read::Reader;
use super::statement::{Pool, Statement};
use super::writer::{Writer, Writing};
use super::{Preface, StoreError, StoredLedger};
use crate::ledger::LedgerError;

/// How long a server may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server waits for the answer to a statement; longer than any deadline.
const PATIENCE: Duration = Duration::from_secs(10);
/// Has a session look for functions where PostgreSQL has its own, then for tables where those of
/// the ledger are, and nowhere else. Whoever owns the database can set for all sessions that
/// functions of their own come first, and would have `audit verify` read what was there before they
/// changed it.
const PIN: &str = "SELECT pg_catalog.set_config('search_path', pg_catalog.concat('pg_catalog, ', \
     pg_catalog.quote_ident(COALESCE((SELECT nspname::pg_catalog.text FROM pg_catalog.pg_class \
     JOIN pg_catalog.pg_namespace ON pg_namespace.oid OPERATOR(pg_catalog.=) relnamespace WHERE \
     pg_class.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('records')), \
     pg_catalog.current_schema()::pg_catalog.text, 'public')), ', pg_temp'), false)";
/// An idle connection is a process of the server.
const IDLE: Duration = Duration::from_secs(30);

pub(super) async fn open(server: &Server, writing: Writing) -> Result<StoredLedger, LedgerError> {
    let reader = reader(server, Some(PATIENCE));
    let destination = PostgresDestination::open(server, &writing.writer, reader.clone())
        .await
        .map_err(|error| error.while_doing("open"))?;
    Ok(StoredLedger {
        writer: Some(Writer::start(destination, writing)),
        reader,
        location: Location::Postgres(server.clone()),
        file: None,
    })
}

/// Drops what is old of a writer that is gone; nothing where it is not gone.
pub(super) async fn inherit(
    server: &Server,
    writing: Writing,
    preface: Preface,
) -> Result<bool, StoreError> {
    let reader = reader(server, Some(PATIENCE));
    match PostgresDestination::of_gone(server, &writing.writer, reader).await {
        Ok(destination) => Writer::inherit(destination, writing, preface).await,
        Err(StoreError::InUse { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn open_read_only(server: &Server) -> Result<StoredLedger, LedgerError> {
    let check = async {
        let mut connection = connect(server).await?;
        schema::check(&mut connection, server).await?;
        connection.close().await.map_err(|error| sql_error(server, error))
    };
    check.await.map_err(|error| error.while_doing("open"))?;
    Ok(StoredLedger {
        writer: None,
        reader: reader(server, None),
        location: Location::Postgres(server.clone()),
        file: None,
    })
}

/// Changes something beside the records, on a connection of its own.
pub(super) async fn change(server: &Server, sql: Statement) -> Result<(), StoreError> {
    let failed = |error| sql_error(server, error);
    let pool = connections(1).connect_with(options(server)).await;
    let pool = Pool::Postgres(pool.map_err(failed)?, None);
    let changed = pool.execute(sql).await.map(drop).map_err(failed);
    pool.close().await;
    changed
}

/// Whoever reads as a person waits as long as a search takes; a server has somebody who waits.
fn reader(server: &Server, patience: Option<Duration>) -> Reader {
    let pool = connections(2).idle_timeout(IDLE).connect_lazy_with(options(server));
    Reader { pool: Pool::Postgres(pool, patience), place: server.to_string() }
}

/// At most so many, each made when it is needed.
fn connections(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .min_connections(0)
        .max_connections(most)
        .acquire_timeout(CONNECT)
        .after_connect(|connection, _| Box::pin(async { connection.execute(PIN).await.map(drop) }))
}

/// What every connection has in common.
fn options(server: &Server) -> PgConnectOptions {
    server
        .options()
        .application_name("postern")
        // Statements carry what people wrote; the log is no place for it.
        .disable_statement_logging()
}

async fn connect(server: &Server) -> Result<PgConnection, StoreError> {
    let connecting = async {
        let mut connection = options(server).connect().await?;
        connection.execute(PIN).await?;
        Ok(connection)
    };
    match timeout(CONNECT, connecting).await {
        Ok(connected) => connected.map_err(|error| sql_error(server, error)),
        Err(_late) => Err(sql_error(server, sqlx::Error::PoolTimedOut)),
    }
}

fn sql_error(server: &Server, source: sqlx::Error) -> StoreError {
    StoreError::Sql { place: server.to_string(), source }
}
