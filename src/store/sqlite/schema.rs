//! Which version of the tables a file has, and how it gets to this program's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, SqlSafeStr};

use super::super::StoreError;
use super::{place, sql_error};
use crate::ledger::chain::Hash;
use crate::policy::text::{Plain, Quoted};

/// Every step that the schema ever took, oldest first. A step that was released never changes:
/// databases remember its checksum.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "records", include_str!("../migrations/sqlite/0001_records.sql")),
    (2, "chain", include_str!("../migrations/sqlite/0002_chain.sql")),
];

/// "Post" in ASCII; the first migration sets it.
const APPLICATION_ID: i64 = 0x506f_7374;

/// The schema that this program writes and reads.
pub(super) fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

/// The schema of an existing ledger; 0 for a file with nothing in it.
///
/// # Errors
///
/// Somebody else's database, or a ledger of a newer version.
pub(super) async fn found(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<i64, StoreError> {
    let sql = |error| sql_error(path, error);
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(sql)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(sql)?;
    let found: i64 = match (application, tables) {
        (0, 0) => return Ok(0),
        (APPLICATION_ID, _) => {
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&mut *connection)
                .await
                .map_err(sql)?
        }
        _ => return Err(StoreError::NotALedger { place: place(path) }),
    };
    if found > known() {
        return Err(StoreError::Newer { place: place(path), found, known: known() });
    }
    Ok(found)
}

/// Takes the steps that are missing, all or none.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let sql = |error| sql_error(path, error);
    let steps = MIGRATIONS.iter().map(|(version, description, script)| {
        Migration::new(
            *version,
            (*description).into(),
            MigrationType::Simple,
            script.into_sql_str(),
            false,
        )
    });
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
    // Not `run`: the compiler cannot prove that its future may change threads.
    Migrator::with_migrations(steps.collect())
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| sql(sqlx::Error::Migrate(Box::new(error))))?;
    chain_older(&mut transaction).await.map_err(sql)?;
    transaction.commit().await.map_err(sql)
}

/// What is wrong with a file beside its records: tables, indexes and views that no step made, and
/// what SQLite itself finds when it reads all of it.
pub(super) async fn misfits(
    connection: &mut SqliteConnection,
    path: &Path,
    most: usize,
) -> Result<Vec<String>, StoreError> {
    let sql = |error| sql_error(path, error);
    let nowhere = Path::new(":memory:");
    let made = SqliteConnection::connect("sqlite::memory:").await;
    let mut made = made.map_err(|error| sql_error(nowhere, error))?;
    migrate(&mut made, nowhere).await?;
    let expected = objects(&mut made).await.map_err(|error| sql_error(nowhere, error))?;
    let there = objects(connection).await.map_err(sql)?;
    let names: BTreeSet<&Object> = expected.keys().chain(there.keys()).collect();
    let mut found: Vec<String> = names
        .into_iter()
        .filter(|object| expected.get(*object) != there.get(*object))
        .map(|(kind, name)| {
            format!("the {} {} is not as a server makes it", Plain(kind), Quoted(name))
        })
        .collect();
    let check = AssertSqlSafe(format!("PRAGMA integrity_check({most})"));
    let faults: Vec<String> =
        sqlx::query_scalar(check).fetch_all(&mut *connection).await.map_err(sql)?;
    found.extend(faults.iter().filter(|it| *it != "ok").map(|it| Plain(it).to_string()));
    Ok(found)
}

/// Kind and name: a trigger may be called as an index is.
type Object = (String, String);

/// Tables, indexes, views and triggers as they are defined; but for the tables and indexes that
/// SQLite makes by itself, and those of the library that takes the steps.
async fn objects(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<Object, Option<String>>, sqlx::Error> {
    let objects: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT type, name, sql FROM sqlite_schema WHERE type NOT IN ('table', 'index') \
         OR (tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> '_sqlx_migrations')",
    )
    .fetch_all(connection)
    .await?;
    Ok(objects.into_iter().map(|(kind, name, sql)| ((kind, name), sql)).collect())
}

/// Chains the records that were written before there were chains.
async fn chain_older(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut before = (String::new(), 0_i64, Hash::NOTHING);
    loop {
        let next: Option<(String, i64, String)> = sqlx::query_as(
            "SELECT writer, sequence, record FROM records
             WHERE hash IS NULL AND (writer, sequence) > (?, ?) ORDER BY writer, sequence LIMIT 1",
        )
        .bind(before.0.clone())
        .bind(before.1)
        .fetch_optional(&mut *connection)
        .await?;
        let Some((writer, sequence, record)) = next else { return Ok(()) };
        let hash = if writer == before.0 { before.2 } else { Hash::NOTHING };
        let hash = hash.then(record.as_bytes());
        sqlx::query("UPDATE records SET hash = ? WHERE writer = ? AND sequence = ?")
            .bind(hash.0.to_vec())
            .bind(writer.clone())
            .bind(sequence)
            .execute(&mut *connection)
            .await?;
        before = (writer, sequence, hash);
    }
}
