//! Ledgers that older versions left, opened by the server of this one. `tests/corpus/upgrade` has
//! one of each schema, as those versions wrote it.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::postgres::Postgres;
use super::server::{POLICIES, ask};
use crate::server::Site;

/// Of the first version: no hashes, no checkpoints, no events.
const SQLITE_1: &str = include_str!("../../corpus/upgrade/sqlite-1.sql");
/// Of the first version with chains.
const SQLITE_2: &str = include_str!("../../corpus/upgrade/sqlite-2.sql");
/// Of the first version that knew PostgreSQL.
const POSTGRES_1: &str = include_str!("../../corpus/upgrade/postgres-1.sql");
/// What signed those two; it is good for nothing else.
const SIGNED_WITH: &str = "tests/corpus/upgrade/postgres-1.pem";

const KEY: &str = "ledger.key";

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_ledger_of_the_first_schema_is_taken_over_whole() {
    let site = Site::new();
    let before = restore(&site, SQLITE_1).await;

    let reader = audit(&site, "sqlite:l.db", &["list"]);
    let said = String::from_utf8(reader.stderr).unwrap();
    assert_eq!(reader.status.code(), Some(2));
    assert!(said.contains("`l.db` is of an older schema, 1 instead of 2"), "{said}");
    assert!(said.contains("a server of this version brings it up to date"), "{said}");

    let log = is_taken_over(&site, "sqlite:l.db", &before).await;
    for said in ["bringing the ledger from schema 1 to 2", "the ledger is brought from schema"] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_ledger_with_chains_is_taken_over_whole() {
    let site = Site::new();
    let before = restore(&site, SQLITE_2).await;
    install_key(&site);
    let log = is_taken_over(&site, "sqlite:l.db", &before).await;
    assert!(!log.contains("from schema"), "{log}");
}

/// Makes a file of a dump, and gives back the texts of its decisions, newest first.
async fn restore(site: &Site, dump: &'static str) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(site.path("l.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(dump).execute(&mut connection).await.unwrap();
    let query = "SELECT record FROM records WHERE answer <> '' ORDER BY time DESC, id DESC";
    let before = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_ledger_of_the_first_schema_is_taken_over_whole() {
    let site = Site::new();
    let url = Postgres::shared().database();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(POSTGRES_1).execute(&mut connection).await.unwrap();
    let query = "SELECT record FROM public.records WHERE answer <> '' ORDER BY time DESC, id DESC";
    let before: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    install_key(&site);
    is_taken_over(&site, &url, &before).await;
}

/// A program of this version may not know what a later one wrote: none of it is touched.
#[tokio::test]
async fn a_server_of_an_older_version_does_not_start_on_a_newer_ledger() {
    let site = Site::new();
    let mut server = site.start(&["--ledger", "sqlite:l.db"]);
    server.signal("TERM");
    assert!(server.ended().await.success());
    let mut connection =
        SqliteConnectOptions::new().filename(site.path("l.db")).connect().await.unwrap();
    let later = "INSERT INTO _sqlx_migrations
        (version, description, success, checksum, execution_time) VALUES (99, '', TRUE, x'00', 0)";
    sqlx::raw_sql(later).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(site.path("l.db")).unwrap();

    let mut server = site.launch(&["--ledger", "sqlite:l.db"]);
    assert_eq!(server.ended().await.code(), Some(2));
    server.wait_for_line("was written by a newer version of Postern: its schema is 99");
    assert!(std::fs::read(site.path("l.db")).unwrap() == before);
}

fn install_key(site: &Site) {
    for half in ["", ".pub"] {
        let (from, to) = (format!("{SIGNED_WITH}{half}"), format!("{KEY}{half}"));
        std::fs::copy(from, site.path(&to)).unwrap();
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(site.path(&to), own).unwrap();
    }
}

fn audit(site: &Site, ledger: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.env_clear().env("POSTERN_LEDGER", ledger).current_dir(site.path("."));
    command.arg("audit").args(words).output().unwrap()
}

fn says(site: &Site, ledger: &str, words: &[&str]) -> String {
    let output = audit(site, ledger, words);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Today's server starts on it, writes, stops and starts again; then everything from before is
/// there as it was, is found by what is in it, and is covered by what the server signs. Gives back
/// what both said.
async fn is_taken_over(site: &Site, ledger: &str, before: &[String]) -> String {
    assert!(before.len() >= 6, "{}", before.len());
    site.install_policies(&[("developers.yaml", POLICIES)]);
    let mut log = String::new();
    for _ in 0..2 {
        let usual = ["--ledger", ledger, "--ledger-key", KEY, "--writer", "postern-0"];
        let mut server = site.start(&usual);
        ask(site, &server).await;
        server.signal("TERM");
        assert!(server.ended().await.success(), "{}", server.log());
        log += &server.log();
    }

    let all = says(site, ledger, &["list", "-o", "json"]);
    let all: Vec<_> = all.lines().collect();
    assert_eq!(all.len(), before.len() + 2);
    assert_eq!(all[2..], *before);

    for text in before {
        let record: Value = serde_json::from_str(text).unwrap();
        let id = record["id"].as_str().unwrap();
        assert!(says(site, ledger, &["show", id]).contains(id));
        let Some(image) = record["injections"][0]["image"].as_str() else { continue };
        let found = says(site, ledger, &["list", "-o", "json", "--image", image]);
        assert!(found.lines().any(|line| line == text), "{id} is not found by `{image}`");
        let user = record["requester"]["username"].as_str().unwrap();
        let found = says(site, ledger, &["list", "-o", "json", "--user", user]);
        assert!(found.lines().any(|line| line == text), "{id} is not found by `{user}`");
    }

    let key = format!("{KEY}.pub");
    let verified = says(site, ledger, &["verify", "--key", &key]);
    assert!(verified.starts_with("postern-0: good, records 1 to "), "{verified}");
    log
}
