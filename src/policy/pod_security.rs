//! The Pod Security Standards for one container seen with its pod's security context.
//!
//! The rules are those of `latest` in Kubernetes 1.37 (`kubernetes/pod-security-admission`,
//! `policy/check_*.go`) that can be asked of a single ephemeral container, which is in the pod's
//! host namespaces too; the rules about sysctls and about fields that the API forbids here (ports,
//! probes, lifecycle) are not. The admission plugin judges the whole pod; this judges what the
//! container will really get: its own field, else the pod's. A value of the pod that the container
//! overrides does not count against it. Beyond the standard, a privileged target counts,
//! and so does a privileged debugger beside it.

mod violation;

use std::collections::BTreeSet;

use super::request::{Injection, Os, PodFacts, PodSpecFacts};
use super::rule::Level;

pub use violation::Violation;

/// Capabilities that container runtimes grant by themselves, less `NET_RAW`.
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const RESTRICTED_CAPABILITIES: [&str; 1] = ["NET_BIND_SERVICE"];
const DROP_ALL: &str = "ALL";
/// `container_engine_t` since 1.31.
const SE_LINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
const CONFINED: [&str; 2] = ["RuntimeDefault", "Localhost"];
const HOST_PATH: &str = "hostPath";
/// Volumes that the restricted level accepts, spelled as in the API.
const RESTRICTED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Every violation of `level`; `extra_capabilities` may be added beyond what the level allows.
///
/// Where the pod is not known, it counts as one that sets nothing, and a volume's kind as wrong.
#[must_use]
pub fn violations(
    level: Level,
    container: &Injection,
    pod: &PodFacts,
    extra_capabilities: &[String],
) -> Vec<Violation> {
    let mut found = Vec::new();
    if level == Level::Privileged {
        return found;
    }
    let unknown = PodSpecFacts::default();
    let known = pod.spec.known().unwrap_or(&unknown);
    let subject = Subject { level, container, facts: pod, pod: known };
    subject.host_access(&mut found);
    subject.capabilities(extra_capabilities, &mut found);
    subject.confinement(&mut found);
    subject.volumes(&mut found);
    if level == Level::Restricted {
        subject.hardening(&mut found);
    }
    found
}

/// The strictest level that the container keeps, for the record.
#[must_use]
pub fn strictest_level(container: &Injection, pod: &PodFacts) -> Level {
    [Level::Restricted, Level::Baseline]
        .into_iter()
        .find(|level| violations(*level, container, pod, &[]).is_empty())
        .unwrap_or(Level::Privileged)
}

/// Whether `level` lets a capability be added, `extra` being those that a policy allows beyond it.
pub(super) fn may_add(level: Level, name: &String, extra: &[String]) -> bool {
    let allowed: &[&str] = match level {
        Level::Restricted => &RESTRICTED_CAPABILITIES,
        Level::Baseline => &BASELINE_CAPABILITIES,
        Level::Privileged => return true,
    };
    allowed.contains(&name.as_str()) || extra.contains(name)
}

/// Whether `level` lets a container get at a volume.
pub(super) fn may_mount(level: Level, volume: &str, pod: &PodFacts) -> bool {
    level == Level::Privileged || volume_violation(level, volume, pod).is_none()
}

fn volume_violation(level: Level, name: &str, pod: &PodFacts) -> Option<Violation> {
    let volume = || name.to_owned();
    let Some(kind) = pod.volume_kind(name) else {
        return Some(Violation::VolumeUnknown { volume: volume() });
    };
    if kind == HOST_PATH {
        Some(Violation::HostPath { volume: volume() })
    } else if level == Level::Restricted && !RESTRICTED_VOLUMES.contains(&kind) {
        Some(Violation::VolumeKind { volume: volume(), kind: kind.to_owned() })
    } else {
        None
    }
}

/// What is judged, and by which level.
struct Subject<'a> {
    level: Level,
    container: &'a Injection,
    facts: &'a PodFacts,
    /// Of `facts`, or where they are unknown, nothing.
    pod: &'a PodSpecFacts,
}

impl<'a> Subject<'a> {
    fn host_access(&self, found: &mut Vec<Violation>) {
        let own = &self.container.security;
        if !self.pod.host_namespaces.is_empty() {
            let fields = self.pod.host_namespaces.clone();
            found.push(Violation::HostNamespaces { fields });
        }
        if own.privileged == Some(true) {
            found.push(Violation::Privileged);
        }
        if let Some(target) = self.privileged_target() {
            found.push(Violation::PrivilegedTarget { target: target.to_owned() });
        }
        // The kubelet merges Windows options field by field, unlike the other structs.
        let asked = own.windows_options.as_ref().and_then(|options| options.host_process);
        let pod = self.pod.security.windows_options.as_ref();
        if let Some((true, inherited)) =
            effective(asked, pod.and_then(|options| options.host_process))
        {
            found.push(Violation::HostProcess { inherited });
        }
    }

