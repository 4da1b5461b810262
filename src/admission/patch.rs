//! A verdict's changes → JSON Patch (RFC 6902), on the added containers and nothing else.

use json_patch::jsonptr::{Pointer, PointerBuf, Token};
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value, json};

use super::decode::Debug;
use crate::document::{put, value};
use crate::policy::removal::Removal;
use crate::policy::verdict::{Change, Verdict};

/// The patch that makes every added container what its ruling says; empty where nothing changes.
/// One that is refused stays as it was asked: what a Permit puts into it in vain is no help, and
/// the validating phase would explain another container than the one that was sent.
#[must_use]
pub fn patch(debug: &Debug, verdict: &Verdict) -> Patch {
    let containers = debug.added.iter().zip(&verdict.rulings);
    Patch(
        containers
            .filter(|(_, ruling)| ruling.allows())
            .flat_map(|(added, ruling)| {
                let container = debug.list.with_trailing_token(added.index);
                let mut operations = operations(&container, &added.json, &ruling.changes);
                operations.extend(takings(&container, &ruling.removals));
                operations
            })
            .collect(),
    )
}

/// One operation for each topmost object that is not there yet, or each field that is.
fn operations(container: &Pointer, json: &Value, changes: &[Change]) -> Vec<PatchOperation> {
    let mut operations = Vec::new();
    let mut done: Vec<&[&str]> = Vec::new();
    for change in changes {
        let (path, exists) = reach(json, change.setting.path());
        if done.contains(&path) {
            continue;
        }
        done.push(path);
        let value = everything_below(path, changes);
        let path = pointer(container, path);
        operations.push(if exists {
            PatchOperation::Replace(ReplaceOperation { path, value })
        } else {
            PatchOperation::Add(AddOperation { path, value })
        });
    }
    operations
}

/// What the changes put at `path`: a field's value, or an object with the fields below it.
fn everything_below(path: &[&str], changes: &[Change]) -> Value {
    let mut all = Value::Null;
    for change in changes {
        let Some(rest) = change.setting.path().strip_prefix(path) else { continue };
        if rest.is_empty() {
            return value(&change.setting);
        }
        if all.is_null() {
            all = Value::Object(Map::new());
        }
        put(&mut all, rest, value(&change.setting));
    }
    all
}

/// One operation for each thing that is taken away, from the back of each list, so that what is
/// taken first moves nothing that is taken later.
fn takings(container: &Pointer, removals: &[Removal]) -> Vec<PatchOperation> {
    let at = |field: &str, position: &usize| {
        let mut path = pointer(container, &[field]);
        path.push_back(Token::from(*position));
        path
    };
    let remove = |path| PatchOperation::Remove(RemoveOperation { path });
    let replace = |path: &[&str], value| {
        let path = pointer(container, path);
        PatchOperation::Replace(ReplaceOperation { path, value })
    };
    let operation = |removal: &Removal| match removal {
        Removal::Privileged { left: Some(left) } => {
            replace(&["securityContext", "privileged"], json!(left))
        }
        Removal::Privileged { left: None } => {
            remove(pointer(container, &["securityContext", "privileged"]))
        }
        Removal::Capabilities { kept: Some(kept), .. } => {
            replace(&["securityContext", "capabilities", "add"], json!(kept))
        }
        Removal::Capabilities { kept: None, .. } => {
            remove(pointer(container, &["securityContext", "capabilities"]))
        }
        Removal::MountWrite { position, .. } => {
            let mut path = at("volumeMounts", position);
            path.push_back(Token::new("readOnly"));
            // Adding replaces what is there (RFC 6902, 4.1).
            PatchOperation::Add(AddOperation { path, value: json!(true) })
        }
        Removal::Mount { position, .. } => remove(at("volumeMounts", position)),
        Removal::Device { position, .. } => remove(at("volumeDevices", position)),
        Removal::Env { position, .. } => remove(at("env", position)),
        Removal::EnvFrom { position, .. } => remove(at("envFrom", position)),
    };
    removals.iter().rev().map(operation).collect()
}

/// The shortest part of `path` that is not in `container` or is null there, or all of it; and
/// whether something stands there.
fn reach<'a>(container: &Value, path: &'a [&'a str]) -> (&'a [&'a str], bool) {
    let mut here = container;
    for (depth, key) in path.iter().enumerate() {
        let upto = path.get(..=depth).unwrap_or(path);
        match here.get(key) {
            None => return (upto, false),
            Some(Value::Null) => return (upto, true),
            Some(next) => here = next,
        }
    }
    (path, true)
}

fn pointer(container: &Pointer, path: &[&str]) -> PointerBuf {
    let mut pointer = container.to_buf();
    path.iter().for_each(|key| pointer.push_back(*key));
    pointer
}

#[cfg(test)]
mod tests;
