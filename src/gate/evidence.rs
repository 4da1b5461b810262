//! What a decision rested on, as far as it takes to judge it again.
//!
//! In the API's own shape and words, and without what could be secret: no values of variables, no
//! fields that no policy reads.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::admission::decode::{AddedJson, Debug};
use crate::document;
use crate::ledger::Evidence;
use crate::policy::circumstances::Right;
use crate::policy::request::{ContainerFacts, DebuggerFacts, Os, PodFacts, PodSpecFacts};

/// Fields of an added container that a record holds as they were; the others it holds in its own
/// words, or not at all.
const KEPT: [&str; 7] = [
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
];

/// What every container has unless somebody asks for something else.
const USUAL: [(&str, &str); 2] =
    [("terminationMessagePath", "/dev/termination-log"), ("terminationMessagePolicy", "File")];

/// What was known of the pod and of the circumstances.
pub(super) fn evidence(debug: &Debug) -> Evidence {
    let request = &debug.request;
    let circumstances = &request.circumstances;
    let rights = circumstances.rights.iter();
    Evidence {
        labels: request.pod.labels.known().cloned(),
        namespace_labels: circumstances.namespace_labels.known().cloned(),
        spec: request.pod.spec.known().map(|facts| spec(facts, &request.pod)),
        rights: rights.map(|(name, right)| (name.clone(), *right == Right::Granted)).collect(),
        added_last_hour: circumstances.added_last_hour.known().copied(),
    }
}

/// What is kept of an added container beside what the record says in its own words.
pub(super) fn container(added: &AddedJson) -> Value {
    let mut kept = Map::new();
    for field in KEPT {
        let value = added.json.get(field).filter(|value| !value.is_null());
        let is_usual =
            |value: &Value| USUAL.iter().any(|(it, usual)| *it == field && value == usual);
        if let Some(value) = value.filter(|value| !is_usual(value)) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(kept)
}

fn spec(facts: &PodSpecFacts, pod: &PodFacts) -> Value {
    let mut spec = Map::new();
    let mut put = |field: &str, value: Value| drop(spec.insert(field.to_owned(), value));
    match facts.os {
        Some(Os::Linux) => put("os", json!({"name": "linux"})),
        Some(Os::Windows) => put("os", json!({"name": "windows"})),
        None => {}
    }
    if facts.user_namespace {
        put("hostUsers", false.into());
    }
    for field in &facts.host_namespaces {
        put(field, true.into());
    }
    if facts.shares_processes {
        put("shareProcessNamespace", true.into());
    }
    let security = document::security_context(&facts.security);
    if security.as_object().is_some_and(|fields| !fields.is_empty()) {
        put("securityContext", security);
    }
    put("containers", containers(&facts.containers));
    if !facts.init_containers.is_empty() {
        put("initContainers", containers(&facts.init_containers));
    }
    if !facts.app_armor_annotations.is_empty() {
        put("appArmor", json!(BTreeMap::clone(&facts.app_armor_annotations)));
    }
    let debuggers = debuggers(pod);
    if !debuggers.is_empty() {
        put("ephemeralContainers", debuggers.into());
    }
    Value::Object(spec)
}

/// One for each that was there before: of those that are not privileged, policies know no more than
/// how many they are.
fn debuggers(pod: &PodFacts) -> Vec<Value> {
    let privileged = pod.privileged_debuggers.iter().map(|DebuggerFacts { name, target }| {
        let mut debugger = json!({"name": name, "securityContext": {"privileged": true}});
        if let Some(target) = target {
            document::put(&mut debugger, &["targetContainerName"], json!(target));
        }
        debugger
    });
    let all = privileged.chain(std::iter::repeat_with(|| json!({})));
    all.take(pod.ephemeral_containers).collect()
}

fn containers(facts: &[ContainerFacts]) -> Value {
    let container = |facts: &ContainerFacts| {
        let mut security = Map::new();
        if let Some(user) = facts.run_as_user {
            security.insert("runAsUser".to_owned(), user.into());
        }
        if facts.privileged {
            security.insert("privileged".to_owned(), true.into());
        }
        match security.is_empty() {
            true => json!({"name": facts.name}),
            false => json!({"name": facts.name, "securityContext": security}),
        }
    };
    facts.iter().map(container).collect()
}
