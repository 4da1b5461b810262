use super::*;
use crate::policy::evaluate::{Defaults, evaluate};
use crate::policy::request::DebugRequest;
use crate::policy::rule::Effect;
use crate::policy::set::PolicySet;
use crate::policy::testing::{asking, container, permit};

fn live(spec: &Value) -> Live {
    let metadata = ObjectMeta {
        name: Some("live".to_owned()),
        uid: Some("u".to_owned()),
        generation: Some(3),
        ..ObjectMeta::default()
    };
    read(&metadata, Some(spec))
}

fn asked() -> DebugRequest {
    asking(vec![container("busybox:1.36")])
}

/// Whether the request is let in by a Permit of anything beside this policy.
fn passes(live: &Live, request: &DebugRequest) -> bool {
    let set = PolicySet::new(vec![permit("all"), live.policy.clone()]);
    evaluate(&set, request, Defaults::Applied).allows()
}

#[test]
fn a_policy_that_is_right_is_what_a_file_would_make_of_it() {
    let live = live(&json!({"effect": "Require", "containers": {"interactive": "Forbid"}}));
    assert_eq!(live.fault, None);
    assert_eq!(live.policy.id.generation, Some(3));
    let verdict =
        evaluate(&PolicySet::new(vec![permit("all"), live.policy]), &asked(), Defaults::Applied);
    assert_eq!(
        verdict.rulings[0].findings[0].objection.constraint(),
        "spec.containers.interactive"
    );
}

#[test]
fn a_require_that_is_wrong_objects_to_what_it_speaks_to() {
    let spec = |namespace: &str| {
        json!({
            "effect": "Require",
            "match": {"namespaces": {"names": [namespace]}},
            "containers": {"images": {"deny": ["x/***"]}},
        })
    };
    let here = live(&spec("payments"));
    let fault = here.fault.clone().unwrap();
    assert_eq!(fault.reason, "Broken");
    assert!(fault.message.starts_with("spec.containers.images.deny[0]: "), "{}", fault.message);
    assert!(!passes(&here, &asked()));
    assert!(passes(&live(&spec("elsewhere")), &asked()));
}

/// For each part of `match`: wrong, and such that it would not speak to the request if only the
/// wrong item were left out.
#[test]
fn a_part_of_match_that_is_wrong_matches_everything() {
    for part in [
        json!({"subjects": [{"kind": "User", "name": "bob"}, {"kind": "User", "name": "a*"}]}),
        json!({"excludeSubjects": [{"kind": "User", "name": "alice"}, {"kind": "User", "name": "*"}]}),
        json!({"namespaces": {"names": ["elsewhere", "NOT/ONE"]}}),
        json!({"namespaces": {"exclude": ["payments", "NOT/ONE"]}}),
        json!({"namespaces": {"selector": {"matchLabels": {"a": "?"}}}}),
        json!({"pods": {"names": ["elsewhere", "NOT/ONE"]}}),
        json!({"pods": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
        json!({"schedule": {"timeZone": "Mars/Olympus", "days": ["Monday"]}}),
        json!({"surfaces": ["Exec"]}),
        json!({"conditions": [{"name": "no", "expression": "false"}, {"name": "x", "expression": "1 +"}]}),
        json!({"subjects": []}),
    ] {
        let spec = json!({"effect": "Require", "match": part});
        let live = live(&spec);
        assert_eq!(live.fault.as_ref().unwrap().reason, "Broken", "{spec}");
        assert!(!passes(&live, &asked()), "{spec}");
    }
}

#[test]
fn the_parts_of_match_that_are_right_still_count() {
    let spec = json!({"effect": "Require", "match": {
        "namespaces": {"names": ["elsewhere"], "exclude": ["NOT/ONE"]},
        "subjects": [{"kind": "User", "name": "a*"}],
    }});
    assert!(passes(&live(&spec), &asked()));
}

#[test]
fn a_permit_that_is_wrong_permits_nothing_and_takes_nothing_away() {
    let live =
        live(&json!({"effect": "Permit", "containers": {"images": {"allow": ["**", "x/***"]}}}));
    let alone = PolicySet::new(vec![live.policy.clone()]);
    let verdict = evaluate(&alone, &asked(), Defaults::Applied);
    assert!(!verdict.allows());
    assert_eq!(verdict.rulings[0].findings[0].objection.constraint(), "spec");
    assert!(passes(&live, &asked()));
}

#[test]
fn what_is_wrong_weighs_as_much_as_the_policy_does() {
    let wrong = json!({"effect": "Require", "enforcement": "Warn", "limits": {"perPod": 0}});
    assert!(passes(&live(&wrong), &asked()));
    let unreadable = json!({"effect": "Require", "enforcement": "Audit", "novelty": 1});
    assert!(passes(&live(&unreadable), &asked()));
}

#[test]
fn a_policy_whose_shape_is_wrong_is_a_require_of_everything_unless_it_reads_permit() {
    for (spec, effect, words) in [
        (json!(null), Effect::Require, "spec"),
        (json!("Permit"), Effect::Require, "spec"),
        (json!({}), Effect::Require, "document: field `effect` is missing"),
        (json!({"effect": "permit"}), Effect::Require, "spec.effect: `permit` is not one of"),
        (json!({"effect": ["Permit"]}), Effect::Require, "spec.effect"),
        (json!({"effect": "Permit", "x": 1}), Effect::Permit, "spec.x: `x` is not a field here"),
        (
            json!({"effect": "Require", "match": {"namespaces": {"names": ["elsewhere"]}}, "x": 1}),
            Effect::Require,
            "spec.x",
        ),
        (
            json!({"effect": "Require", "limits": {"perPod": "x"}}),
            Effect::Require,
            "spec.limits.perPod",
        ),
    ] {
        let live = live(&spec);
        let fault = live.fault.clone().unwrap();
        assert_eq!((fault.reason, live.policy.effect), ("Unreadable", effect), "{spec}");
        assert!(fault.message.starts_with(words), "{spec}: {}", fault.message);
        assert_eq!(passes(&live, &asked()), effect == Effect::Permit, "{spec}");
        assert_eq!(live.policy.id.hash.len(), 64);
    }
    let none = read(&ObjectMeta::default(), None);
    assert_eq!(none.fault.unwrap().reason, "Unreadable");
}

/// It would be what most requests are told of, being one objection away from nothing.
#[test]
fn a_broken_permit_is_never_the_nearest() {
    let broken = live(&json!({"effect": "Permit", "containers": {"images": {"allow": ["x/***"]}}}));
    let mut near = permit("near");
    near.constraints.images = crate::policy::testing::images(&["x"]);
    near.constraints.targets.required = true;
    let set = PolicySet::new(vec![broken.policy, near]);
    let verdict = evaluate(&set, &asked(), Defaults::Applied);
    let first = &verdict.rulings[0].findings[0];
    assert_eq!(first.policy.as_ref().unwrap().id.name, "near");
}
