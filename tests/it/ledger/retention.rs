//! What is dropped in time, and what is not.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use postern::ledger::checkpoint::Checkpoint;
use postern::ledger::event::{Event, Person, What};
use postern::ledger::{Entry, Journal, Ledger, Record};
use postern::store::{AnyLedger, Keep, keys};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::fixture::{record, until};
use super::verify::{Place, stdout};

/// One record is as long as all others together: what has no room is told by bytes, not by number.
#[test]
fn what_has_no_room_is_dropped_and_not_what_has() {
    let runtime = Runtime::new().unwrap();
    let bytes = |record: &Record| Entry::from(record.clone()).to_json().unwrap().len() as u64;
    let (mut long, small) = (record(1), bytes(&record(1)));
    (long.id, long.message) = (Uuid::now_v7(), Some("m".repeat(300 * 1024)));
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        runtime.block_on(async {
            place.fill().await;
            place.fill_again().await;
            let ledger = place.open("postern-0").await;
            ledger.append(long.clone()).await.unwrap();
            ledger.close().await;
            let first = async |ledger: &AnyLedger| {
                let links = ledger.links("postern-0", 0, 1).await.unwrap();
                links.iter().next().unwrap().unwrap().sequence
            };
            // Beside the long one there is room for a hundred, and less is behind 301; for none.
            for (room, is_dropped) in [(100 * small, false), (0, true)] {
                place.keep = Keep { bytes: Some(bytes(&long) + room), ..Keep::default() };
                let ledger = place.open("postern-0").await;
                let signed = ledger.signed("postern-0").await.unwrap().len();
                if is_dropped {
                    until("the long one is the first", async || first(&ledger).await == 304).await;
                } else {
                    // What is dropped is, after the next checkpoint but one.
                    until("it was looked at twice", async || {
                        ledger.signed("postern-0").await.unwrap().len() > signed + 1
                    })
                    .await;
                    assert!(first(&ledger).await <= 301, "{}", first(&ledger).await);
                }
                ledger.close().await;
            }
        });
        let text = stdout(&place.verify(&[]).success());
        assert!(text.contains("  before     records up to 303"), "{text}");
    }
}

/// That somebody reads is an entry too, and whoever may read can do so all day.
#[test]
fn nobody_drives_out_decisions_by_reading() {
    let runtime = Runtime::new().unwrap();
    let by = Person { user: "mallory".to_owned(), host: "laptop".to_owned() };
    let read = What::Read { by, command: "audit list".to_owned() };
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_millis(100);
        place.keep = Keep { entries: Some(400), ..Keep::default() };
        let location = place.ledger.parse().unwrap();
        runtime.block_on(async {
            let ledger = place.open("postern-0").await;
            for number in 1..=100 {
                ledger.append(record(number)).await.unwrap();
            }
            for _ in 0..500 {
                let event = Event::now("staging", read.clone());
                AnyLedger::leave_event(&location, &event).await.unwrap();
            }
            // Each checkpoint takes up as many as a transaction has.
            let signed = ledger.signed("postern-0").await.unwrap().len();
            until("there was time for all of them", async || {
                ledger.signed("postern-0").await.unwrap().len() > signed + 12
            })
            .await;
            let first = ledger.links("postern-0", 0, 1).await.unwrap();
            assert_eq!(first.iter().next().unwrap().unwrap().sequence, 1);
            let last = ledger.last_sequence("postern-0").await.unwrap();
            assert_eq!(last, 356, "decisions, and what may be written beside them");
            ledger.append(record(101)).await.unwrap();
            until("one more goes in", async || {
                ledger.last_sequence("postern-0").await.unwrap() == 358
            })
            .await;
            ledger.close().await;
        });
    }
}

/// What says how old it is, or how much was before it, is what was signed. Whoever can write into
/// the database cannot have the server drop anything, and sign that.
#[test]
fn nothing_is_dropped_by_what_nobody_signed() {
    let runtime = Runtime::new().unwrap();
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        runtime.block_on(async {
            place.fill().await;
            place.fill_again().await;
            place.execute("UPDATE checkpoints SET time = size").await;
            place.keep = Keep { age: Some(SignedDuration::from_hours(1)), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            let first = first_after_a_while(&ledger).await;
            assert_eq!(first, 1, "the column is not what was signed");
            ledger.close().await;
            // As of two hours ago, but not signed so.
            let forged = "UPDATE checkpoints SET note = replace(note, 'time 20', 'time 19') \
                          WHERE size <= 303";
            place.execute(forged).await;
            let ledger = place.open("postern-0").await;
            let first = first_after_a_while(&ledger).await;
            assert_eq!(first, 1, "the note is not what was signed");
            ledger.close().await;
        });
        let text = stdout(&place.verify(&[]).code(1));
        assert!(text.contains("is not one: its signature is wrong"), "{text}");
    }
}

