//! Policies and a question give a verdict. Total: there is no input on which this fails.

use std::borrow::Cow;
use std::sync::Arc;

use super::constrain::Check;
use super::removal::{removals, take_away};
use super::request::{DebugRequest, DebuggerFacts, EnvSource, Injection};
use super::resolve::{changes, resolved};
use super::rule::{Effect, Enforcement, Level, Policy};
use super::set::PolicySet;
use super::setting::Setting;
use super::text::shows_something;
use super::verdict::{Finding, Objection, Ruling, Verdict};

/// How many Permits that were not satisfied have their objections listed, nearest first.
const PERMITS_EXPLAINED: usize = 3;

/// Whether a Permit's `defaults` and `set` are put into a container before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// The mutating phase: they will be.
    Applied,
    /// The validating phase: what is stored is what was sent.
    Ignored,
}

/// Judges every injection of a request.
#[must_use]
pub fn evaluate(set: &PolicySet, request: &DebugRequest, defaults: Defaults) -> Verdict {
    evaluate_together(set, request, defaults).0
}

/// The verdict, and the request as its containers were judged: each beside the privileged ones
/// that the others become.
pub(super) fn evaluate_together<'r>(
    set: &PolicySet,
    request: &'r DebugRequest,
    defaults: Defaults,
) -> (Verdict, Cow<'r, DebugRequest>) {
    let speaking = set.speaking_to(request);
    let mut judged = Cow::Borrowed(request);
    loop {
        let judge = Judge { speaking: &speaking, request: &judged, defaults };
        let rulings: Vec<_> = request.injections.iter().map(|asked| judge.rule_on(asked)).collect();
        let beside = unseen_debuggers(&judged, &rulings);
        if beside.is_empty() {
            let justification = justification(&speaking, request);
            return (Verdict { rulings, justification }, judged);
        }
        // Each turn sees one more of the containers at least.
        judged.to_mut().pod.privileged_debuggers.extend(beside);
    }
}

/// Containers that are privileged now, and of which the others did not know.
fn unseen_debuggers(request: &DebugRequest, rulings: &[Ruling]) -> Vec<DebuggerFacts> {
    if rulings.len() < 2 {
        return Vec::new();
    }
    let seen = |name: &str| request.pod.privileged_debuggers.iter().any(|it| it.name == name);
    let stored = rulings.iter().map(|ruling| &ruling.container);
    let privileged = stored.filter(|container| container.security.privileged == Some(true));
    let unseen = privileged.filter(|container| !seen(&container.name));
    unseen
        .map(|Injection { name, target, .. }| DebuggerFacts {
            name: name.clone(),
            target: target.clone(),
        })
        .collect()
}

/// The reason given, if a policy that speaks to the request says where it is to be found.
fn justification(speaking: &[&Arc<Policy>], request: &DebugRequest) -> Option<String> {
    let names = speaking.iter().filter_map(|policy| policy.constraints.justification.as_ref());
    names
        .flat_map(|justification| {
            request
                .injections
                .iter()
                .filter_map(|container| reason_in(container, &justification.env))
        })
        .next()
        .map(str::to_owned)
}

/// The text of a container's reason; a reason that comes from a Secret or the like is none.
#[must_use]
pub fn reason_in<'a>(container: &'a Injection, variable: &str) -> Option<&'a str> {
    // Of a variable that is given twice, the last counts, as in the container.
    let given = container.env.iter().rfind(|env| env.name == variable)?;
    match &given.source {
        EnvSource::Value(value) => Some(value.reveal().trim()).filter(|text| shows_something(text)),
        _ => None,
    }
}

/// One way of judging one request.
struct Judge<'a> {
    speaking: &'a [&'a Arc<Policy>],
    request: &'a DebugRequest,
    defaults: Defaults,
}

/// A Permit and the container as that Permit would have it stored.
struct Choice<'p, 'c> {
    permit: &'p Arc<Policy>,
    container: Cow<'c, Injection>,
    /// Settings that were put in on the way, for the list of changes.
    settings: Vec<Cow<'p, Setting>>,
}

