//! Functions on text. Positions count characters, not bytes.

use super::{Done, Given, Line, fail, int, misfit};
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::value::{Text, Value};

pub(super) const TABLE: &[Line] = &[
    ("startsWith", "string . string -> bool", starts_with),
    ("endsWith", "string . string -> bool", ends_with),
    ("contains", "string . string -> bool", contains),
    ("charAt", "string . int -> string", char_at),
    ("indexOf", "string . string -> int", index_of),
    ("indexOf", "string . string int -> int", index_of),
    ("lastIndexOf", "string . string -> int", last_index_of),
    ("lastIndexOf", "string . string int -> int", last_index_of),
    ("lowerAscii", "string . -> string", lower),
    ("upperAscii", "string . -> string", upper),
    ("replace", "string . string string -> string", replace),
    ("replace", "string . string string int -> string", replace),
    ("split", "string . string -> list<string>", split),
    ("split", "string . string int -> list<string>", split),
    ("substring", "string . int -> string", substring),
    ("substring", "string . int int -> string", substring),
    ("trim", "string . -> string", trim),
    ("join", "list<string> . -> string", join),
    ("join", "list<string> . string -> string", join),
    ("strings.quote", "string -> string", quote),
];

fn two_texts<'c>(given: &mut Given<'c, '_>) -> Result<(&'c str, &'c str), Trouble> {
    let [Value::Text(left), Value::Text(right), ..] = given.values else { return misfit() };
    given.budget.look(left.as_str().len().saturating_add(right.as_str().len()))?;
    Ok((left.as_str(), right.as_str()))
}

fn starts_with<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    two_texts(given).map(|(text, part)| Value::Bool(text.starts_with(part)))
}

fn ends_with<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    two_texts(given).map(|(text, part)| Value::Bool(text.ends_with(part)))
}

fn contains<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    two_texts(given).map(|(text, part)| Value::Bool(text.contains(part)))
}

fn out_of_range<T>(index: i64) -> Result<T, Trouble> {
    fail(format!("index out of range: {index}"))
}

/// The byte offset of a character, which may be the one past the end.
fn offset(text: &str, index: i64) -> Option<usize> {
    let wanted = usize::try_from(index).ok()?;
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(wanted)
}

fn char_at<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text), Value::Int(index)] = given.values else { return misfit() };
    given.budget.look(text.as_str().len())?;
    match offset(text.as_str(), *index) {
        Some(at) => {
            let found = text.as_str().get(at..).and_then(|rest| rest.chars().next());
            Ok(Value::text(found.map(String::from).unwrap_or_default()))
        }
        None => out_of_range(*index),
    }
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// The start of a search, or what the search finds without looking.
fn search_from(text: &str, part: &str, from: i64) -> Result<Result<i64, i64>, Trouble> {
    if from < 0 {
        return out_of_range(from);
    }
    let count = characters(text);
    if part.is_empty() {
        return Ok(Err(from.min(count)));
    }
    Ok(if from >= count { Err(-1) } else { Ok(from) })
}

fn index_of<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let from = match given.values.get(2) {
        Some(Value::Int(from)) => *from,
        _ => 0,
    };
    let (text, part) = two_texts(given)?;
    let from = match search_from(text, part, from)? {
        Ok(from) => from,
        Err(known) => return Ok(Value::Int(known)),
    };
    let start = offset(text, from).unwrap_or(text.len());
    let found = text.get(start..).and_then(|rest| rest.find(part));
    Ok(Value::Int(match found {
        Some(at) => characters(text.get(..start.saturating_add(at)).unwrap_or_default()),
        None => -1,
    }))
}

fn last_index_of<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let up_to = match given.values.get(2) {
        Some(Value::Int(up_to)) => Some(*up_to),
        _ => None,
    };
    let (text, part) = two_texts(given)?;
    let Some(up_to) = up_to else {
        if part.is_empty() {
            return Ok(Value::Int(characters(text)));
        }
        return Ok(last_before(text, part, text.len()));
    };
    match search_from(text, part, up_to)? {
        Ok(up_to) => {
            let start = offset(text, up_to).unwrap_or(text.len());
            Ok(last_before(text, part, start.saturating_add(part.len()).min(text.len())))
        }
        Err(known) => Ok(Value::Int(known)),
    }
}

/// The last place of `part` that ends at `end` or before.
fn last_before<'a>(text: &str, part: &str, end: usize) -> Value<'a> {
    // The end may fall into a character when what stands there is not `part` at all.
    let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let last = text.get(..end).and_then(|head| head.rfind(part));
    Value::Int(last.map_or(-1, |at| characters(text.get(..at).unwrap_or_default())))
}

