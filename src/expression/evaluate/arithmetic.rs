//! The operators that compute.

use super::{Done, fail};
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::syntax::Operator;
use crate::expression::value::{List, Value};

pub(super) fn no_operator<T>(
    operator: Operator,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<T, Trouble> {
    let (left, right) = (left.type_name(), right.type_name());
    fail(format!("`{}` does not take {left} and {right}", operator.spelled()))
}

fn in_range<T>(value: Option<T>) -> Result<T, Trouble> {
    value.map_or_else(|| fail("the result is out of range"), Ok)
}

pub(super) fn negated<'a>(operand: &Value<'_>) -> Done<'a> {
    match operand {
        Value::Int(value) => in_range(value.checked_neg()).map(Value::Int),
        Value::Double(value) => Ok(Value::Double(-value)),
        other => fail(format!("`-` does not take {}", other.type_name())),
    }
}

/// The place in a list that a value counts: whole numbers of any type do.
pub(super) fn as_index(index: &Value<'_>) -> Option<i64> {
    match index {
        Value::Int(place) => Some(*place),
        Value::Uint(place) => Some(i64::try_from(*place).unwrap_or(i64::MAX)),
        Value::Double(place) => whole(*place),
        _ => None,
    }
}

/// A double that is a whole number of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the range and the fraction are checked")]
pub(in crate::expression) fn whole(double: f64) -> Option<i64> {
    let limit = 9_223_372_036_854_775_808.0;
    (double.fract() == 0.0 && double >= -limit && double < limit).then_some(double as i64)
}

pub(in crate::expression) fn added<'a>(
    left: &Value<'a>,
    right: &Value<'a>,
    budget: &mut Budget,
) -> Done<'a> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => in_range(left.checked_add(*right)).map(Value::Int),
        (Value::Uint(left), Value::Uint(right)) => {
            in_range(left.checked_add(*right)).map(Value::Uint)
        }
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            budget.make(left.len().saturating_add(right.len()))?;
            Ok(Value::text([left, right].concat()))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            budget.make(left.len().saturating_add(right.len()))?;
            Ok(Value::Bytes([&**left, &**right].concat().into()))
        }
        (Value::List(left), Value::List(right)) => {
            budget.make_list(left.len().saturating_add(right.len()))?;
            Ok(Value::List(List::Made(left.iter().chain(right.iter()).collect())))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            in_range(left.checked_add(*right)).map(Value::Duration)
        }
        (Value::Timestamp(time), Value::Duration(by))
        | (Value::Duration(by), Value::Timestamp(time)) => moved(*time, Some(*by)),
        (left, right) => no_operator(Operator::Add, left, right),
    }
}

fn moved<'a>(time: jiff::Timestamp, by: Option<i64>) -> Done<'a> {
    let by = in_range(by)?;
    let moved = time.checked_add(jiff::SignedDuration::from_nanos(by)).ok();
    in_range(moved.filter(|time| crate::expression::functions::time::in_years(*time)))
        .map(Value::Timestamp)
}

pub(super) fn computed<'a>(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Done<'a> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => ints(operator, *left, *right),
        (Value::Uint(left), Value::Uint(right)) => uints(operator, *left, *right),
        (Value::Double(left), Value::Double(right)) => match operator {
            Operator::Subtract => Ok(Value::Double(left - right)),
            Operator::Multiply => Ok(Value::Double(left * right)),
            Operator::Divide => Ok(Value::Double(left / right)),
            _ => fail("`%` does not take double"),
        },
        (Value::Duration(left), Value::Duration(right)) if operator == Operator::Subtract => {
            in_range(left.checked_sub(*right)).map(Value::Duration)
        }
        (Value::Timestamp(time), Value::Duration(by)) if operator == Operator::Subtract => {
            moved(*time, by.checked_neg())
        }
        (Value::Timestamp(left), Value::Timestamp(right)) if operator == Operator::Subtract => {
            let between = left.as_nanosecond().checked_sub(right.as_nanosecond());
            in_range(between.and_then(|nanos| i64::try_from(nanos).ok())).map(Value::Duration)
        }
        (left, right) => no_operator(operator, left, right),
    }
}

fn ints<'a>(operator: Operator, left: i64, right: i64) -> Done<'a> {
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && right == 0 {
        return fail("division by zero");
    }
    in_range(match operator {
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    })
    .map(Value::Int)
}

fn uints<'a>(operator: Operator, left: u64, right: u64) -> Done<'a> {
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && right == 0 {
        return fail("division by zero");
    }
    in_range(match operator {
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    })
    .map(Value::Uint)
}
