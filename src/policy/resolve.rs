//! A policy's `defaults` and `set` as they apply to one container of one pod.

use std::borrow::Cow;

use super::request::{Injection, Os, PodFacts};
use super::rule::Policy;
use super::setting::Setting;
use super::verdict::Change;

/// A policy's settings as they apply to a container of a pod, `set` last because it has the last
/// word.
pub(super) fn resolved<'p>(
    policy: &'p Policy,
    container: &Injection,
    pod: &PodFacts,
) -> Vec<Cow<'p, Setting>> {
    applied(policy.defaults.iter().chain(&policy.set), policy, container, pod)
}

/// What `set` asks of a container as it is stored.
pub(super) fn as_set_for<'p>(
    policy: &'p Policy,
    container: &Injection,
    pod: &PodFacts,
) -> Vec<Cow<'p, Setting>> {
    applied(policy.set.iter(), policy, container, pod)
}

fn applied<'p>(
    settings: impl Iterator<Item = &'p Setting>,
    policy: &Policy,
    container: &Injection,
    pod: &PodFacts,
) -> Vec<Cow<'p, Setting>> {
    let target = target(policy, container, pod);
    settings.filter_map(|setting| setting.for_container(target.as_deref(), pod)).collect()
}

/// Whether the policy sets the target's own user and there is no target whose user that could be.
/// Where the pod does not say which it is, or says root, there is nothing to set.
pub(super) fn lacks_user(policy: &Policy, container: &Injection, pod: &PodFacts) -> bool {
    let windows = || pod.spec.known().is_some_and(|spec| spec.os == Some(Os::Windows));
    policy.set.contains(&Setting::RunAsUserFromTarget)
        && !windows()
        && target(policy, container, pod).is_none()
}

/// The target that the container has once the policy's settings are in.
fn target<'a>(
    policy: &'a Policy,
    container: &'a Injection,
    pod: &PodFacts,
) -> Option<Cow<'a, str>> {
    let of = |settings: &'a [Setting]| {
        let names = |setting: &&Setting| {
            matches!(setting, Setting::FirstTarget | Setting::TargetContainerName(_))
        };
        let mut resolved =
            settings.iter().filter(names).filter_map(|setting| setting.for_container(None, pod));
        resolved.find_map(|setting| match setting {
            Cow::Borrowed(Setting::TargetContainerName(name)) => Some(Cow::Borrowed(name.as_str())),
            Cow::Owned(Setting::TargetContainerName(name)) => Some(Cow::Owned(name)),
            _ => None,
        })
    };
    let own = || container.target.as_deref().map(Cow::Borrowed);
    of(&policy.set).or_else(own).or_else(|| of(&policy.defaults))
}

/// The fields in which `stored` differs from `asked`.
pub(super) fn changes(
    asked: &Injection,
    stored: &Injection,
    settings: &[Cow<'_, Setting>],
) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for setting in settings {
        let (before, after) = (setting.current(asked), setting.current(stored));
        let Some(after) = after.filter(|after| Some(after) != before.as_ref()) else { continue };
        if changes.iter().all(|change| change.setting.path() != after.path()) {
            changes.push(Change { setting: after, asked: before });
        }
    }
    changes
}

/// The settings of `permit` that `stored` carries, for the record of a validating phase.
#[must_use]
pub fn carried<'p>(
    permit: &'p Policy,
    stored: &Injection,
    pod: &PodFacts,
) -> Vec<Cow<'p, Setting>> {
    let mut settings = resolved(permit, stored, pod);
    settings.retain(|setting| setting.is_in(stored));
    settings.dedup_by(|a, b| a.path() == b.path());
    settings
}
