//! What somebody with a database shell and patience tries: to have a server sign what it did not
//! write, and to have searches pass by what `verify` calls good.

use std::time::Duration;

use postern::ledger::chain::Hash;
use postern::ledger::checkpoint::Checkpoint;
use postern::ledger::event::{Event, Person, What};
use postern::ledger::note::SigningKey;
use postern::ledger::tree::Frontier;
use postern::ledger::{Entry, Journal, Ledger, Record};
use postern::store::{AnyLedger, Keep, Location, keys};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::fixture::{record, until};
use super::verify::{Place, stdout};

/// Of what [`Place::fill`] writes.
const LAST: u64 = 301;

async fn connect(place: &Place) -> SqliteConnection {
    let file = place.ledger.strip_prefix("sqlite:").unwrap();
    SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}

/// Appends an entry with the hash that follows, as anybody can.
async fn forge(connection: &mut SqliteConnection, what: What) {
    let (sequence, before): (i64, Vec<u8>) =
        sqlx::query_as("SELECT sequence, hash FROM records ORDER BY sequence DESC LIMIT 1")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    let mut entry = Entry::from(Event::now("staging", what));
    entry.place("postern-0", u64::try_from(sequence).unwrap() + 1);
    let json = entry.to_json().unwrap();
    let hash = Hash::from_slice(&before).unwrap().then(json.as_bytes());
    sqlx::query(
        "INSERT INTO records (writer, sequence, id, time, username, namespace, pod, answer, \
         record, hash) VALUES ('postern-0', ?, ?, ?, '', '', '', '', ?, ?)",
    )
    .bind(sequence + 1)
    .bind(entry.id().to_string())
    .bind(i64::try_from(entry.time().as_nanosecond()).unwrap())
    .bind(json)
    .bind(hash.0.to_vec())
    .execute(connection)
    .await
    .unwrap();
}

