//! Functions on lists, and `size`.

use core::cmp::Ordering;

use super::{Done, Given, Line, fail, int, misfit, strings};
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::equality;
use crate::expression::evaluate::{arithmetic, folds};
use crate::expression::value::{List, Value};

pub(super) const TABLE: &[Line] = &[
    ("size", "string -> int", strings::size),
    ("size", "bytes -> int", size),
    ("size", "list<A> -> int", size),
    ("size", "map<dyn,dyn> -> int", size),
    ("size", "string . -> int", strings::size),
    ("size", "bytes . -> int", size),
    ("size", "list<A> . -> int", size),
    ("size", "map<dyn,dyn> . -> int", size),
    ("isSorted", "list<O> . -> bool", is_sorted),
    ("sum", "list<int> . -> int", sum),
    ("sum", "list<uint> . -> uint", sum),
    ("sum", "list<double> . -> double", sum),
    ("sum", "list<duration> . -> duration", sum),
    ("min", "list<O> . -> O", min),
    ("max", "list<O> . -> O", max),
    ("indexOf", "list<A> . A -> int", index_of),
    ("lastIndexOf", "list<A> . A -> int", last_index_of),
    ("includes", "dyn . dyn -> bool", includes),
    ("slice", "list<A> . int int -> list<A>", slice),
    ("flatten", "list<list<A>> . -> list<A>", flatten),
    ("flatten", "list<dyn> . int -> list<dyn>", flatten),
    ("distinct", "list<A> . -> list<A>", distinct),
    ("reverse", "list<A> . -> list<A>", reverse),
    ("sort", "list<O> . -> list<O>", sort),
    ("lists.range", "int -> list<int>", range),
    ("first", "list<A> . -> optional<A>", first),
    ("last", "list<A> . -> optional<A>", last),
];

fn size<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    match given.values {
        [Value::List(list)] => Ok(int(list.len())),
        [Value::Map(map)] => Ok(int(map.len())),
        [Value::Bytes(bytes)] => Ok(int(bytes.len())),
        _ => misfit(),
    }
}

fn list<'c, 'a>(given: &Given<'c, 'a>) -> Result<&'c List<'a>, Trouble> {
    match given.values {
        [Value::List(list), ..] => Ok(list),
        _ => misfit(),
    }
}

fn order(left: &Value<'_>, right: &Value<'_>, budget: &mut Budget) -> Result<Ordering, Trouble> {
    match equality::compare(left, right, budget)? {
        Some(order) => Ok(order),
        None => fail(format!("no order between {} and {}", left.type_name(), right.type_name())),
    }
}

fn is_sorted<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let list = list(given)?;
    for (left, right) in list.iter().zip(list.iter().skip(1)) {
        if order(&left, &right, given.budget)?.is_gt() {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let mut total = None;
    for item in list(given)?.iter() {
        if !matches!(item, Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_)) {
            return fail(format!("`sum` does not take {}", item.type_name()));
        }
        given.budget.steps(1)?;
        total = Some(match total {
            Some(total) => arithmetic::added(&total, &item, given.budget)?,
            None => item,
        });
    }
    Ok(total.unwrap_or(Value::Int(0)))
}

fn min<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    extreme(given, Ordering::Less)
}

fn max<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    extreme(given, Ordering::Greater)
}

fn extreme<'a>(given: &mut Given<'_, 'a>, wanted: Ordering) -> Done<'a> {
    let mut found: Option<Value<'a>> = None;
    for item in list(given)?.iter() {
        found = Some(match found {
            Some(best) if order(&item, &best, given.budget)? != wanted => best,
            _ => item,
        });
    }
    found.map_or_else(|| fail("an empty list has neither minimum nor maximum"), Ok)
}

fn index_of<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let list = list(given)?;
    place(given, 0..list.len())
}

fn last_index_of<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let list = list(given)?;
    place(given, (0..list.len()).rev())
}

fn place<'a>(given: &mut Given<'_, 'a>, order: impl Iterator<Item = usize>) -> Done<'a> {
    let [Value::List(list), wanted] = given.values else { return misfit() };
    for place in order {
        if let Some(item) = list.at(place)
            && equality::equal(&item, wanted, given.budget)?
        {
            return Ok(int(place));
        }
    }
    Ok(Value::Int(-1))
}

fn includes<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [target, wanted] = given.values else { return misfit() };
    let found = match target {
        Value::List(_) => equality::contains(target, wanted, given.budget)?.unwrap_or(false),
        single => equality::equal(single, wanted, given.budget)?,
    };
    Ok(Value::Bool(found))
}

fn slice<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = given.values else {
        return misfit();
    };
    let range = match (usize::try_from(*start), usize::try_from(*end)) {
        (Ok(from), Ok(to)) if from <= to && to <= list.len() => from..to,
        _ => {
            let length = list.len();
            return fail(format!("no slice from {start} to {end} in a list of {length}"));
        }
    };
    given.budget.make_list(range.len())?;
    Ok(Value::list(range.filter_map(|index| list.at(index)).collect()))
}

fn flatten<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let levels = match given.values {
        [_, Value::Int(levels)] if *levels < 0 => return fail("`flatten` takes no negative level"),
        [_, Value::Int(levels)] => *levels,
        _ => 1,
    };
    let mut flat = Vec::new();
    flatten_into(list(given)?, levels, &mut flat, given.budget)?;
    Ok(Value::list(flat))
}

fn flatten_into<'a>(
    list: &List<'a>,
    levels: i64,
    flat: &mut Vec<Value<'a>>,
    budget: &mut Budget,
) -> Result<(), Trouble> {
    budget.make_list(list.len())?;
    for item in list.iter() {
        match item {
            Value::List(inner) if levels > 0 => flatten_into(&inner, levels - 1, flat, budget)?,
            other => flat.push(other),
        }
    }
    Ok(())
}

fn distinct<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let mut seen: Vec<Value<'a>> = Vec::new();
    'items: for item in list(given)?.iter() {
        for known in &seen {
            if equality::equal(known, &item, given.budget)? {
                continue 'items;
            }
        }
        given.budget.make_list(1)?;
        seen.push(item);
    }
    Ok(Value::list(seen))
}

fn reverse<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let list = list(given)?;
    given.budget.make_list(list.len())?;
    Ok(Value::list(list.iter().rev().collect()))
}

fn sort<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let list = list(given)?;
    given.budget.make_list(list.len().saturating_mul(3))?;
    let mut keyed: Vec<_> = list.iter().map(|item| (item.clone(), item)).collect();
    folds::sort(&mut keyed, given.budget)?;
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn range<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Int(count)] = given.values else { return misfit() };
    let Ok(length) = usize::try_from(*count) else {
        return fail("`lists.range` takes no negative length");
    };
    given.budget.make_list(length)?;
    Ok(Value::list((0..*count).map(Value::Int).collect()))
}

fn first<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let first = list(given)?.at(0);
    Ok(first.map_or(Value::Optional(None), Value::some))
}

fn last<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let list = list(given)?;
    let last = list.len().checked_sub(1).and_then(|place| list.at(place));
    Ok(last.map_or(Value::Optional(None), Value::some))
}
