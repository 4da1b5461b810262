//! Two definitions of DebugPolicies, field by field.

use std::collections::BTreeSet;

use serde_json::Value;

/// What one definition has that the other has not.
pub(super) struct Difference {
    /// Fields and words that only ours has.
    pub(super) missing: Vec<String>,
    /// Those that only theirs has.
    pub(super) unknown: Vec<String>,
}

/// Compares the versions that are ours. Descriptions, patterns and limits are left out: what
/// matters is what can be written at all.
pub(super) fn compare(ours: &Value, theirs: &Value) -> Difference {
    let (ours, theirs) = (names(ours), names(theirs));
    let without = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect();
    Difference { missing: without(&ours, &theirs), unknown: without(&theirs, &ours) }
}

fn names(definition: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    for version in versions.into_iter().flatten() {
        let name = version.get("name").and_then(Value::as_str).unwrap_or_default();
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema/properties") {
            for part in ["spec", "status"] {
                if let Some(schema) = schema.get(part) {
                    collect(&format!("{name} {part}"), schema, &mut names);
                }
            }
        }
    }
    names
}

fn collect(path: &str, schema: &Value, names: &mut BTreeSet<String>) {
    names.insert(path.to_owned());
    let words = schema.get("enum").and_then(Value::as_array);
    for word in words.into_iter().flatten().filter_map(Value::as_str) {
        names.insert(format!("{path}={word}"));
    }
    let fields = schema.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        collect(&format!("{path}.{name}"), field, names);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
            collect(&format!("{path}{mark}"), inner, names);
        }
    }
}
