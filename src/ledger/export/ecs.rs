//! The Elastic Common Schema, 8.17.
//!
//! What it has no field for is under `postern`, under names that are always the same: a key that
//! somebody else chose would become a field of its index.

use serde_json::{Value, json};

use super::{Item, deciding, reasons, summary};
use crate::ledger::chain::Hash;
use crate::ledger::entry::Entry;
use crate::ledger::event::{ContainerOutcome, Event, What};
use crate::ledger::{Finding, Injection, Outcome, Policy, Record};

const VERSION: &str = "8.17.0";

pub(super) fn document(item: &Item<'_>) -> Value {
    match item.entry {
        Entry::Decision(record) => decision(record, item),
        Entry::Event(event) => self::event(event, item),
    }
}

fn decision(record: &Record, item: &Item<'_>) -> Value {
    let requester = &record.requester;
    let (kind, outcome) = match record.answer {
        Outcome::Allowed => ("allowed", "success"),
        Outcome::Refused => ("denied", "failure"),
    };
    let reason = record.message.clone().unwrap_or_else(|| reasons(record));
    let mut event = happening(item);
    extend(
        &mut event,
        json!({
            "kind": "event",
            "category": ["api"],
            "type": ["change", kind],
            "action": "AddDebugContainer",
            "outcome": outcome,
            "reason": reason,
        }),
    );
    let mut document = common(item);
    extend(
        &mut document,
        json!({
            "message": summary(record),
            "event": event,
            "user": {
                "name": requester.username,
                "id": requester.uid,
                "roles": requester.groups,
            },
            "related": {"user": [requester.username]},
            "orchestrator": orchestrator(record),
            "container": container(record),
            "rule": deciding(record).map(rule),
            "postern": own(record, item),
        }),
    );
    document
}

fn event(event: &Event, item: &Item<'_>) -> Value {
    let what = &event.what;
    let (kind, category, sort) = sort(what);
    let mut happened = happening(item);
    extend(
        &mut happened,
        json!({"kind": kind, "category": [category], "type": [sort], "action": what.as_str()}),
    );
    let person = what.person();
    let (namespace, pod) = what.pod().unwrap_or_default();
    let kind_of_pod = if pod.is_empty() { "" } else { "pod" };
    let mut document = common(item);
    extend(
        &mut document,
        json!({
            "message": what.as_str(),
            "event": happened,
            "user": {"name": person.map(|it| &it.user)},
            "host": {"name": person.map(|it| &it.host)},
            "related": {"user": [person.map(|it| &it.user)]},
            "orchestrator": {
                "type": "kubernetes",
                "cluster": {"name": event.cluster},
                "namespace": namespace,
                "resource": {"name": pod, "type": kind_of_pod},
            },
            "postern": {"chain_hash": item.chain(), "decision": what.decision()},
        }),
    );
    document
}

/// `event.kind`, `event.category` and `event.type`.
fn sort(what: &What) -> (&'static str, &'static str, &'static str) {
    match what {
        What::Started { .. } => ("event", "process", "start"),
        What::Stopped {} => ("event", "process", "end"),
        What::SettingsChanged { .. }
        | What::PoliciesChanged { .. }
        | What::KeyRotated { .. }
        | What::Held { .. }
        | What::Released { .. } => ("event", "configuration", "change"),
        What::Read { .. } | What::Exported { .. } => ("event", "database", "access"),
        What::Dropped { .. } => ("event", "database", "change"),
        What::Foreign { .. } => ("alert", "intrusion_detection", "info"),
        What::Observed { outcome, .. } => match outcome {
            ContainerOutcome::Running { .. } => ("event", "process", "start"),
            ContainerOutcome::Ended { .. } => ("event", "process", "end"),
            ContainerOutcome::Waiting { .. }
            | ContainerOutcome::NeverAppeared {}
            | ContainerOutcome::PodGone {} => ("event", "process", "info"),
        },
        What::Unattested { .. } => ("alert", "intrusion_detection", "info"),
    }
}

fn common(item: &Item<'_>) -> Value {
    json!({
        "@timestamp": item.entry.time(),
        "ecs": {"version": VERSION},
        "observer": {
            "name": item.entry.writer(),
            "product": "Postern",
            "vendor": "Postern",
            "type": "admission-webhook",
        },
    })
}

/// What `event` has of every entry.
fn happening(item: &Item<'_>) -> Value {
    json!({
        "id": item.entry.id(),
        "sequence": item.entry.sequence(),
        "module": "postern",
        "dataset": "postern.ledger",
        "provider": "postern",
        "original": item.json,
        "hash": Hash::of(item.json.as_bytes()).to_string(),
    })
}

fn orchestrator(record: &Record) -> Value {
    let owner = record.pod.owner.split_once('/').map(|(kind, _)| kind);
    json!({
        "type": "kubernetes",
        "cluster": {"name": record.cluster},
        "namespace": record.namespace,
        "resource": {
            "name": record.pod.name,
            "type": "pod",
            "id": record.pod.uid,
            "parent": {"type": owner},
        },
    })
}

