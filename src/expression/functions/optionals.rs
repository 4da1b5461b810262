//! Values that may be absent.

use super::{Done, Given, Line, fail, misfit};
use crate::expression::value::Value;

pub(super) const TABLE: &[Line] = &[
    ("optional.of", "A -> optional<A>", of),
    ("optional.ofNonZeroValue", "A -> optional<A>", of_non_zero),
    ("optional.none", "-> optional<A>", none),
    ("optional.unwrap", "list<optional<A>> -> list<A>", unwrap),
    ("unwrapOpt", "list<optional<A>> . -> list<A>", unwrap),
    ("hasValue", "optional<A> . -> bool", has_value),
    ("value", "optional<A> . -> A", value),
    ("or", "optional<A> . optional<A> -> optional<A>", or),
    ("orValue", "optional<A> . A -> A", or_value),
];

fn of<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [value] = given.values else { return misfit() };
    Ok(Value::some(value.clone()))
}

fn of_non_zero<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [value] = given.values else { return misfit() };
    let zero = match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Int(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::Text(text) => text.as_str().is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.len() == 0,
        Value::Map(map) => map.len() == 0,
        Value::Duration(nanos) => *nanos == 0,
        Value::Optional(inner) => inner.is_none(),
        _ => false,
    };
    Ok(if zero { Value::Optional(None) } else { Value::some(value.clone()) })
}

fn none<'a>(_: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Optional(None))
}

fn unwrap<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::List(list)] = given.values else { return misfit() };
    given.budget.make_list(list.len())?;
    let mut made = Vec::new();
    for item in list.iter() {
        match item {
            Value::Optional(inner) => made.extend(inner.map(|inner| (*inner).clone())),
            other => return fail(format!("{} where an optional is needed", other.type_name())),
        }
    }
    Ok(Value::list(made))
}

fn has_value<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Optional(inner)] = given.values else { return misfit() };
    Ok(Value::Bool(inner.is_some()))
}

fn value<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    match given.values {
        [Value::Optional(Some(inner))] => Ok((**inner).clone()),
        _ => fail("the optional has no value"),
    }
}

fn or<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    match given.values {
        [Value::Optional(None), other] => Ok(other.clone()),
        [own, _] => Ok(own.clone()),
        _ => misfit(),
    }
}

fn or_value<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    match given.values {
        [Value::Optional(Some(inner)), _] => Ok((**inner).clone()),
        [Value::Optional(None), other] => Ok(other.clone()),
        _ => misfit(),
    }
}
