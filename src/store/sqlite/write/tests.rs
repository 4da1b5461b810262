use super::*;

/// What a test that kills a process cannot see: that it also survives a power cut.
#[tokio::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postern.db");
    let mut destination = SqliteDestination::open(&path, "w").await.unwrap();
    let connection = &mut destination.connected().await.unwrap().connection;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
    // 2 is FULL: the log is synced at every commit.
    assert_eq!((mode.as_str(), synchronous), ("wal", 2));
}

/// A server's container may write its ledger and nothing else, and SQLite keeps what a statement of
/// `write_more` may have to take back in a file once it is much.
#[tokio::test]
async fn nothing_is_put_into_files_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postern.db");
    let mut destination = SqliteDestination::open(&path, "w").await.unwrap();
    let connection = &mut destination.connected().await.unwrap().connection;
    let store: i64 = sqlx::query_scalar("PRAGMA temp_store").fetch_one(connection).await.unwrap();
    // 2 is MEMORY.
    assert_eq!(store, 2);
}

/// One of before keeps its own: the pages of a file that has tables cannot be changed in passing.
#[tokio::test]
async fn a_new_file_has_the_large_pages_and_one_of_before_its_own() {
    const BEFORE: u32 = 4096;

    let folder = tempfile::tempdir().unwrap();
    let page_bytes = async |path: &Path| {
        let mut destination = SqliteDestination::open(path, "w").await.unwrap();
        let connection = &mut destination.connected().await.unwrap().connection;
        let bytes: u32 =
            sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await.unwrap();
        destination.close().await;
        bytes
    };
    assert_eq!(page_bytes(&folder.path().join("new.db")).await, PAGE_BYTES);

    let path = folder.path().join("old.db");
    let old = options(&path, BUSY).create_if_missing(true).page_size(BEFORE);
    let mut old = old.connect().await.unwrap();
    schema::migrate(&mut old, &path).await.unwrap();
    old.close().await.unwrap();
    assert_eq!(page_bytes(&path).await, BEFORE);
}

/// `.cargo/config.toml` says how SQLite is compiled, and a build that passes it by says nothing.
#[tokio::test]
async fn sqlite_is_compiled_as_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut destination =
        SqliteDestination::open(&folder.path().join("postern.db"), "w").await.unwrap();
    let connection = &mut destination.connected().await.unwrap().connection;
    let options: Vec<String> =
        sqlx::query_scalar("PRAGMA compile_options").fetch_all(connection).await.unwrap();
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    assert!(has("DEFAULT_MEMSTATUS=0") && !has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
    assert!(!has("ENABLE_FTS5") && !has("ENABLE_RTREE"), "{options:?}");
}
