//! A writer's chain, a page at a time.
//!
//! A row, and each value in it, costs more on its way from the database than all that is done with
//! it when a chain is verified. So a few entries travel together: of each its numbers and lengths,
//! with spaces between, and then its texts. They travel as bytes: what somebody has written into
//! the database need not be text, and has to be looked at all the same.

use super::statement::{Pool, Statement};
use super::{StoreError, number};
use crate::ledger::LedgerError;
use crate::ledger::chain::Hash;
use crate::ledger::verify::Link;

/// Places of the sequence that are one text: enough that a row no longer counts, and little enough
/// that SQLite's allocations stay small.
const RUN: i64 = 32;

/// Before an entry's texts stand its number and time, seven lengths and its hash.
const WORDS: usize = 10;
const LENGTHS: std::ops::Range<usize> = 2..9;

/// A run that begins after this place would end after the last there can be. Whoever writes into
/// the database can number an entry so.
const LAST_RUN: i64 = i64::MAX - RUN;

/// Entries of one writer in a row, with everything that is stored of them.
#[derive(Debug, Default)]
pub struct Links {
    runs: Vec<String>,
    end: u64,
}

/// What a row of a page has: where its run begins, and its bytes where there are entries.
pub(super) type Run = (i64, Option<Vec<u8>>);

/// A page of the first entries after a place in the sequence: of so many places, and up to the end
/// of a run.
pub(super) fn page(pool: &Pool, writer: &str, after: u64, places: usize) -> Statement {
    // Which of several functions of a name PostgreSQL takes depends on their arguments before it
    // depends on where they are.
    let (own, hexadecimal, bytes, end) = match pool {
        Pool::Sqlite(_) => ("", "hex(hash)", "CAST(", " AS BLOB)"),
        Pool::Postgres(..) => {
            let hexadecimal = "pg_catalog.encode(hash, 'hex')";
            ("pg_catalog.", hexadecimal, "pg_catalog.convert_to(", ", 'UTF8')")
        }
    };
    let places = i64::try_from(places).unwrap_or(i64::MAX);
    let mut sql =
        Statement::new("WITH RECURSIVE run(after, places) AS (SELECT MIN(sequence) - 1, CAST(");
    sql.bind(places).push(" AS BIGINT) FROM records WHERE writer = ").bind(writer);
    sql.push(" AND sequence > ").bind(number(after));
    sql.push(&format!(
        " UNION ALL SELECT after + {RUN}, places - {RUN} FROM run WHERE places > {RUN} \
         AND after <= {LAST_RUN}) SELECT after, \
         (SELECT {bytes}{own}string_agg(entry, ''){end} FROM (SELECT {own}concat(\
         sequence, ' ', time, ' ', octet_length(id), ' ', octet_length(username), ' ', \
         octet_length(namespace), ' ', octet_length(pod), ' ', octet_length(answer), ' ', \
         coalesce(octet_length(about), -1), ' ', octet_length(record), ' ', \
         coalesce({hexadecimal}, '-'), ' ', \
         id, username, namespace, pod, answer, about, record\
         ) AS entry FROM records WHERE writer = "
    ));
    sql.bind(writer);
    sql.push(&format!(
        " AND sequence > run.after AND sequence <= CASE WHEN run.after > {LAST_RUN} \
         THEN {} ELSE run.after + {RUN} END ORDER BY sequence\
         ) AS entries) FROM run WHERE after IS NOT NULL",
        i64::MAX
    ));
    sql
}

impl Links {
    pub(super) fn new(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable_by_key(|(after, _)| *after);
        let runs = runs.into_iter().filter_map(|(_, bytes)| bytes).map(text).collect();
        let links = Self { runs, end: 0 };
        // Of a server that is still writing, the last run may have more by now.
        let last = links.runs().last().and_then(|run| run.last());
        let end = last.and_then(Result::ok).map_or(0, |link| link.sequence);
        Self { end, ..links }
    }

    /// There are no entries any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The next page begins after this place; every entry up to it is here.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// All of them, in order.
    ///
    /// # Errors
    ///
    /// The database gave something that was not asked for.
    pub fn iter(&self) -> impl Iterator<Item = Result<Link<'_>, LedgerError>> {
        self.runs().flatten()
    }

    /// The same, a few at a time.
    pub fn runs(
        &self,
    ) -> impl Iterator<Item = impl Iterator<Item = Result<Link<'_>, LedgerError>>> {
        self.runs.iter().map(|run| {
            let mut rest = run.as_str();
            std::iter::from_fn(move || {
                if rest.is_empty() {
                    return None;
                }
                let found = link(rest);
                rest = found.as_ref().map_or("", |(_, rest)| rest);
                let link = found.map(|(link, _)| link);
                Some(link.ok_or_else(|| StoreError::Garbled.while_doing("read")))
            })
        })
    }
}

