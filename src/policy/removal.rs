//! What a policy takes away from a container instead of refusing it: `set.remove`.
//!
//! Only what that policy would object to is taken; what it allows stays.

use std::fmt;

use super::pod_security;
use super::request::{EnvSource, Injection, Os, PodFacts, SecurityContext};
use super::rule::{Access, Constraints, Level, MountAccess, Policy};
use super::setting::Setting;
use super::text::{Plain, Quoted};
use super::verdict::Change;

/// A part of a container that a policy takes away where it goes beyond what the policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of the policy language")]
pub enum Removable {
    Privileged,
    Capabilities,
    Mounts,
    SecretEnv,
}

/// One thing that was taken away. Positions are those in the container's lists as they were sent;
/// where nothing is left or kept, the field itself goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence in `Display` is the documentation")]
pub enum Removal {
    Privileged { left: Option<bool> },
    Capabilities { names: Vec<String>, kept: Option<Vec<String>> },
    Mount { position: usize, volume: String },
    MountWrite { position: usize, volume: String },
    Device { position: usize, volume: String },
    Env { position: usize, name: String, source: String },
    EnvFrom { position: usize, source: String },
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privileged { .. } => f.write_str("privileged is taken away"),
            Self::Capabilities { names, .. } => {
                let (what, are) =
                    if names.len() == 1 { ("capability", "is") } else { ("capabilities", "are") };
                write!(f, "{what} {} {are} taken away", Plain(&names.join(", ")))
            }
            Self::Mount { volume, .. } => {
                write!(f, "the mount of volume {} is taken away", Quoted(volume))
            }
            Self::MountWrite { volume, .. } => {
                write!(f, "volume {} is mounted read-only", Quoted(volume))
            }
            Self::Device { volume, .. } => {
                write!(f, "the device of volume {} is taken away", Quoted(volume))
            }
            Self::Env { name, source, .. } => {
                write!(f, "variable {} from {} is taken away", Quoted(name), Plain(source))
            }
            Self::EnvFrom { source, .. } => {
                write!(f, "the variables from {} are taken away", Plain(source))
            }
        }
    }
}

/// Takes from the container what the policy removes. Changes nothing that the policy allows.
pub(super) fn take_away(policy: &Policy, container: &mut Injection, pod: &PodFacts) {
    let Policy { remove, constraints, .. } = policy;
    // The API server refuses both fields in a pod of Windows, whatever is in them.
    let windows = pod.spec.known().is_some_and(|spec| spec.os == Some(Os::Windows));
    for part in remove {
        match part {
            Removable::Privileged => {
                let limited = constraints.pod_security.is_some_and(|l| l != Level::Privileged);
                if limited && container.security.privileged == Some(true) {
                    container.security.privileged = (!windows).then_some(false);
                }
            }
            Removable::Capabilities => {
                capabilities(constraints, &mut container.security, windows);
            }
            Removable::Mounts => mounts(constraints, container, pod),
            Removable::SecretEnv => {
                let stays = |source: &EnvSource| {
                    constraints.env.from_secrets == Access::Allow || !source.may_be_secret()
                };
                container.env.retain(|variable| stays(&variable.source));
                container.env_from.retain(|from| stays(&from.source));
            }
        }
    }
}

fn capabilities(constraints: &Constraints, security: &mut SecurityContext, windows: bool) {
    let Some(names) = &mut security.capabilities_add else { return };
    let asked = names.len();
    names.retain(|name| may_add(constraints, name));
    if windows && names.is_empty() && asked > 0 && security.capabilities_drop.is_none() {
        security.capabilities_add = None;
    }
}

fn may_add(constraints: &Constraints, name: &String) -> bool {
    let Constraints { pod_security, capabilities, .. } = constraints;
    match (pod_security, capabilities) {
        (Some(level), extra) => {
            pod_security::may_add(*level, name, extra.as_deref().unwrap_or_default())
        }
        (None, Some(allowed)) => allowed.contains(name),
        (None, None) => true,
    }
}

fn mounts(constraints: &Constraints, container: &mut Injection, pod: &PodFacts) {
    let Constraints { volumes, pod_security, .. } = constraints;
    let accepted = |volume: &str| {
        let denied = || match pod.volume_kind(volume) {
            None => true,
            Some(kind) => volumes.deny.iter().any(|denied| denied == kind),
        };
        let level = pod_security.unwrap_or(Level::Privileged);
        (volumes.deny.is_empty() || !denied()) && pod_security::may_mount(level, volume, pod)
    };
    container.mounts.retain(|mount| volumes.mounts != MountAccess::None && accepted(&mount.volume));
    if volumes.mounts == MountAccess::ReadOnly {
        container.mounts.iter_mut().for_each(|mount| mount.read_only = true);
    }
    container.devices.retain(|device| volumes.devices == Access::Allow && accepted(&device.volume));
}

/// What `stored` lacks of what was asked, but for the fields that a setting has changed.
#[must_use]
pub fn removals(asked: &Injection, stored: &Injection, changes: &[Change]) -> Vec<Removal> {
    let by_setting =
        |setting: &Setting| changes.iter().any(|change| change.setting.path() == setting.path());
    let mut found = Vec::new();
    let (before, after) = (&asked.security, &stored.security);
    let disarmed = before.privileged == Some(true) && after.privileged != Some(true);
    if disarmed && !by_setting(&Setting::Privileged(false)) {
        found.push(Removal::Privileged { left: after.privileged });
    }
    let (asked_names, kept) = (&before.capabilities_add, &after.capabilities_add);
    let stays = |name: &String| kept.as_ref().is_some_and(|kept| kept.contains(name));
    let names: Vec<_> = asked_names.iter().flatten().filter(|it| !stays(it)).cloned().collect();
    if !names.is_empty() && !by_setting(&Setting::CapabilitiesAdd(Vec::new())) {
        found.push(Removal::Capabilities { names, kept: kept.clone() });
    }
    for mount in &asked.mounts {
        let (position, volume) = (mount.position, mount.volume.clone());
        match stored.mounts.iter().find(|kept| kept.position == position) {
            None => found.push(Removal::Mount { position, volume }),
            Some(kept) if kept.read_only && !mount.read_only => {
                found.push(Removal::MountWrite { position, volume });
            }
            Some(_) => {}
        }
    }
    for device in &asked.devices {
        let (position, volume) = (device.position, device.volume.clone());
        if stored.devices.iter().all(|kept| kept.position != position) {
            found.push(Removal::Device { position, volume });
        }
    }
    for variable in &asked.env {
        let (position, name) = (variable.position, variable.name.clone());
        if stored.env.iter().all(|kept| kept.position != position) {
            found.push(Removal::Env { position, name, source: variable.source.describe() });
        }
    }
    for from in &asked.env_from {
        let position = from.position;
        if stored.env_from.iter().all(|kept| kept.position != position) {
            found.push(Removal::EnvFrom { position, source: from.source.describe() });
        }
    }
    found
}