/// The schema knows one container. Of several there are several values, which an index takes for
/// any field: whoever looks for an image finds it in whichever container it is.
fn container(record: &Record) -> Value {
    let images = || record.injections.iter().filter_map(|it| it.image_parsed.as_ref());
    let is_privileged = record.injections.iter().any(|it| it.privileges.privileged);
    json!({
        "name": each(record, |injection| &injection.name),
        "image": {
            "name": each(record, |injection| &injection.image),
            "tag": images().filter_map(|image| image.tag.as_ref()).collect::<Vec<_>>(),
            "hash": {"all": images().filter_map(|it| it.digest.as_ref()).collect::<Vec<_>>()},
        },
        "security_context": {"privileged": is_privileged},
    })
}

/// One value, or a list of several.
fn each(record: &Record, value: impl Fn(&Injection) -> &String) -> Value {
    match record.injections.as_slice() {
        [only] => json!(value(only)),
        several => json!(several.iter().map(value).collect::<Vec<_>>()),
    }
}

fn rule(policy: &Policy) -> Value {
    json!({
        "name": policy.name,
        "uuid": policy.uid,
        "version": policy.generation.map(|number| number.to_string()),
        "category": "DebugPolicy",
    })
}

fn own(record: &Record, item: &Item<'_>) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "container": finding.container,
            "policy": finding.policy.as_ref().map(|policy| &policy.name),
            "enforcement": finding.enforcement,
            "constraint": finding.constraint,
            "message": finding.message,
        })
    };
    let permits = record.injections.iter().filter_map(|it| it.permitted_by.as_ref());
    json!({
        "answer": record.answer,
        "verdict": record.verdict,
        "enforcement": record.enforcement,
        "phase": record.phase,
        "surface": record.surface,
        "operation": record.operation,
        "review_uid": record.review_uid,
        "amends": record.amends,
        "justification": record.justification,
        "containers_total": record.injections_total,
        "permitted_by": permits.map(|policy| &policy.name).collect::<Vec<_>>(),
        "findings": record.findings.iter().map(finding).collect::<Vec<_>>(),
        "chain_hash": item.chain(),
    })
}

fn extend(object: &mut Value, with: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (object, with) {
        fields.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::testing::{
        change, decision, event, hostile, injection, json, record, refusal,
    };

    /// The four categorisation fields with values that 8.17 allows, and what every document has.
    #[test]
    fn is_sorted_as_the_schema_sorts() {
        for (entry, expected) in [
            (decision(), ["event", "api", "change", "allowed", "success"]),
            (refusal().into(), ["event", "api", "change", "denied", "failure"]),
        ] {
            let document = json(Format::Ecs, &entry);
            let paths = ["/kind", "/category/0", "/type/0", "/type/1", "/outcome"];
            let found = paths.map(|path| document["event"].pointer(path).unwrap().clone());
            assert_eq!(found, expected);
            assert_eq!(document["ecs"]["version"], "8.17.0");
            assert_eq!(document["@timestamp"], "2026-11-24T08:00:01.25Z");
        }
        let read = json(Format::Ecs, &event());
        assert_eq!(read["event"]["action"], "Read");
        assert_eq!(read["event"]["category"], serde_json::json!(["database"]));
        assert_eq!(read["user"]["name"], "jane");
        assert_eq!(read["orchestrator"].get("resource"), None);
    }

    #[test]
    fn finds_an_image_in_whichever_container_it_is() {
        let mut record = record();
        assert_eq!(
            json(Format::Ecs, &record.clone().into())["container"]["name"],
            "debugger-x7k2p"
        );
        let mut second = injection();
        second.image = "evil:1".to_owned();
        second.privileges.privileged = true;
        second.changes = vec![change()];
        record.injections.push(second);
        let document = json(Format::Ecs, &record.into());
        let images = serde_json::json!(["busybox:1.36", "evil:1"]);
        assert_eq!(document["container"]["image"]["name"], images);
        assert_eq!(document["container"]["security_context"]["privileged"], true);
    }

    #[test]
    fn no_key_is_of_somebody_elses_choosing() {
        fn keys(json: &serde_json::Value, all: &mut Vec<String>) {
            match json {
                serde_json::Value::Object(fields) => {
                    for (key, field) in fields {
                        all.push(key.clone());
                        keys(field, all);
                    }
                }
                serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, all)),
                _ => {}
            }
        }
        let document = json(Format::Ecs, &hostile());
        let mut all = Vec::new();
        keys(&document, &mut all);
        assert!(all.len() > 30);
        for key in all {
            assert!(key.bytes().all(|it| it.is_ascii_lowercase() || b"_@".contains(&it)), "{key}");
        }
        assert_eq!(document["event"]["original"], hostile().to_json().unwrap());
    }
}