/// A run as text. What is none becomes some, of which no hash is right.
fn text(run: Vec<u8>) -> String {
    String::from_utf8(run).unwrap_or_else(|error| {
        let run = error.as_bytes();
        repaired(run).unwrap_or_else(|| String::from_utf8_lossy(run).into_owned())
    })
}

fn repaired(mut run: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(run.len());
    while !run.is_empty() {
        let mut words = run.splitn(WORDS + 1, |byte| *byte == b' ');
        let head: Vec<&str> =
            words.by_ref().take(WORDS).map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
        let mut rest = words.next()?;
        let mut texts = String::new();
        for (place, word) in head.iter().enumerate() {
            let is_length = LENGTHS.contains(&place) && *word != "-1";
            if is_length {
                let (bytes, behind) = rest.split_at_checked(word.parse().ok()?)?;
                let repaired = String::from_utf8_lossy(bytes);
                text.push_str(&repaired.len().to_string());
                texts.push_str(&repaired);
                rest = behind;
            } else {
                text.push_str(word);
            }
            text.push(' ');
        }
        text.push_str(&texts);
        run = rest;
    }
    Some(text)
}

fn link(run: &str) -> Option<(Link<'_>, &str)> {
    let mut words = run.splitn(WORDS + 1, ' ');
    let mut word = || words.next();
    let sequence = word()?.parse().ok()?;
    let time = word()?.parse().ok()?;
    let mut lengths = [None; 7];
    for length in &mut lengths {
        *length = Some(word()?).filter(|length| *length != "-1");
    }
    let hash = Hash::from_hex(word()?);
    let mut rest = word()?;
    let mut texts = [""; 7];
    for (text, length) in texts.iter_mut().zip(lengths) {
        let length = length.map_or(Ok(0), str::parse).ok()?;
        (*text, rest) = rest.split_at_checked(length)?;
    }
    let has_about = lengths[5].is_some();
    let [id, username, namespace, pod, answer, about, json] = texts.map(Into::into);
    let about = has_about.then_some(about);
    let link = Link { sequence, id, time, username, namespace, pod, answer, about, json, hash };
    Some((link, rest))
}

#[cfg(test)]
mod tests {
    use super::{Links, text};

    fn of(run: &str) -> Links {
        Links { runs: vec![run.to_owned()], end: 16 }
    }

    #[test]
    fn bytes_that_are_no_text_stay_where_they_are() {
        let hash = "AB".repeat(32);
        let mut run = format!("7 5 1 2 0 1 7 -1 3 {hash} a").into_bytes();
        run.extend(b"\xffjxAllowed{\xfe}");
        run.extend(format!("8 5 1 1 0 1 7 -1 2 {hash} bkyRefused{{}}").into_bytes());
        let links = of(&text(run));
        let found: Vec<_> = links.iter().map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((&*found[0].username, &*found[0].json), ("\u{fffd}j", "{\u{fffd}}"));
        assert_eq!((found[1].sequence, &*found[1].id, &*found[1].json), (8, "b", "{}"));
        assert!(of(&text(b"7 \xff".to_vec())).iter().next().unwrap().is_err());
    }

    #[test]
    fn a_run_is_taken_apart_or_refused() {
        let hash = "AB".repeat(32);
        let entry =
            |sequence: u64| format!("{sequence} 5 1 4 0 1 7 -1 2 {hash} aj\u{e9} xAllowedp{{");
        let links = of(&(entry(1) + &entry(2)));
        let found: Vec<_> = links.iter().map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].sequence, &*found[1].username), (2, "j\u{e9} "));
        assert_eq!((&*found[1].pod, &*found[1].json, &found[1].about), ("x", "p{", &None));
        let links = of(&entry(3).replace(" -1 2 ", " 1 1 "));
        let found: Vec<_> = links.iter().map(Result::unwrap).collect();
        assert_eq!((found[0].about.as_deref(), &*found[0].json), (Some("p"), "{"));
        assert!(Links::default().iter().next().is_none());
        for wrong in
            ["1", "1 a b", &entry(1).replace(" 5 ", " a "), &entry(1).replace("4 0", "9 0")]
        {
            assert!(of(wrong).iter().any(|link| link.is_err()), "{wrong}");
        }
    }
}
