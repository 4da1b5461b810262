//! Decisions, counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

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
    /// Of answers that were not delivered.
    pub undelivered: u64,
    /// By day in UTC, `2026-11-24`.
    pub days: BTreeMap<String, Count>,
    /// By who asked.
    pub users: BTreeMap<String, Count>,
    /// By namespace.
    pub namespaces: BTreeMap<String, Count>,
    /// By image, as parsed where that could be.
    pub images: BTreeMap<String, Count>,
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
    /// Counts one more.
    pub fn add(&mut self, record: &Record) {
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

/// For how long a writer said that it was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Whose.
    pub writer: String,
    /// Its first checkpoint of the time that was asked for.
    pub from: Timestamp,
    /// Its last one, or when it was asked for.
    pub to: Timestamp,
    /// Between them, where no checkpoint was signed for longer than was asked.
    pub silent: Vec<Silence>,
    /// Of the time between them, how much was not silent, in percent.
    pub percent: u8,
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
    /// `times` of checkpoints in order, and at last when the writer is asked for unless it had
    /// stopped; a pause longer than `limit` seconds is a silence. Nothing where there are none.
    #[must_use]
    pub fn new(writer: &str, times: &[Timestamp], limit: i64) -> Option<Self> {
        let (from, to) = (*times.first()?, *times.last()?);
        let silent: Vec<_> = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(from, to)| Silence { from: *from, to: *to })
            .filter(|pause| seconds(*pause) > limit)
            .collect();
        let whole = seconds(Silence { from, to }).max(1);
        let quiet: i64 = silent.iter().map(|pause| seconds(*pause)).sum();
        let percent = u8::try_from((whole - quiet).max(0) * 100 / whole).unwrap_or(100);
        Some(Self { writer: writer.to_owned(), from, to, silent, percent })
    }
}

fn seconds(pause: Silence) -> i64 {
    pause.to.as_second() - pause.from.as_second()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Coverage;

    #[test]
    fn a_pause_that_is_too_long_is_a_silence() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let times = [0, 60, 120, 1120, 1200].map(at);
        let coverage = Coverage::new("w", &times, 300).unwrap();
        assert_eq!((coverage.from, coverage.to), (at(0), at(1200)));
        let silent: Vec<_> = coverage.silent.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(silent, [(at(120), at(1120))]);
        assert_eq!(coverage.percent, 16);
        assert_eq!(Coverage::new("w", &times, 1000).unwrap().percent, 100);
        assert_eq!(Coverage::new("w", &[], 300), None);
    }
}