/// Writes another name into every record and the index, computes all hashes anew and removes what
/// was signed.
async fn rewrite(connection: &mut SqliteConnection) {
    let records: Vec<(i64, String)> =
        sqlx::query_as("SELECT sequence, record FROM records ORDER BY sequence")
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    let mut hash = Hash::NOTHING;
    for (sequence, json) in records {
        let json = json.replace("jane@example.com", "eve@example.com");
        hash = hash.then(json.as_bytes());
        sqlx::query("UPDATE records SET record = ?, hash = ?, username = replace(username, 'jane', 'eve') WHERE sequence = ?")
            .bind(json)
            .bind(hash.0.to_vec())
            .bind(sequence)
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    let index = "UPDATE terms SET term = replace(term, 'jane', 'eve')";
    sqlx::query(index).execute(&mut *connection).await.unwrap();
    sqlx::query("DELETE FROM checkpoints").execute(connection).await.unwrap();
}

async fn append(ledger: &AnyLedger) -> Result<(), String> {
    let record = Record { id: Uuid::now_v7(), ..record(1) };
    ledger.append(record).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

/// As a server does it when it begins.
async fn begin(place: &Place) -> (AnyLedger, u64) {
    let ledger = place.open("postern-0").await;
    let trusted = keys::load_or_make(&place.key()).unwrap().known;
    let attested = ledger.attested("postern-0", &trusted).await.unwrap();
    let unsigned = ledger.last_sequence("postern-0").await.unwrap() - attested;
    let started = What::Started { version: "1".to_owned(), settings: [].into(), unsigned };
    ledger.append_event(Event::now("staging", started)).await.unwrap();
    (ledger, unsigned)
}

fn dropped(checkpoint: String) -> What {
    What::Dropped { through: LAST, checkpoint, reason: "age".to_owned() }
}

#[test]
fn a_server_signs_no_other_history_than_it_wrote() {
    let place = Place::sqlite();
    Runtime::new().unwrap().block_on(async {
        place.fill().await;
        let ledger = place.open("postern-0").await;
        append(&ledger).await.unwrap();
        let mut connection = connect(&place).await;
        rewrite(&mut connection).await;
        forge(&mut connection, What::Stopped {}).await;
        append(&ledger).await.unwrap_err();
        for _ in 0..2 {
            let why = append(&ledger).await.unwrap_err();
            assert!(
                why.contains("record 302 is no longer the one that this server wrote"),
                "{why}"
            );
        }
        ledger.close().await;
        connection.close().await.unwrap();
        let signed = place.open("reader").await.signed("postern-0").await.unwrap();
        assert!(signed.is_empty(), "{signed:?}");
    });
}

/// After a restart nobody knows what was there before, but that nobody had signed it is told.
#[test]
fn what_a_server_went_on_from_unsigned_is_told() {
    let place = Place::sqlite();
    let unsigned = Runtime::new().unwrap().block_on(async {
        place.fill().await;
        rewrite(&mut connect(&place).await).await;
        let (ledger, unsigned) = begin(&place).await;
        ledger.close().await;
        unsigned
    });
    assert_eq!(unsigned, LAST);
    let text = stdout(&place.verify(&[]).success());
    let expected = "  adopted    301 before record 302, which no checkpoint spoke for then\n";
    assert!(text.contains(expected), "{text}");
    let json: Value = serde_json::from_str(&stdout(&place.verify(&["-o", "json"]))).unwrap();
    assert_eq!(json["writers"][0]["adopted"][0]["entries"], LAST);
}

/// Neither one that was there when the server began, nor one that came while it ran.
#[test]
fn a_word_about_dropping_that_no_server_wrote_excuses_nothing() {
    for is_running in [false, true] {
        let place = Place::sqlite();
        Runtime::new().unwrap().block_on(async {
            place.fill().await;
            let note = place.signed_note(LAST).await;
            let mut connection = connect(&place).await;
            if is_running {
                let (ledger, unsigned) = begin(&place).await;
                assert_eq!(unsigned, 0);
                forge(&mut connection, dropped(note)).await;
                append(&ledger).await.unwrap_err();
                append(&ledger).await.unwrap();
                ledger.close().await;
            } else {
                forge(&mut connection, dropped(note)).await;
                let (ledger, unsigned) = begin(&place).await;
                assert_eq!(unsigned, 1);
                ledger.close().await;
            }
            connection.close().await.unwrap();
            place.execute("DELETE FROM records WHERE sequence <= 301").await;
        });
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains("and no record says that they were dropped"), "{text}");
    }
}

/// A checkpoint that somebody else signed is none, when the server begins and when an auditor says
/// from when on to look.
#[test]
fn a_checkpoint_of_anybodys_counts_for_nothing() {
    let place = Place::sqlite();
    Runtime::new().unwrap().block_on(async {
        place.fill().await;
        place.execute("UPDATE records SET record = replace(record, 'jane', 'joan') WHERE sequence = 7").await;
        let ledger = place.open("postern-0").await;
        let mut frontier = Frontier::default();
        let mut chain = Hash::NOTHING;
        let links = ledger.links("postern-0", 0, 1000).await.unwrap();
        for link in links.iter().take(200) {
            let link = link.unwrap();
            frontier.push(link.json.as_bytes());
            chain = link.hash.unwrap();
        }
        ledger.close().await;
        let checkpoint = Checkpoint {
            writer: "postern-0".to_owned(),
            size: 200,
            root: frontier.root(),
            time: "2000-01-01T00:00:00Z".parse().unwrap(),
            chain,
            cluster: "staging".to_owned(),
            bytes: None,
        };
        let note = checkpoint.sign(&SigningKey::generate().unwrap().0);
        sqlx::query("INSERT INTO checkpoints (writer, size, time, note, frontier) VALUES ('postern-0', 200, 1, ?, ?)")
            .bind(note)
            .bind(frontier.to_bytes())
            .execute(&mut connect(&place).await)
            .await
            .unwrap();
        let ledger = place.open("postern-0").await;
        let trusted = keys::load_or_make(&place.key()).unwrap().known;
        let others = [SigningKey::generate().unwrap().0.public()];
        assert_eq!(ledger.attested("postern-0", &trusted).await.unwrap(), LAST);
        assert_eq!(ledger.attested("postern-0", &others).await.unwrap(), 0);
        ledger.close().await;
    });
    let text = stdout(&place.verify(&["--since", "2020-01-01T00:00:00Z"]).code(1));
    assert!(text.starts_with("postern-0: WRONG: record 7 is not what was written"), "{text}");
}

/// What is done to an SQLite file, and what is said of it.
const SQLITE: [(&str, &str); 5] = [
    ("DROP INDEX records_newest", "index `records_newest` is not as a server makes it"),
    (
        "CREATE TRIGGER records_newest AFTER INSERT ON inbox BEGIN DELETE FROM inbox; END; \
             DROP INDEX records_newest; CREATE INDEX records_newest ON records \
             (time, id, username, namespace, pod, answer)",
        "trigger `records_newest` is not as a server makes it",
    ),
    (
        "PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = replace(sql, ' STRICT', '') WHERE name = 'records'",
        "`records` is not as a server makes it",
    ),
    (
        "DROP INDEX records_newest; CREATE INDEX records_newest ON records \
             (time, id, username, namespace, pod, answer) WHERE sequence <> 7; \
             PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = replace(sql, ' WHERE sequence <> 7', '') \
             WHERE name = 'records_newest'; ",
        "missing from index records_newest",
    ),
    (
        "PRAGMA ignore_check_constraints = ON; INSERT INTO records (writer, sequence, id, \
             time, username, namespace, pod, answer, about, record, hash) SELECT writer, 0, 'x', \
             time, username, namespace, pod, answer, about, record, hash FROM records \
             WHERE sequence = 7",
        "record x has no place in its writer's sequence",
    ),
];

/// The same of a PostgreSQL database.
const POSTGRES: [(&str, &str); 7] = [
    (
        "ALTER TABLE records RENAME TO elsewhere; \
             CREATE VIEW records AS SELECT * FROM elsewhere WHERE sequence <> 400",
        "`table records that is not plain`: no server made it",
    ),
    (
        "CREATE FUNCTION telling(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS \
             'SELECT $1 <> ''jane'''; \
             CREATE INDEX pass_by ON records (username) WHERE telling(username); \
             CREATE OR REPLACE FUNCTION telling(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS \
             'SELECT true'",
        "`CREATE INDEX pass_by ON records USING btree (username) WHERE telling(username)`",
    ),
    (
        "ALTER TABLE records ADD CHECK (username <> 'nobody')",
        "`constraint records_username_check CHECK (username <> 'nobody'::text)`",
    ),
    (
        "DROP INDEX records_refused",
        "`CREATE INDEX records_refused ON records USING btree (\"time\", id) \
             WHERE answer = 'Refused'::text`: it is not there",
    ),
    ("CREATE TABLE more () INHERITS (records)", "`rows of another table in records`"),
    (
        "ALTER TABLE records DROP CONSTRAINT records_pkey; \
             ALTER TABLE records ALTER sequence DROP NOT NULL; \
             INSERT INTO records SELECT writer, NULL, 'x', time, username, namespace, pod, answer, \
             about, record, hash FROM records WHERE sequence = 7",
        "record x has no place in its writer's sequence",
    ),
    (
        "ALTER TABLE records DROP CONSTRAINT records_sequence_check; \
             INSERT INTO records SELECT writer, 0, 'x', time, username, namespace, pod, answer, \
             about, record, hash FROM records WHERE sequence = 7",
        "record x has no place in its writer's sequence",
    ),
];

/// Whatever has some reads pass a record by that `verify` reads.
#[test]
fn a_database_that_is_not_as_a_server_made_it_is_told() {
    let runtime = Runtime::new().unwrap();
    let ways = SQLITE.map(|way| (Place::sqlite(), way)).into_iter();
    for (place, (sql, expected)) in ways.chain(POSTGRES.map(|way| (Place::postgres(), way))) {
        runtime.block_on(async {
            place.fill().await;
            place.verify(&[]).success();
            place.execute(sql).await;
        });
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains("\nthe database: WRONG"), "{sql}\n{text}");
        assert!(text.contains(expected), "{sql}\n{text}");
        let json: Value = serde_json::from_str(&stdout(&place.verify(&["-o", "json"]))).unwrap();
        assert_eq!(json["good"], false, "{sql}");
    }
}

