//! What holds of every set of policies and every request.
//!
//! The generated ones are plain data ([`world`]); they reach Postern as YAML and as the
//! AdmissionReview that an API server would send. The seed is fixed, so that a run can be repeated;
//! `PROPTEST_RNG_SEED` and `PROPTEST_CASES` look further.

mod bad_input;
mod contradiction;
mod explanation;
mod generate;
mod model;
mod suggestion;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;

use postern::admission::decode::{Subject, decode};
use postern::admission::respond::Response;
use postern::folder;
use postern::gate::{Judgement, Phase, judge};
use postern::policy::circumstances::{Circumstances, Right};
use postern::policy::request::Fact;
use postern::policy::rule::Enforcement;
use postern::policy::set::PolicySet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use serde_json::{Value, json};

use generate::{another, policies, request};
use world::{Effect, Policy, Request, Weight, yaml};

/// How often something happened, so that a property cannot hold for want of cases.
#[derive(Debug, Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, usize>>);

impl Tally {
    pub(crate) fn note(&self, what: &'static str) {
        *self.0.borrow_mut().entry(what).or_default() += 1;
    }

    pub(crate) fn note_if(&self, happened: bool, what: &'static str) {
        if happened {
            self.note(what);
        }
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.borrow().get(what).copied().unwrap_or_default()
    }

    /// Whether it happened in at least one of so many cases.
    pub(crate) fn at_least_one_in(&self, rarity: usize, cases: u32, what: &str) {
        let count = self.count(what);
        let cases = usize::try_from(cases).unwrap();
        assert!(count * rarity >= cases, "{what}: {count} of {cases}: {self:?}");
    }
}

/// Holds a property to so many cases.
pub(crate) fn check<S: Strategy>(
    cases: u32,
    strategy: S,
    property: impl Fn(S::Value, &Tally) -> Result<(), TestCaseError>,
) -> Tally {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(20);
    }
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let tally = Tally::default();
    match TestRunner::new(config).run(&strategy, |input| property(input, &tally)) {
        Ok(()) => tally,
        // What was written down for Postern is shorter than the input as Rust prints it.
        Err(TestError::Fail(why, _)) => panic!("{why}"),
        Err(error) => panic!("{error}"),
    }
}

fn load(policies: &[Policy]) -> PolicySet {
    let text = yaml(policies);
    let set = folder::load_text("generated.yaml", &text);
    set.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn judged(set: &PolicySet, phase: Phase, review: &Value) -> Judgement {
    judged_at(Enforcement::Enforce, set, phase, review)
}

fn judged_at(level: Enforcement, set: &PolicySet, phase: Phase, review: &Value) -> Judgement {
    let body = serde_json::to_vec(review).unwrap();
    let mut asked = decode(&body).unwrap();
    if let Subject::Debug(debug) = &mut asked.subject {
        debug.request.circumstances = circumstances(&review["known"]);
    }
    judge(Some(set), phase, asked, level)
}

fn circumstances(known: &Value) -> Circumstances {
    let fact =
        |text: Option<&str>| text.map_or(Fact::Unknown, |it| Fact::Known(it.parse().unwrap()));
    let labels = known["namespaceLabels"].as_object().map(|labels| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        labels.iter().map(|(key, value)| (key.clone(), text(value))).collect()
    });
    let rights = known["rights"].as_array().into_iter().flatten();
    let added = known["added"].as_u64().map(|number| usize::try_from(number).unwrap());
    Circumstances {
        now: fact(known["now"].as_str()),
        namespace_labels: labels.map_or(Fact::Unknown, Fact::Known),
        rights: rights.map(|name| (name.as_str().unwrap().to_owned(), Right::Granted)).collect(),
        added_last_hour: added.map_or(Fact::Unknown, Fact::Known),
    }
}

