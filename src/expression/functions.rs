//! The functions that expressions may call: those of the language, and the libraries that
//! Kubernetes adds to it. One line of the table is one overload.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::budget::Budget;
use super::evaluate::{Done, fail};
use super::node::Call;
use super::types::Signature;
use super::value::Value;

mod conversions;
pub(super) mod formatting;
mod lists;
pub(super) mod named_formats;
pub(super) mod network;
mod optionals;
mod order;
pub(super) mod patterns;
pub(super) mod quantity;
mod semvers;
mod sets;
mod strings;
pub(super) mod time;
pub(super) mod urls;

/// One overload of a function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) signature: Signature,
    run: Run,
}

/// What runs when the arguments fit.
type Run = for<'c, 'a> fn(&mut Given<'c, 'a>) -> Done<'a>;

/// A line of the table: name, signature, and what runs.
type Line = (&'static str, &'static str, Run);

/// The arguments of one call, and what it may spend.
#[derive(Debug)]
pub(super) struct Given<'c, 'a> {
    /// The receiver first.
    values: &'c [Value<'a>],
    /// The compiled pattern, where it was constant.
    pattern: Option<&'c Regex>,
    budget: &'c mut Budget,
}

const TABLES: [&[Line]; 13] = [
    conversions::TABLE,
    formatting::TABLE,
    lists::TABLE,
    named_formats::TABLE,
    network::TABLE,
    optionals::TABLE,
    patterns::TABLE,
    quantity::TABLE,
    semvers::TABLE,
    sets::TABLE,
    strings::TABLE,
    time::TABLE,
    urls::TABLE,
];

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Function>>> = LazyLock::new(|| {
    let mut all: HashMap<_, Vec<_>> = HashMap::new();
    for &(name, line, run) in TABLES.into_iter().flatten() {
        if let Some(signature) = Signature::read(line) {
            all.entry(name).or_default().push(Function { signature, run });
        }
    }
    all
});

/// All overloads of a name.
pub(super) fn named(name: &str) -> &'static [Function] {
    FUNCTIONS.get(name).map_or(&[], Vec::as_slice)
}

/// Runs the first overload that takes what was given.
pub(super) fn call<'a>(call: &Call, values: &[Value<'a>], budget: &mut Budget) -> Done<'a> {
    let fitting = call.overloads.iter().find(|function| {
        function.signature.takes.iter().zip(values).all(|(wanted, value)| value.is(wanted))
    });
    match fitting {
        Some(function) => {
            (function.run)(&mut Given { values, pattern: call.pattern.as_ref(), budget })
        }
        None => {
            let kinds: Vec<&str> = values.iter().map(Value::type_name).collect();
            fail(format!("`{}` does not take {}", call.name, kinds.join(" and ")))
        }
    }
}

/// For arguments that the signature should have kept out.
fn misfit<T>() -> Result<T, super::Trouble> {
    fail("the arguments do not fit the function")
}

/// A count as the language has it.
fn int<'a>(count: usize) -> Value<'a> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_has_a_readable_signature() {
        for &(name, line, _) in TABLES.into_iter().flatten() {
            assert!(Signature::read(line).is_some(), "{name}: {line}");
        }
    }
}
