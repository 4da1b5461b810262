//! Days and hours of a time zone: `match.schedule`.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

/// When a policy speaks. Both parts must hold; an empty part holds always.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// In which the days and hours are read.
    pub zone: TimeZone,
    /// Any of these days.
    pub days: Vec<Weekday>,
    /// Within any of these hours.
    pub hours: Vec<Hours>,
}

/// From one time of the day up to another. Where the end is not after the start, it is the next
/// day's, and the night belongs to the day on which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first moment that is in it.
    pub from: Time,
    /// The first moment that is not; midnight at the end of a day is `None`.
    pub to: Option<Time>,
}

impl Schedule {
    /// Whether the policy speaks at this moment.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let (today, time) = (local.weekday(), local.time());
        let is_day = |day: Weekday| self.days.is_empty() || self.days.contains(&day);
        if self.hours.is_empty() {
            return is_day(today);
        }
        self.hours.iter().any(|hours| match hours.begun(time) {
            Some(Begun::Today) => is_day(today),
            Some(Begun::Yesterday) => is_day(today.previous()),
            None => false,
        })
    }
}

/// On which day the hours began that a time is within.
enum Begun {
    Today,
    Yesterday,
}

impl Hours {
    fn begun(&self, time: Time) -> Option<Begun> {
        let Self { from, to } = *self;
        match to {
            None => (time >= from).then_some(Begun::Today),
            Some(to) if from < to => (from <= time && time < to).then_some(Begun::Today),
            Some(_) if time >= from => Some(Begun::Today),
            Some(to) => (time < to).then_some(Begun::Yesterday),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(days: &[Weekday], hours: &[(i8, Option<i8>)]) -> Schedule {
        let time = |hour| Time::constant(hour, 0, 0, 0);
        let hours = hours.iter().map(|(from, to)| Hours { from: time(*from), to: to.map(time) });
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Schedule { zone, days: days.to_vec(), hours: hours.collect() }
    }

    /// 2026-11-25 is a Wednesday; Berlin is an hour ahead of UTC in winter.
    fn holds(schedule: &Schedule, time: &str) -> bool {
        schedule.holds(time.parse().unwrap())
    }

    #[test]
    fn office_hours_are_those_of_the_time_zone() {
        let office = schedule(&[Weekday::Wednesday], &[(8, Some(18))]);
        assert!(holds(&office, "2026-11-25T07:00:00Z"));
        assert!(!holds(&office, "2026-11-25T06:59:59Z"));
        assert!(!holds(&office, "2026-11-25T17:00:00Z"));
        assert!(!holds(&office, "2026-11-26T09:00:00Z"), "a Thursday");
        assert!(holds(&office, "2026-07-22T06:00:00Z"), "in summer two hours ahead");
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_began() {
        let night = schedule(&[Weekday::Wednesday], &[(22, Some(6))]);
        assert!(holds(&night, "2026-11-25T21:30:00Z"));
        assert!(holds(&night, "2026-11-26T04:30:00Z"), "Thursday morning");
        assert!(!holds(&night, "2026-11-25T04:30:00Z"), "Wednesday morning");
        assert!(!holds(&night, "2026-11-26T05:00:00Z"));
    }

    #[test]
    fn hours_may_end_with_the_day_and_days_may_be_whole() {
        let evening = schedule(&[], &[(18, None)]);
        assert!(holds(&evening, "2026-11-25T22:59:59Z"));
        assert!(!holds(&evening, "2026-11-25T23:00:00Z"));
        let wednesday = schedule(&[Weekday::Wednesday], &[]);
        assert!(holds(&wednesday, "2026-11-25T22:59:59Z"));
        assert!(!holds(&wednesday, "2026-11-25T23:00:00Z"));
    }
}