/// The review that the validating webhook sees, if the mutating one lets the request pass.
fn mutated(set: &PolicySet, review: &Value) -> Option<Value> {
    match judged(set, Phase::Mutate, review).response(None).0 {
        Response::Refuse { .. } => None,
        Response::Allow { patch } => {
            let mut review = review.clone();
            json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
            Some(review)
        }
    }
}

fn validates(set: &PolicySet, review: &Value) -> bool {
    judged(set, Phase::Validate, review).allows()
}

/// What the API server comes to after both webhooks.
fn passes(set: &PolicySet, review: &Value) -> bool {
    mutated(set, review).is_some_and(|review| validates(set, &review))
}

fn added(review: &Value, request: &Request) -> Vec<Value> {
    let object = &review["request"]["object"];
    let list = object.pointer("/spec/ephemeralContainers").or(object.get("ephemeralContainers"));
    list.unwrap().as_array().unwrap()[request.pod.old..].to_vec()
}

/// Without what stands for a field that was left out.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().map(|(key, value)| (key.clone(), bare(value)));
            Value::Object(given.filter(|(_, value)| !value.is_null()).collect())
        }
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) if items.is_empty() => Value::Null,
        other => other.clone(),
    }
}

fn shown(policies: &[Policy], review: &Value) -> String {
    format!("{}\n{review:#}", yaml(policies))
}

#[test]
fn the_answer_is_what_the_documentation_says() {
    let cases = 300;
    let tally = check(cases, (policies(), vec(request(), 12)), |(policies, requests), tally| {
        let set = load(&policies);
        for request in requests {
            let review = request.review();
            let seen = || shown(&policies, &review);
            let expected = model::validate(&policies, &request);
            prop_assert_eq!(validates(&set, &review), expected, "validating:\n{}", seen());
            tally.note_if(expected, "allowed as it is");

            let expected = model::mutate_then_validate(&policies, &request);
            prop_assert_eq!(passes(&set, &review), expected, "through both:\n{}", seen());
            tally.note(if expected { "allowed" } else { "refused" });
            if expected {
                let mutated = mutated(&set, &review).unwrap();
                let stored = model::stored(&policies, &request);
                let stored: Vec<_> =
                    stored.iter().map(|container| bare(&container.json())).collect();
                let given: Vec<_> = added(&mutated, &request).iter().map(bare).collect();
                prop_assert_eq!(given, stored, "stored:\n{}", seen());
                tally.note_if(mutated != review, "changed");
            }
        }
        Ok(())
    });
    tally.at_least_one_in(2, cases, "allowed");
    tally.at_least_one_in(2, cases, "refused");
    tally.at_least_one_in(4, cases, "allowed as it is");
    tally.at_least_one_in(4, cases, "changed");
}

#[test]
fn the_order_of_policies_never_matters() {
    check(300, (policies(), request()), |(policies, request), _| {
        let reversed: Vec<_> = policies.iter().rev().cloned().collect();
        let review = request.review();
        let answers = |policies: &[Policy]| {
            let set = load(policies);
            (mutated(&set, &review), validates(&set, &review))
        };
        prop_assert_eq!(answers(&policies), answers(&reversed), "{}", shown(&policies, &review));
        Ok(())
    });
}

/// The answers with and without one more policy.
fn with_one_more(effect: Effect) -> impl Strategy<Value = (PolicySet, PolicySet, Value, String)> {
    (policies(), another(effect), request()).prop_map(|(policies, more, request)| {
        let mut larger = policies.clone();
        larger.push(more);
        let review = request.review();
        let seen = shown(&larger, &review);
        (load(&policies), load(&larger), review, seen)
    })
}

#[test]
fn one_more_require_never_turns_no_into_yes() {
    check(600, with_one_more(Effect::Require), |(fewer, more, review, seen), _| {
        prop_assert!(!validates(&more, &review) || validates(&fewer, &review), "{}", seen);
        prop_assert!(!passes(&more, &review) || passes(&fewer, &review), "{}", seen);
        Ok(())
    });
}

