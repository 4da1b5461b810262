//! SQL that both databases understand, and the connections that read with it.
//!
//! Parameters are `$1`, `$2` …, which SQLite numbers as PostgreSQL does.

use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow, Postgres, Sqlite};

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
    Postgres(PgPool),
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

macro_rules! query {
    ($query:ident, $database:ty, $statement:expr) => {{
        let Statement { sql, arguments } = $statement;
        let mut query = sqlx::$query::<$database, _>(AssertSqlSafe(sql));
        for argument in arguments {
            query = match argument {
                Argument::Text(text) => query.bind(text),
                Argument::Integer(number) => query.bind(number),
            };
        }
        query
    }};
}

impl Pool {
    pub(super) async fn fetch<T: Columns>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => query!(query_as, Sqlite, statement).fetch_all(pool).await,
            Self::Postgres(pool) => query!(query_as, Postgres, statement).fetch_all(pool).await,
        }
    }

    /// Runs a statement that changes something; how many rows it changed.
    pub(super) async fn execute(&self, statement: Statement) -> Result<u64, sqlx::Error> {
        macro_rules! run {
            ($database:ty, $pool:expr) => {{
                let Statement { sql, arguments } = statement;
                let mut query = sqlx::query::<$database>(AssertSqlSafe(sql));
                for argument in arguments {
                    query = match argument {
                        Argument::Text(text) => query.bind(text),
                        Argument::Integer(number) => query.bind(number),
                    };
                }
                query.execute($pool).await.map(|done| done.rows_affected())
            }};
        }
        match self {
            Self::Sqlite(pool) => run!(Sqlite, pool),
            Self::Postgres(pool) => run!(Postgres, pool),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
