//! Whether a policy speaks to a request.

use std::collections::BTreeMap;

use super::circumstances::Circumstances;
use super::expression::{Condition, Scene};
use super::request::{DebugRequest, Fact, Requester};
use super::rule::{
    Effect, LabelOperator, LabelRequirement, NamePattern, Policy, Selector, Subject,
};

/// Whether every part of the policy's `match` holds.
///
/// A part that cannot be decided never makes a Permit match and always makes a Require match, so
/// ignorance only ever narrows what is allowed.
pub(super) fn speaks_to(policy: &Policy, request: &DebugRequest) -> bool {
    let Selector {
        subjects,
        exclude_subjects,
        namespaces,
        exclude_namespaces,
        namespace_labels,
        pod_names,
        pod_labels,
        surfaces,
        schedule,
        conditions,
    } = &policy.selector;
    let undecided = policy.effect == Effect::Require;
    let Circumstances { now, namespace_labels: labels_of_namespace, .. } = &request.circumstances;
    surfaces.as_ref().is_none_or(|surfaces| surfaces.contains(&request.surface))
        && subjects.as_ref().is_none_or(|subjects| includes(subjects, &request.requester))
        && !includes(exclude_subjects, &request.requester)
        && namespaces.as_ref().is_none_or(|names| any_matches(names, &request.namespace))
        && !any_matches(exclude_namespaces, &request.namespace)
        && pod_names.as_ref().is_none_or(|names| any_matches(names, &request.pod.name))
        && labels_match(pod_labels, &request.pod.labels).unwrap_or(undecided)
        && labels_match(namespace_labels, labels_of_namespace).unwrap_or(undecided)
        && schedule
            .as_ref()
            .is_none_or(|schedule| now.known().map_or(undecided, |now| schedule.holds(*now)))
        && conditions_hold(conditions, request).unwrap_or(undecided)
}

/// One condition that does not hold is enough; `None`: none is known not to, and one gives no answer.
fn conditions_hold(conditions: &[Condition], request: &DebugRequest) -> Option<bool> {
    let mut all_hold = Some(true);
    for condition in conditions {
        match condition.expression.holds(&Scene { request, container: None }) {
            Ok(true) => {}
            Ok(false) => return Some(false),
            Err(_) => all_hold = None,
        }
    }
    all_hold
}

fn includes(subjects: &[Subject], requester: &Requester) -> bool {
    subjects.iter().any(|subject| match subject {
        Subject::User(name) => *name == requester.username,
        Subject::Group(name) => requester.groups.contains(name),
    })
}

fn any_matches(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// `None`: it cannot be told.
fn labels_match(
    requirements: &[LabelRequirement],
    labels: &Fact<BTreeMap<String, String>>,
) -> Option<bool> {
    if requirements.is_empty() {
        return Some(true);
    }
    let labels = labels.known()?;
    Some(requirements.iter().all(|LabelRequirement { key, operator }| {
        let value = labels.get(key);
        match operator {
            LabelOperator::In(values) => value.is_some_and(|value| values.contains(value)),
            // As in Kubernetes: a label that is not there is not in the list either.
            LabelOperator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }))
}