fn one_text<'c>(given: &mut Given<'c, '_>) -> Result<&'c str, Trouble> {
    let [Value::Text(text), ..] = given.values else { return misfit() };
    given.budget.make(text.as_str().len())?;
    Ok(text.as_str())
}

fn lower<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    one_text(given).map(|text| Value::text(text.to_ascii_lowercase()))
}

fn upper<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    one_text(given).map(|text| Value::text(text.to_ascii_uppercase()))
}

fn trim<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    one_text(given).map(|text| Value::text(text.trim()))
}

fn replace<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text), Value::Text(old), Value::Text(new), rest @ ..] = given.values else {
        return misfit();
    };
    let (text, old, new) = (text.as_str(), old.as_str(), new.as_str());
    given.budget.look(text.len())?;
    let most = match rest {
        [Value::Int(most)] => usize::try_from(*most).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let times = text.matches(old).count().min(most);
    let grown = new.len().saturating_sub(old.len()).saturating_mul(times);
    given.budget.make(text.len().saturating_add(grown))?;
    Ok(Value::text(text.replacen(old, new, most)))
}

fn split<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text), Value::Text(separator), rest @ ..] = given.values else {
        return misfit();
    };
    let most = match rest {
        [Value::Int(most)] => usize::try_from(*most).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    given.budget.look(text.as_str().len())?;
    let separator = separator.as_str();
    match text {
        // Pieces of a document borrow from it.
        Text::Borrowed(text) => {
            let pieces = pieces(text, separator, most, given.budget)?;
            let pieces = pieces.into_iter().map(|piece| Value::Text(Text::Borrowed(piece)));
            Ok(Value::list(pieces.collect()))
        }
        Text::Made(text) => {
            given.budget.make(text.len())?;
            let pieces = pieces(text, separator, most, given.budget)?;
            Ok(Value::list(pieces.into_iter().map(Value::text).collect()))
        }
    }
}

fn pieces<'t>(
    text: &'t str,
    separator: &str,
    most: usize,
    budget: &mut Budget,
) -> Result<Vec<&'t str>, Trouble> {
    if most == 0 {
        return Ok(Vec::new());
    }
    if !separator.is_empty() {
        let count = text.matches(separator).count().saturating_add(1).min(most);
        budget.make_list(count)?;
        return Ok(text.splitn(most, separator).collect());
    }
    // Without a separator each character is a piece.
    budget.make_list(text.chars().count().min(most))?;
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if pieces.len().saturating_add(1) >= most {
            pieces.push(rest);
            break;
        }
        let (piece, after) = rest.split_at_checked(first.len_utf8()).unwrap_or((rest, ""));
        pieces.push(piece);
        rest = after;
    }
    Ok(pieces)
}

fn substring<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text), Value::Int(start), rest @ ..] = given.values else { return misfit() };
    given.budget.look(text.as_str().len())?;
    let whole = text.as_str();
    let end = match rest {
        [Value::Int(end)] if start > end => {
            return fail(format!("invalid substring range: {start} to {end}"));
        }
        [Value::Int(end)] => Some(*end),
        _ => None,
    };
    let Some(from) = offset(whole, *start) else { return out_of_range(*start) };
    let to = match end {
        None => whole.len(),
        Some(end) => match offset(whole, end) {
            Some(to) => to,
            None => return out_of_range(end),
        },
    };
    match text {
        Text::Borrowed(text) => Ok(Value::Text(Text::Borrowed(text.get(from..to).unwrap_or("")))),
        Text::Made(text) => {
            given.budget.make(to.saturating_sub(from))?;
            Ok(Value::text(text.get(from..to).unwrap_or("")))
        }
    }
}

fn join<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (list, separator) = match given.values {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::Text(separator)] => (list, separator.as_str()),
        _ => return misfit(),
    };
    let mut made = String::new();
    for (place, item) in list.iter().enumerate() {
        let Value::Text(text) = item else {
            return fail(format!("`join` takes a list of string, not of {}", item.type_name()));
        };
        let separator = if place > 0 { separator } else { "" };
        given.budget.make(text.as_str().len().saturating_add(separator.len()))?;
        given.budget.steps(1)?;
        made.push_str(separator);
        made.push_str(text.as_str());
    }
    Ok(Value::text(made))
}

fn quote<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let text = one_text(given)?;
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    Ok(Value::text(quoted))
}

/// `size` of text, in characters.
pub(super) fn size<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text)] = given.values else { return misfit() };
    given.budget.look(text.as_str().len())?;
    Ok(int(text.as_str().chars().count()))
}
