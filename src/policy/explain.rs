//! Why a verdict is what it is, policy by policy: for people who write policies.
//!
//! Nothing is decided here. What an explanation says is asked of the functions that decide, one
//! policy and one part of its `match` at a time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::evaluate::{Defaults, evaluate_together, opinion};
use super::request::{DebugRequest, Fact, Injection};
use super::rule::{Effect, Enforcement, LabelRequirement, Policy, Selector};
use super::schedule::Schedule;
use super::select::speaks_to;
use super::set::PolicySet;
use super::verdict::{Objection, Ruling};

/// What one policy has to do with a request.
#[derive(Debug, Clone)]
pub struct Account {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Whether it speaks to the request.
    pub standing: Standing,
}

/// Whether a policy speaks to a request.
#[derive(Debug, Clone)]
pub enum Standing {
    /// It does not: the first part of its `match` that says no.
    Silent(Mismatch),
    /// It does: what it says of each added container, in their order.
    Speaks(Vec<Opinion>),
}

/// A part of a policy's `match` that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its place in the policy.
    pub part: &'static str,
    /// What it was compared with, as the requester or the cluster wrote it; of `conditions` the
    /// name of the one. `None`: not known.
    pub seen: Option<Vec<String>>,
}

/// What one policy says of one container.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// What it objects to. A Permit's are about the container as asked with that Permit's settings
    /// in it, every Require's about the container as it would be stored.
    pub objections: Vec<Objection>,
    /// What came of it.
    pub role: Role,
}

/// What came of a policy's opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The Permit that lets the container in, or would if no Require refused it.
    Permits,
    /// An enforced Require that objects: this alone refuses.
    Refuses,
    /// No Permit is satisfied, and this one objects to least.
    Nearest,
    /// It changed nothing: the answer is the same without it.
    Bystander,
}

/// Explains the verdict about a request: an account for each policy of the set, in its order.
#[must_use]
pub fn explain(set: &PolicySet, request: &DebugRequest, defaults: Defaults) -> Vec<Account> {
    let views = views(set, request, defaults);
    let speaking = set.speaking_to(request);
    let nearest: Vec<_> = views.iter().map(|view| view.nearest(&speaking)).collect();
    let account = |policy: &Arc<Policy>| {
        let standing = match mismatch(policy, request) {
            Some(mismatch) => Standing::Silent(mismatch),
            None => Standing::Speaks(
                views
                    .iter()
                    .zip(&nearest)
                    .map(|(view, nearest)| view.opinion(policy, *nearest))
                    .collect(),
            ),
        };
        Account { policy: Arc::clone(policy), standing }
    };
    set.policies().iter().map(account).collect()
}

/// A ruling, and how its container was judged.
struct View<'a> {
    request: Cow<'a, DebugRequest>,
    asked: &'a Injection,
    ruling: Ruling,
    defaults: Defaults,
}

/// A refusal of the validating phase is told as the mutating phase would have it, as far as that
/// refuses too: what it would have mended is not the reason.
fn views<'a>(set: &PolicySet, request: &'a DebugRequest, defaults: Defaults) -> Vec<View<'a>> {
    let (as_asked, judged) = evaluate_together(set, request, defaults);
    let (mended, judged_mended) = evaluate_together(set, request, Defaults::Applied);
    let pairs = as_asked.rulings.into_iter().zip(mended.rulings).zip(&request.injections);
    pairs
        .map(|((ruling, mended), asked)| {
            let (ruling, request, defaults) = if ruling.allows() || mended.allows() {
                (ruling, judged.clone(), defaults)
            } else {
                (mended, judged_mended.clone(), Defaults::Applied)
            };
            View { request, asked, ruling, defaults }
        })
        .collect()
}

