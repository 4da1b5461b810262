use serde_json::Value;

use super::super::Format;
use super::super::testing::{change, decision, hostile, json, record, refusal};
use crate::ledger::{Entry, Outcome, Record};

/// What OCSF 1.8.0 requires (tag 1.8.0 of ocsf/ocsf-schema): of `events/base_event.json`, of
/// `events/application/api_activity.json`, and of each object that is written here.
const REQUIRED: &[&str] = &[
    "/activity_id",
    "/category_uid",
    "/class_uid",
    "/metadata",
    "/severity_id",
    "/time",
    "/type_uid",
    "/actor",
    "/api",
    "/src_endpoint",
    "/metadata/product",
    "/metadata/version",
    "/api/operation",
    "/api/request/uid",
    "/api/request/containers/0/image/uid",
    "/raw_data_hash/algorithm_id",
    "/raw_data_hash/value",
];

/// Of each of these objects the same version wants at least one of the names.
const AT_LEAST_ONE: &[(&str, &[&str])] = &[
    ("/actor", &["process", "user", "invoked_by", "session", "app_name", "app_uid"]),
    ("/actor/user", &["account", "name", "uid"]),
    ("/src_endpoint", &["ip", "uid", "name", "hostname", "svc_name", "domain"]),
    ("/api/request/containers/0", &["uid", "name"]),
    ("/policy", &["name", "type", "uid"]),
];

/// Every name that the same version knows in these objects.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "action",
            "action_id",
            "activity_id",
            "activity_name",
            "actor",
            "api",
            "authorizations",
            "category_name",
            "category_uid",
            "class_name",
            "class_uid",
            "disposition",
            "disposition_id",
            "message",
            "metadata",
            "policy",
            "raw_data",
            "raw_data_hash",
            "resources",
            "severity",
            "severity_id",
            "src_endpoint",
            "status",
            "status_detail",
            "status_id",
            "time",
            "timezone_offset",
            "type_name",
            "type_uid",
            "unmapped",
        ],
    ),
    (
        "/metadata",
        &[
            "version",
            "profiles",
            "product",
            "uid",
            "correlation_uid",
            "sequence",
            "log_name",
            "log_provider",
        ],
    ),
    ("/api", &["operation", "service", "group", "request", "response"]),
    ("/actor/user", &["name", "uid", "groups", "type_id", "type"]),
    ("/resources/0", &["name", "uid", "type", "namespace", "data"]),
    ("/policy", &["name", "uid", "version", "is_applied", "data"]),
    ("/api/request/containers/0", &["name", "image", "orchestrator", "pod_uuid"]),
];

fn ocsf(record: Record) -> Value {
    json(Format::Ocsf, &record.into())
}

#[test]
fn has_every_field_that_the_schema_requires() {
    let mut bare = record();
    bare.cluster.clear();
    bare.injections[0].image_parsed = None;
    for entry in [decision(), refusal().into(), hostile(), bare.into()] {
        let event = json(Format::Ocsf, &entry);
        for path in REQUIRED {
            assert!(event.pointer(path).is_some(), "{path} in {event}");
        }
        for (path, names) in AT_LEAST_ONE {
            let object = event.pointer(path).unwrap_or_else(|| panic!("{path} in {event}"));
            assert!(names.iter().any(|name| object.get(name).is_some()), "{path} in {event}");
        }
    }
}

#[test]
fn has_no_field_that_the_schema_does_not_know() {
    for entry in [decision(), refusal().into(), hostile()] {
        let event = json(Format::Ocsf, &entry);
        for (path, names) in KNOWN {
            for name in event.pointer(path).unwrap().as_object().unwrap().keys() {
                assert!(names.contains(&name.as_str()), "{path}/{name}");
            }
        }
    }
}

#[test]
fn says_what_was_done_in_the_words_of_the_security_control() {
    let watched = Record { answer: Outcome::Allowed, enforcement: "Audit".to_owned(), ..refusal() };
    let mut warned = record();
    warned.findings = refusal().findings;
    warned.findings[0].enforcement = "Warn".to_owned();
    let warned_and_changed = {
        let mut record = warned.clone();
        record.injections[0].changes = vec![change()];
        record
    };
    let mut changed = record();
    changed.injections[0].changes = vec![change()];
    let cases = [
        (record(), [1, 1, 1, 1]),
        (changed, [4, 11, 1, 1]),
        (watched, [3, 17, 1, 3]),
        (warned, [3, 17, 1, 3]),
        (warned_and_changed, [3, 17, 1, 3]),
        (refusal(), [2, 2, 2, 2]),
    ];
    for (record, expected) in cases {
        let event = ocsf(record);
        let names = ["action_id", "disposition_id", "status_id", "severity_id"];
        assert_eq!(names.map(|name| event[name].as_u64().unwrap()), expected, "{event}");
    }
}

#[test]
fn is_an_update_through_the_api() {
    let event = ocsf(record());
    assert_eq!(event["class_uid"], 6003);
    assert_eq!(event["category_uid"], 6);
    assert_eq!(event["type_uid"], 600_303);
    assert_eq!(event["time"], 1_795_507_201_250_u64);
    assert_eq!(event["metadata"]["version"], "1.8.0");
}

#[test]
fn names_the_policy_that_decided_and_all_others() {
    let event = ocsf(refusal());
    assert_eq!(event["policy"]["name"], "guard-rails");
    assert_eq!(event["authorizations"][0]["decision"], "denied");
    let event = ocsf(record());
    assert_eq!(event["policy"]["name"], "developers");
    assert_eq!(event["policy"]["version"], "3");
    assert_eq!(event["authorizations"][0]["decision"], "allowed");
}

#[test]
fn tells_users_from_accounts() {
    for (name, kind) in [
        ("jane", 1),
        ("system:serviceaccount:ci:bot", 4),
        ("system:node:node-a", 3),
        ("not-system:node", 1),
    ] {
        let mut record = record();
        record.requester.username = name.to_owned();
        assert_eq!(ocsf(record)["actor"]["user"]["type_id"], kind, "{name}");
    }
}

#[test]
fn a_pod_uid_that_is_no_uuid_is_only_where_any_text_may_be() {
    let mut record = record();
    record.pod.uid = "p-1".to_owned();
    let event = ocsf(record);
    assert_eq!(event.pointer("/api/request/containers/0/pod_uuid"), None);
    assert_eq!(event["resources"][0]["uid"], "p-1");
}

#[test]
fn carries_the_stored_text_and_its_hash() {
    let entry: Entry = hostile();
    let event = json(Format::Ocsf, &entry);
    let text = entry.to_json().unwrap();
    assert_eq!(event["raw_data"], text);
    let hash = crate::ledger::chain::Hash::of(text.as_bytes()).to_string();
    assert_eq!(event["raw_data_hash"]["value"], hash);
    assert_eq!(event["unmapped"]["chain_hash"].as_str().map(str::len), Some(64));
}
