//! What a container may do on its node, in the API's own words.

/// `securityContext` of a container, or the part of a pod's that containers inherit.
///
/// The names are the API's (core/v1 `SecurityContext`); `None` is a field left out. What is large
/// and rare is boxed, because a container is moved about on the way to its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct SecurityContext {
    pub privileged: Option<bool>,
    pub allow_privilege_escalation: Option<bool>,
    pub run_as_non_root: Option<bool>,
    pub run_as_user: Option<i64>,
    pub run_as_group: Option<i64>,
    pub read_only_root_filesystem: Option<bool>,
    pub capabilities_add: Option<Vec<String>>,
    pub capabilities_drop: Option<Vec<String>>,
    pub seccomp_profile: Option<ConfinementProfile>,
    pub app_armor_profile: Option<ConfinementProfile>,
    pub se_linux_options: Option<Box<SeLinuxOptions>>,
    pub proc_mount: Option<String>,
    pub windows_options: Option<Box<WindowsOptions>>,
}

impl SecurityContext {
    /// Whether the API server calls it invalid where `allowPrivilegeEscalation` is false
    /// (`ValidateSecurityContext` in `pkg/apis/core/validation`; of the capability it knows this
    /// spelling alone).
    #[must_use]
    pub fn escalates_anyway(&self) -> bool {
        let mut added = self.capabilities_add.iter().flatten();
        self.privileged == Some(true) || added.any(|name| name == "CAP_SYS_ADMIN")
    }
}

/// `seccompProfile` and `appArmorProfile`: the same two fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfinementProfile {
    /// `type`: `RuntimeDefault`, `Localhost` or `Unconfined`.
    pub kind: String,
    /// `localhostProfile`
    pub localhost_profile: Option<String>,
}

/// `seLinuxOptions`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct SeLinuxOptions {
    pub user: String,
    pub role: String,
    pub kind: String,
    pub level: String,
}

/// `windowsOptions`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct WindowsOptions {
    pub host_process: Option<bool>,
    pub run_as_user_name: Option<String>,
    pub gmsa_credential_spec_name: Option<String>,
    pub gmsa_credential_spec: Option<String>,
}
