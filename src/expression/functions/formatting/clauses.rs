//! The clauses for numbers.

use super::no_clause;
use crate::expression::Trouble;
use crate::expression::budget::Budget;
use crate::expression::value::Value;

/// Decimals where the clause names none.
const DEFAULT_PRECISION: usize = 6;

/// What a clause other than `%s` makes of a value.
pub(super) fn written(
    kind: char,
    precision: Option<usize>,
    value: &Value<'_>,
    budget: &mut Budget,
) -> Result<String, Trouble> {
    let places = precision.unwrap_or(DEFAULT_PRECISION);
    match (kind, value) {
        ('d', Value::Int(value)) => Ok(value.to_string()),
        ('d', Value::Uint(value)) => Ok(value.to_string()),
        ('b', Value::Int(value)) => Ok(radix(*value, |size| format!("{size:b}"))),
        ('b', Value::Uint(value)) => Ok(format!("{value:b}")),
        ('b', Value::Bool(value)) => Ok(u8::from(*value).to_string()),
        ('o', Value::Int(value)) => Ok(radix(*value, |size| format!("{size:o}"))),
        ('o', Value::Uint(value)) => Ok(format!("{value:o}")),
        ('x', Value::Int(value)) => Ok(radix(*value, |size| format!("{size:x}"))),
        ('X', Value::Int(value)) => Ok(radix(*value, |size| format!("{size:X}"))),
        ('x', Value::Uint(value)) => Ok(format!("{value:x}")),
        ('X', Value::Uint(value)) => Ok(format!("{value:X}")),
        ('x' | 'X', Value::Text(text)) => hex(kind, text.as_str().as_bytes(), budget),
        ('x' | 'X', Value::Bytes(bytes)) => hex(kind, bytes, budget),
        ('f', value) => fixed(places, value),
        ('e', value) => scientific(places, value),
        (kind, value) => no_clause(kind, value),
    }
}

fn radix(value: i64, write: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", write(value.unsigned_abs()))
}

fn hex(kind: char, bytes: &[u8], budget: &mut Budget) -> Result<String, Trouble> {
    budget.make(bytes.len().saturating_mul(2))?;
    let write = |byte: &u8| if kind == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
    Ok(bytes.iter().map(write).collect())
}

/// A double, or one of the texts that stand for those without digits.
fn double(kind: char, value: &Value<'_>) -> Result<f64, Trouble> {
    match value {
        Value::Double(value) => Ok(*value),
        Value::Text(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => no_clause(kind, value),
        },
        other => no_clause(kind, other),
    }
}

fn without_digits(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        value if value == f64::INFINITY => Some("∞"),
        value if value == f64::NEG_INFINITY => Some("-∞"),
        _ => None,
    }
}

/// With thousands set apart, as in American English.
fn fixed(places: usize, value: &Value<'_>) -> Result<String, Trouble> {
    let value = double('f', value)?;
    if let Some(text) = without_digits(value) {
        return Ok(text.to_owned());
    }
    let text = format!("{:.places$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if !fraction.is_empty() {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    Ok(grouped)
}

/// As `1.500000×10⁰³`.
fn scientific(places: usize, value: &Value<'_>) -> Result<String, Trouble> {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let value = double('e', value)?;
    if let Some(text) = without_digits(value) {
        return Ok(text.to_owned());
    }
    let text = format!("{value:.places$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ("⁻", power),
        None => ("", power),
    };
    let raised: String = format!("{power:0>2}")
        .chars()
        .filter_map(|c| RAISED.get(usize::try_from(c.to_digit(10)?).ok()?))
        .collect();
    Ok(format!("{digits}×10{sign}{raised}"))
}
