//! One field that a policy fills in (`defaults`) or replaces (`set`) on an added container.

use std::borrow::Cow;

use super::request::{
    ConfinementProfile, Fact, Injection, Os, PodFacts, PullPolicy, SeLinuxOptions, WindowsOptions,
};

/// A field and the value it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the API field of the same name; `path` spells it")]
pub enum Setting {
    Privileged(bool),
    AllowPrivilegeEscalation(bool),
    RunAsNonRoot(bool),
    RunAsUser(i64),
    /// `FromTarget` in a policy: the target's own user, resolved by [`Setting::for_container`].
    RunAsUserFromTarget,
    RunAsGroup(i64),
    ReadOnlyRootFilesystem(bool),
    CapabilitiesAdd(Vec<String>),
    CapabilitiesDrop(Vec<String>),
    SeccompProfile(ConfinementProfile),
    AppArmorProfile(ConfinementProfile),
    SeLinuxOptions(Box<SeLinuxOptions>),
    ProcMount(String),
    WindowsOptions(Box<WindowsOptions>),
    /// `First` in a policy: the pod's first container, resolved by [`Setting::for_container`].
    FirstTarget,
    TargetContainerName(String),
    ImagePullPolicy(PullPolicy),
    TerminationMessagePath(String),
    TerminationMessagePolicy(String),
}

