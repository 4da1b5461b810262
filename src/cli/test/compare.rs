//! What came, beside what was expected.

use serde_json::{Map, Value, json};

use super::file::Expect;
use crate::cli::check::report::{FindingReport, Report};
use crate::policy::rule::Enforcement;

/// The parts that `expected` looks at, each as expected where that holds, else as it came. Equal to
/// `expected` where everything holds.
pub(super) fn came(expected: &Expect, report: &Report) -> Expect {
    let Expect { allowed: _, permitted_by, refused_by, constraints, warnings, message, stored } =
        expected;
    Expect {
        allowed: report.allowed,
        permitted_by: permitted_by.as_ref().map(|names| exactly(names, permits(report))),
        refused_by: refused_by.as_ref().map(|names| among(names, refusers(report))),
        constraints: constraints.as_ref().map(|paths| among(paths, places(report))),
        warnings: warnings.as_ref().map(|texts| within(texts, warned(report))),
        message: message.as_ref().and_then(|text| said(text, report)),
        stored: stored.as_ref().and_then(|container| kept(container, report)),
    }
}

/// Everything but what is stored, for a case that expects nothing yet.
pub(super) fn all(report: &Report) -> Expect {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    Expect {
        allowed: report.allowed,
        permitted_by: some(permits(report)),
        refused_by: some(refusers(report)),
        constraints: some(places(report)),
        warnings: some(warned(report)),
        message: said("", report),
        stored: None,
    }
}

fn permits(report: &Report) -> Vec<String> {
    let containers = report.containers.iter().filter(|_| report.allowed);
    distinct(containers.filter_map(|container| container.permit.clone()))
}

fn refusers(report: &Report) -> Vec<String> {
    let containers = report.containers.iter().filter(|container| !container.allowed);
    let findings = containers.flat_map(|container| &container.findings);
    let enforced = findings.filter(|finding| finding.enforcement == Enforcement::Enforce.as_str());
    distinct(enforced.filter_map(|finding| finding.policy.clone()))
}

fn places(report: &Report) -> Vec<String> {
    let findings = report.containers.iter().flat_map(|container| &container.findings);
    let places = findings.map(|FindingReport { constraint, .. }| (*constraint).to_owned());
    distinct(places.chain(report.faults.iter().map(|fault| fault.path.clone())))
}

fn warned(report: &Report) -> Vec<String> {
    distinct(report.phases.iter().flat_map(|phase| phase.warnings.clone()))
}

fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut list = Vec::new();
    for word in words {
        if !list.contains(&word) {
            list.push(word);
        }
    }
    list
}

fn exactly(expected: &[String], came: Vec<String>) -> Vec<String> {
    let same = expected.iter().all(|name| came.contains(name))
        && came.iter().all(|name| expected.contains(name));
    if same { expected.to_vec() } else { came }
}

fn among(expected: &[String], came: Vec<String>) -> Vec<String> {
    holds(expected, came, |expected, came| expected == came)
}

fn within(expected: &[String], came: Vec<String>) -> Vec<String> {
    holds(expected, came, |expected, came| came.contains(expected))
}

/// An empty list wants an empty list; any other one wants each of its items to be there.
fn holds(expected: &[String], came: Vec<String>, is: fn(&str, &str) -> bool) -> Vec<String> {
    let there = |expected: &String| came.iter().any(|came| is(expected, came));
    let right = expected.iter().all(there) && (!expected.is_empty() || came.is_empty());
    if right { expected.to_vec() } else { came }
}

/// The text where the refusal holds it, else the refusal's first line.
fn said(text: &str, report: &Report) -> Option<String> {
    let messages = || report.phases.iter().filter_map(|phase| phase.message.as_deref());
    if !text.is_empty() && messages().any(|message| message.contains(text)) {
        return Some(text.to_owned());
    }
    let first = messages().next()?.lines().next().unwrap_or_default();
    Some(first.to_owned())
}

fn kept(expected: &Value, report: &Report) -> Option<Value> {
    let named = expected.get("name").and_then(|name| {
        report.stored.iter().find(|container| container.get("name") == Some(name))
    });
    let container = named.or(report.stored.first())?;
    Some(seen(expected, container))
}

/// The parts of `came` that `expected` names; as `expected` where all of them are there.
fn seen(expected: &Value, came: &Value) -> Value {
    match (expected, came) {
        (Value::Object(fields), Value::Object(came)) => {
            let field = |(name, expected): (&String, &Value)| {
                let came = came.get(name).unwrap_or(&Value::Null);
                (name.clone(), seen(expected, came))
            };
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        (Value::Array(expected), Value::Array(came)) if expected.len() == came.len() => {
            expected.iter().zip(came).map(|(expected, came)| seen(expected, came)).collect()
        }
        (_, came) => without_values(came),
    }
}

/// A list of variables by their names alone: what they hold is nobody's to print.
fn without_values(came: &Value) -> Value {
    match came {
        Value::Array(items) => items.iter().map(without_values).collect(),
        Value::Object(fields) if fields.contains_key("value") && fields.contains_key("name") => {
            json!({"name": fields.get("name")})
        }
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), without_values(value))).collect()
        }
        other => other.clone(),
    }
}
