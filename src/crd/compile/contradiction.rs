//! What a policy says against itself: it would refuse whatever it was written to let in.
//!
//! Only what is sure from the policy alone is said; what depends on a pod or an image is not.

use crate::policy::image::ImagePattern;
use crate::policy::pod_security;
use crate::policy::request::{
    ConfinementProfile, Fact, Injection, PodFacts, PodSpecFacts, SecurityContext,
};
use crate::policy::rule::{Constraints, EnvConstraint, ImageConstraint, Level, NamePattern};
use crate::policy::setting::Setting;

use super::super::problem::{Fault, Findings, Place};

/// Checks the parts of a policy against each other.
pub(super) fn check(
    constraints: &Constraints,
    set: &[Setting],
    spec: &Place<'_>,
    findings: &mut Findings,
) {
    for setting in set {
        if let Some(fault) = beyond(constraints, setting) {
            add_at(setting.path(), &spec.key("set"), fault, findings);
        }
    }
    let containers = spec.key("containers");
    images(&constraints.images, &containers.key("images"), findings);
    if let Some(asked) = constraints.justification.as_ref().filter(|asked| asked.required) {
        let fault = || Fault::ReasonNotAllowed(asked.env.clone());
        let EnvConstraint { allow, deny, .. } = &constraints.env;
        let named = |patterns: &[NamePattern]| patterns.iter().any(|it| it.matches(&asked.env));
        let passes = !named(deny) && allow.as_deref().is_none_or(named);
        findings.check(passes, &spec.key("justification").key("env"), fault);
    }
}

fn add_at(path: &[&str], at: &Place<'_>, fault: Fault, findings: &mut Findings) {
    match path.split_first() {
        Some((first, rest)) => add_at(rest, &at.key(first), fault, findings),
        None => findings.add(at, fault),
    }
}

/// Why a policy does not accept what it sets.
fn beyond(constraints: &Constraints, setting: &Setting) -> Option<Fault> {
    match setting {
        Setting::ImagePullPolicy(policy) => {
            let accepted = constraints.images.pull_policies.as_ref()?;
            let set = policy.as_str();
            (!accepted.contains(policy)).then_some(Fault::PullPolicyContradiction { set })
        }
        Setting::TargetContainerName(name) => {
            let allowed = constraints.targets.allow.as_ref()?;
            let passes = allowed.iter().any(|pattern| pattern.matches(name));
            (!passes).then(|| Fault::SetTargetNotAllowed(name.clone()))
        }
        _ => {
            let level = constraints.pod_security?;
            let extra = constraints.capabilities.as_deref().unwrap_or_default();
            let violation = violation(level, setting, extra)?;
            Some(Fault::SetBeyondLevel { violation, level: level.as_str() })
        }
    }
}

/// What is wrong with a container that is right in everything but this setting, in the pod that
/// leaves it the most: one in a user namespace of its own.
fn violation(level: Level, setting: &Setting, extra: &[String]) -> Option<pod_security::Violation> {
    let spec = PodSpecFacts { user_namespace: true, ..PodSpecFacts::default() };
    let pod = PodFacts {
        name: String::new(),
        labels: Fact::Unknown,
        spec: Fact::Known(spec),
        ephemeral_containers: 0,
        privileged_debuggers: Vec::new(),
    };
    let profile = ConfinementProfile { kind: "RuntimeDefault".to_owned(), localhost_profile: None };
    let security = SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities_drop: Some(vec!["ALL".to_owned()]),
        seccomp_profile: Some(profile),
        ..SecurityContext::default()
    };
    let mut container = Injection { security, ..Injection::bare("", "") };
    // What a container of Windows alone gets is not looked at.
    if !matches!(setting, Setting::WindowsOptions(_)) {
        setting.apply(&mut container);
    }
    pod_security::violations(level, &container, &pod, extra).into_iter().next()
}

fn images(images: &ImageConstraint, at: &Place<'_>, findings: &mut Findings) {
    let ImageConstraint { allow, deny, require_digest, .. } = images;
    // An empty list allows nothing, and says so.
    let Some(allow) = allow.as_ref().filter(|allow| !allow.is_empty()) else { return };
    let denied = |it: &ImagePattern| deny.iter().any(|pattern| pattern.denies_all_of(it));
    findings.check(!allow.iter().all(denied), &at.key("allow"), || Fault::ImagesDenied);
    let in_vain = *require_digest && allow.iter().all(ImagePattern::is_by_tag);
    findings.check(!in_vain, &at.key("requireDigest"), || Fault::DigestBesideTags);
}
