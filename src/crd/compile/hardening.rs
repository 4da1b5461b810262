//! `spec.defaults` and `spec.set`

use crate::policy::name::is_dns_label;
use crate::policy::removal;
use crate::policy::request::{self, ConfinementProfile};
use crate::policy::setting::Setting;

use super::super::debug_policy::Effect;
use super::super::hardening::{
    CapabilityChanges, Defaults, Overrides, ProcMount, Profile, ProfileKind, Removable,
    SeLinuxOptions, SecurityContext, TerminationMessagePolicy, UserId, WindowsOptions,
};
use super::super::problem::{Fault, Findings, Place};
use super::capability::capability;

/// The word for the pod's first container. No container can have this name.
const FIRST: &str = "First";
const MAX_ID: i64 = 2_147_483_647;

/// The parts of a spec that change a container.
#[derive(Debug)]
pub(super) struct Changing<'a> {
    pub(super) defaults: &'a Option<Defaults>,
    pub(super) set: &'a Option<Overrides>,
}

impl Changing<'_> {
    /// `defaults` and `set`, each in the order of the fields.
    pub(super) fn compile(
        &self,
        effect: Effect,
        spec: &Place<'_>,
        findings: &mut Findings,
    ) -> (Vec<Setting>, Vec<Setting>) {
        let permits = effect == Effect::Permit;
        let mut defaults = Vec::new();
        if let Some(Defaults { security_context, target_container_name }) = self.defaults {
            let at = spec.key("defaults");
            findings.check(permits, &at, || Fault::OnlyInPermit("defaults"));
            let context = security_context.as_ref();
            security(context, &at.key("securityContext"), &mut defaults, findings);
            let name = target_container_name.as_deref();
            defaults.extend(target(name, &at.key("targetContainerName"), findings));
        }
        let mut set = Vec::new();
        if let Some(overrides) = self.set {
            let at = spec.key("set");
            findings.check(permits, &at, || Fault::OnlyInPermit("set"));
            set = self::overrides(overrides, &at, findings);
            check_removed(&overrides.remove, &set, &at.key("remove"), findings);
            for twice in set.iter().filter(|s| defaults.iter().any(|d| d.path() == s.path())) {
                twice_at(twice.path(), &at, findings);
            }
        }
        (defaults, set)
    }
}

/// What a policy takes away, in the order in which it is taken.
pub(super) fn removed(set: Option<&Overrides>) -> Vec<removal::Removable> {
    let kinds = set.iter().flat_map(|overrides| &overrides.remove);
    kinds
        .map(|kind| match kind {
            Removable::Privileged => removal::Removable::Privileged,
            Removable::Capabilities => removal::Removable::Capabilities,
            Removable::Mounts => removal::Removable::Mounts,
            Removable::SecretEnv => removal::Removable::SecretEnv,
        })
        .collect()
}

/// What is put in and taken away again is never as it was set.
fn check_removed(removed: &[Removable], set: &[Setting], at: &Place<'_>, findings: &mut Findings) {
    for (position, part) in removed.iter().enumerate() {
        let field = match part {
            Removable::Privileged => Setting::Privileged(false).path(),
            Removable::Capabilities => Setting::CapabilitiesAdd(Vec::new()).path(),
            Removable::Mounts | Removable::SecretEnv => continue,
        };
        let is_set = set.iter().any(|setting| setting.path() == field);
        findings.check(!is_set, &at.index(position), || Fault::SetAndRemoved(field.join(".")));
    }
}

fn twice_at(path: &[&str], at: &Place<'_>, findings: &mut Findings) {
    match path.split_first() {
        Some((first, rest)) => twice_at(rest, &at.key(first), findings),
        None => findings.add(at, Fault::SetTwice),
    }
}

fn overrides(overrides: &Overrides, at: &Place<'_>, findings: &mut Findings) -> Vec<Setting> {
    let Overrides {
        security_context,
        target_container_name,
        image_pull_policy,
        termination_message_path,
        termination_message_policy,
        remove: _,
    } = overrides;
    let mut settings = Vec::new();
    let context = security_context.as_ref();
    security(context, &at.key("securityContext"), &mut settings, findings);
    let name = target_container_name.as_deref();
    settings.extend(target(name, &at.key("targetContainerName"), findings));
    settings.extend(image_pull_policy.map(|policy| Setting::ImagePullPolicy(policy.into())));
    if let Some(path) = termination_message_path {
        let place = at.key("terminationMessagePath");
        findings.check(path.starts_with('/'), &place, || Fault::AbsolutePath(path.clone()));
        settings.push(Setting::TerminationMessagePath(path.clone()));
    }
    settings.extend(termination_message_policy.map(|policy| {
        let word = match policy {
            TerminationMessagePolicy::File => "File",
            TerminationMessagePolicy::FallbackToLogsOnError => "FallbackToLogsOnError",
        };
        Setting::TerminationMessagePolicy(word.to_owned())
    }));
    settings
}

fn target(name: Option<&str>, at: &Place<'_>, findings: &mut Findings) -> Option<Setting> {
    let name = name?;
    if name == FIRST {
        return Some(Setting::FirstTarget);
    }
    findings.check(is_dns_label(name), at, || Fault::Target(name.to_owned()));
    Some(Setting::TargetContainerName(name.to_owned()))
}

