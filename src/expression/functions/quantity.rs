//! Quantities of resources: `500m`, `1.5Gi`, `2e3`.

use core::cmp::Ordering;

use super::order::{compare_to, is_greater, is_less};
use super::{Done, Given, Line, fail, misfit};
use crate::expression::Trouble;
use crate::expression::value::Value;

/// Decimals below this power of ten are rounded away from zero.
const NANO: i32 = -9;
/// Longest text that is read as a quantity.
const MAX_LENGTH: usize = 64;
/// Largest power of ten that is kept.
const MAX_SCALE: i32 = 1 << 20;

pub(super) const TABLE: &[Line] = &[
    ("quantity", "string -> quantity", quantity),
    ("isQuantity", "string -> bool", is_quantity),
    // The API server has it as a function; its manual says it is a method.
    ("sign", "quantity -> int", sign),
    ("sign", "quantity . -> int", sign),
    ("isInteger", "quantity . -> bool", is_integer),
    ("asInteger", "quantity . -> int", as_integer),
    ("asApproximateFloat", "quantity . -> double", as_float),
    ("isLessThan", "quantity . quantity -> bool", is_less),
    ("isGreaterThan", "quantity . quantity -> bool", is_greater),
    ("compareTo", "quantity . quantity -> int", compare_to),
    ("add", "quantity . quantity -> quantity", add),
    ("add", "quantity . int -> quantity", add),
    ("sub", "quantity . quantity -> quantity", sub),
    ("sub", "quantity . int -> quantity", sub),
];

/// `value` times ten to the power of `scale`.
#[derive(Debug, Clone, Copy)]
pub(in crate::expression) struct Quantity {
    value: i128,
    scale: i32,
    /// Whether the API server would keep it as a 64-bit number; only such a quantity is ever an
    /// integer to it, so that `1.5Gi` is none although it is whole.
    small: bool,
}

impl Quantity {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return None;
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, suffix) = unsigned.split_at_checked(end.unwrap_or(unsigned.len()))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // No digits at all are none to the API server: `Mi` is zero, whatever its manual says.
        if fraction.contains('.') {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction_scale = i32::try_from(fraction.len()).ok()?;
        let digits: i128 = match format!("{whole}{fraction}").trim_start_matches('0') {
            "" => 0,
            digits => digits.parse().ok()?,
        };
        let digits = if negative { -digits } else { digits };
        let length = whole.len().max(1).saturating_add(fraction.len());
        let found = match multiplier(suffix)? {
            Multiplier::Ten(power) => {
                let scale = power.checked_sub(fraction_scale)?;
                Self { value: digits, scale, small: length <= 18 && scale >= NANO }
            }
            Multiplier::Two(power) => {
                let value = digits.checked_mul(1i128.checked_shl(power)?)?;
                let places = 15usize.checked_sub(length.saturating_add(binary_places(power)));
                let small = fraction.is_empty() && places.is_some() && i64::try_from(value).is_ok();
                Self { value, scale: fraction_scale.checked_neg()?, small }.capped()
            }
        };
        found.rounded()
    }

    /// A quantity of a binary unit stops at the largest 64-bit number.
    fn capped(self) -> Self {
        let most = Self { value: i64::MAX.into(), scale: 0, small: self.small };
        match self.magnitude().compare(&most) {
            Ordering::Greater => Self { value: most.value * self.value.signum(), ..most },
            _ => self,
        }
    }

    fn magnitude(self) -> Self {
        Self { value: self.value.checked_abs().unwrap_or(i128::MAX), ..self }
    }

    /// Nothing is smaller than a billionth: what is left below is rounded away from zero.
    fn rounded(mut self) -> Option<Self> {
        if self.scale.abs() > MAX_SCALE {
            return None;
        }
        let sign = self.value.signum();
        let mut left_over = false;
        while self.scale < NANO && self.value != 0 {
            left_over |= self.value % 10 != 0;
            self.value /= 10;
            self.scale += 1;
        }
        self.scale = self.scale.max(NANO);
        self.value = self.value.checked_add(if left_over { sign } else { 0 })?;
        Some(self)
    }

    fn int(value: i64) -> Self {
        Self { value: value.into(), scale: 0, small: true }
    }

    /// The two values at one scale, or `None` where that is beyond 128 bits.
    fn aligned(&self, other: &Self) -> Option<(i128, i128, i32)> {
        if self.value == 0 || other.value == 0 {
            let scale = if self.value == 0 { other.scale } else { self.scale };
            return Some((self.value, other.value, scale));
        }
        let scale = self.scale.min(other.scale);
        let at = |of: &Self| {
            let power = u32::try_from(of.scale.checked_sub(scale)?).ok()?;
            10i128.checked_pow(power)?.checked_mul(of.value)
        };
        Some((at(self)?, at(other)?, scale))
    }

    /// Which of the two is more.
    pub(in crate::expression) fn compare(&self, other: &Self) -> Ordering {
        match self.aligned(other) {
            Some((left, right, _)) => left.cmp(&right),
            // Only one of the two can be the giant: the one of the larger scale.
            None if self.value.signum() != other.value.signum() => self.value.cmp(&other.value),
            None if self.value > 0 => self.scale.cmp(&other.scale),
            None => other.scale.cmp(&self.scale),
        }
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        let value = left.checked_add(right)?;
        let fits = i64::try_from(value).is_ok() && i64::try_from(left).is_ok();
        let small = self.small && other.small && fits && i64::try_from(right).is_ok();
        Some(Self { value, scale, small })
    }

    fn negated(&self) -> Self {
        Self { value: -self.value, ..*self }
    }

    fn integer(&self) -> Option<i64> {
        let power = u32::try_from(self.scale).ok().filter(|_| self.small)?;
        if self.value == 0 {
            return Some(0);
        }
        i64::try_from(10i128.checked_pow(power)?.checked_mul(self.value)?).ok()
    }
}

