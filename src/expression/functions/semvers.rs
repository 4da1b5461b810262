//! Semantic versions.

use std::rc::Rc;

use semver::Version;

use super::order::{compare_to, is_greater, is_less};
use super::{Done, Given, Line, fail, misfit};
use crate::expression::value::Value;

/// Longest text that is read as a version.
const MAX_LENGTH: usize = 1024;

pub(super) const TABLE: &[Line] = &[
    ("semver", "string -> semver", semver),
    ("semver", "string bool -> semver", semver),
    ("isSemver", "string -> bool", is_semver),
    ("isSemver", "string bool -> bool", is_semver),
    ("major", "semver . -> int", major),
    ("minor", "semver . -> int", minor),
    ("patch", "semver . -> int", patch),
    ("isLessThan", "semver . semver -> bool", is_less),
    ("isGreaterThan", "semver . semver -> bool", is_greater),
    ("compareTo", "semver . semver -> int", compare_to),
];

fn read(given: &mut Given<'_, '_>) -> Result<Option<Version>, crate::expression::Trouble> {
    let (text, normal) = match given.values {
        [Value::Text(text)] => (text.as_str(), false),
        [Value::Text(text), Value::Bool(normal)] => (text.as_str(), *normal),
        _ => return misfit(),
    };
    given.budget.look(text.len())?;
    if text.len() > MAX_LENGTH {
        return Ok(None);
    }
    Ok(if normal { normalized(text) } else { Version::parse(text).ok() })
}

/// Reads `v1.2`, `1` and `01.02.03` too.
fn normalized(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
        return None;
    }
    parts.resize(parts.len().max(3), "0".to_owned());
    Version::parse(&parts.join(".")).ok()
}

fn without_zeros(part: &str) -> String {
    let rest = part.trim_start_matches('0');
    match part.len() {
        0 | 1 => part.to_owned(),
        _ if rest.starts_with(|c: char| c.is_ascii_digit()) => rest.to_owned(),
        _ => format!("0{rest}"),
    }
}

fn semver<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    match read(given)? {
        Some(version) => Ok(Value::Semver(Rc::new(version))),
        None => fail("not a semantic version"),
    }
}

fn is_semver<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Bool(read(given)?.is_some()))
}

fn part<'a>(given: &Given<'_, '_>, of: impl Fn(&Version) -> u64) -> Done<'a> {
    let [Value::Semver(version)] = given.values else { return misfit() };
    i64::try_from(of(version))
        .map_or_else(|_| fail("the number is out of range"), |part| Ok(Value::Int(part)))
}

fn major<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |version| version.major)
}

fn minor<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |version| version.minor)
}

fn patch<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    part(given, |version| version.patch)
}
