//! New list − old list → what this request adds.
//!
//! By name, never by position: a patch does not keep the order (KEP-277, and
//! `ValidatePodEphemeralContainersUpdate` in `pkg/apis/core/validation`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::strict::Strict;
use super::structural::{Fault, FaultKind};
use super::wire::Text;
use crate::policy::request::DebuggerFacts;

/// What a request does to the list of ephemeral containers.
#[derive(Debug, Default)]
pub struct Delta<'a> {
    /// Containers whose names were not there before, in order.
    pub added: Vec<Added<'a>>,
    /// Containers that were removed, changed or named twice.
    pub faults: Vec<Fault>,
    /// Every name in the new list.
    pub names: BTreeSet<Cow<'a, str>>,
    /// Those that were there before and are privileged.
    pub privileged: Vec<DebuggerFacts>,
}

/// A container that was not there before.
#[derive(Debug)]
pub struct Added<'a> {
    /// Position in the new list; what a JSON Patch needs.
    pub index: usize,
    /// Its name; empty where it has none.
    pub name: Cow<'a, str>,
    /// Its JSON as sent.
    pub json: &'a RawValue,
}

#[derive(Deserialize)]
struct JustName<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

/// What is read of a container that was there before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    target_container_name: Option<Text<'a>>,
    security_context: Option<Privilege>,
}

#[derive(Deserialize)]
struct Privilege {
    privileged: Option<bool>,
}

impl Stored<'_> {
    fn privileged(&self) -> Option<DebuggerFacts> {
        self.security_context.as_ref().filter(|own| own.privileged == Some(true))?;
        let target = self.target_container_name.as_ref().map(|Text(name)| name.as_ref());
        let target = target.filter(|name| !name.is_empty()).map(str::to_owned);
        Some(DebuggerFacts { name: self.name.clone().into_owned(), target })
    }
}

/// Compares the two lists. `others` are the names of the pod's regular and init containers.
///
/// # Errors
///
/// An entry that is not an object with a text for a name.
pub fn delta<'a>(
    old: &[&'a RawValue],
    new: &[&'a RawValue],
    others: &BTreeSet<&str>,
) -> Result<Delta<'a>, serde_json::Error> {
    let mut stored = BTreeMap::new();
    let mut names = Vec::with_capacity(old.len());
    let mut delta = Delta::default();
    for json in old {
        let container: Stored<'a> = object(json)?;
        delta.privileged.extend(container.privileged());
        stored.insert(container.name.clone(), *json);
        names.push(container.name);
    }
    let mut seen = BTreeSet::new();
    for (index, json) in new.iter().copied().enumerate() {
        // Nearly always the old list comes first, as it was.
        let known = old.get(index).filter(|before| before.get() == json.get());
        let name = match known.and_then(|_| names.get(index)) {
            Some(name) => name.clone(),
            None => object::<JustName<'a>>(json)?.name,
        };
        let fault = |kind| Fault::new(index, &name, kind);
        if !seen.insert(name.clone()) || others.contains(name.as_ref()) {
            delta.faults.push(fault(FaultKind::NameRepeated));
        } else if let Some(before) = stored.get(&name) {
            if let Some(fields) = changed_fields(before, json) {
                delta.faults.push(fault(FaultKind::Changed { fields }));
            }
        } else {
            if name.is_empty() {
                delta.faults.push(fault(FaultKind::NameMissing));
            }
            delta.added.push(Added { index, name, json });
        }
    }
    let removed = stored.keys().filter(|name| !seen.contains(*name));
    delta.faults.extend(removed.map(|name| Fault::removed(name)));
    delta.names = seen;
    Ok(delta)
}

fn object<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Result<T, serde_json::Error> {
    // A list would be read too, entry by entry, and then looked at as if it had no fields.
    if !json.get().starts_with('{') {
        return Err(serde::de::Error::custom("not an object"));
    }
    serde_json::from_str(json.get())
}

/// Top-level fields that differ; `None` where nothing does. The API server writes both lists in the
/// same way, so the text is nearly always enough.
fn changed_fields(before: &RawValue, after: &RawValue) -> Option<Vec<String>> {
    if before.get() == after.get() {
        return None;
    }
    let parse = |json: &RawValue| serde_json::from_str::<Strict>(json.get()).ok();
    let (Some(Strict(Value::Object(before))), Some(Strict(Value::Object(after)))) =
        (parse(before), parse(after))
    else {
        return Some(Vec::new());
    };
    let mut fields: Vec<String> = before
        .iter()
        .filter(|(key, value)| after.get(*key) != Some(value))
        .map(|(key, _)| key.clone())
        .chain(after.keys().filter(|key| !before.contains_key(*key)).cloned())
        .collect();
    fields.sort_unstable();
    (!fields.is_empty()).then_some(fields)
}

#[cfg(test)]
mod tests;
