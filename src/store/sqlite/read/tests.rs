use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::*;
use crate::ledger::Cursor;

async fn plan(query: &Query) -> String {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    schema::migrate(&mut connection, Path::new("test")).await.unwrap();
    let mut explained = QueryBuilder::<Sqlite>::new("EXPLAIN QUERY PLAN ");
    explained.push(selection(query).sql().as_str());
    let rows = explained.build().fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// A listing reads an index in its own order and stops: no filter may make SQLite sort.
#[tokio::test]
async fn every_filter_reads_newest_first() {
    let text = || Some("x".to_owned());
    let before = Some(Cursor { time: Timestamp::UNIX_EPOCH, id: Uuid::nil() });
    let time = Some(Timestamp::UNIX_EPOCH);
    let all = Query { limit: 50, ..Query::default() };
    let queries = [
        all.clone(),
        Query { before, ..all.clone() },
        Query { since: time, until: time, before, ..all.clone() },
        Query { user: text(), namespace: text(), pod: text(), before, ..all.clone() },
        Query { image: text(), before, ..all.clone() },
        Query { answer: Some(Outcome::Allowed), before, ..all.clone() },
    ];
    for query in queries {
        let plan = plan(&query).await;
        assert!(plan.contains("records USING INDEX records_newest"), "{query:?}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{query:?}\n{plan}");
        assert!(!plan.contains("SCAN images"), "{query:?}\n{plan}");
    }
    let refused = plan(&Query { answer: Some(Outcome::Refused), before, ..all }).await;
    assert!(refused.contains("records USING INDEX records_refused"), "{refused}");
    assert!(!refused.contains("TEMP B-TREE"), "{refused}");
}

#[test]
fn only_a_star_survives_in_a_glob() {
    assert_eq!(glob("*a?[b]*"), "*a[?][[]b]*");
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
