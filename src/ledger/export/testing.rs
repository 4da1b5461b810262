//! Entries to test with.

use super::{Format, Item};
use crate::ledger::chain::Hash;
use crate::ledger::event::{Person, What};
use crate::ledger::{
    Change, Entry, EnvVar, Event, Finding, Image, Injection, Mount, Outcome, Phase, Pod, Policy,
    Privileges, Record, Requester, Timings,
};

/// Every format.
pub(super) const STORED: [Format; 5] =
    [Format::Jsonl, Format::Csv, Format::Ocsf, Format::Ecs, Format::CloudEvents];

/// What a spreadsheet, a terminal and a parser would each rather not read.
pub(super) const HOSTILE: &str = "=1+1,\"x\"\r\ny\0\u{1b}[2J\u{202e}\u{9b}z";

pub(super) fn injection() -> Injection {
    Injection {
        name: "debugger-x7k2p".to_owned(),
        image: "busybox:1.36".to_owned(),
        image_parsed: Some(Image {
            registry: "docker.io".to_owned(),
            repository: "library/busybox".to_owned(),
            tag: Some("1.36".to_owned()),
            digest: None,
        }),
        target: Some("app".to_owned()),
        privileges: Privileges {
            pod_security: "baseline".to_owned(),
            capabilities: vec!["SYS_PTRACE".to_owned()],
            ..Privileges::default()
        },
        env: vec![EnvVar { name: "DEBUG_REASON".to_owned(), source: "value".to_owned() }],
        mounts: vec![Mount {
            volume: "data".to_owned(),
            kind: "emptyDir".to_owned(),
            path: "/data".to_owned(),
            writable: false,
        }],
        command: vec!["sh".to_owned(), "-c".to_owned(), "ps aux".to_owned()],
        interactive: true,
        container: None,
        permitted_by: Some(policy("developers")),
        changes: Vec::new(),
    }
}

pub(super) fn change() -> Change {
    Change { field: "securityContext.runAsNonRoot".to_owned(), value: "true".to_owned() }
}

pub(super) fn policy(name: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        uid: Some("7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned()),
        generation: Some(3),
        hash: "3b1f".repeat(16),
    }
}

pub(super) fn record() -> Record {
    Record {
        id: "019ab3f2-1c4d-7000-8000-000000000001".parse().unwrap(),
        time: "2026-11-24T08:00:01.25Z".parse().unwrap(),
        cluster: "staging".to_owned(),
        writer: "postern-0".to_owned(),
        sequence: 41,
        amends: None,
        review_uid: "review-1".to_owned(),
        phase: Phase::Validate,
        surface: "EphemeralContainer".to_owned(),
        operation: "UPDATE".to_owned(),
        requester: Requester {
            username: "jane@example.com".to_owned(),
            uid: "u-17".to_owned(),
            groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
            extra: [("scopes".to_owned(), vec!["debug".to_owned()])].into(),
        },
        namespace: "payments".to_owned(),
        pod: Pod {
            name: "payments-api-7d4b9-x2x1k".to_owned(),
            uid: "0e4d1d6c-9a4c-4a4b-8f2e-3a0c5d1b2e7f".to_owned(),
            owner: "ReplicaSet/payments-api-7d4b9".to_owned(),
            node: "node-a".to_owned(),
            service_account: "payments-api".to_owned(),
        },
        evidence: None,
        injections: vec![injection()],
        injections_total: 1,
        verdict: Outcome::Allowed,
        answer: Outcome::Allowed,
        enforcement: "Enforce".to_owned(),
        findings: Vec::new(),
        justification: Some("INC-4711".to_owned()),
        message: None,
        timings: Timings { judge_us: 180 },
    }
}

/// The same, refused.
pub(super) fn refusal() -> Record {
    let mut record = record();
    record.verdict = Outcome::Refused;
    record.answer = Outcome::Refused;
    record.injections[0].permitted_by = None;
    record.findings = vec![Finding {
        container: "debugger-x7k2p".to_owned(),
        policy: Some(policy("guard-rails")),
        enforcement: "Enforce".to_owned(),
        constraint: "spec.containers.images.allow".to_owned(),
        message: "image `busybox:1.36` is not approved here".to_owned(),
    }];
    record.message = Some("image `busybox:1.36` is not approved here".to_owned());
    record
}

pub(super) fn decision() -> Entry {
    record().into()
}

/// A decision in which every text that others choose is [`HOSTILE`].
pub(super) fn hostile() -> Entry {
    let text = || HOSTILE.to_owned();
    let mut record = refusal();
    record.requester = Requester {
        username: text(),
        uid: text(),
        groups: vec![text()],
        extra: [(text(), vec![text()])].into(),
    };
    record.review_uid = text();
    record.namespace = text();
    record.pod.name = text();
    record.pod.uid = text();
    record.justification = Some(text());
    record.message = Some(text());
    record.findings[0].message = text();
    let injection = &mut record.injections[0];
    injection.name = text();
    injection.image = text();
    injection.image_parsed = None;
    injection.command = vec![text()];
    injection.env[0].name = text();
    record.into()
}

pub(super) fn event() -> Entry {
    Event {
        id: "019ab3f2-1c4d-7000-8000-000000000002".parse().unwrap(),
        time: "2026-11-24T08:00:02Z".parse().unwrap(),
        cluster: "staging".to_owned(),
        writer: "postern-0".to_owned(),
        sequence: 42,
        what: What::Read {
            by: Person { user: "jane".to_owned(), host: "admin-1".to_owned() },
            command: "audit list".to_owned(),
        },
    }
    .into()
}

/// The entry in that format, with a hash of its own.
pub(super) fn text(format: Format, entry: &Entry) -> String {
    let json = entry.to_json().unwrap();
    let item = Item::new(entry, &json, Some(Hash::of(b"chain"))).unwrap();
    format.text(&item).unwrap().unwrap()
}

/// The same, read back.
pub(super) fn json(format: Format, entry: &Entry) -> serde_json::Value {
    serde_json::from_str(&text(format, entry)).unwrap()
}
