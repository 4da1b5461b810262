//! `--custom FILE`: a partial container, merged over what the profile made.

use serde_json::{Map, Value};

/// The kind of value that a field of a container holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Flag,
    List,
    Fields,
}

/// The fields of a container (core/v1 `Container`, 1.37).
const FIELDS: [(&str, Shape); 25] = [
    ("name", Shape::Text),
    ("image", Shape::Text),
    ("command", Shape::List),
    ("args", Shape::List),
    ("workingDir", Shape::Text),
    ("ports", Shape::List),
    ("envFrom", Shape::List),
    ("env", Shape::List),
    ("resources", Shape::Fields),
    ("resizePolicy", Shape::List),
    ("restartPolicy", Shape::Text),
    ("restartPolicyRules", Shape::List),
    ("volumeMounts", Shape::List),
    ("volumeDevices", Shape::List),
    ("livenessProbe", Shape::Fields),
    ("readinessProbe", Shape::Fields),
    ("startupProbe", Shape::Fields),
    ("lifecycle", Shape::Fields),
    ("terminationMessagePath", Shape::Text),
    ("terminationMessagePolicy", Shape::Text),
    ("imagePullPolicy", Shape::Text),
    ("securityContext", Shape::Fields),
    ("stdin", Shape::Flag),
    ("stdinOnce", Shape::Flag),
    ("tty", Shape::Flag),
];

/// What kubectl lets no custom profile set.
const FIXED: [&str; 5] = ["name", "command", "image", "lifecycle", "volumeDevices"];

/// A checked custom profile.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomProfile {
    file: String,
    container: Map<String, Value>,
}

/// Why kubectl would not take a custom profile, or not read it as it is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    /// Not a mapping.
    #[error("a custom profile holds the fields of a container, such as `securityContext:`")]
    NotFields,
    /// kubectl drops such a field without a word.
    #[error("`{0}` is not a field of a container; kubectl would ignore it")]
    UnknownField(String),
    /// kubectl cannot decode the file.
    #[error("`{0}` does not hold the kind of value that a container has there")]
    WrongShape(String),
    /// kubectl refuses the file.
    #[error(
        "a custom profile may not set `{0}`; kubectl refuses name, command, image, lifecycle \
             and volumeDevices there"
    )]
    Fixed(&'static str),
}

impl CustomProfile {
    /// Checks a partial container read from `file`, a path as it was given to `--custom`.
    ///
    /// Field names must be spelled as in the API; kubectl is laxer about upper and lower case.
    ///
    /// # Errors
    ///
    /// kubectl would refuse the file or ignore part of it.
    pub fn new(file: &str, container: Value) -> Result<Self, CustomError> {
        let Value::Object(mut container) = container else {
            return Err(CustomError::NotFields);
        };
        container.values_mut().for_each(discard_unset);
        container.retain(|_, value| !is_unset(value));
        for (field, value) in &container {
            let known = FIELDS.iter().find(|(known, _)| known == field);
            match known {
                None => return Err(CustomError::UnknownField(field.clone())),
                Some((_, shape)) if !fits(*shape, value) => {
                    return Err(CustomError::WrongShape(field.clone()));
                }
                Some(_) => {}
            }
        }
        if let Some(field) = FIXED.into_iter().find(|field| container.contains_key(*field)) {
            return Err(CustomError::Fixed(field));
        }
        // kubectl writes out a decoded container, where a switch that is off is one left out.
        container.retain(|_, value| *value != Value::Bool(false));
        Ok(Self { file: file.to_owned(), container })
    }

    /// The path given to `--custom`.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A strategic merge: maps field by field, `env` by name, every other list whole. (`ports` and
    /// `volumeMounts` merge by key too, but no profile sets any.)
    pub(super) fn merge_into(&self, container: &mut Map<String, Value>) {
        for (field, patch) in &self.container {
            match (container.get_mut(field), patch) {
                (Some(Value::Array(base)), Value::Array(patch)) if field == "env" => {
                    *base = merge_by_name(base, patch);
                }
                (Some(base), patch) => merge(base, patch),
                (None, patch) => {
                    container.insert(field.clone(), patch.clone());
                }
            }
        }
    }
}

fn fits(shape: Shape, value: &Value) -> bool {
    match shape {
        Shape::Text => value.is_string(),
        Shape::Flag => value.is_boolean(),
        Shape::List => value.is_array(),
        Shape::Fields => value.is_object(),
    }
}

/// Drops what kubectl loses by decoding the file into a container and writing it out again.
fn discard_unset(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(discard_unset);
            fields.retain(|_, value| !is_unset(value));
            // The one switch below the container's own that is not a pointer in Go.
            if fields.get("readOnly") == Some(&Value::Bool(false)) {
                fields.remove("readOnly");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(discard_unset),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (field, patch) in patch {
                match base.get_mut(field) {
                    Some(base) => merge(base, patch),
                    None => {
                        base.insert(field.clone(), patch.clone());
                    }
                }
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

/// Merges `env`, in the order that a strategic merge leaves: the patch's entries in their order,
/// an entry of the base alone ahead of the first one that the base had behind it, else at the end.
fn merge_by_name(base: &[Value], patch: &[Value]) -> Vec<Value> {
    let name = |entry: &Value| entry.get("name").cloned();
    let place = |entry: &Value| base.iter().position(|known| name(known) == name(entry));
    let mut patched: Vec<Value> = Vec::new();
    for entry in patch {
        if let Some(earlier) = patched.iter_mut().find(|known| name(known) == name(entry)) {
            merge(earlier, entry);
        } else {
            let known = place(entry).and_then(|position| base.get(position));
            let mut merged = known.cloned().unwrap_or_else(|| entry.clone());
            merge(&mut merged, entry);
            patched.push(merged);
        }
    }
    let alone = |entry: &&Value| !patch.iter().any(|other| name(other) == name(entry));
    let mut kept = base.iter().filter(alone).cloned().peekable();
    let mut list = Vec::with_capacity(base.len() + patched.len());
    for entry in patched {
        let position = place(&entry);
        while let Some(earlier) =
            kept.next_if(|kept| position.is_some_and(|p| place(kept) < Some(p)))
        {
            list.push(earlier);
        }
        list.push(entry);
    }
    list.extend(kept);
    list
}
