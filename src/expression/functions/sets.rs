//! Lists taken as sets.

use super::{Done, Given, Line, misfit};
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::equality;
use crate::expression::value::{List, Value};

pub(super) const TABLE: &[Line] = &[
    ("sets.contains", "list<A> list<A> -> bool", contains),
    ("sets.equivalent", "list<A> list<A> -> bool", equivalent),
    ("sets.intersects", "list<A> list<A> -> bool", intersects),
];

fn lists<'c, 'a>(given: &Given<'c, 'a>) -> Result<(&'c Value<'a>, &'c Value<'a>), Trouble> {
    match given.values {
        [left @ Value::List(_), right @ Value::List(_)] => Ok((left, right)),
        _ => misfit(),
    }
}

fn items<'c, 'a>(of: &'c Value<'a>) -> Result<&'c List<'a>, Trouble> {
    match of {
        Value::List(list) => Ok(list),
        _ => misfit(),
    }
}

fn all_in(part: &Value<'_>, whole: &Value<'_>, budget: &mut Budget) -> Result<bool, Trouble> {
    for item in items(part)?.iter() {
        if !equality::contains(whole, &item, budget)?.unwrap_or(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (whole, part) = lists(given)?;
    all_in(part, whole, given.budget).map(Value::Bool)
}

fn equivalent<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (left, right) = lists(given)?;
    let same = all_in(left, right, given.budget)? && all_in(right, left, given.budget)?;
    Ok(Value::Bool(same))
}

fn intersects<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let (left, right) = lists(given)?;
    for item in items(left)?.iter() {
        if equality::contains(right, &item, given.budget)?.unwrap_or(false) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}
