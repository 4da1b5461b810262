use std::collections::BTreeSet;

use k8s_openapi::api::core::v1;
use schemars::JsonSchema;
use serde_json::json;

use super::*;
use crate::policy::request::{ConfinementProfile, PullPolicy, Surface};
use crate::policy::rule::{
    Access, Effect, LabelOperator, LabelRequirement, Level, MountAccess, Policy, Subject,
};
use crate::policy::setting::Setting;

fn debug_policy(spec: &Value) -> DebugPolicy {
    serde_json::from_value(json!({
        "apiVersion": "postern.dev/v1alpha1",
        "kind": "DebugPolicy",
        "metadata": { "name": "test", "uid": "u-1", "generation": 7 },
        "spec": spec,
    }))
    .unwrap()
}

fn compile(spec: &Value) -> Policy {
    Policy::try_from(&debug_policy(spec)).unwrap()
}

fn hash(spec: &Value) -> String {
    compile(spec).id.hash.clone()
}

#[test]
fn a_permit_that_says_nothing_gives_out_the_least() {
    let policy = compile(&json!({ "effect": "Permit" }));
    assert_eq!(policy.effect, Effect::Permit);
    let constraints = &policy.constraints;
    assert!(constraints.images.allow.as_ref().unwrap().is_empty());
    assert_eq!(constraints.pod_security, Some(Level::Baseline));
    assert_eq!(constraints.env.from_secrets, Access::Forbid);
    assert_eq!(constraints.env.from_config_maps, Access::Allow);
    assert_eq!(constraints.volumes.mounts, MountAccess::None);
    assert_eq!(constraints.volumes.devices, Access::Forbid);
    assert_eq!(constraints.interactive, Access::Allow);
    assert_eq!((constraints.per_pod, constraints.per_request), (None, None));
    assert!(constraints.capabilities.is_none() && constraints.commands.is_none());
    assert!(constraints.targets.allow.is_none() && !constraints.targets.required);
    assert!(constraints.env.allow.is_none() && constraints.env.deny.is_empty());
    assert!(constraints.justification.is_none());
}

/// A part that is there keeps the safe default of each field that is not.
#[test]
fn a_permit_that_names_one_field_of_a_part_keeps_the_defaults_of_the_others() {
    let policy = compile(&json!({ "effect": "Permit", "containers": {
        "images": { "requireDigest": true },
        "env": { "names": { "deny": ["X"] } },
        "volumes": { "deny": ["hostPath"] },
    }}));
    let constraints = &policy.constraints;
    assert!(constraints.images.allow.as_ref().unwrap().is_empty());
    assert_eq!(constraints.env.from_secrets, Access::Forbid);
    assert_eq!(constraints.volumes.mounts, MountAccess::None);
    assert_eq!(constraints.volumes.devices, Access::Forbid);
}

#[test]
fn a_require_that_says_nothing_limits_nothing() {
    let policy = compile(&json!({ "effect": "Require" }));
    let constraints = &policy.constraints;
    assert!(constraints.images.allow.is_none());
    assert_eq!(constraints.pod_security, None);
    assert_eq!(constraints.env.from_secrets, Access::Allow);
    assert_eq!(constraints.env.from_config_maps, Access::Allow);
    assert_eq!(constraints.volumes.mounts, MountAccess::ReadWrite);
    assert_eq!(constraints.volumes.devices, Access::Allow);
    assert_eq!(constraints.interactive, Access::Allow);
    assert!(policy.selector.subjects.is_none() && policy.selector.surfaces.is_none());
}

#[test]
fn an_empty_allow_list_is_kept_apart_from_none() {
    let policy = compile(&json!({ "effect": "Require", "containers": {
        "images": { "allow": [], "pullPolicies": [] },
        "capabilities": { "allow": [] },
        "targets": { "allow": [] },
        "env": { "names": { "allow": [] } },
        "command": { "allow": [] },
    }}));
    let constraints = &policy.constraints;
    assert!(constraints.images.allow.as_ref().is_some_and(Vec::is_empty));
    assert!(constraints.images.pull_policies.as_ref().is_some_and(Vec::is_empty));
    assert!(constraints.capabilities.as_ref().is_some_and(Vec::is_empty));
    assert!(constraints.targets.allow.as_ref().is_some_and(Vec::is_empty));
    assert!(constraints.env.allow.as_ref().is_some_and(Vec::is_empty));
    assert!(constraints.commands.as_ref().is_some_and(Vec::is_empty));
}

#[test]
fn a_service_account_is_the_user_it_authenticates_as() {
    let policy = compile(&json!({ "effect": "Permit", "match": {
        "subjects": [
            { "kind": "ServiceAccount", "name": "deployer", "namespace": "ci", "apiGroup": "" },
            { "kind": "User", "name": "alice@example.com" },
        ],
        "excludeSubjects": [{ "kind": "Group", "name": "interns" }],
        "surfaces": ["EphemeralContainer"],
    }}));
    let deployer = Subject::User("system:serviceaccount:ci:deployer".to_owned());
    let alice = Subject::User("alice@example.com".to_owned());
    assert_eq!(policy.selector.subjects, Some(vec![deployer, alice]));
    assert_eq!(policy.selector.exclude_subjects, [Subject::Group("interns".to_owned())]);
    assert_eq!(policy.selector.surfaces, Some(vec![Surface::EphemeralContainer]));
}