#[test]
fn one_more_permit_never_turns_yes_into_no() {
    let tally = check(600, with_one_more(Effect::Permit), |(fewer, more, review, seen), tally| {
        prop_assert!(!validates(&fewer, &review) || validates(&more, &review), "{}", seen);
        prop_assert!(!passes(&fewer, &review) || passes(&more, &review), "{}", seen);
        tally.note_if(passes(&fewer, &review), "yes before");
        Ok(())
    });
    tally.at_least_one_in(40, 600, "yes before");
}

#[test]
fn policies_that_warn_or_note_never_change_the_answer() {
    let lax = any::<bool>().prop_map(|warn| if warn { Weight::Warn } else { Weight::Audit });
    let more = prop_oneof![another(Effect::Permit), another(Effect::Require)];
    check(600, (policies(), more, lax, request()), |(policies, more, weight, request), _| {
        let mut larger = policies.clone();
        larger.push(Policy { weight, ..more });
        let review = request.review();
        let (fewer, more) = (load(&policies), load(&larger));
        let seen = || shown(&larger, &review);
        prop_assert_eq!(validates(&fewer, &review), validates(&more, &review), "{}", seen());
        prop_assert_eq!(mutated(&fewer, &review), mutated(&more, &review), "{}", seen());
        Ok(())
    });
}

#[test]
fn what_was_patched_is_patched_no_further_and_nothing_else_is_touched() {
    check(600, (policies(), request()), |(policies, request), _| {
        let set = load(&policies);
        let mut review = request.review();
        review["request"]["object"]["metadata"]["novel"] = json!({"kept": [1, null]});
        let Some(once) = mutated(&set, &review) else { return Ok(()) };
        let seen = || shown(&policies, &review);
        let twice = mutated(&set, &once);
        prop_assert_eq!(twice.as_ref(), Some(&once), "{}", seen());
        let without = |review: &Value| {
            let mut object = review["request"]["object"].clone();
            for path in ["/spec/ephemeralContainers", "/ephemeralContainers"] {
                if let Some(Value::Array(list)) = object.pointer_mut(path) {
                    list.truncate(request.pod.old);
                }
            }
            object
        };
        prop_assert_eq!(without(&once), without(&review), "{}", seen());
        Ok(())
    });
}

#[test]
fn what_else_a_request_says_of_the_pod_changes_nothing() {
    check(300, (policies(), request()), |(policies, request), _| {
        let set = load(&policies);
        let review = request.review();
        let mut spoofed = review.clone();
        let object = &mut spoofed["request"]["object"];
        object["metadata"] =
            json!({"labels": {"app": "api", "tier": "app"}, "annotations": {"a": "b"}});
        object["status"] = json!({"phase": "Running"});
        if object["spec"].is_object() {
            object["spec"]["securityContext"] = json!({"runAsNonRoot": true, "runAsUser": 7});
            object["spec"]["os"] = json!({"name": "windows"});
            object["spec"]["volumes"] = json!([]);
        }
        let seen = || shown(&policies, &review);
        prop_assert_eq!(validates(&set, &spoofed), validates(&set, &review), "{}", seen());
        prop_assert_eq!(passes(&set, &spoofed), passes(&set, &review), "{}", seen());
        Ok(())
    });
}

#[test]
fn below_enforce_only_structure_refuses_and_nothing_is_changed() {
    let levels = prop_oneof![Just(Enforcement::Warn), Just(Enforcement::Audit)];
    check(300, (policies(), request(), levels), |(policies, request, level), _| {
        let set = load(&policies);
        let review = request.review();
        let mutating = judged_at(level, &set, Phase::Mutate, &review);
        prop_assert_eq!(mutating.allows(), !model::is_malformed(&request));
        prop_assert_eq!(mutating.changes(), 0);
        let validating = judged_at(level, &set, Phase::Validate, &review);
        prop_assert_eq!(validating.allows(), !model::is_malformed(&request));
        Ok(())
    });
}
