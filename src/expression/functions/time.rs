//! Durations and timestamps.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{Done, Given, Line, fail, misfit};
use crate::expression::Trouble;
use crate::expression::value::Value;

const SECOND: i64 = 1_000_000_000;

pub(super) const TABLE: &[Line] = &[
    ("duration", "string -> duration", to_duration),
    ("duration", "duration -> duration", same),
    ("timestamp", "string -> timestamp", to_timestamp),
    ("timestamp", "int -> timestamp", to_timestamp),
    ("timestamp", "timestamp -> timestamp", same),
    ("getHours", "duration . -> int", hours),
    ("getMinutes", "duration . -> int", minutes),
    ("getSeconds", "duration . -> int", seconds),
    ("getMilliseconds", "duration . -> int", milliseconds),
    ("getFullYear", "timestamp . -> int", year),
    ("getFullYear", "timestamp . string -> int", year),
    ("getMonth", "timestamp . -> int", month),
    ("getMonth", "timestamp . string -> int", month),
    ("getDate", "timestamp . -> int", date),
    ("getDate", "timestamp . string -> int", date),
    ("getDayOfMonth", "timestamp . -> int", day_of_month),
    ("getDayOfMonth", "timestamp . string -> int", day_of_month),
    ("getDayOfWeek", "timestamp . -> int", day_of_week),
    ("getDayOfWeek", "timestamp . string -> int", day_of_week),
    ("getDayOfYear", "timestamp . -> int", day_of_year),
    ("getDayOfYear", "timestamp . string -> int", day_of_year),
    ("getHours", "timestamp . -> int", clock_hours),
    ("getHours", "timestamp . string -> int", clock_hours),
    ("getMinutes", "timestamp . -> int", clock_minutes),
    ("getMinutes", "timestamp . string -> int", clock_minutes),
    ("getSeconds", "timestamp . -> int", clock_seconds),
    ("getSeconds", "timestamp . string -> int", clock_seconds),
    ("getMilliseconds", "timestamp . -> int", clock_milliseconds),
    ("getMilliseconds", "timestamp . string -> int", clock_milliseconds),
];

/// Reads `1h30m`, `-1.5s`, `250ms` as nanoseconds.
pub(in crate::expression) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(end)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(part(number, unit)?)?;
        rest = after;
    }
    i64::try_from(if negative { total.checked_neg()? } else { total }).ok()
}

/// A number with or without a fraction, times a unit.
fn part(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
    let mut total = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.chars().filter_map(|c| c.to_digit(10)) {
        scale /= 10;
        total = total.checked_add(scale.checked_mul(digit.into())?)?;
    }
    Some(total)
}

/// Reads a time as RFC 3339 writes it, within the years that the language knows.
pub(in crate::expression) fn timestamp(text: &str) -> Option<Timestamp> {
    let at = |place: usize| text.as_bytes().get(place);
    let offset = text.len().checked_sub(6).and_then(|start| text.get(start..));
    let zoned = text.ends_with('Z') || offset.is_some_and(|offset| offset.starts_with(['+', '-']));
    let clock = at(10) == Some(&b'T') && at(13) == Some(&b':') && at(16) == Some(&b':');
    // A leap second is no time to the API server.
    if text.len() > 64 || !zoned || !clock || text.get(17..19) == Some("60") {
        return None;
    }
    text.parse().ok().filter(|time| in_years(*time))
}

/// Whether the time is in the years 1 to 9999.
pub(in crate::expression) fn in_years(time: Timestamp) -> bool {
    (-62_135_596_800..=253_402_300_799).contains(&time.as_second())
}

/// As the API server writes a duration: seconds, with as many decimals as it takes.
pub(super) fn shown(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let whole = nanos / SECOND.unsigned_abs();
    let fraction = format!("{:09}", nanos % SECOND.unsigned_abs());
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}s"),
        fraction => format!("{sign}{whole}.{fraction}s"),
    }
}

fn same<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [value] = given.values else { return misfit() };
    Ok(value.clone())
}

fn to_duration<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text)] = given.values else { return misfit() };
    given.budget.look(text.as_str().len())?;
    duration(text.as_str())
        .map_or_else(|| fail("not a duration"), |nanos| Ok(Value::Duration(nanos)))
}

fn to_timestamp<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let found = match given.values {
        [Value::Text(text)] => timestamp(text.as_str()),
        [Value::Int(second)] => Timestamp::from_second(*second).ok().filter(|time| in_years(*time)),
        _ => return misfit(),
    };
    found.map_or_else(|| fail("not a timestamp"), |time| Ok(Value::Timestamp(time)))
}

fn counted<'a>(given: &Given<'_, '_>, unit: i64) -> Done<'a> {
    let [Value::Duration(nanos)] = given.values else { return misfit() };
    Ok(Value::Int(nanos.checked_div(unit).unwrap_or(0)))
}

fn hours<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    counted(given, 3600 * SECOND)
}

fn minutes<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    counted(given, 60 * SECOND)
}

fn seconds<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    counted(given, SECOND)
}

fn milliseconds<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    counted(given, SECOND / 1000)
}

/// The time on the wall, in UTC or in the zone that was named.
fn wall(given: &Given<'_, '_>) -> Result<Zoned, Trouble> {
    match given.values {
        [Value::Timestamp(time)] => Ok(time.to_zoned(TimeZone::UTC)),
        [Value::Timestamp(time), Value::Text(name)] => match zone(name.as_str()) {
            Some(zone) => Ok(time.to_zoned(zone)),
            None => fail("not a time zone"),
        },
        _ => misfit(),
    }
}

/// A zone by its name, or as `+02:00`.
fn zone(name: &str) -> Option<TimeZone> {
    let Some((hours, minutes)) = name.split_once(':') else {
        let known = if name.is_empty() { "UTC" } else { name };
        return TimeZone::get(known).ok();
    };
    let negative = hours.starts_with('-');
    let hours: i32 = hours.trim_start_matches(['-', '+']).parse().ok()?;
    let minutes: i32 = minutes.parse().ok()?;
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    let seconds = if negative { -seconds } else { seconds };
    jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

fn of_wall<'a>(given: &Given<'_, '_>, part: impl Fn(&Zoned) -> i64) -> Done<'a> {
    // To find a zone by name may read a file the first time.
    given
        .values
        .len()
        .checked_sub(1)
        .map_or_else(misfit, |_| wall(given).map(|time| Value::Int(part(&time))))
}

fn year<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.year().into())
}

fn month<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| i64::from(time.month()) - 1)
}

fn date<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.day().into())
}

fn day_of_month<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| i64::from(time.day()) - 1)
}

fn day_of_week<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.weekday().to_sunday_zero_offset().into())
}

fn day_of_year<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| i64::from(time.day_of_year()) - 1)
}

fn clock_hours<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.hour().into())
}

fn clock_minutes<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.minute().into())
}

fn clock_seconds<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.second().into())
}

fn clock_milliseconds<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    of_wall(given, |time| time.millisecond().into())
}
