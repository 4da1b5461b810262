//! `--update`: what came, written into the case file as what is expected.

use core::ops::Range;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::file::{Expect, Source, at};

/// What does not fit in front of it goes into lines of its own.
const MAX_COLUMN: usize = 100;

/// Writes new expectations of some cases, by their numbers. All else in the file stays as it is,
/// its comments too.
///
/// # Errors
///
/// The file is written in a way in which that cannot be done, or cannot be written.
pub(super) fn update(path: &Path, source: &Source, new: &[(usize, Expect)]) -> anyhow::Result<()> {
    let called = || format!("cannot update {}", path.display());
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let mut text = source.text.clone();
    // From the end, so that what is in front stays where it was.
    for (number, expect) in new.iter().rev() {
        let splice = splice(source, *number, expect, is_json);
        let (range, mut written) = splice.with_context(called)?;
        if source.text.contains("\r\n") {
            written = written.replace('\n', "\r\n");
        }
        text.replace_range(range, &written);
    }
    if !says(&source.name, &text, source, new) {
        return Err(anyhow::anyhow!("write the expectation by hand, without anchors"))
            .with_context(called);
    }
    fs::write(path, text).with_context(called)
}

/// Whether the new text says what it should, and of every other case what it said before.
fn says(name: &str, text: &str, source: &Source, new: &[(usize, Expect)]) -> bool {
    let Ok(written) = Source::of(name, text.to_owned()) else { return false };
    let same = |(number, (old, written)): (usize, (&super::file::Case, &super::file::Case))| {
        let wanted = new.iter().find(|(it, _)| *it == number).map(|(_, expect)| expect);
        written.expect.as_ref() == wanted.or(old.expect.as_ref())
    };
    written.cases().len() == source.cases().len()
        && source.cases().iter().zip(written.cases()).enumerate().all(same)
}

/// What to write where.
fn splice(
    source: &Source,
    number: usize,
    expect: &Expect,
    is_json: bool,
) -> anyhow::Result<(Range<usize>, String)> {
    let text = source.text.as_str();
    let trimmed = |range: Range<usize>| {
        let length = text.get(range.clone()).map_or(0, |value| value.trim_end().len());
        range.start..range.start + length
    };
    let starts_with_brace = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with('{'));
    if let Some(extent) = source.document.extent(&at(number, Some("expect"))) {
        let extent = trimmed(extent);
        let written = if starts_with_brace(extent.start) {
            flow(&serde_json::to_value(expect)?, is_json)
        } else {
            block(expect, column(text, extent.start))?
        };
        return Ok((extent, written));
    }
    let Some(case) = source.document.extent(&at(number, None)).map(trimmed) else {
        bail!("case {number} is not there");
    };
    if starts_with_brace(case.start) {
        let brace = case.end.saturating_sub(1);
        let key = if is_json { "\"expect\"" } else { "expect" };
        let written = flow(&serde_json::to_value(expect)?, is_json);
        return Ok((brace..brace, format!(", {key}: {written}")));
    }
    // Behind a comment that may be at the end of the last line.
    let rest = text.get(case.end..).unwrap_or_default();
    let end = case.end + rest.lines().next().unwrap_or_default().len();
    let column = column(text, case.start);
    let (outer, inner) = (" ".repeat(column), " ".repeat(column + 2));
    let written = block(expect, column + 2)?;
    Ok((end..end, format!("\n{outer}expect:\n{inner}{written}")))
}

/// How many characters stand in front of a byte in its line.
fn column(text: &str, byte: usize) -> usize {
    let before = text.get(..byte).unwrap_or_default();
    before.chars().rev().take_while(|character| *character != '\n').count()
}

/// As YAML at this column; the first line is where it belongs already.
fn block(expect: &Expect, column: usize) -> anyhow::Result<String> {
    let Expect { allowed, permitted_by, refused_by, constraints, warnings, message, stored } =
        expect;
    let list = |names: &Option<Vec<String>>| names.clone().map(Value::from);
    let fields = [
        ("allowed", Some(Value::from(*allowed))),
        ("permittedBy", list(permitted_by)),
        ("refusedBy", list(refused_by)),
        ("constraints", list(constraints)),
        ("warnings", list(warnings)),
        ("message", message.clone().map(Value::from)),
        ("stored", stored.clone()),
    ];
    let mut lines = Vec::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let short = format!("{name}: {}", flow(&value, false));
        if short.chars().count() + column <= MAX_COLUMN {
            lines.push(short);
        } else {
            let yaml = serde_saphyr::to_string(&BTreeMap::from([(name, &value)]))?;
            lines.extend(yaml.trim_end().lines().map(str::to_owned));
        }
    }
    Ok(lines.join(&format!("\n{}", " ".repeat(column))))
}

/// As YAML in brackets.
fn flow(value: &Value, is_json: bool) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", word(name, is_json), flow(value, is_json))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(item, is_json)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => word(text, is_json),
        other => other.to_string(),
    }
}

/// A text, in quotes unless it is a name that reads as text without.
fn word(text: &str, is_json: bool) -> String {
    // Each of these is something else to some reader of YAML.
    const NOT_TEXT: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let plain = text.chars().all(|it| it.is_ascii_alphanumeric() || "._-/".contains(it));
    if !is_json && begins && plain && !NOT_TEXT.contains(&&*text.to_lowercase()) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
