//! Comparisons of what has an order but no operators: quantities and semantic versions.

use core::cmp::Ordering;

use super::{Done, Given, misfit};
use crate::expression::Trouble;
use crate::expression::value::Value;

pub(super) fn is_less<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    order(given).map(|order| Value::Bool(order.is_lt()))
}

pub(super) fn is_greater<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    order(given).map(|order| Value::Bool(order.is_gt()))
}

pub(super) fn compare_to<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    order(given).map(|order| Value::Int(i64::from(order as i8)))
}

fn order(given: &Given<'_, '_>) -> Result<Ordering, Trouble> {
    match given.values {
        [Value::Quantity(left), Value::Quantity(right)] => Ok(left.compare(right)),
        [Value::Semver(left), Value::Semver(right)] => Ok(left.cmp_precedence(right)),
        _ => misfit(),
    }
}
