//! A time, as a person types it.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::super::Misuse;

/// As long as `2026-11-24`. What comes behind one would be read over, the hour too.
const DAY: usize = 10;

/// `24h` ago, or a time of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Ago(SignedDuration),
    At(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "give how long ago, as in `30m`, `24h` or `7d`, or a time with its zone, as in \
     `2026-11-24T08:00:00Z`, or a day, as in `2026-11-24`"
)]
pub(super) struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        // A day alone begins at midnight, UTC, as all times here are told.
        if text.len() == DAY
            && let Ok(day) = text.parse::<Date>()
            && let Ok(midnight) = day.to_zoned(TimeZone::UTC)
        {
            return Ok(Self::At(midnight.timestamp()));
        }
        let ago = text
            .parse::<Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .map_err(|_| MomentError)?;
        if ago.is_negative() { Err(MomentError) } else { Ok(Self::Ago(ago)) }
    }
}

impl Moment {
    pub(super) fn seen_from(self, now: Timestamp) -> Result<Timestamp, Misuse> {
        match self {
            Self::At(time) => Ok(time),
            Self::Ago(ago) => now
                .checked_sub(ago)
                .map_err(|_| Misuse("no calendar goes back that far".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Moment;

    #[test]
    fn reads_ages_and_times() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let cases = [
            ("24h", "2026-11-23T08:00:00Z"),
            ("30m", "2026-11-24T07:30:00Z"),
            ("1h 30m", "2026-11-24T06:30:00Z"),
            ("7d", "2026-11-17T08:00:00Z"),
            ("2w", "2026-11-10T08:00:00Z"),
            ("0s", "2026-11-24T08:00:00Z"),
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z"),
        ];
        for (text, expected) in cases {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.seen_from(now).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        let hours = ["2026-11-20T10:00", "2026-11-20 10:00:00", "2026-11-20T10:00[Europe/Berlin]"];
        let others = ["", "24", "yesterday", "-24h", "24h ago", "1y", "soon\u{1b}"];
        for text in hours.into_iter().chain(others) {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
