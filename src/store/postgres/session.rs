//! The session that holds a writer's name.
//!
//! A name is an advisory lock, and PostgreSQL keeps it for as long as it keeps the session. Of a
//! client that has gone without a word it learns by itself after two hours, and one that waits for
//! a lock does not look.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::time::sleep;

use crate::ledger::chain::Hash;

/// How PostgreSQL finds out within half a minute that nobody is there any more (its manual,
/// "Connection Settings"). Not every system that it runs on can be told.
const WATCHFUL: &str = "SELECT set_config('tcp_keepalives_idle', '10', false), \
     set_config('tcp_keepalives_interval', '5', false), \
     set_config('tcp_keepalives_count', '3', false), \
     set_config('tcp_user_timeout', '25s', false), \
     set_config('client_connection_check_interval', '5s', false)";

/// A process of the server, which has its number from others before it.
const BEGUN: &str = "(extract(epoch FROM backend_start) * 1000000)::bigint";

/// Between two attempts to have a name.
const PAUSE: Duration = Duration::from_millis(100);

/// A session, told apart from every other of its server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pid: i32,
    /// Microseconds since 1970.
    begun: i64,
}

impl Session {
    /// That of a connection.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let sql = format!("SELECT pid, {BEGUN} FROM pg_stat_activity WHERE pid = pg_backend_pid()");
        let own: Option<(i32, i64)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_optional(connection).await?;
        Ok(own.map(|(pid, begun)| Self { pid, begun }))
    }

    /// Ends it, from another connection of the same role; nothing where it has ended.
    async fn end(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql = format!(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity \
             WHERE pid = $1 AND {BEGUN} = $2"
        );
        let ended = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.pid).bind(self.begun);
        ended.execute(connection).await.map(drop)
    }
}

/// Has the server notice when the client of this connection is gone.
pub(super) async fn watch(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match sqlx::query(WATCHFUL).execute(connection).await {
        Err(sqlx::Error::Database(error)) => {
            tracing::debug!("PostgreSQL cannot look whether its clients are there: {error}");
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Takes a writer's name for a connection; whether nobody else has it. Another is waited for, and
/// `before`, of which nobody hears any more, is ended.
pub(super) async fn take_name(
    connection: &mut PgConnection,
    writer: &str,
    before: Option<Session>,
    patience: Duration,
) -> Result<bool, sqlx::Error> {
    let begun = Instant::now();
    if is_taken(connection, writer).await? {
        return Ok(true);
    }
    if let Some(before) = before {
        before.end(connection).await?;
    }
    loop {
        if is_taken(connection, writer).await? {
            return Ok(true);
        }
        if begun.elapsed() >= patience {
            return Ok(false);
        }
        sleep(PAUSE).await;
    }
}

async fn is_taken(connection: &mut PgConnection, writer: &str) -> Result<bool, sqlx::Error> {
    let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock_of(writer));
    lock.fetch_one(connection).await
}

/// Gives it back before the connection ends.
pub(super) async fn give_back(
    connection: &mut PgConnection,
    writer: &str,
) -> Result<(), sqlx::Error> {
    let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(lock_of(writer));
    unlock.execute(connection).await.map(drop)
}

/// The first eight bytes of a hash of the writer's name.
fn lock_of(writer: &str) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(format!("postern writer {writer}").as_bytes()).0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
