use super::super::testing::{STORED, decision, hostile, refusal};
use super::super::{Format, Item};
use super::{CheckError, Filter, Manifest, Position, Tally, check};
use crate::ledger::event::Person;
use crate::ledger::{Entry, Outcome, Query};

fn query() -> Query {
    Query { user: Some("jane".to_owned()), answer: Some(Outcome::Refused), ..Query::default() }
}

fn exported(format: Format, entries: &[Entry]) -> (Manifest, String) {
    let mut tally = Tally::new(format, &query());
    let mut file = format.head().unwrap();
    tally.add_text(&file);
    for entry in entries {
        let json = entry.to_json().unwrap();
        let item = Item::new(entry, &json, None).unwrap();
        let text = format.text(&item).unwrap().unwrap();
        tally.add(&item, &text);
        file.push_str(&text);
    }
    let by = Person { user: "jane".to_owned(), host: "admin-1".to_owned() };
    (tally.manifest(by, [("postern-0".to_owned(), "note".to_owned())].into()), file)
}

fn three() -> [Entry; 3] {
    [refusal().into(), hostile(), decision()]
}

fn checked(manifest: &Manifest, file: &str) -> Result<bool, CheckError> {
    check(&serde_json::to_vec(manifest).unwrap(), file.as_bytes()).map(|report| {
        assert_eq!(report.manifest, *manifest);
        report.not_compared.is_empty()
    })
}

#[test]
fn a_file_is_what_its_manifest_says_in_every_format() {
    for format in STORED {
        for entries in [&three()[..], &[]] {
            let (manifest, file) = exported(format, entries);
            assert_eq!(checked(&manifest, &file), Ok(format != Format::Csv), "{format:?}");
            assert_eq!(manifest.count, entries.len() as u64);
        }
    }
}

#[test]
fn the_records_hash_is_the_same_for_every_format() {
    let hashes = STORED.map(|format| exported(format, &three()).0.records_sha256);
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    assert_ne!(exported(Format::Csv, &three()[..2]).0.records_sha256, hashes[0]);
}

#[test]
fn every_changed_byte_is_found() {
    for format in STORED {
        let (manifest, file) = exported(format, &three());
        let manifest = serde_json::to_vec(&manifest).unwrap();
        for position in (0..file.len()).step_by(97) {
            let mut bytes = file.clone().into_bytes();
            bytes[position] ^= 1;
            let found = check(&manifest, &bytes);
            assert!(matches!(found, Err(CheckError::Changed { .. })), "{format:?} {position}");
        }
        let cut = &file.as_bytes()[..file.len() - 1];
        assert!(matches!(check(&manifest, cut), Err(CheckError::Length { .. })));
    }
}

/// The manifest of another export, with the hash of this file put into it.
#[test]
fn a_manifest_of_other_records_does_not_pass_for_this_one() {
    let (own, file) = exported(Format::Ocsf, &three());
    let other = [refusal().into(), decision(), hostile()];
    let (manifest, _) = exported(Format::Ocsf, &other);
    let forged = Manifest { sha256: own.sha256.clone(), bytes: own.bytes, ..manifest };
    assert!(matches!(checked(&forged, &file), Err(CheckError::Records { .. })));

    let forged = Manifest { count: 2, ..own.clone() };
    assert_eq!(checked(&forged, &file), Err(CheckError::Count { said: 2, found: 3 }));
    let (two, _) = exported(Format::Ocsf, &three()[1..]);
    let forged = Manifest { newest: None, ..own.clone() };
    assert_eq!(checked(&forged, &file), Err(CheckError::Ends));
    assert_eq!(two.newest.map(|it| it.id), own.newest.map(|it| it.id));
    let (table, rows) = exported(Format::Csv, &three());
    let forged = Manifest { count: 4, ..table };
    assert_eq!(checked(&forged, &rows), Err(CheckError::Count { said: 4, found: 3 }));
}

/// The rows of a table say which records they are, as the texts of the other formats do.
#[test]
fn a_manifest_of_other_records_does_not_pass_for_a_table() {
    let (own, rows) = exported(Format::Csv, &three());
    let end = own.newest.clone().unwrap();
    let later = Position { sequence: end.sequence + 1, ..end.clone() };
    let of_another = Position { writer: "postern-9".to_owned(), ..end };
    let forged = [
        Manifest { newest: Some(later.clone()), ..own.clone() },
        Manifest { oldest: Some(later), ..own.clone() },
        Manifest { oldest: Some(of_another), ..own.clone() },
        Manifest { oldest: None, ..own.clone() },
    ];
    for forged in forged {
        assert_eq!(checked(&forged, &rows), Err(CheckError::Ends), "{forged:?}");
    }
    let (nothing, head) = exported(Format::Csv, &[]);
    let forged = Manifest { newest: own.newest, ..nothing };
    assert_eq!(checked(&forged, &head), Err(CheckError::Ends));
}

#[test]
fn a_file_in_another_format_is_not_read_as_this_one() {
    let (table, rows) = exported(Format::Csv, &three());
    for format in [Format::Ocsf, Format::Ecs, Format::CloudEvents] {
        let forged = Manifest { format, ..table.clone() };
        assert_eq!(checked(&forged, &rows), Err(CheckError::Unreadable(1)), "{format:?}");
    }
}

#[test]
fn what_is_no_manifest_is_an_error() {
    let (manifest, file) = exported(Format::Jsonl, &three());
    let other = Manifest { kind: "dev.postern.export.v2".to_owned(), ..manifest };
    assert!(matches!(checked(&other, &file), Err(CheckError::NotAManifest(_))));
    for text in ["", "{}", "[]", "null", "\u{0}"] {
        let found = check(text.as_bytes(), file.as_bytes());
        let Err(CheckError::NotAManifest(why)) = found else { panic!("{text:?}") };
        assert!(!why.contains("struct"), "{why}");
    }
}

#[test]
fn says_what_was_asked_for() {
    let (manifest, _) = exported(Format::Csv, &[]);
    let json = serde_json::to_value(&manifest).unwrap();
    assert_eq!(json["filter"], serde_json::json!({"user": "jane", "answer": "Refused"}));
    assert_eq!(json["format"], "csv");
    assert_eq!(serde_json::to_string(&Filter::from(&Query::default())).unwrap(), "{}");
}
