//! `'%s of %d'.format([…])`.

use super::{Done, Given, Line, conversions, fail, misfit};
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::value::Value;

mod clauses;

/// Most decimals that a clause may ask for.
const MAX_PRECISION: usize = 100;
/// Deepest value that is written out.
const MAX_DEPTH: usize = 200;

pub(super) const TABLE: &[Line] = &[("format", "string . list<dyn> -> string", format)];

/// A piece of a format string.
#[derive(Debug, PartialEq)]
enum Piece<'f> {
    Plain(&'f str),
    Clause { kind: char, precision: Option<usize> },
}

/// Looks for what is wrong with a format string that takes so many arguments, where that is known.
pub(in crate::expression) fn check(text: &str, given: Option<usize>) -> Result<(), String> {
    let pieces = pieces(text)?;
    let wanted = pieces.iter().filter(|piece| matches!(piece, Piece::Clause { .. })).count();
    match given {
        Some(given) if given != wanted => {
            Err(format!("the format takes {wanted} arguments, not {given}"))
        }
        _ => Ok(()),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        found.push(Piece::Plain(before));
        if let Some(after) = after.strip_prefix('%') {
            found.push(Piece::Plain("%"));
            rest = after;
            continue;
        }
        let (precision, after) = precision(after)?;
        let Some(kind) = after.chars().next().filter(|kind| "sdfebxXo".contains(*kind)) else {
            let kind = after.chars().next().map(String::from).unwrap_or_default();
            return Err(format!("`%{}` is not a clause of a format", kind.escape_debug()));
        };
        found.push(Piece::Clause { kind, precision });
        rest = after.get(kind.len_utf8()..).unwrap_or_default();
    }
    found.push(Piece::Plain(rest));
    Ok(found)
}

fn precision(after: &str) -> Result<(Option<usize>, &str), String> {
    let Some(digits) = after.strip_prefix('.') else { return Ok((None, after)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, after) = digits.split_at_checked(end).unwrap_or((digits, ""));
    match digits.parse() {
        Ok(places) if places <= MAX_PRECISION => Ok((Some(places), after)),
        Ok(_) => Err(format!("a format has at most {MAX_PRECISION} decimals")),
        Err(_) => Err("the decimals of a format are not a number".to_owned()),
    }
}

fn format<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text), Value::List(list)] = given.values else { return misfit() };
    given.budget.make(text.as_str().len())?;
    let mut arguments = list.iter();
    let mut out = String::new();
    for piece in pieces(text.as_str()).map_err(Trouble::Expression)? {
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Clause { kind, precision } => {
                let Some(value) = arguments.next() else {
                    return fail("the format takes more arguments than it is given");
                };
                given.budget.steps(1)?;
                let mut writer = Writer { out: &mut out, budget: given.budget };
                match kind {
                    's' => writer.plain(&value, 0)?,
                    kind => {
                        let text = clauses::written(kind, precision, &value, writer.budget)?;
                        writer.push(&text)?;
                    }
                }
            }
        }
    }
    Ok(Value::text(out))
}

/// Writes values as text, paying for every byte.
struct Writer<'w> {
    out: &'w mut String,
    budget: &'w mut Budget,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) -> Result<(), Trouble> {
        self.budget.make(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    /// As `%s` writes it.
    fn plain(&mut self, value: &Value<'_>, depth: usize) -> Result<(), Trouble> {
        match value {
            Value::Text(text) => self.push(text.as_str()),
            Value::Null => self.push("null"),
            Value::List(_) | Value::Map(_) => self.nested(value, depth),
            Value::Ip(_) | Value::Cidr(_) => no_clause('s', value),
            other => match conversions::written(other) {
                Some(text) => self.push(&text),
                None => no_clause('s', other),
            },
        }
    }

    /// As it is written inside a list or a map.
    fn nested(&mut self, value: &Value<'_>, depth: usize) -> Result<(), Trouble> {
        if depth > MAX_DEPTH {
            return fail("the value is too deep to be written");
        }
        self.budget.steps(1)?;
        match value {
            Value::Text(text) => self.quoted("", text.as_str()),
            Value::Bytes(bytes) => self.quoted("b", &String::from_utf8_lossy(bytes)),
            Value::Double(value) if value.is_finite() => self.push(&format!("{value:.6}")),
            Value::Double(value) if value.is_nan() => self.push("\"NaN\""),
            Value::Double(value) if *value > 0.0 => self.push("\"+Inf\""),
            Value::Double(_) => self.push("\"-Inf\""),
            Value::Timestamp(time) => self.push(&format!("timestamp(\"{time}\")")),
            Value::Duration(nanos) => {
                self.push(&format!("duration(\"{}\")", super::time::shown(*nanos)))
            }
            Value::List(list) => {
                self.push("[")?;
                for (place, item) in list.iter().enumerate() {
                    self.push(if place > 0 { ", " } else { "" })?;
                    self.nested(&item, depth + 1)?;
                }
                self.push("]")
            }
            Value::Map(map) => {
                self.budget.make_list(map.len().saturating_mul(2))?;
                let entries = map.entries();
                self.entries(&entries, depth)
            }
            other => self.plain(other, depth),
        }
    }

    /// In the order of the keys as they are written.
    fn entries(&mut self, entries: &[(Value<'_>, Value<'_>)], depth: usize) -> Result<(), Trouble> {
        let mut written = Vec::new();
        for (key, value) in entries {
            let mut text = String::new();
            Writer { out: &mut text, budget: self.budget }.nested(key, depth + 1)?;
            written.push((text, value));
        }
        written.sort_by(|(left, _), (right, _)| left.cmp(right));
        self.push("{")?;
        for (place, (key, value)) in written.into_iter().enumerate() {
            self.push(if place > 0 { ", " } else { "" })?;
            self.push(&key)?;
            self.push(":")?;
            self.nested(value, depth + 1)?;
        }
        self.push("}")
    }

    fn quoted(&mut self, prefix: &str, text: &str) -> Result<(), Trouble> {
        self.budget.make(text.len().saturating_mul(2))?;
        let mut quoted = String::from(prefix);
        quoted.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                plain => quoted.push(plain),
            }
        }
        quoted.push('"');
        self.push(&quoted)
    }
}

fn no_clause<T>(kind: char, value: &Value<'_>) -> Result<T, Trouble> {
    fail(format!("`%{kind}` does not take {}", value.type_name()))
}
