//! Decisions, counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use uuid::Uuid;

use super::{Injection, Outcome, Record};

/// How many of which.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// All of them.
    pub decisions: u64,
    /// Allowed.
    pub allowed: u64,
    /// Refused.
    pub refused: u64,
    /// Where the answer is not what policy says.
    pub differing: u64,
    /// Refusals that take back what is on record as another answer and was not delivered.
    pub undelivered: u64,
    /// By day in UTC, `2026-11-24`.
    pub days: BTreeMap<String, Count>,
    /// By who asked.
    pub users: BTreeMap<String, Count>,
    /// By namespace.
    pub namespaces: BTreeMap<String, Count>,
    /// By image, as parsed where that could be.
    pub images: BTreeMap<String, Count>,
    /// Decisions that were taken back, and whose own records have not come yet.
    #[serde(skip)]
    taken_back: BTreeSet<Uuid>,
}

/// Answers of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the words say it")]
pub struct Count {
    pub allowed: u64,
    pub refused: u64,
}

impl Count {
    fn add(&mut self, answer: Outcome) {
        match answer {
            Outcome::Allowed => self.allowed += 1,
            Outcome::Refused => self.refused += 1,
        }
    }
}

impl Tally {
    /// Counts one more. They come newest first: a decision that was taken back counts once, by the
    /// record that says so.
    pub fn add(&mut self, record: &Record) {
        if self.taken_back.remove(&record.id) {
            return;
        }
        self.taken_back.extend(record.amends);
        let answer = record.answer;
        self.decisions += 1;
        match answer {
            Outcome::Allowed => self.allowed += 1,
            Outcome::Refused => self.refused += 1,
        }
        self.differing += u64::from(record.verdict != answer && record.amends.is_none());
        self.undelivered += u64::from(record.amends.is_some());
        let day = record.time.to_zoned(TimeZone::UTC).date().to_string();
        let count = |map: &mut BTreeMap<String, Count>, key: String| {
            map.entry(key).or_default().add(answer);
        };
        count(&mut self.days, day);
        count(&mut self.users, record.requester.username.clone());
        count(&mut self.namespaces, record.namespace.clone());
        for injection in &record.injections {
            count(&mut self.images, image(injection));
        }
    }
}

fn image(injection: &Injection) -> String {
    let parsed = injection.image_parsed.as_ref().map(ToString::to_string);
    parsed.unwrap_or_else(|| injection.image.clone())
}

/// What is known of when a writer was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Of the first that there is of it, an entry or a checkpoint.
    pub began: Timestamp,
    /// Of its checkpoints.
    pub signed: Vec<Timestamp>,
    /// When it stopped, if that is the last that it had said when the time ended.
    pub stopped: Option<Timestamp>,
    /// Checkpoints that do not count, because no key that is trusted signed them.
    pub untrusted: u64,
}

/// The time that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Nothing: since the writer began.
    pub since: Option<Timestamp>,
    /// Not in the future.
    pub until: Timestamp,
}

/// For how long a writer said that it was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Whose.
    pub writer: String,
    /// When the time that was asked for begins, or the writer itself.
    pub from: Timestamp,
    /// When that time ends, or when it stopped.
    pub to: Timestamp,
    /// When it stopped, if it had not begun again.
    pub stopped: Option<Timestamp>,
    /// Between them, where no checkpoint was signed for longer than was asked.
    pub silent: Vec<Silence>,
    /// Of the time between them, how much was not silent, in percent.
    pub percent: u8,
    /// Checkpoints that do not count, because no key that is trusted signed them.
    pub untrusted_checkpoints: u64,
}

/// A time without a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the words say it")]
pub struct Silence {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Coverage {
    /// A pause longer than `limit` seconds is a silence, also one that had begun before or goes on.
    /// Nothing of a writer that was not there yet.
    #[must_use]
    pub fn new(writer: &str, presence: &Presence, window: Window, limit: i64) -> Option<Self> {
        let Presence { began, ref signed, stopped, untrusted } = *presence;
        let Window { since, until } = window;
        let from = since.map_or(began, |since| since.max(began));
        if from >= until {
            return None;
        }
        // Silence that lasts is the one that matters. Another server may sign for one that stopped.
        let to = stopped.map_or(until, |stopped| stopped.clamp(from, until));
        let within = signed.iter().copied().filter(|time| (from..to).contains(time));
        let mut times: Vec<_> = [from].into_iter().chain(within).chain([to]).collect();
        times.sort_unstable();
        let silent: Vec<_> = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(from, to)| Silence { from: *from, to: *to })
            .filter(|pause| seconds(*pause) > limit)
            .collect();
        let whole = seconds(Silence { from, to }).max(1);
        let quiet: i64 = silent.iter().map(|pause| seconds(*pause)).sum();
        let percent = match stopped {
            Some(stopped) if stopped < from && to == from => 0,
            _ => u8::try_from((whole - quiet).max(0) * 100 / whole).unwrap_or(100),
        };
        let (writer, untrusted_checkpoints) = (writer.to_owned(), untrusted);
        Some(Self { writer, from, to, stopped, silent, percent, untrusted_checkpoints })
    }
}

fn seconds(pause: Silence) -> i64 {
    pause.to.as_second() - pause.from.as_second()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Coverage, Presence, Window};

    #[test]
    fn a_pause_that_is_too_long_is_a_silence() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let signed = [0, 60, 120, 1120, 1200].map(at).to_vec();
        let there = Presence { began: at(0), signed, stopped: Some(at(1200)), untrusted: 0 };
        let whole = Window { since: None, until: at(9000) };
        let coverage = Coverage::new("w", &there, whole, 300).unwrap();
        assert_eq!((coverage.from, coverage.to), (at(0), at(1200)));
        let silent: Vec<_> = coverage.silent.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(silent, [(at(120), at(1120))]);
        assert_eq!(coverage.percent, 16);
        assert_eq!(Coverage::new("w", &there, whole, 1000).unwrap().percent, 100);
        let before = Window { since: None, until: at(0) };
        assert_eq!(Coverage::new("w", &there, before, 300), None);
        let backwards = Window { since: Some(at(7)), until: at(7) };
        assert_eq!(Coverage::new("w", &there, backwards, 300), None);
    }

    #[test]
    fn a_silence_reaches_to_the_edges_of_what_is_asked_for() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let signed = vec![at(0), at(5000)];
        let there = Presence { began: at(0), signed, stopped: None, untrusted: 0 };
        let window = Window { since: Some(at(1000)), until: at(9000) };
        let coverage = Coverage::new("w", &there, window, 300).unwrap();
        let silent: Vec<_> = coverage.silent.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(silent, [(at(1000), at(5000)), (at(5000), at(9000))]);
        let gone = Presence { signed: vec![at(0)], stopped: Some(at(0)), ..there };
        let coverage = Coverage::new("w", &gone, window, 300).unwrap();
        assert_eq!((coverage.to, coverage.percent), (at(1000), 0));
        assert!(coverage.silent.is_empty());
    }
}