#[test]
fn both_forms_of_a_label_selector_become_one_list() {
    let policy = compile(&json!({ "effect": "Permit", "match": { "pods": { "selector": {
        "matchLabels": { "app": "payments" },
        "matchExpressions": [
            { "key": "stage", "operator": "NotIn", "values": ["live"] },
            { "key": "example.com/owner", "operator": "Exists" },
            { "key": "never", "operator": "DoesNotExist" },
        ],
    }}}}));
    let requirement = |key: &str, operator| LabelRequirement { key: key.to_owned(), operator };
    let expected = [
        requirement("app", LabelOperator::In(vec!["payments".to_owned()])),
        requirement("stage", LabelOperator::NotIn(vec!["live".to_owned()])),
        requirement("example.com/owner", LabelOperator::Exists),
        requirement("never", LabelOperator::DoesNotExist),
    ];
    assert_eq!(policy.selector.pod_labels, expected);
}

#[test]
fn defaults_and_set_become_settings_field_by_field() {
    let policy = compile(&json!({
        "effect": "Permit",
        "defaults": {
            "securityContext": {
                "runAsNonRoot": true,
                "capabilities": { "drop": ["ALL"] },
                "seccompProfile": { "type": "RuntimeDefault" },
            },
        },
        "set": {
            "imagePullPolicy": "Always",
            "targetContainerName": "api",
            "terminationMessagePath": "/x",
            "terminationMessagePolicy": "FallbackToLogsOnError",
        },
    }));
    let profile = ConfinementProfile { kind: "RuntimeDefault".to_owned(), localhost_profile: None };
    let defaults = [
        Setting::RunAsNonRoot(true),
        Setting::CapabilitiesDrop(vec!["ALL".to_owned()]),
        Setting::SeccompProfile(profile),
    ];
    assert_eq!(policy.defaults, defaults);
    let set = [
        Setting::TargetContainerName("api".to_owned()),
        Setting::ImagePullPolicy(PullPolicy::Always),
        Setting::TerminationMessagePath("/x".to_owned()),
        Setting::TerminationMessagePolicy("FallbackToLogsOnError".to_owned()),
    ];
    assert_eq!(policy.set, set);
}

#[test]
fn the_word_first_is_the_first_container_of_the_pod() {
    let default = json!({ "targetContainerName": "First" });
    let policy = compile(&json!({ "effect": "Permit", "defaults": default }));
    assert_eq!(policy.defaults, [Setting::FirstTarget]);
}

#[test]
fn the_identity_is_that_of_the_object() {
    let policy = compile(&json!({ "effect": "Permit" }));
    assert_eq!(policy.id.name, "test");
    assert_eq!(policy.id.uid.as_deref(), Some("u-1"));
    assert_eq!(policy.id.generation, Some(7));
}

/// Records name policies by this hash for years.
#[test]
fn the_hash_of_a_spec_stays_what_it_is() {
    // printf '{"effect":"Permit","enforcement":"Enforce","priority":0}' | sha256sum
    let expected = "f3e7469a1f443421ad3623b065b3fa3491fe027d00676970a5418907c8c78dab";
    assert_eq!(hash(&json!({ "effect": "Permit" })), expected);
}

#[test]
fn what_an_api_server_fills_in_does_not_change_the_hash() {
    let from_file = json!({ "effect": "Permit", "justification": { "required": true } });
    let from_cluster = json!({
        "priority": 0,
        "justification": { "env": "DEBUG_REASON", "required": true },
        "enforcement": "Enforce",
        "effect": "Permit",
    });
    assert_eq!(hash(&from_file), hash(&from_cluster));
}

#[test]
fn a_different_spec_has_a_different_hash() {
    let specs = [
        json!({ "effect": "Permit" }),
        json!({ "effect": "Require" }),
        json!({ "effect": "Permit", "priority": 1 }),
        json!({ "effect": "Permit", "containers": { "images": { "allow": [] } } }),
        json!({ "effect": "Permit", "containers": { "images": { "allow": ["a", "b"] } } }),
        json!({ "effect": "Permit", "containers": { "images": { "allow": ["b", "a"] } } }),
    ];
    let hashes: BTreeSet<_> = specs.iter().map(hash).collect();
    assert_eq!(hashes.len(), specs.len());
}

/// Property names below a schema, `$ref`s followed: `capabilities.add`.
fn fields(schema: &Value, definitions: &Value, at: &str, found: &mut BTreeSet<String>) {
    let reference = |schema: &Value| {
        let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?.to_owned();
        definitions.get(name).cloned()
    };
    let options = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    for option in options.chain([schema]) {
        let schema = reference(option).unwrap_or_else(|| option.clone());
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            fields(property, definitions, &path, found);
            found.insert(path);
        }
    }
}

fn fields_of<T: JsonSchema>() -> BTreeSet<String> {
    let schema = schemars::schema_for!(T).to_value();
    let mut found = BTreeSet::new();
    fields(&schema, &schema["$defs"], "", &mut found);
    assert!(!found.is_empty());
    found
}

#[test]
fn the_security_context_is_that_of_the_api() {
    assert_eq!(fields_of::<hardening::SecurityContext>(), fields_of::<v1::SecurityContext>());
}

#[test]
fn the_kinds_of_volumes_are_those_of_the_api() {
    let mut of_the_api: BTreeSet<_> =
        fields_of::<v1::Volume>().into_iter().filter(|field| !field.contains('.')).collect();
    of_the_api.remove("name");
    let known: BTreeSet<_> = crate::policy::volume::VOLUME_KINDS.map(str::to_owned).into();
    assert_eq!(known, of_the_api);
}

#[test]
fn no_field_of_the_definition_is_nullable() {
    let text = definition().to_string();
    assert!(!text.contains("nullable") && !text.contains("null"), "{text}");
}
