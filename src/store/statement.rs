//! SQL that both databases understand, and the connections that read with it.
//!
//! Parameters are `$1`, `$2` …, which SQLite numbers as PostgreSQL does.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow, Postgres, Sqlite};
use tokio::time::timeout;

/// A statement under construction. What people wrote is in its arguments, never in its text.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    sql: String,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
pub(super) enum Argument {
    Text(String),
    Integer(i64),
    Bytes(Vec<u8>),
}

impl From<Vec<u8>> for Argument {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), arguments: Vec::new() }
    }

    /// Adds text of our own.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a parameter and what it stands for.
    pub(super) fn bind(&mut self, argument: impl Into<Argument>) -> &mut Self {
        self.arguments.push(argument.into());
        self.sql.push_str(&format!("${}", self.arguments.len()));
        self
    }

    /// Adds `(a, b, …)` of identifiers that the database made.
    pub(super) fn push_ids(&mut self, ids: &[i64]) -> &mut Self {
        let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
        self.sql.push_str(&format!("({})", ids.join(",")));
        self
    }

    #[cfg(test)]
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }
}

/// Connections that read.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    /// And how long an answer is waited for, where that is not for ever: a machine that is gone
    /// says nothing, and TCP waits for it for a quarter of an hour.
    Postgres(PgPool, Option<Duration>),
}

/// A row of either database.
pub(super) trait Columns:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Columns for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

macro_rules! bound {
    ($query:expr, $arguments:expr) => {{
        let mut query = $query;
        for argument in $arguments {
            query = match argument {
                Argument::Text(text) => query.bind(text),
                Argument::Integer(number) => query.bind(number),
                Argument::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}

impl Statement {
    pub(super) fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        bound!(sqlx::query(AssertSqlSafe(self.sql)), self.arguments)
    }

    pub(super) fn for_postgres(self) -> Query<'static, Postgres, PgArguments> {
        bound!(sqlx::query(AssertSqlSafe(self.sql)), self.arguments)
    }

    pub(super) fn rows_for_sqlite<T: Columns>(
        self,
    ) -> QueryAs<'static, Sqlite, T, SqliteArguments> {
        bound!(sqlx::query_as(AssertSqlSafe(self.sql)), self.arguments)
    }

    pub(super) fn rows_for_postgres<T: Columns>(
        self,
    ) -> QueryAs<'static, Postgres, T, PgArguments> {
        bound!(sqlx::query_as(AssertSqlSafe(self.sql)), self.arguments)
    }
}

impl Pool {
    pub(super) async fn fetch<T: Columns>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => statement.rows_for_sqlite().fetch_all(pool).await,
            Self::Postgres(pool, None) => statement.rows_for_postgres().fetch_all(pool).await,
            Self::Postgres(pool, Some(patience)) => {
                let mut connection = pool.acquire().await?;
                let rows = statement.rows_for_postgres().fetch_all(&mut *connection);
                if let Ok(rows) = timeout(*patience, rows).await {
                    return rows;
                }
                // Nothing is known about it any more, and another one may have somebody to talk to.
                connection.close_on_drop();
                Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Runs a statement that changes something.
    pub(super) async fn execute(&self, statement: Statement) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(pool) => statement.for_sqlite().execute(pool).await.map(drop),
            Self::Postgres(pool, _) => statement.for_postgres().execute(pool).await.map(drop),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}