impl Setting {
    /// The field below the container, as the API spells it.
    #[must_use]
    pub fn path(&self) -> &'static [&'static str] {
        match self {
            Self::Privileged(_) => &["securityContext", "privileged"],
            Self::AllowPrivilegeEscalation(_) => &["securityContext", "allowPrivilegeEscalation"],
            Self::RunAsNonRoot(_) => &["securityContext", "runAsNonRoot"],
            Self::RunAsUser(_) | Self::RunAsUserFromTarget => &["securityContext", "runAsUser"],
            Self::RunAsGroup(_) => &["securityContext", "runAsGroup"],
            Self::ReadOnlyRootFilesystem(_) => &["securityContext", "readOnlyRootFilesystem"],
            Self::CapabilitiesAdd(_) => &["securityContext", "capabilities", "add"],
            Self::CapabilitiesDrop(_) => &["securityContext", "capabilities", "drop"],
            Self::SeccompProfile(_) => &["securityContext", "seccompProfile"],
            Self::AppArmorProfile(_) => &["securityContext", "appArmorProfile"],
            Self::SeLinuxOptions(_) => &["securityContext", "seLinuxOptions"],
            Self::ProcMount(_) => &["securityContext", "procMount"],
            Self::WindowsOptions(_) => &["securityContext", "windowsOptions"],
            Self::FirstTarget | Self::TargetContainerName(_) => &["targetContainerName"],
            Self::ImagePullPolicy(_) => &["imagePullPolicy"],
            Self::TerminationMessagePath(_) => &["terminationMessagePath"],
            Self::TerminationMessagePolicy(_) => &["terminationMessagePolicy"],
        }
    }

    /// The setting as it applies to a container of this pod that has this target; `None` where the API server would refuse the field,
    /// for the pod's operating system or because the pod has no such target, or where nothing is
    /// known to fill in.
    ///
    /// The two lists are those of the API server's own validation (`validateWindows` and
    /// `validateLinux` in `pkg/apis/core/validation`); a target shares Linux namespaces.
    #[must_use]
    pub fn for_container(&self, target: Option<&str>, pod: &PodFacts) -> Option<Cow<'_, Self>> {
        let spec = match &pod.spec {
            Fact::Known(spec) => Some(spec),
            Fact::Unknown => None,
        };
        let os = spec.and_then(|spec| spec.os);
        let accepted = match self {
            Self::RunAsNonRoot(_)
            | Self::ImagePullPolicy(_)
            | Self::TerminationMessagePath(_)
            | Self::TerminationMessagePolicy(_) => true,
            Self::WindowsOptions(_) => os != Some(Os::Linux),
            Self::Privileged(_)
            | Self::AllowPrivilegeEscalation(_)
            | Self::RunAsUser(_)
            | Self::RunAsUserFromTarget
            | Self::RunAsGroup(_)
            | Self::ReadOnlyRootFilesystem(_)
            | Self::CapabilitiesAdd(_)
            | Self::CapabilitiesDrop(_)
            | Self::SeccompProfile(_)
            | Self::AppArmorProfile(_)
            | Self::SeLinuxOptions(_)
            | Self::ProcMount(_)
            | Self::FirstTarget
            | Self::TargetContainerName(_) => os != Some(Os::Windows),
        };
        match self {
            _ if !accepted => None,
            Self::FirstTarget => {
                let first = spec?.containers.first()?;
                Some(Cow::Owned(Self::TargetContainerName(first.name.clone())))
            }
            // A debugger that is root because its target is would be refused where it matters.
            Self::RunAsUserFromTarget => {
                let user = spec?.user_of(target?).filter(|user| *user != 0);
                user.map(|user| Cow::Owned(Self::RunAsUser(user)))
            }
            Self::TargetContainerName(name) if spec.is_some_and(|spec| !spec.has(name)) => None,
            other => Some(Cow::Borrowed(other)),
        }
    }

    /// The target that a pod would have to have for this setting, where it is known to have none
    /// of that name.
    pub(super) fn missing_target(&self, pod: &PodFacts) -> Option<&str> {
        let Self::TargetContainerName(name) = self else { return None };
        let spec = pod.spec.known().filter(|spec| spec.os != Some(Os::Windows))?;
        (!spec.has(name)).then_some(name)
    }

    /// Every field of a container that a policy could change and that is set.
    #[must_use]
    pub fn all_of(container: &Injection) -> Vec<Self> {
        let (text, profile) = (String::new, ConfinementProfile::default);
        let fields = [
            Self::Privileged(false),
            Self::AllowPrivilegeEscalation(false),
            Self::RunAsNonRoot(false),
            Self::RunAsUser(0),
            Self::RunAsGroup(0),
            Self::ReadOnlyRootFilesystem(false),
            Self::CapabilitiesAdd(Vec::new()),
            Self::CapabilitiesDrop(Vec::new()),
            Self::SeccompProfile(profile()),
            Self::AppArmorProfile(profile()),
            Self::SeLinuxOptions(Box::default()),
            Self::ProcMount(text()),
            Self::WindowsOptions(Box::default()),
            Self::TargetContainerName(text()),
            Self::ImagePullPolicy(PullPolicy::Always),
            Self::TerminationMessagePath(text()),
            Self::TerminationMessagePolicy(text()),
        ];
        fields.iter().filter_map(|field| field.current(container)).collect()
    }

    /// What the container has in this field now.
    #[must_use]
    pub fn current(&self, container: &Injection) -> Option<Self> {
        let security = &container.security;
        match self {
            Self::Privileged(_) => security.privileged.map(Self::Privileged),
            Self::AllowPrivilegeEscalation(_) => {
                security.allow_privilege_escalation.map(Self::AllowPrivilegeEscalation)
            }
            Self::RunAsNonRoot(_) => security.run_as_non_root.map(Self::RunAsNonRoot),
            Self::RunAsUser(_) | Self::RunAsUserFromTarget => {
                security.run_as_user.map(Self::RunAsUser)
            }
            Self::RunAsGroup(_) => security.run_as_group.map(Self::RunAsGroup),
            Self::ReadOnlyRootFilesystem(_) => {
                security.read_only_root_filesystem.map(Self::ReadOnlyRootFilesystem)
            }
            Self::CapabilitiesAdd(_) => {
                security.capabilities_add.clone().map(Self::CapabilitiesAdd)
            }
            Self::CapabilitiesDrop(_) => {
                security.capabilities_drop.clone().map(Self::CapabilitiesDrop)
            }
            Self::SeccompProfile(_) => security.seccomp_profile.clone().map(Self::SeccompProfile),
            Self::AppArmorProfile(_) => {
                security.app_armor_profile.clone().map(Self::AppArmorProfile)
            }
            Self::SeLinuxOptions(_) => security.se_linux_options.clone().map(Self::SeLinuxOptions),
            Self::ProcMount(_) => security.proc_mount.clone().map(Self::ProcMount),
            Self::WindowsOptions(_) => security.windows_options.clone().map(Self::WindowsOptions),
            Self::FirstTarget | Self::TargetContainerName(_) => {
                container.target.clone().map(Self::TargetContainerName)
            }
            Self::ImagePullPolicy(_) => container.pull_policy.map(Self::ImagePullPolicy),
            Self::TerminationMessagePath(_) => {
                container.termination_message_path.clone().map(Self::TerminationMessagePath)
            }
            Self::TerminationMessagePolicy(_) => {
                container.termination_message_policy.clone().map(Self::TerminationMessagePolicy)
            }
        }
    }

    /// Whether the container has it. The API server takes a list with nothing in it for one that
    /// was left out.
    #[must_use]
    pub fn is_in(&self, container: &Injection) -> bool {
        match self.current(container) {
            Some(current) => current == *self,
            None => self.is_empty_list(),
        }
    }

    /// Whether it asks for a list with nothing in it.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self, Self::CapabilitiesAdd(names) | Self::CapabilitiesDrop(names)
            if names.is_empty())
    }

    /// Puts the value into the container.
    pub fn apply(&self, container: &mut Injection) {
        let security = &mut container.security;
        match self.clone() {
            Self::Privileged(value) => security.privileged = Some(value),
            Self::AllowPrivilegeEscalation(value) => {
                security.allow_privilege_escalation = Some(value);
            }
            Self::RunAsNonRoot(value) => security.run_as_non_root = Some(value),
            Self::RunAsUser(value) => security.run_as_user = Some(value),
            Self::RunAsGroup(value) => security.run_as_group = Some(value),
            Self::ReadOnlyRootFilesystem(value) => {
                security.read_only_root_filesystem = Some(value);
            }
            Self::CapabilitiesAdd(value) => security.capabilities_add = Some(value),
            Self::CapabilitiesDrop(value) => security.capabilities_drop = Some(value),
            Self::SeccompProfile(value) => security.seccomp_profile = Some(value),
            Self::AppArmorProfile(value) => security.app_armor_profile = Some(value),
            Self::SeLinuxOptions(value) => security.se_linux_options = Some(value),
            Self::ProcMount(value) => security.proc_mount = Some(value),
            Self::WindowsOptions(value) => security.windows_options = Some(value),
            Self::FirstTarget | Self::RunAsUserFromTarget => {}
            Self::TargetContainerName(value) => container.target = Some(value),
            Self::ImagePullPolicy(value) => container.pull_policy = Some(value),
            Self::TerminationMessagePath(value) => container.termination_message_path = Some(value),
            Self::TerminationMessagePolicy(value) => {
                container.termination_message_policy = Some(value);
            }
        }
    }
}
