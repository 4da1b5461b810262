//! From one type to another.

use super::{Done, Given, Line, fail, misfit, time};
use crate::expression::evaluate::arithmetic;
use crate::expression::value::{Text, Value};

pub(super) const TABLE: &[Line] = &[
    ("dyn", "A -> dyn", same),
    ("type", "A -> type", type_of),
    ("bool", "bool -> bool", same),
    ("bool", "string -> bool", to_bool),
    ("int", "int -> int", same),
    ("int", "uint -> int", to_int),
    ("int", "double -> int", to_int),
    ("int", "string -> int", to_int),
    ("int", "timestamp -> int", to_int),
    ("int", "duration -> int", to_int),
    ("uint", "uint -> uint", same),
    ("uint", "int -> uint", to_uint),
    ("uint", "double -> uint", to_uint),
    ("uint", "string -> uint", to_uint),
    ("double", "double -> double", same),
    ("double", "int -> double", to_double),
    ("double", "uint -> double", to_double),
    ("double", "string -> double", to_double),
    ("string", "string -> string", same),
    ("string", "bool -> string", to_text),
    ("string", "int -> string", to_text),
    ("string", "uint -> string", to_text),
    ("string", "double -> string", to_text),
    ("string", "bytes -> string", to_text),
    ("string", "timestamp -> string", to_text),
    ("string", "duration -> string", to_text),
    ("string", "ip -> string", to_text),
    ("string", "cidr -> string", to_text),
    ("bytes", "bytes -> bytes", same),
    ("bytes", "string -> bytes", to_bytes),
];

fn same<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [value] = given.values else { return misfit() };
    Ok(value.clone())
}

fn type_of<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [value] = given.values else { return misfit() };
    Ok(Value::Type(value.type_name()))
}

fn to_bool<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text)] = given.values else { return misfit() };
    match text.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        _ => fail("the text is not a bool"),
    }
}

fn to_int<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let found = match given.values {
        [Value::Uint(value)] => i64::try_from(*value).ok(),
        [Value::Double(value)] => arithmetic::whole(value.trunc()),
        [Value::Text(text)] => text.as_str().parse().ok(),
        [Value::Timestamp(time)] => Some(time.as_nanosecond().div_euclid(1_000_000_000))
            .and_then(|second| i64::try_from(second).ok()),
        [Value::Duration(nanos)] => Some(*nanos),
        _ => return misfit(),
    };
    found.map_or_else(|| fail("not an int, or out of its range"), |value| Ok(Value::Int(value)))
}

fn to_uint<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let found = match given.values {
        [Value::Int(value)] => u64::try_from(*value).ok(),
        [Value::Double(value)] => unsigned(value.trunc()),
        [Value::Text(text)] => text.as_str().parse().ok(),
        _ => return misfit(),
    };
    found.map_or_else(|| fail("not a uint, or out of its range"), |value| Ok(Value::Uint(value)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before"
)]
fn unsigned(double: f64) -> Option<u64> {
    (0.0..18_446_744_073_709_551_616.0).contains(&double).then_some(double as u64)
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
fn to_double<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    match given.values {
        [Value::Int(value)] => Ok(Value::Double(*value as f64)),
        [Value::Uint(value)] => Ok(Value::Double(*value as f64)),
        [Value::Text(text)] => text
            .as_str()
            .parse()
            .map_or_else(|_| fail("the text is not a double"), |value| Ok(Value::Double(value))),
        _ => misfit(),
    }
}

fn to_text<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [value] = given.values else { return misfit() };
    if let Value::Bytes(bytes) = value {
        given.budget.make(bytes.len())?;
    }
    match written(value) {
        Some(text) => Ok(Value::Text(Text::Made(text.into()))),
        None => fail("the bytes are not valid UTF-8"),
    }
}

/// How a value is written as text, where it can be.
pub(super) fn written(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Text(text) => text.as_str().to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double(*value),
        Value::Bytes(bytes) => core::str::from_utf8(bytes).ok()?.to_owned(),
        Value::Timestamp(time) => time.to_string(),
        Value::Duration(nanos) => time::shown(*nanos),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(network) => network.to_string(),
        Value::Type(name) => (*name).to_owned(),
        _ => return None,
    })
}

/// As Go writes a double with `%g`: the shortest digits, with an exponent below 1e-4 and from
/// 1e6 on.
fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if value == 0.0 || (1e-4..1e6).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = match power.strip_prefix('-') {
                Some(power) => ('-', power),
                None => ('+', power),
            };
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

fn to_bytes<'a>(given: &mut Given<'_, 'a>) -> Done<'a> {
    let [Value::Text(text)] = given.values else { return misfit() };
    given.budget.make(text.as_str().len())?;
    Ok(Value::Bytes(text.as_str().as_bytes().into()))
}
