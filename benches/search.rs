//! How long a search and a verification of a large ledger take.
//!
//! `cargo bench --bench search [-- RECORDS [FOLDER]]`: makes a ledger of so many decisions (200,000
//! unless told otherwise), of many users, namespaces, pods, images and reasons, then asks it. In a
//! folder that is named it stays, as `postern.db`, and is what the next run asks.
#![allow(
    clippy::allow_attributes,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures prints, and ends by panicking"
)]

#[path = "material/record.rs"]
mod record;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use postern::ledger::note::SigningKey;
use postern::ledger::verify::Verifier;
use postern::ledger::{Ledger, Outcome, Query, Record};
use postern::store::{AnyLedger, Location, PAGE, Signing, Writing};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Appends that wait at once: as many as one transaction takes.
const TASKS: u64 = 64;
/// Of each search, the best counts: the rest is what else the machine does.
const ROUNDS: usize = 5;

fn main() {
    let mut args = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let records = args.next().map_or(200_000, |number| number.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = args.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let file = folder.join("postern.db");
    let location = Location::Sqlite(file.clone());
    Runtime::new().unwrap().block_on(async {
        if !file.exists() {
            fill(&location, records).await;
            let bytes = std::fs::metadata(&file).unwrap().len();
            println!("{:.0} bytes of file for each record", bytes as f64 / records as f64);
        }
        let ledger = AnyLedger::open_read_only(&location).await.unwrap();
        search(&ledger, records).await;
        verify(&ledger).await;
        ledger.close().await;
    });
}

async fn fill(location: &Location, records: u64) {
    let (key, every) = (Arc::new(SigningKey::generate().unwrap().0), Duration::from_secs(60));
    let trusted = vec![key.public()];
    let signing = Some(Signing { key, trusted, cluster: "bench".to_owned(), every });
    let writing = Writing { signing, ..Writing::from("bench") };
    let ledger = AnyLedger::open(location, writing).await.unwrap();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for number in (task..records).step_by(usize::try_from(TASKS).unwrap()) {
                ledger.append(decision(number)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    ledger.close().await;
    let rate = records as f64 / started.elapsed().as_secs_f64();
    println!("{records} records written, {rate:.0} a second");
}

/// The `number`th of many: who, where and what differ as they do in a large cluster.
fn decision(number: u64) -> Record {
    let start: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    let mut record = record::usual();
    record.id = Uuid::now_v7();
    record.time = start + SignedDuration::from_secs(i64::try_from(number * 3).unwrap());
    // Neighbouring numbers have nothing to do with each other.
    let dice = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    record.requester.username = format!("user-{}@example.com", dice % 2_000);
    record.namespace = format!("team-{}", dice % 300);
    record.pod.name = format!("api-{:05}-{:05}", dice % 4_000, dice % 100_000);
    record.justification = Some(format!("INC-{}", dice % 500_000));
    let image = format!("registry.example.com/debug/tool-{}", dice % 400);
    for injection in &mut record.injections {
        injection.image.clone_from(&image);
        injection.image_parsed = None;
        injection.privileges.privileged = dice % 50_000 == 7;
    }
    if dice.is_multiple_of(20) {
        record.answer = Outcome::Refused;
        record.verdict = Outcome::Refused;
    }
    record
}

async fn search(ledger: &AnyLedger, records: u64) {
    let text = |text: &str| Some(text.to_owned());
    let all = Query { limit: 50, ..Query::default() };
    let middle = decision(records / 2);
    let queries = [
        ("newest", all.clone()),
        ("refused", Query { answer: Some(Outcome::Refused), ..all.clone() }),
        ("user", Query { user: text("user-77@example.com"), ..all.clone() }),
        ("namespace", Query { namespace: text("team-77"), ..all.clone() }),
        ("pod", Query { pod: Some(middle.pod.name), ..all.clone() }),
        ("image", Query { image: text("*/tool-77"), ..all.clone() }),
        ("reason", Query { reason: middle.justification, ..all.clone() }),
        ("privileged", Query { privileged: true, ..all.clone() }),
        ("nobody", Query { user: text("nobody@example.com"), ..all.clone() }),
        (
            "user and namespace",
            Query { user: text("user-77@example.com"), namespace: text("team-78"), ..all.clone() },
        ),
        ("a day of a user", {
            let since = Some(middle.time);
            let until = Some(middle.time + SignedDuration::from_hours(24));
            Query { user: text("user-77@example.com"), since, until, ..all.clone() }
        }),
    ];
    println!("{:>20} {:>6} {:>10}", "search", "found", "ms");
    for (name, query) in queries {
        let mut best = Duration::MAX;
        let mut found = 0;
        for _ in 0..ROUNDS {
            let started = Instant::now();
            found = ledger.list_stored(&query).await.unwrap().len();
            best = best.min(started.elapsed());
        }
        println!("{name:>20} {found:>6} {:>10.1}", best.as_secs_f64() * 1000.0);
    }
}

/// That everything fits together; a signature for each minute is nothing beside it.
async fn verify(ledger: &AnyLedger) {
    let started = Instant::now();
    let checkpoints = ledger.signed("bench").await.unwrap();
    let mut verifier = Verifier::new("bench", &[], &checkpoints, 0);
    let mut last = 0;
    let mut looking = Duration::ZERO;
    let mut page = ledger.links("bench", 0, PAGE).await.unwrap();
    // As `postern audit verify` does it: one page is read while another is looked at.
    while !page.is_empty() {
        last = page.end();
        let look = async {
            for run in page.runs() {
                let began = Instant::now();
                run.for_each(|link| assert!(verifier.push(&link.unwrap())));
                looking += began.elapsed();
                tokio::task::yield_now().await;
            }
        };
        let (next, ()) = tokio::join!(ledger.links("bench", last, PAGE), look);
        page = next.unwrap();
    }
    assert_eq!(verifier.finish().fault, None);
    let rate = |time: Duration| last as f64 / time.as_secs_f64();
    let (whole, looking) = (rate(started.elapsed()), rate(looking));
    println!(
        "verified {whole:.0} records a second; {looking:.0} on one core that has not to read them"
    );
}