impl<'a> Judge<'a> {
    fn rule_on(&self, asked: &Injection) -> Ruling {
        let Some(choice) = self.choose(asked) else { return self.refuse(asked) };
        let container = choice.container.into_owned();
        let changes = changes(asked, &container, &choice.settings);
        let removals = removals(asked, &container, &changes);
        let findings = self.side_findings(asked, &container);
        let ruling = Ruling {
            container,
            permit: Some(Arc::clone(choice.permit)),
            changes,
            removals,
            findings,
        };
        if ruling.allows() { ruling } else { self.explain(ruling) }
    }

    /// The first Permit that the container satisfies once that Permit's settings are in, and with
    /// which every Require is satisfied too. Where no Permit gets past the Requires, the first that
    /// the container satisfies as it is: settings may break what was right, and the validating
    /// phase will not know of them. Else the first that is satisfied at all: then the Requires are
    /// what there is to explain.
    fn choose<'c>(&self, asked: &'c Injection) -> Option<Choice<'a, 'c>> {
        let passes = |container: &Injection| {
            self.enforced(Effect::Require).all(|policy| self.satisfies(policy, container))
        };
        let as_it_is = Judge { defaults: Defaults::Ignored, ..*self };
        let Some(mut choice) =
            self.first_permit(asked, passes).or_else(|| as_it_is.first_permit(asked, passes))
        else {
            return self.first_permit(asked, |_| true);
        };
        // What one Permit fills in may satisfy one that is tried earlier. Go on until the choice
        // stays: each step moves up the list, so there are at most as many as there are Permits.
        // The result, judged again, gives itself.
        loop {
            let chosen = choice.permit;
            let earlier =
                self.enforced(Effect::Permit).take_while(|permit| !Arc::ptr_eq(permit, chosen));
            let Some(next) = self.first_of(earlier, &choice.container, passes) else {
                return Some(choice);
            };
            let Choice { permit, container, mut settings } = next;
            let container = Cow::Owned(container.into_owned());
            settings.extend(choice.settings);
            choice = Choice { permit, container, settings };
        }
    }

    fn first_permit<'c>(
        &self,
        container: &'c Injection,
        passes: impl Fn(&Injection) -> bool,
    ) -> Option<Choice<'a, 'c>> {
        self.first_of(self.enforced(Effect::Permit), container, passes)
    }

    fn first_of<'c>(
        &self,
        mut permits: impl Iterator<Item = &'a Arc<Policy>>,
        container: &'c Injection,
        passes: impl Fn(&Injection) -> bool,
    ) -> Option<Choice<'a, 'c>> {
        permits.find_map(|permit| {
            let settings = self.settings(permit, container);
            let dressed = self.dress(permit, &settings, Cow::Borrowed(container));
            (self.satisfies(permit, &dressed) && passes(&dressed)).then_some(Choice {
                permit,
                container: dressed,
                settings,
            })
        })
    }

    /// What a Permit would put in, for this pod; nothing where defaults are to be ignored.
    fn settings<'p>(&self, permit: &'p Policy, container: &Injection) -> Vec<Cow<'p, Setting>> {
        match self.defaults {
            Defaults::Applied => resolved(permit, container, &self.request.pod),
            Defaults::Ignored => Vec::new(),
        }
    }

    /// The container with a Permit's `defaults` filled in, its `set` put in place, and what it
    /// removes taken away.
    fn dress<'c>(
        &self,
        permit: &Policy,
        settings: &[Cow<'_, Setting>],
        mut container: Cow<'c, Injection>,
    ) -> Cow<'c, Injection> {
        let contained = Setting::AllowPrivilegeEscalation(false);
        let by_default =
            contained.current(&container).is_none() && !permit.set.contains(&contained);
        for setting in settings {
            let current = setting.current(&container);
            let replaces = permit.set.iter().any(|set| set.path() == setting.path());
            let wanted = match &current {
                None => !setting.is_empty_list(),
                Some(current) => replaces && current != setting.as_ref(),
            };
            if wanted {
                setting.apply(container.to_mut());
            }
        }
        if self.defaults == Defaults::Applied && !permit.remove.is_empty() {
            take_away(permit, container.to_mut(), &self.request.pod);
        }
        // A default gives way to what it would contradict, where the policy lets that in.
        if by_default
            && permit.constraints.pod_security.is_none_or(|level| level == Level::Privileged)
            && contained.current(&container) == Some(contained)
            && container.security.escalates_anyway()
        {
            container.to_mut().security.allow_privilege_escalation = None;
        }
        container
    }

    fn enforced(&self, effect: Effect) -> impl Iterator<Item = &'a Arc<Policy>> {
        self.speaking.iter().copied().filter(move |policy| {
            policy.effect == effect && policy.enforcement == Enforcement::Enforce
        })
    }

    fn satisfies(&self, policy: &Policy, container: &Injection) -> bool {
        let mut check = Check::first();
        check.run(policy, container, self.request, self.defaults);
        !check.objects()
    }

    fn objections(&self, policy: &Policy, container: &Injection) -> Vec<Objection> {
        let mut check = Check::all();
        check.run(policy, container, self.request, self.defaults);
        check.into_objections()
    }

    /// What every policy but the enforced Permits says: a Require about the container as it is
    /// stored, a Permit about what it would have made of the one that was asked for. What another
    /// Permit put in is no fault of that.
    fn side_findings(&self, asked: &Injection, stored: &Injection) -> Vec<Finding> {
        let enforced_permit = |policy: &Policy| {
            policy.effect == Effect::Permit && policy.enforcement == Enforcement::Enforce
        };
        let mut findings: Vec<Finding> = Vec::new();
        for policy in self.speaking.iter().filter(|policy| !enforced_permit(policy)) {
            let container = if policy.effect == Effect::Permit { asked } else { stored };
            let settings = self.settings(policy, container);
            let dressed = self.dress(policy, &settings, Cow::Borrowed(container));
            let objections = self.objections(policy, &dressed);
            findings.extend(
                objections
                    .into_iter()
                    .map(|objection| Finding { policy: Some(Arc::clone(policy)), objection }),
            );
        }
        findings.sort_by_key(|finding| core::cmp::Reverse(finding.enforcement()));
        findings
    }

    fn refuse(&self, asked: &Injection) -> Ruling {
        let mut findings = self.side_findings(asked, asked);
        let weighty =
            findings.partition_point(|finding| finding.enforcement() == Enforcement::Enforce);
        let tail = findings.split_off(weighty);
        findings.extend(self.nearest_permits(asked));
        findings.extend(tail);
        self.explain(Ruling {
            container: asked.clone(),
            permit: None,
            changes: Vec::new(),
            removals: Vec::new(),
            findings,
        })
    }

    /// The objections of the Permits that came closest.
    fn nearest_permits(&self, asked: &Injection) -> Vec<Finding> {
        let mut permits: Vec<_> = self
            .enforced(Effect::Permit)
            .map(|permit| {
                let settings = self.settings(permit, asked);
                let dressed = self.dress(permit, &settings, Cow::Borrowed(asked));
                (permit, self.objections(permit, &dressed))
            })
            .collect();
        if permits.is_empty() {
            let objection = Objection::NoPolicyPermits {
                username: self.request.requester.username.clone(),
                namespace: self.request.namespace.clone(),
                contact: self.enforced(Effect::Require).find_map(|policy| policy.contact.clone()),
            };
            return vec![Finding { policy: None, objection }];
        }
        // A broken Permit has one objection and is near nothing.
        permits.sort_by_key(|(permit, objections)| (permit.broken.is_some(), objections.len()));
        permits.truncate(PERMITS_EXPLAINED);
        permits
            .into_iter()
            .flat_map(|(permit, objections)| {
                objections
                    .into_iter()
                    .map(|objection| Finding { policy: Some(Arc::clone(permit)), objection })
            })
            .collect()
    }

    /// In the validating phase a refused container was not hardened, so it breaks much that the
    /// mutating phase would have mended. What it would still break then is the reason to give;
    /// where that is nothing, the mutating webhook was passed by and the ruling explains itself.
    fn explain(&self, refused: Ruling) -> Ruling {
        if self.defaults == Defaults::Applied {
            return refused;
        }
        let mended = Judge { defaults: Defaults::Applied, ..*self }.rule_on(&refused.container);
        if mended.allows() { refused } else { Ruling { findings: mended.findings, ..refused } }
    }
}

/// What one policy says of a container once its own settings are in; for explanations.
pub(super) fn opinion(
    policy: &Policy,
    container: &Injection,
    request: &DebugRequest,
    defaults: Defaults,
) -> Vec<Objection> {
    let judge = Judge { speaking: &[], request, defaults };
    let settings = judge.settings(policy, container);
    let dressed = judge.dress(policy, &settings, Cow::Borrowed(container));
    judge.objections(policy, &dressed)
}

#[cfg(test)]
mod tests;