enum Multiplier {
    Ten(i32),
    Two(u32),
}

fn multiplier(suffix: &str) -> Option<Multiplier> {
    Some(match suffix {
        "" => Multiplier::Ten(0),
        "n" => Multiplier::Ten(-9),
        "u" => Multiplier::Ten(-6),
        "m" => Multiplier::Ten(-3),
        "k" => Multiplier::Ten(3),
        "M" => Multiplier::Ten(6),
        "G" => Multiplier::Ten(9),
        "T" => Multiplier::Ten(12),
        "P" => Multiplier::Ten(15),
        "E" => Multiplier::Ten(18),
        "Ki" => Multiplier::Two(10),
        "Mi" => Multiplier::Two(20),
        "Gi" => Multiplier::Two(30),
        "Ti" => Multiplier::Two(40),
        "Pi" => Multiplier::Two(50),
        "Ei" => Multiplier::Two(60),
        exponent => {
            let power = exponent.strip_prefix(['e', 'E'])?;
            let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
            if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
                return None;
            }
            Multiplier::Ten(power.parse().ok()?)
        }
    })
}

/// About how many decimal places a power of two takes, as the API server reckons.
fn binary_places(power: u32) -> usize {
    usize::try_from(power * 3 / 10 + 1).unwrap_or(usize::MAX)
}

fn read(given: &Given<'_, '_>) -> Result<Option<Quantity>, Trouble> {
    match given.values {
        [Value::Text(text)] => Ok(Quantity::parse(text.as_str())),
        _ => misfit(),
    }
}

fn quantity<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    read(given)?.map_or_else(|| fail("not a quantity"), |found| Ok(Value::Quantity(found)))
}

fn is_quantity<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Bool(read(given)?.is_some()))
}

fn one<'c>(given: &Given<'c, '_>) -> Result<&'c Quantity, Trouble> {
    match given.values {
        [Value::Quantity(quantity)] => Ok(quantity),
        _ => misfit(),
    }
}

fn sign<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let sign = one(given)?.value.signum();
    Ok(Value::Int(i64::try_from(sign).unwrap_or(0)))
}

fn is_integer<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    Ok(Value::Bool(one(given)?.integer().is_some()))
}

fn as_integer<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let whole = one(given)?.integer();
    whole.map_or_else(|| fail("the quantity is not an integer"), |value| Ok(Value::Int(value)))
}

#[expect(clippy::cast_precision_loss, reason = "an approximation is asked for")]
fn as_float<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let quantity = one(given)?;
    Ok(Value::Double(quantity.value as f64 * 10f64.powi(quantity.scale)))
}

fn summed<'a>(given: &Given<'_, '_>, sign: impl Fn(Quantity) -> Quantity) -> Done<'a> {
    let (left, right) = match given.values {
        [Value::Quantity(left), Value::Quantity(right)] => (left, *right),
        [Value::Quantity(left), Value::Int(right)] => (left, Quantity::int(*right)),
        _ => return misfit(),
    };
    let sum = left.plus(&sign(right));
    sum.map_or_else(|| fail("the sum is out of range"), |sum| Ok(Value::Quantity(sum)))
}

fn add<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    summed(given, |right| right)
}

fn sub<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    summed(given, |right| right.negated())
}