fn security(
    context: Option<&SecurityContext>,
    at: &Place<'_>,
    settings: &mut Vec<Setting>,
    findings: &mut Findings,
) {
    let Some(context) = context else { return };
    check_together(context, at, findings);
    let SecurityContext {
        allow_privilege_escalation,
        app_armor_profile,
        capabilities,
        privileged,
        proc_mount,
        read_only_root_filesystem,
        run_as_group,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        windows_options,
    } = context;
    let mut confined = |profile: &Option<Profile>, name| {
        profile.as_ref().map(|shape| confinement(shape, &at.key(name), findings))
    };
    let app_armor = confined(app_armor_profile, "appArmorProfile");
    let seccomp = confined(seccomp_profile, "seccompProfile");
    let (add, drop) = match capabilities {
        Some(changes) => capability_lists(changes, &at.key("capabilities"), findings),
        None => (None, None),
    };
    let user_number = match run_as_user {
        Some(UserId::Number(id)) => Some(*id),
        Some(UserId::FromTarget) | None => None,
    };
    for (id, name) in [(user_number, "runAsUser"), (*run_as_group, "runAsGroup")] {
        let wrong = id.filter(|id| !(0..=MAX_ID).contains(id));
        if let Some(id) = wrong {
            findings.add(&at.key(name), Fault::NumericId(id));
        }
    }
    let every = [
        privileged.map(Setting::Privileged),
        allow_privilege_escalation.map(Setting::AllowPrivilegeEscalation),
        run_as_non_root.map(Setting::RunAsNonRoot),
        run_as_user.map(|user| match user {
            UserId::Number(id) => Setting::RunAsUser(id),
            UserId::FromTarget => Setting::RunAsUserFromTarget,
        }),
        run_as_group.map(Setting::RunAsGroup),
        read_only_root_filesystem.map(Setting::ReadOnlyRootFilesystem),
        add.map(Setting::CapabilitiesAdd),
        drop.map(Setting::CapabilitiesDrop),
        seccomp.map(Setting::SeccompProfile),
        app_armor.map(Setting::AppArmorProfile),
        se_linux_options.as_ref().map(se_linux),
        proc_mount.map(mount_of_proc),
        windows_options.as_ref().map(windows),
    ];
    settings.extend(every.into_iter().flatten());
}

/// What the API server or the node refuses in one container
/// (`ValidateSecurityContext` in `pkg/apis/core/validation`, `verifyRunAsNonRoot` in the kubelet).
fn check_together(context: &SecurityContext, at: &Place<'_>, findings: &mut Findings) {
    let contained = context.allow_privilege_escalation == Some(false);
    let privileged = context.privileged == Some(true);
    findings.check(!(contained && privileged), &at.key("allowPrivilegeEscalation"), || {
        Fault::EscalationOfPrivileged
    });
    let is_root = context.run_as_user == Some(UserId::Number(0));
    let root = context.run_as_non_root == Some(true) && is_root;
    findings.check(!root, &at.key("runAsUser"), || Fault::RootAsNonRoot);
}

fn confinement(profile: &Profile, at: &Place<'_>, findings: &mut Findings) -> ConfinementProfile {
    let Profile { kind, localhost_profile } = profile;
    let word = match kind {
        ProfileKind::RuntimeDefault => "RuntimeDefault",
        ProfileKind::Localhost => "Localhost",
        ProfileKind::Unconfined => "Unconfined",
    };
    match (kind, localhost_profile) {
        (ProfileKind::Localhost, None) => findings.add(at, Fault::ProfileMissing),
        (ProfileKind::Localhost, Some(profile)) => {
            findings.check(!profile.is_empty(), &at.key("localhostProfile"), || Fault::Empty);
        }
        (ProfileKind::RuntimeDefault | ProfileKind::Unconfined, profile) => {
            findings.check(profile.is_none(), &at.key("localhostProfile"), || Fault::Profile);
        }
    }
    ConfinementProfile { kind: word.to_owned(), localhost_profile: localhost_profile.clone() }
}

type Names = Option<Vec<String>>;

fn capability_lists(
    changes: &CapabilityChanges,
    at: &Place<'_>,
    findings: &mut Findings,
) -> (Names, Names) {
    let CapabilityChanges { add, drop } = changes;
    for (list, name) in [(add, "add"), (drop, "drop")] {
        let place = at.key(name);
        for (position, capability_name) in list.iter().flatten().enumerate() {
            capability(capability_name, &place.index(position), findings);
        }
    }
    (add.clone(), drop.clone())
}

fn se_linux(options: &SeLinuxOptions) -> Setting {
    let SeLinuxOptions { user, role, kind, level } = options.clone();
    Setting::SeLinuxOptions(Box::new(request::SeLinuxOptions { user, role, kind, level }))
}

fn mount_of_proc(mount: ProcMount) -> Setting {
    let word = match mount {
        ProcMount::Default => "Default",
        ProcMount::Unmasked => "Unmasked",
    };
    Setting::ProcMount(word.to_owned())
}

fn windows(options: &WindowsOptions) -> Setting {
    let WindowsOptions {
        gmsa_credential_spec_name,
        gmsa_credential_spec,
        host_process,
        run_as_user_name,
    } = options.clone();
    Setting::WindowsOptions(Box::new(request::WindowsOptions {
        host_process,
        run_as_user_name,
        gmsa_credential_spec_name,
        gmsa_credential_spec,
    }))
}