/// Whoever owns a database can have its sessions find functions of their own before PostgreSQL's.
/// One of the same name that takes just these arguments goes before the one that takes any.
#[test]
fn functions_of_somebody_else_are_not_called() {
    const TAKE_OVER: &str = "CREATE SCHEMA evil; \
         CREATE FUNCTION evil.concat(bigint, text, bigint, text, integer, text, integer, text, \
         integer, text, integer, text, integer, text, integer, text, integer, text, \
         text, text, text, text, text, text, text, text, text) \
         RETURNS text LANGUAGE sql AS 'SELECT NULL::text'; \
         CREATE FUNCTION evil.octet_length(text) RETURNS integer LANGUAGE sql AS 'SELECT 0'; \
         CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE sql AS \
         'SELECT NULL::regclass'; \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog, \
         public', current_database()); END $$";

    let place = Place::postgres();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        place.fill().await;
        place.execute(TAKE_OVER).await;
        place.execute("UPDATE public.records SET username = 'x' WHERE sequence = 7").await;
    });
    let text = stdout(&place.verify(&[]).code(1));
    assert!(text.contains("the column `username` of record 7 says something else"), "{text}");
    // And a server still writes there.
    runtime.block_on(async { place.open("postern-1").await.close().await });
}

/// The chain holds what searches find in the end, and not what they look at for that.
#[test]
fn an_index_that_has_searches_pass_records_by_is_told() {
    let image = "image docker.io/library/busybox:1.36";
    let lacks =
        format!("searches for `{image}` pass by records 1 to 256 of postern-0, where it occurs");
    let of_image = "(SELECT id FROM terms WHERE term = 'image docker.io/library/busybox:1.36')";
    let ways = [
        (format!("DELETE FROM postings WHERE term = {of_image}"), lacks.as_str()),
        (format!("UPDATE terms SET term = 'image x' WHERE id = {of_image}"), &lacks),
        (
            "UPDATE blocks SET last = 100; INSERT INTO blocks (writer, first, last, oldest, newest) \
             SELECT writer, 300, 300, oldest, newest FROM blocks; \
             INSERT INTO postings (term, block) \
             SELECT term, (SELECT MAX(id) FROM blocks) FROM postings"
                .to_owned(),
            "record 101 of postern-0 is not in the index that searches go by",
        ),
        (
            "UPDATE blocks SET last = 9223372036854775807, first = -5, newest = oldest".to_owned(),
            "the index has another time for record ",
        ),
    ];
    let runtime = Runtime::new().unwrap();
    for make in [Place::sqlite, Place::postgres] {
        for (sql, expected) in ways.clone() {
            let place = make();
            runtime.block_on(async {
                place.fill().await;
                let text = stdout(&place.verify(&[]).success());
                assert!(!text.contains("WRONG"), "{text}");
                place.execute(sql.clone().leak()).await;
            });
            let text = stdout(&place.verify(&[]).code(1));
            assert!(text.contains(expected), "{sql}\n{text}");
        }
    }
}

