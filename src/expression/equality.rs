//! When two values are equal, and which of two comes first.

use core::cmp::Ordering;

use super::Trouble;
use super::budget::Budget;
use super::value::{List, Map, Value};

/// Whether the two are the same value; values of different types are not, but numbers are
/// compared by what they count.
pub(super) fn equal(
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Result<bool, Trouble> {
    budget.steps(1)?;
    Ok(match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            budget.look(left.len().min(right.len()))?;
            left == right
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            budget.look(left.len().min(right.len()))?;
            left == right
        }
        (Value::List(left), Value::List(right)) => lists(left, right, budget)?,
        (Value::Map(left), Value::Map(right)) => maps(left, right, budget)?,
        (Value::Optional(left), Value::Optional(right)) => match (left, right) {
            (None, None) => true,
            (Some(left), Some(right)) => equal(left, right, budget)?,
            _ => false,
        },
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::Quantity(left), Value::Quantity(right)) => left.compare(right) == Ordering::Equal,
        (Value::Url(left), Value::Url(right)) => left == right,
        (Value::Ip(left), Value::Ip(right)) => left == right,
        (Value::Cidr(left), Value::Cidr(right)) => left == right,
        (Value::Semver(left), Value::Semver(right)) => {
            left.cmp_precedence(right) == Ordering::Equal
        }
        (Value::Format(left), Value::Format(right)) => left.name == right.name,
        (left, right) => numbers(left, right) == Some(Ordering::Equal),
    })
}

fn lists(left: &List<'_>, right: &List<'_>, budget: &mut Budget) -> Result<bool, Trouble> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right.iter()) {
        if !equal(&left, &right, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps(left: &Map<'_>, right: &Map<'_>, budget: &mut Budget) -> Result<bool, Trouble> {
    if left.len() != right.len() {
        return Ok(false);
    }
    budget.steps(left.len())?;
    for (key, left) in left.entries() {
        match get(right, &key, budget)? {
            Some(right) if equal(&left, &right, budget)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The value of a key of a map.
pub(super) fn get<'a>(
    map: &Map<'a>,
    key: &Value<'_>,
    budget: &mut Budget,
) -> Result<Option<Value<'a>>, Trouble> {
    if let (Map::Json(_), Value::Text(name)) = (map, key) {
        return Ok(map.field(name.as_str()));
    }
    let Map::Made(entries) = map else { return Ok(None) };
    for (known, value) in entries.iter() {
        if equal(known, key, budget)? {
            return Ok(Some(value.clone()));
        }
    }
    Ok(None)
}

/// Whether a list has an item, or a map a key.
pub(super) fn contains(
    within: &Value<'_>,
    item: &Value<'_>,
    budget: &mut Budget,
) -> Result<Option<bool>, Trouble> {
    match within {
        Value::List(items) => {
            for known in items.iter() {
                if equal(&known, item, budget)? {
                    return Ok(Some(true));
                }
            }
            Ok(Some(false))
        }
        Value::Map(map) => Ok(Some(get(map, item, budget)?.is_some())),
        _ => Ok(None),
    }
}

/// As [`order`], paid for.
pub(super) fn compare(
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Result<Option<Ordering>, Trouble> {
    budget.steps(1)?;
    if let (Value::Text(left), Value::Text(right)) = (left, right) {
        budget.look(left.as_str().len().min(right.as_str().len()))?;
    }
    Ok(order(left, right))
}

/// Which comes first; `None` where there is no order between the two.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.as_str().cmp(right.as_str())),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (left, right) => numbers(left, right),
    }
}

fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Double(left), right) => against(*left, right),
        (left, Value::Double(right)) => against(*right, left).map(Ordering::reverse),
        (left, right) => Some(whole(left)?.cmp(&whole(right)?)),
    }
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some((*value).into()),
        Value::Uint(value) => Some((*value).into()),
        _ => None,
    }
}

/// A double against a whole number. Beyond 2^53 neighbours are one, as with the API server.
fn against(double: f64, other: &Value<'_>) -> Option<Ordering> {
    let other = whole(other)?;
    if double.is_nan() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "that is how the language compares them")]
    double.partial_cmp(&(other as f64))
}
