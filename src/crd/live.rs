//! From an object of the API server to a policy. There always is one: what is wrong with the object
//! becomes a policy that objects.

use std::sync::Arc;

use kube::Resource;
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use crate::policy::rule::{Enforcement, Policy, PolicyId};

use super::compile;
use super::debug_policy::{self, DebugPolicy, DebugPolicySpec};
use super::document;

/// A policy, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Live {
    /// What is judged by.
    pub policy: Policy,
    /// Why it only objects.
    pub fault: Option<Fault>,
    /// SHA-256 of the spec as it was told.
    pub told: String,
}

/// What is wrong with a policy, for its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One word for machines.
    pub reason: &'static str,
    /// Where and why.
    pub message: String,
}

/// Reads an object. A spec that has not even the right shape counts as a Require that speaks to
/// everything, unless it reads `effect: Permit`.
#[must_use]
pub fn read(metadata: &ObjectMeta, spec: Option<&Value>) -> Live {
    let told = told(spec);
    let spec = spec.unwrap_or(&Value::Null);
    let shaped = match serde_json::from_value::<DebugPolicySpec>(spec.clone()) {
        Ok(shaped) => shaped,
        Err(error) => return unreadable(metadata, spec, told, &error),
    };
    let object = DebugPolicy { metadata: named(metadata), spec: shaped, status: None };
    match Policy::try_from(&object) {
        Ok(policy) => Live { policy, fault: None, told },
        Err(problems) => {
            let fault = Fault { reason: "Broken", message: problems.to_string() };
            Live { policy: compile::broken(&object, &problems), fault: Some(fault), told }
        }
    }
}

/// SHA-256 of a spec as it is told, to know it again by.
#[must_use]
pub fn told(spec: Option<&Value>) -> String {
    compile::digest(spec.cloned().unwrap_or_default())
}

/// Only what a policy has to know of its own metadata.
fn named(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        generation: metadata.generation,
        ..ObjectMeta::default()
    }
}

fn unreadable(
    metadata: &ObjectMeta,
    spec: &Value,
    told: String,
    error: &serde_json::Error,
) -> Live {
    let word = |field: &str| spec.get(field).and_then(Value::as_str);
    let effect = match word("effect") {
        Some("Permit") => debug_policy::Effect::Permit,
        _ => debug_policy::Effect::Require,
    };
    let name = metadata.name.clone().unwrap_or_default();
    let message = located(&name, spec).unwrap_or_else(|| format!("spec: {error}"));
    let enforcement = match word("enforcement") {
        Some("Warn") => Enforcement::Warn,
        Some("Audit") => Enforcement::Audit,
        _ => Enforcement::Enforce,
    };
    let mut policy = compile::blank(effect);
    policy.id = Arc::new(PolicyId {
        name,
        uid: metadata.uid.clone(),
        generation: metadata.generation,
        hash: told.clone(),
    });
    policy.enforcement = enforcement;
    let policy = policy.objecting(message.clone());
    Live { policy, fault: Some(Fault { reason: "Unreadable", message }), told }
}

/// The reader of files says where a shape is wrong; JSON's own does not.
fn located(name: &str, spec: &Value) -> Option<String> {
    let object = json!({
        "apiVersion": DebugPolicy::api_version(&()),
        "kind": DebugPolicy::kind(&()),
        "metadata": {"name": name},
        "spec": spec,
    });
    let flaws = document::read(&object.to_string()).flaws;
    flaws.into_iter().next().map(|flaw| flaw.message)
}

impl Live {
    /// The same policy, objecting to whatever it speaks to because of another fault.
    #[must_use]
    pub fn objecting(&self, fault: Fault) -> Self {
        let policy = self.policy.clone().objecting(fault.message.clone());
        Self { policy, fault: Some(fault), told: self.told.clone() }
    }
}

#[cfg(test)]
mod tests;
