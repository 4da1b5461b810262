//! The JSON Schema of what is stored.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::entry::Entry;

/// Of the text of an entry, in draft 7 as all schemas here.
///
/// It is that of what this version writes; the next one may add fields.
#[must_use]
pub fn record() -> Value {
    let settings = SchemaSettings::draft07().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Entry>().to_value();
    join(&mut schema);
    schema
}

/// Descriptions without the line breaks of the source.
fn join(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.split('\n').collect::<Vec<_>>().join(" ");
            }
            fields.values_mut().for_each(join);
        }
        Value::Array(items) => items.iter_mut().for_each(join),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