/// As if every checkpoint had been signed so many hours ago; that depends on its size.
async fn sign_anew(place: &Place, hours: impl Fn(u64) -> i64) {
    let key = keys::load_or_make(&place.key()).unwrap();
    let file = place.ledger.replace("sqlite:", "");
    let mut connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let notes = sqlx::query_scalar("SELECT note FROM checkpoints");
    let notes: Vec<String> = notes.fetch_all(&mut connection).await.unwrap();
    for note in notes {
        let told = Checkpoint::verify(&note, &key.known).unwrap();
        let time = jiff::Timestamp::now() - SignedDuration::from_hours(hours(told.size));
        let anew = Checkpoint { time, ..told }.sign(&key.current);
        let change = sqlx::query("UPDATE checkpoints SET note = ? WHERE note = ?");
        change.bind(anew).bind(note).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// A machine that begins in 2020 until it is told the time makes nothing old that was there.
#[test]
fn a_clock_that_was_wrong_drops_nothing_and_keeps_nothing() {
    let mut place = Place::sqlite();
    place.every = Duration::from_secs(1);
    Runtime::new().unwrap().block_on(async {
        place.fill().await;
        place.fill_again().await;
        place.keep = Keep { age: Some(SignedDuration::from_hours(24)), ..Keep::default() };
        let year = 365 * 24;
        sign_anew(&place, |size| if size < 301 { 1 } else { 6 * year }).await;
        let ledger = place.open("postern-0").await;
        assert_eq!(first_after_a_while(&ledger).await, 1);
        ledger.close().await;
        sign_anew(&place, |size| if size < 301 { -year } else { 6 * year }).await;
        let ledger = place.open("postern-0").await;
        until("what is old is dropped", async || first(&ledger).await == 302).await;
        ledger.close().await;
    });
    place.verify(&[]).success();
}

/// What is old goes, all of it at once, and less than is worth it only once it should have gone a
/// day ago.
#[test]
fn what_is_old_is_dropped() {
    let mut place = Place::sqlite();
    place.every = Duration::from_secs(1);
    let runtime = Runtime::new().unwrap();
    let left = runtime.block_on(async {
        place.fill_again().await;
        let mut left = Vec::new();
        for hours in [24, 26, 49] {
            sign_anew(&place, |_| hours).await;
            place.keep = Keep { age: Some(SignedDuration::from_hours(24)), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            ledger.append(Record { id: Uuid::now_v7(), ..record(1) }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let links = ledger.links("postern-0", 0, 1).await.unwrap();
            left.push(links.iter().next().unwrap().unwrap().sequence);
            ledger.close().await;
        }
        left
    });
    assert_eq!(left[..2], [1, 1], "two records are not worth a third");
    assert!(left[2] > 2, "{left:?}");
    place.verify(&[]).success();
}

/// Whose records they are, and which, is signed too.
#[test]
fn what_was_signed_about_other_records_tells_nothing() {
    let runtime = Runtime::new().unwrap();
    let mut long = record(1);
    (long.id, long.message) = (Uuid::now_v7(), Some("m".repeat(1 << 20)));
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        let key = keys::load_or_make(&place.key()).unwrap();
        runtime.block_on(async {
            let other = place.open("postern-1").await;
            other.append(long.clone()).await.unwrap();
            other.close().await;
            place.fill().await;
            place.fill_again().await;
            // As if so much had been written here.
            let theirs = "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE \
                          writer = 'postern-1' ORDER BY size DESC, time DESC LIMIT 1) \
                          WHERE writer = 'postern-0' AND size = 303";
            place.execute(theirs).await;
            place.keep = Keep { bytes: Some(1 << 19), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            assert_eq!(first_after_a_while(&ledger).await, 1, "by bytes of another writer");
            ledger.close().await;
            // As a ledger before this one, of the same writer, had it.
            let mine = place.signed_note(301).await;
            let told = Checkpoint::verify(&mine, &key.known).unwrap();
            let time = jiff::Timestamp::now() - SignedDuration::from_hours(2);
            let chain = postern::ledger::chain::Hash::of(b"another ledger");
            let note = Checkpoint { time, chain, ..told }.sign(&key.current);
            place.replace_note(&mine, &note).await;
            place.keep = Keep { age: Some(SignedDuration::from_hours(1)), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            assert_eq!(first_after_a_while(&ledger).await, 1, "by age of other records");
            ledger.close().await;
        });
    }
}

/// After a long silence there are many checkpoints about the same few records, and one of them may
/// be no checkpoint at all.
#[test]
fn a_long_silence_does_not_keep_anything() {
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        Runtime::new().unwrap().block_on(async {
            place.fill_again().await;
            let silence = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n \
                           WHERE n < 1500) INSERT INTO checkpoints \
                           (writer, size, time, note, frontier) \
                           SELECT writer, size, time + n, note, frontier FROM checkpoints, n \
                           WHERE size = 2";
            place.execute(silence).await;
            let odd = "INSERT INTO checkpoints (writer, size, time, note, frontier) \
                       SELECT writer, 1, 5, 'x', frontier FROM checkpoints LIMIT 1";
            place.execute(odd).await;
            for _ in 0..40 {
                place.fill_again().await;
            }
            place.keep = Keep { entries: Some(10), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            until("the old records are gone", async || first(&ledger).await == 73).await;
            ledger.close().await;
        });
    }
}

async fn first(ledger: &AnyLedger) -> u64 {
    ledger.links("postern-0", 0, 1).await.unwrap().iter().next().unwrap().unwrap().sequence
}

/// The first record, once it was looked twice for what is to be dropped.
async fn first_after_a_while(ledger: &AnyLedger) -> u64 {
    let signed = ledger.signed("postern-0").await.unwrap().len();
    until("it was looked at twice", async || {
        ledger.signed("postern-0").await.unwrap().len() > signed + 1
    })
    .await;
    first(ledger).await
}

/// SQLite gives the numbers of blocks that are gone again where none are left.
#[test]
fn once_everything_was_dropped_the_index_begins_anew() {
    for mut place in [Place::sqlite(), Place::postgres()] {
        Runtime::new().unwrap().block_on(async {
            place.fill().await;
            place.every = Duration::from_millis(200);
            place.keep = Keep { entries: Some(10), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            let append = async || {
                let record = Record { id: Uuid::now_v7(), ..record(1) };
                ledger.append(record).await.unwrap();
            };
            for _ in 0..15 {
                append().await;
            }
            until("everything is dropped that is in a block", async || first(&ledger).await > 256)
                .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            // The second block of 256 entries, and the third.
            while ledger.last_sequence("postern-0").await.unwrap() < 800 {
                append().await;
            }
            ledger.close().await;
        });
        let text = stdout(&place.verify(&[]).success());
        assert!(!text.contains("WRONG"), "{text}");
        let lines = stdout(&place.audit(&["list", "-o", "json"]).success()).lines().count();
        let of_image = ["list", "-o", "json", "--image", "*busybox*"];
        assert_eq!(stdout(&place.audit(&of_image).success()).lines().count(), lines);
    }
}

/// The hold is in the chain of another server, which has not dropped it.
#[test]
fn what_was_released_stays_so_once_the_release_is_dropped() {
    let runtime = Runtime::new().unwrap();
    let by = || Person { user: "ann".to_owned(), host: "h".to_owned() };
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        runtime.block_on(async {
            let ledger = place.open("postern-1").await;
            let hold = What::Held { hold: "audit".to_owned(), by: by() };
            ledger.append_event(Event::now("c", hold)).await.unwrap();
            ledger.close().await;
            let ledger = place.open("postern-0").await;
            let release = What::Released { hold: "audit".to_owned(), by: by() };
            ledger.append_event(Event::now("c", release)).await.unwrap();
            ledger.close().await;
            place.fill().await;
            place.fill_again().await;
            place.keep = Keep { entries: Some(1), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            until("the release is dropped", async || first(&ledger).await > 1).await;
            assert!(ledger.held().await.unwrap().is_empty());
            ledger.close().await;
        });
        place.verify(&[]).success();
    }
}

#[test]
fn what_is_dropped_meanwhile_is_not_missing() {
    let runtime = Runtime::new().unwrap();
    for mut place in [Place::sqlite(), Place::postgres()] {
        place.every = Duration::from_secs(1);
        let ledger = runtime.block_on(async {
            let ledger = place.open("postern-0").await;
            let own = |_| Record { id: Uuid::now_v7(), ..record(1) };
            let appends = (0..6000).map(|number| ledger.append(own(number)));
            for written in stream::iter(appends).buffered(512).collect::<Vec<_>>().await {
                written.unwrap();
            }
            ledger.close().await;
            place.keep = Keep { entries: Some(1), ..Keep::default() };
            let ledger = place.open("postern-0").await;
            ledger.append(own(1)).await.unwrap();
            ledger
        });
        let is_dropped = || runtime.block_on(first(&ledger)) > 5000;
        let begun = Instant::now();
        while !is_dropped() {
            place.verify(&[]).success();
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is dropped");
        }
        runtime.block_on(ledger.close());
    }
}
