use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::*;
use crate::ledger::{Cursor, Outcome, Query};
use crate::store::read::narrow;
use crate::store::statement::Statement;

async fn plan(query: &Query) -> String {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    schema::migrate(&mut connection, Path::new("test")).await.unwrap();
    let mut listing = Statement::new("EXPLAIN QUERY PLAN SELECT record FROM records WHERE ");
    narrow(&mut listing, query);
    listing.push(" ORDER BY time DESC, id DESC LIMIT 50");
    let sql = sqlx::AssertSqlSafe(listing.sql().to_owned());
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// A listing reads an index in its own order and stops: no part of it may make SQLite sort.
#[tokio::test]
async fn a_listing_reads_newest_first() {
    let before = Some(Cursor { time: Timestamp::UNIX_EPOCH, id: Uuid::nil() });
    let time = Some(Timestamp::UNIX_EPOCH);
    let all = Query::default();
    let queries = [
        all.clone(),
        Query { before, ..all.clone() },
        Query { since: time, until: time, before, ..all.clone() },
        Query { answer: Some(Outcome::Allowed), before, ..all.clone() },
    ];
    for query in queries {
        let plan = plan(&query).await;
        assert!(plan.contains("records USING INDEX records_newest"), "{query:?}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{query:?}\n{plan}");
    }
    let refused = plan(&Query { answer: Some(Outcome::Refused), before, ..all }).await;
    assert!(refused.contains("records USING INDEX records_refused"), "{refused}");
    assert!(!refused.contains("TEMP B-TREE"), "{refused}");
}

/// What reading falls back to in a folder that cannot be written.
#[tokio::test]
async fn a_copy_without_a_log_needs_no_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a 100% copy?.db");
    let mut connection = options(&path, BUSY).create_if_missing(true).connect().await.unwrap();
    schema::migrate(&mut connection, &path).await.unwrap();
    connection.close().await.unwrap();
    assert!(has_no_log(&path));

    check(&path, read_only(&path).immutable(true)).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::write(folder.path().join("a 100% copy?.db-wal"), "frames").unwrap();
    assert!(!has_no_log(&path));
}
