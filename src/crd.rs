//! Layer 3, the `DebugPolicy` resource: its shape, its definition, and the one parser of policies.

mod compile;
pub mod container;
pub mod debug_policy;
pub mod document;
pub mod hardening;
pub mod labels;
pub mod live;
mod outline;
pub mod problem;
pub mod schema;
pub mod status;

use kube::CustomResourceExt;
use serde_json::Value;

use debug_policy::DebugPolicy;

/// The CustomResourceDefinition of `DebugPolicy`, as an API server accepts it.
#[must_use]
pub fn definition() -> Value {
    // The definition has only string keys and finite numbers, so it can always be written; a test
    // compares it with the file in `deploy/crds`.
    let mut definition = serde_json::to_value(DebugPolicy::crd()).unwrap_or_default();
    tidy(&mut definition);
    definition
}

/// Takes out of the generated schema what the generator put there on its own account:
///
/// - `nullable`, so that there is one way to leave a field out. An API server drops a null then; a
///   file with one is rejected, see [`document`].
/// - The line breaks of this source in descriptions, which `kubectl explain` wraps again.
/// - The `.0` of whole numbers.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("nullable").is_some_and(Value::is_boolean) {
                fields.remove("nullable");
                if let Some(Value::Array(words)) = fields.get_mut("enum") {
                    words.retain(|word| !word.is_null());
                }
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.split('\n').collect::<Vec<_>>().join(" ");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Number(number) => {
            let text = number.to_string();
            let whole = text.strip_suffix(".0").and_then(|digits| digits.parse::<i64>().ok());
            if let Some(whole) = whole {
                *value = whole.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
