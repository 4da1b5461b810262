//! Regular expressions. Their syntax is that of the API server's engine; ours is close, and is
//! brought closer by rewriting a pattern before it is compiled.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use super::{Done, Given, Line, misfit};
use crate::expression::Trouble;
use crate::expression::value::{Text, Value};

mod dialect;

/// Most bytes that a compiled pattern may take.
const MAX_COMPILED: usize = 256 << 10;
/// Deepest nesting of groups in a pattern: to compile them takes stack.
const MAX_NESTING: u32 = 50;
/// Longest pattern that is compiled while an expression runs.
const MAX_RUNTIME_PATTERN: usize = 1024;

pub(super) const TABLE: &[Line] = &[
    ("matches", "string . string -> bool", matches),
    ("matches", "string string -> bool", matches),
    ("find", "string . string -> string", find),
    ("findAll", "string . string -> list<string>", find_all),
    ("findAll", "string . string int -> list<string>", find_all),
];

/// Compiles a pattern, or says what is wrong with it.
pub(in crate::expression) fn compiled(pattern: &str) -> Result<Regex, String> {
    let translated = dialect::translated(pattern)?;
    RegexBuilder::new(&translated)
        .nest_limit(MAX_NESTING)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "the regular expression is too large once compiled".to_owned()
            }
            // The engine's message draws a picture over several lines; its last says why.
            other => {
                let text = other.to_string();
                let why = text.lines().last().unwrap_or_default().trim();
                format!("not a regular expression: {}", why.trim_start_matches("error: "))
            }
        })
}

/// The text and the pattern, which is compiled here where it was not constant.
fn parts<'c, 'a>(given: &mut Given<'c, 'a>) -> Result<(&'c Text<'a>, Cow<'c, Regex>), Trouble> {
    let [Value::Text(text), Value::Text(pattern), ..] = given.values else { return misfit() };
    given.budget.look(text.as_str().len().saturating_mul(4))?;
    if let Some(known) = given.pattern {
        return Ok((text, Cow::Borrowed(known)));
    }
    let pattern = pattern.as_str();
    if pattern.len() > MAX_RUNTIME_PATTERN {
        return super::fail("the regular expression is too long");
    }
    // To compile is dear: some microseconds for each character.
    given.budget.steps(pattern.len().saturating_mul(20).saturating_add(500))?;
    match compiled(pattern) {
        Ok(found) => Ok((text, Cow::Owned(found))),
        Err(message) => super::fail(message),
    }
}

fn matches<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (text, pattern) = parts(given)?;
    Ok(Value::Bool(pattern.is_match(text.as_str())))
}

fn find<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (text, pattern) = parts(given)?;
    let found = pattern.find(text.as_str()).map_or("", |found| found.as_str());
    given.budget.make(found.len())?;
    Ok(Value::text(found))
}

fn find_all<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let most = match given.values.get(2) {
        Some(Value::Int(most)) => usize::try_from(*most).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let (text, pattern) = parts(given)?;
    let mut made = Vec::new();
    let mut end_of_last = None;
    for found in pattern.find_iter(text.as_str()) {
        if made.len() >= most {
            break;
        }
        // An empty match right after a match is none for the API server's engine.
        if found.is_empty() && end_of_last == Some(found.start()) {
            continue;
        }
        end_of_last = Some(found.end());
        given.budget.make_list(1)?;
        given.budget.make(found.len())?;
        given.budget.steps(1)?;
        made.push(Value::text(found.as_str()));
    }
    Ok(Value::list(made))
}
