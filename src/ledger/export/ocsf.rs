//! OCSF 1.8.0, class API Activity, with the profile `security_control`.
//!
//! The profile `record_integrity` is not in a published version yet; until then the chain's hash
//! is in `unmapped`, and `raw_data` with `raw_data_hash` carries the stored text.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Item, deciding, reasons, summary};
use crate::ledger::chain::Hash;
use crate::ledger::{Finding, Injection, Outcome, Policy, Record, Requester};

const VERSION: &str = "1.8.0";
/// Application Activity.
const CATEGORY: u32 = 6;
/// API Activity.
const CLASS: u32 = 6003;
/// Update: a pod that is there gets another container.
const ACTIVITY: u32 = 3;
/// SHA-256, as a fingerprint's algorithm.
const SHA_256: u32 = 3;

pub(super) fn event(record: &Record, item: &Item<'_>) -> Value {
    let (action, disposition) = done(record);
    let (severity, severity_name) = severity(record);
    let (status, status_name) = match record.answer {
        Outcome::Allowed => (1, "Success"),
        Outcome::Refused => (2, "Failure"),
    };
    json!({
        "metadata": metadata(record),
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": ACTIVITY,
        "activity_name": "Update",
        "type_uid": u64::from(CLASS) * 100 + u64::from(ACTIVITY),
        "type_name": "API Activity: Update",
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "status_detail": record.message.clone().unwrap_or_else(|| reasons(record)),
        "time": record.time.as_millisecond(),
        "timezone_offset": 0,
        "message": summary(record),
        "actor": {"user": user(&record.requester)},
        "api": api(record),
        // Reviews do not say where the request came from, only that it passed an API server.
        "src_endpoint": {"svc_name": "kube-apiserver", "name": record.cluster},
        "resources": [resource(record)],
        "action_id": action.0,
        "action": action.1,
        "disposition_id": disposition.0,
        "disposition": disposition.1,
        "policy": deciding(record).map(|policy| self::policy(policy, true)),
        "authorizations": authorizations(record),
        "raw_data": item.json,
        "raw_data_hash": fingerprint(Hash::of(item.json.as_bytes())),
        "unmapped": unmapped(record, item),
    })
}

fn metadata(record: &Record) -> Value {
    json!({
        "version": VERSION,
        "profiles": ["security_control"],
        "product": {"name": "Postern", "vendor_name": "Postern"},
        "uid": record.id,
        "correlation_uid": record.review_uid,
        "sequence": record.sequence,
        "log_name": "ledger",
        "log_provider": record.writer,
    })
}

/// Action and disposition, each with its caption.
type Done = ((u32, &'static str), (u32, &'static str));

fn done(record: &Record) -> Done {
    let is_changed = record.injections.iter().any(|injection| !injection.changes.is_empty());
    match record.answer {
        Outcome::Refused => ((2, "Denied"), (2, "Blocked")),
        Outcome::Allowed if is_objected_to(record) => ((3, "Observed"), (17, "Logged")),
        Outcome::Allowed if is_changed => ((4, "Modified"), (11, "Corrected")),
        Outcome::Allowed => ((1, "Allowed"), (1, "Allowed")),
    }
}

/// What policy says no to and went in all the same weighs most.
fn severity(record: &Record) -> (u32, &'static str) {
    match record.answer {
        Outcome::Allowed if is_objected_to(record) => (3, "Medium"),
        Outcome::Refused => (2, "Low"),
        Outcome::Allowed => (1, "Informational"),
    }
}

/// Whether policy says no, or one says so that only warns of it or notes it.
fn is_objected_to(record: &Record) -> bool {
    record.verdict == Outcome::Refused
        || record.findings.iter().any(|finding| finding.enforcement != "Enforce")
}

fn user(requester: &Requester) -> Value {
    let Requester { username, uid, groups, extra: _ } = requester;
    let (kind, caption) = if username.starts_with("system:serviceaccount:") {
        (4, "Service")
    } else if username.starts_with("system:") {
        (3, "System")
    } else {
        (1, "User")
    };
    let groups: Vec<_> = groups.iter().map(|name| json!({"name": name})).collect();
    json!({"name": username, "uid": uid, "groups": groups, "type_id": kind, "type": caption})
}

fn api(record: &Record) -> Value {
    let containers: Vec<_> = record.injections.iter().map(|it| container(it, record)).collect();
    json!({
        "operation": record.operation,
        "service": {"name": "kubernetes"},
        "group": {"name": record.surface},
        "request": {"uid": record.review_uid, "containers": containers},
        "response": record.message.as_ref().map(|text| json!({"error_message": text})),
    })
}

fn container(injection: &Injection, record: &Record) -> Value {
    let parsed = injection.image_parsed.as_ref();
    let digest = parsed.and_then(|image| image.digest.clone());
    let full = parsed.map_or_else(|| injection.image.clone(), ToString::to_string);
    // The schema takes nothing but UUIDs here.
    let pod = Uuid::try_parse(&record.pod.uid).ok();
    json!({
        "name": injection.name,
        "image": {"name": injection.image, "uid": digest.unwrap_or(full)},
        "orchestrator": "Kubernetes",
        "pod_uuid": pod,
    })
}

fn resource(record: &Record) -> Value {
    let pod = &record.pod;
    json!({
        "name": pod.name,
        "uid": pod.uid,
        "type": "Pod",
        "namespace": record.namespace,
        "data": {"owner": pod.owner, "node": pod.node, "service_account": pod.service_account},
    })
}

fn policy(policy: &Policy, is_applied: bool) -> Value {
    let Policy { name, uid, generation, hash } = policy;
    json!({
        "name": name,
        "uid": uid,
        "version": generation.map(|number| number.to_string()),
        "is_applied": is_applied,
        "data": {"spec_sha256": hash},
    })
}

/// Every policy that permitted a container or objected to one.
fn authorizations(record: &Record) -> Vec<Value> {
    let permits = record.injections.iter().filter_map(|it| it.permitted_by.as_ref());
    let permits = permits.map(|it| json!({"decision": "allowed", "policy": policy(it, true)}));
    let objection = |finding: &Finding| {
        let is_applied = finding.enforcement == "Enforce";
        let by = policy(finding.policy.as_ref()?, is_applied);
        Some(json!({"decision": "denied", "policy": by}))
    };
    permits.chain(record.findings.iter().filter_map(objection)).collect()
}

fn fingerprint(hash: Hash) -> Value {
    json!({"algorithm_id": SHA_256, "algorithm": "SHA-256", "value": hash.to_string()})
}

fn unmapped(record: &Record, item: &Item<'_>) -> Value {
    json!({
        "chain_hash": item.chain(),
        "verdict": record.verdict,
        "enforcement": record.enforcement,
        "amends": record.amends,
        "justification": record.justification,
        "containers_total": record.injections_total,
    })
}

#[cfg(test)]
mod tests;
