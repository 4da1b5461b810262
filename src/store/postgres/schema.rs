//! Which version of the tables a database has, and how it gets to this program's.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection, PgConnection, SqlSafeStr};

use super::super::StoreError;
use super::super::location::Server;
use super::sql_error;

/// Every step that the schema ever took, oldest first. A step that was released never changes:
/// databases remember its checksum.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "records", include_str!("../migrations/postgres/0001_records.sql"))];

/// Held while the schema takes its steps, so that of several replicas one takes them: "Post" in
/// ASCII.
const LOCK: i64 = 0x506f_7374;

fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

/// The schema of the database; 0 for one in which nothing of ours is yet.
async fn found(connection: &mut PgConnection, server: &Server) -> Result<i64, StoreError> {
    let sql = |error| sql_error(server, error);
    let (encoding, migrations, records): (String, bool, bool) = sqlx::query_as(
        "SELECT getdatabaseencoding()::text, to_regclass('_sqlx_migrations') IS NOT NULL, \
         to_regclass('records') IS NOT NULL",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(sql)?;
    if encoding != "UTF8" {
        return Err(StoreError::Encoding { place: server.to_string(), encoding });
    }
    match (migrations, records) {
        (false, false) => return Ok(0),
        (true, true) => {}
        _ => return Err(StoreError::NotALedger { place: server.to_string() }),
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(sql)?;
    if found > known() {
        let place = server.to_string();
        return Err(StoreError::Newer { place, found, known: known() });
    }
    Ok(found)
}

/// Whether a reader of this version can read it.
pub(super) async fn check(
    connection: &mut PgConnection,
    server: &Server,
) -> Result<(), StoreError> {
    let place = server.to_string();
    match found(connection, server).await? {
        0 => Err(StoreError::NotALedger { place }),
        found if found < known() => Err(StoreError::Older { place, found, known: known() }),
        _ => Ok(()),
    }
}

/// Takes the steps that are missing, all or none; waits for another writer that does.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    server: &Server,
) -> Result<(), StoreError> {
    let sql = |error| sql_error(server, error);
    if found(connection, server).await? == known() {
        return Ok(());
    }
    let steps = MIGRATIONS.iter().map(|(version, description, script)| {
        Migration::new(
            *version,
            (*description).into(),
            MigrationType::Simple,
            script.into_sql_str(),
            false,
        )
    });
    let mut transaction = connection.begin().await.map_err(sql)?;
    // Tables are made in the first schema that is looked in, and no longer in PostgreSQL's own.
    sqlx::query("SET LOCAL search_path TO DEFAULT")
        .execute(&mut *transaction)
        .await
        .map_err(sql)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(sql)?;
    let mut migrator = Migrator::with_migrations(steps.collect());
    // The lock of our own is enough, and ends with the transaction.
    migrator.set_locking(false);
    migrator
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| sql(sqlx::Error::Migrate(Box::new(error))))?;
    transaction.commit().await.map_err(sql)
}