/// A filter asks for the beginning of a name that is very long.
#[test]
fn a_column_holds_what_filters_ask_for() {
    let name = format!("long-{}", "\u{e9}".repeat(400));
    for place in [Place::sqlite(), Place::postgres()] {
        Runtime::new().unwrap().block_on(async {
            let ledger = place.open("postern-0").await;
            let mut record = record(1);
            record.requester.username.clone_from(&name);
            ledger.append(record).await.unwrap();
            ledger.close().await;
            place.verify(&[]).success();
            let sql = format!("UPDATE records SET username = '{name}'");
            place.execute(sql.leak()).await;
        });
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains("the column `username` of record 1"), "{text}");
    }
}

/// The list of who writes is nothing that anybody signs.
#[test]
fn a_writer_that_nobody_lists_is_searched_all_the_same() {
    for place in [Place::sqlite(), Place::postgres()] {
        Runtime::new().unwrap().block_on(async {
            place.fill().await;
            let ledger = place.open("postern-0").await;
            let mut record = record(400);
            record.requester.username = "mallory".to_owned();
            ledger.append(record).await.unwrap();
            ledger.close().await;
            place.execute("DELETE FROM writers").await;
        });
        for args in [["--user", "mallory"], ["--reason", "INC-4711"]] {
            let args = [&["list", "-o", "json"], &args[..]].concat();
            let lines = stdout(&place.audit(&args).success()).lines().count();
            assert_eq!(lines, if args.contains(&"mallory") { 1 } else { 301 }, "{args:?}");
        }
    }
}

/// However much else waits to be taken up.
#[test]
fn what_is_held_is_not_dropped_meanwhile() {
    for mut place in [Place::sqlite(), Place::postgres()] {
        Runtime::new().unwrap().block_on(async {
            place.fill().await;
            place.every = Duration::from_secs(1);
            place.keep = Keep { entries: Some(10), ..Keep::default() };
            let location: Location = place.ledger.parse().unwrap();
            let by = || Person { user: "ann".to_owned(), host: "h".to_owned() };
            for _ in 0..150 {
                let read = What::Read { by: by(), command: "list".to_owned() };
                AnyLedger::leave_event(&location, &Event::now("c", read)).await.unwrap();
            }
            let hold = What::Held { hold: "case-7".to_owned(), by: by() };
            AnyLedger::leave_event(&location, &Event::now("c", hold)).await.unwrap();
            let ledger = place.open("postern-0").await;
            // All of it, and that three checkpoints say nothing else.
            until("what waits was taken up", async || {
                ledger.last_sequence("postern-0").await.unwrap() >= LAST + 151
            })
            .await;
            let held = ledger.last_event("postern-0", "Held").await.unwrap().unwrap();
            assert_eq!(held.entry().unwrap().sequence(), LAST + 151, "in their order");
            assert_eq!(ledger.last_event("postern-0", "Dropped").await.unwrap(), None);
            ledger.close().await;
        });
    }
}
