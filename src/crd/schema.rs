//! JSON Schemas for editors.
//!
//! Draft 7, the newest that every version of yaml-language-server reads. They are stricter than a
//! cluster and as strict as the parser: a field that is not known is a mistake.

use kube::Resource;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::debug_policy::DebugPolicy;

const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a file with policies.
#[must_use]
pub fn policy() -> Value {
    let definition = super::definition();
    let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema");
    let spec = schema.and_then(|schema| schema.pointer("/properties/spec")).cloned();
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    let mut schema = json!({
        "title": "DebugPolicy",
        "description": schema.and_then(|schema| schema.get("description")),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": DebugPolicy::api_version(&())},
            "kind": {"const": DebugPolicy::kind(&())},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": text, "labels": texts, "annotations": texts},
            },
            "spec": spec.unwrap_or_default(),
        },
    });
    strict(&mut schema);
    // What an API server adds there is left unread.
    if let Some(Value::Object(metadata)) = schema.pointer_mut("/properties/metadata") {
        metadata.remove("additionalProperties");
    }
    with_dialect(schema)
}

/// The schema of a file that holds one `T`.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|it| it.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    super::tidy(&mut schema);
    strict(&mut schema);
    with_dialect(schema)
}

fn with_dialect(schema: Value) -> Value {
    let mut whole = Map::new();
    if let Value::Object(fields) = schema {
        whole.extend(fields);
    }
    whole.insert("$schema".to_owned(), DIALECT.into());
    Value::Object(whole)
}

/// Makes unknown fields a mistake and takes out what only an API server reads.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.starts_with("x-kubernetes-"));
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.entry("additionalProperties").or_insert(false.into());
            }
            fields.values_mut().for_each(strict);
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