impl View<'_> {
    fn opinion(&self, policy: &Arc<Policy>, nearest: Option<&Arc<Policy>>) -> Opinion {
        let objections = self.objections(policy);
        let enforced = policy.enforcement == Enforcement::Enforce;
        let role = if self.permits(policy) {
            Role::Permits
        } else if nearest.is_some_and(|nearest| Arc::ptr_eq(nearest, policy)) {
            Role::Nearest
        } else if enforced && policy.effect == Effect::Require && !objections.is_empty() {
            Role::Refuses
        } else {
            Role::Bystander
        };
        Opinion { objections, role }
    }

    fn objections(&self, policy: &Arc<Policy>) -> Vec<Objection> {
        // Satisfied, says the ruling. To ask again is to ask about another container: its settings
        // are in this one already, or were left out because they would have broken it.
        if self.permits(policy) {
            return Vec::new();
        }
        let permits = policy.effect == Effect::Permit;
        let container = if permits { self.asked } else { &self.ruling.container };
        opinion(policy, container, &self.request, self.defaults)
    }

    fn permits(&self, policy: &Arc<Policy>) -> bool {
        self.ruling.permit.as_ref().is_some_and(|permit| Arc::ptr_eq(permit, policy))
    }

    /// Where no Permit is satisfied, the first of those with the fewest objections.
    fn nearest<'p>(&self, speaking: &[&'p Arc<Policy>]) -> Option<&'p Arc<Policy>> {
        if self.ruling.permit.is_some() {
            return None;
        }
        let permits = speaking.iter().copied().filter(|policy| {
            policy.effect == Effect::Permit && policy.enforcement == Enforcement::Enforce
        });
        permits.min_by_key(|policy| self.objections(policy).len())
    }
}

/// The first part of a policy's `match` that does not hold; `None` where all do.
///
/// Each part is put to [`speaks_to`] alone, so that an explanation cannot read a policy otherwise
/// than a decision does.
fn mismatch(policy: &Policy, request: &DebugRequest) -> Option<Mismatch> {
    if speaks_to(policy, request) {
        return None;
    }
    let silent =
        |part: &Selector| !speaks_to(&Policy { selector: part.clone(), ..policy.clone() }, request);
    let found = parts(policy, request).into_iter().find(|(part, _)| silent(part));
    // Every part is among them, so there always is one.
    Some(found.map_or(Mismatch { part: "spec.match", seen: None }, |(_, mismatch)| mismatch))
}

/// Selectors of which each has one part of the policy's, and what that part looks at.
fn parts(policy: &Policy, request: &DebugRequest) -> Vec<(Selector, Mismatch)> {
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
    } = policy.selector.clone();
    let known = &request.circumstances;
    let requester = || {
        let groups = request.requester.groups.iter().cloned();
        Some(std::iter::once(request.requester.username.clone()).chain(groups).collect())
    };
    let namespace = || Some(vec![request.namespace.clone()]);
    let labels_of_pod = seen_labels(&pod_labels, &request.pod.labels);
    let labels_of_namespace = seen_labels(&namespace_labels, &known.namespace_labels);
    let time = seen_time(schedule.as_ref(), &known.now);
    let none = Selector::default;
    let part = |selector, part, seen| (selector, Mismatch { part, seen });
    let mut parts = vec![
        part(
            Selector { surfaces, ..none() },
            "spec.match.surfaces",
            Some(vec![request.surface.as_str().to_owned()]),
        ),
        part(Selector { subjects, ..none() }, "spec.match.subjects", requester()),
        part(Selector { exclude_subjects, ..none() }, "spec.match.excludeSubjects", requester()),
        part(Selector { namespaces, ..none() }, "spec.match.namespaces.names", namespace()),
        part(
            Selector { exclude_namespaces, ..none() },
            "spec.match.namespaces.exclude",
            namespace(),
        ),
        part(
            Selector { pod_names, ..none() },
            "spec.match.pods.names",
            Some(vec![request.pod.name.clone()]),
        ),
        part(Selector { pod_labels, ..none() }, "spec.match.pods.selector", labels_of_pod),
        part(
            Selector { namespace_labels, ..none() },
            "spec.match.namespaces.selector",
            labels_of_namespace,
        ),
        part(Selector { schedule, ..none() }, "spec.match.schedule", time),
    ];
    parts.extend(conditions.into_iter().map(|condition| {
        let seen = Some(vec![condition.name.clone()]);
        let conditions = vec![condition];
        part(Selector { conditions, ..none() }, "spec.match.conditions", seen)
    }));
    parts
}

/// Those labels that a selector speaks of.
fn seen_labels(
    requirements: &[LabelRequirement],
    labels: &Fact<BTreeMap<String, String>>,
) -> Option<Vec<String>> {
    let labels = labels.known()?;
    let seen = labels.iter().filter(|(key, _)| requirements.iter().any(|it| it.key == **key));
    Some(seen.map(|(key, value)| format!("{key}={value}")).collect())
}

/// The time as the schedule's zone has it.
fn seen_time(schedule: Option<&Schedule>, now: &Fact<Timestamp>) -> Option<Vec<String>> {
    let (schedule, now) = (schedule?, now.known()?);
    let local = now.to_zoned(schedule.zone.clone());
    Some(vec![local.strftime("%A %H:%M %Z").to_string()])
}
