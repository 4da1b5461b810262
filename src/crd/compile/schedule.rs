//! `spec.match.schedule` and `spec.expires`

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use crate::policy::schedule::{Hours, Schedule};

use super::super::debug_policy::{self, Day, Effect};
use super::super::problem::{Fault, Findings, Place};

/// The end of a day, which no clock shows.
const MIDNIGHT: &str = "24:00";

pub(super) fn compile(
    schedule: &debug_policy::Schedule,
    at: &Place<'_>,
    findings: &mut Findings,
) -> Schedule {
    let debug_policy::Schedule { time_zone, days, hours: ranges } = schedule;
    let nothing = days.as_ref().is_none_or(Vec::is_empty) && ranges.is_none();
    findings.check(!nothing, at, || Fault::ScheduleEmpty);
    let days_given = days.as_ref().is_none_or(|days| !days.is_empty());
    findings.check(days_given || nothing, &at.key("days"), || Fault::EmptyList);
    let ranges_given = ranges.as_ref().is_none_or(|ranges| !ranges.is_empty());
    findings.check(ranges_given, &at.key("hours"), || Fault::EmptyList);
    let place = at.key("hours");
    let ranges = ranges.iter().flatten().enumerate();
    Schedule {
        zone: zone(time_zone, &at.key("timeZone"), findings),
        days: days.iter().flatten().copied().map(Weekday::from).collect(),
        hours: ranges
            .filter_map(|(position, text)| {
                let hours = hours(text);
                findings
                    .check(hours.is_some(), &place.index(position), || Fault::Hours(text.clone()));
                hours
            })
            .collect(),
    }
}

/// Files of a machine's database that are not of the database: each means something else elsewhere.
const OF_THE_MACHINE: [&str; 3] = ["localtime", "posixrules", "Factory"];

/// Only names of the time zone database: `+01:00` does not know of summer.
fn zone(name: &str, at: &Place<'_>, findings: &mut Findings) -> TimeZone {
    let everywhere = !OF_THE_MACHINE.iter().any(|it| it.eq_ignore_ascii_case(name));
    let found = TimeZone::get(name).ok().filter(|_| everywhere);
    found.unwrap_or_else(|| {
        findings.add(at, Fault::TimeZone(name.to_owned()));
        TimeZone::UTC
    })
}

/// `08:00-18:00`, `22:00-06:00` over midnight, `18:00-24:00`.
fn hours(text: &str) -> Option<Hours> {
    let (from, to) = text.split_once('-')?;
    let from = time(from)?;
    let to = if to == MIDNIGHT { None } else { Some(time(to)?) };
    (to != Some(from)).then_some(Hours { from, to })
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let right = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        right.then(|| digits.parse().ok()).flatten()
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Monday => Self::Monday,
            Day::Tuesday => Self::Tuesday,
            Day::Wednesday => Self::Wednesday,
            Day::Thursday => Self::Thursday,
            Day::Friday => Self::Friday,
            Day::Saturday => Self::Saturday,
            Day::Sunday => Self::Sunday,
        }
    }
}

/// A Require that ended by itself would loosen what it holds, on a day that nobody has in mind.
pub(super) fn expires(
    text: Option<&String>,
    effect: Effect,
    at: &Place<'_>,
    findings: &mut Findings,
) -> Option<Timestamp> {
    let text = text?;
    findings.check(effect == Effect::Permit, at, || Fault::ExpiringRequire);
    let moment = text.parse().ok();
    findings.check(moment.is_some(), at, || Fault::Moment(text.clone()));
    moment
}