    /// Through `/proc` a debugger reaches what its target's processes reach. The standard knows
    /// nothing of that: the admission plugin refuses the pod that has such a container.
    fn privileged_target(&self) -> Option<&'a str> {
        let (shared, target) = (self.pod.shares_processes, &self.container.target);
        let all = self.pod.containers.iter().chain(&self.pod.init_containers);
        let seen = all.filter(|other| shared || target.as_ref() == Some(&other.name));
        let found = seen.filter(|other| other.privileged).map(|other| other.name.as_str()).next();
        found.or_else(|| self.privileged_debugger())
    }

    /// Another debugger is reached likewise where both see the processes of one target. Whether it
    /// has ended is not read: nothing of a pod's status is.
    fn privileged_debugger(&self) -> Option<&'a str> {
        let Injection { name, target, .. } = self.container;
        let others = self.facts.privileged_debuggers.iter().filter(|other| other.name != *name);
        let mut seen = others.filter(|other| {
            let joined = target.is_some() && other.target == *target;
            self.pod.shares_processes || joined || target.as_ref() == Some(&other.name)
        });
        seen.next().map(|other| other.name.as_str())
    }

    /// Names are compared as they are: a runtime may fold case or a `CAP_` prefix, so any other
    /// spelling of a capability is refused rather than guessed at.
    fn capabilities(&self, extra: &[String], found: &mut Vec<Violation>) {
        let mut reported = BTreeSet::new();
        for name in self.container.security.capabilities_add.iter().flatten() {
            if !may_add(self.level, name, extra) && reported.insert(name) {
                found.push(Violation::CapabilityAdded { name: name.clone() });
            }
        }
    }

    /// AppArmor, SELinux, seccomp and `/proc`: nothing may be laxer than the runtime's default.
    fn confinement(&self, found: &mut Vec<Violation>) {
        if let Some((kind, inherited)) = self.app_armor()
            && !CONFINED.contains(&kind)
        {
            found.push(Violation::AppArmorProfile { kind: kind.to_owned(), inherited });
        }
        let (own, pod) = (&self.container.security, &self.pod.security);
        let options = effective(own.se_linux_options.as_deref(), pod.se_linux_options.as_deref());
        if let Some((options, inherited)) = options {
            if !SE_LINUX_TYPES.contains(&options.kind.as_str()) {
                found.push(Violation::SeLinuxType { kind: options.kind.clone(), inherited });
            }
            if !options.user.is_empty() {
                found.push(Violation::SeLinuxUser { inherited });
            }
            if !options.role.is_empty() {
                found.push(Violation::SeLinuxRole { inherited });
            }
        }
        // Baseline lets a pod in a user namespace unmask /proc since 1.35; restricted does not.
        let may_unmask = self.pod.user_namespace && self.level < Level::Restricted;
        if let Some(kind) = &own.proc_mount
            && kind != "Default"
            && !may_unmask
        {
            found.push(Violation::ProcMount { kind: kind.clone() });
        }
        if let Some((kind, inherited)) = self.seccomp()
            && !CONFINED.contains(&kind)
        {
            found.push(Violation::SeccompProfile { kind: kind.to_owned(), inherited });
        }
    }

    /// The order is the kubelet's: the container's field, its annotation of the time before 1.30,
    /// the pod's field. Annotation values are translated as the API server does.
    fn app_armor(&self) -> Option<(&'a str, bool)> {
        let own = self.container.security.app_armor_profile.as_ref();
        if let Some(profile) = own {
            return Some((&profile.kind, false));
        }
        match self.pod.app_armor_annotations.get(&self.container.name).map(String::as_str) {
            None | Some("") => {}
            Some("runtime/default") => return Some(("RuntimeDefault", true)),
            Some(profile) if profile.starts_with("localhost/") => return Some(("Localhost", true)),
            // A field's word is no profile of an annotation; whoever reads it knows nothing of it.
            Some(_) => return Some(("Unconfined", true)),
        }
        self.pod.security.app_armor_profile.as_ref().map(|profile| (profile.kind.as_str(), true))
    }

    fn seccomp(&self) -> Option<(&'a str, bool)> {
        let (own, pod) = (&self.container.security, &self.pod.security);
        let profile = effective(own.seccomp_profile.as_ref(), pod.seccomp_profile.as_ref());
        profile.map(|(profile, inherited)| (profile.kind.as_str(), inherited))
    }

    /// The pod's volumes were there before; what counts is that this container gets at one.
    fn volumes(&self, found: &mut Vec<Violation>) {
        let mounted = self.container.mounts.iter().map(|mount| &mount.volume);
        let mut reported = BTreeSet::new();
        let attached = self.container.devices.iter().map(|device| &device.volume);
        for volume in mounted.chain(attached) {
            if let Some(violation) = volume_violation(self.level, volume, self.facts)
                && reported.insert(volume)
            {
                found.push(violation);
            }
        }
    }

    /// What restricted wants set. Windows pods cannot set three of these fields and are excused
    /// from them (1.25); in a user namespace root is not root (1.35).
    fn hardening(&self, found: &mut Vec<Violation>) {
        let (own, pod) = (&self.container.security, &self.pod.security);
        let windows = self.pod.os == Some(Os::Windows);
        if !windows && own.allow_privilege_escalation != Some(false) {
            found.push(Violation::PrivilegeEscalation);
        }
        if !self.pod.user_namespace {
            if own.run_as_non_root.or(pod.run_as_non_root) != Some(true) {
                found.push(Violation::NotRunAsNonRoot);
            }
            if let Some((0, inherited)) = effective(own.run_as_user, pod.run_as_user) {
                found.push(Violation::RunAsRoot { inherited });
            }
        }
        if !windows && self.seccomp().is_none() {
            found.push(Violation::SeccompProfileMissing);
        }
        let drops_all =
            own.capabilities_drop.iter().flatten().any(|capability| capability == DROP_ALL);
        if !windows && !drops_all {
            found.push(Violation::CapabilitiesNotDropped);
        }
    }
}

/// The container's value, else the pod's, and whether it is the pod's.
fn effective<T>(own: Option<T>, pod: Option<T>) -> Option<(T, bool)> {
    own.map(|value| (value, false)).or_else(|| pod.map(|value| (value, true)))
}

#[cfg(test)]
mod tests;
