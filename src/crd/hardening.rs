//! The shape of `spec.defaults` and `spec.set`: what a Permit changes.
//!
//! The names are those of core/v1 `Container` and `SecurityContext`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::container::PullPolicy;

/// Filled in where the request left the field out, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// The container's securityContext, field by field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// The container whose processes the debugger sees: a name, or First for the pod's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_container_name: Option<String>,
}

/// Replaced whatever was asked, with a warning to the user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Overrides {
    /// The container's securityContext, field by field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// The container whose processes the debugger sees: a name, or First for the pod's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_container_name: Option<String>,
    /// When the node asks the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// The file in the container that its last words are read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_message_path: Option<String>,
    /// Where the last words come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_message_policy: Option<TerminationMessagePolicy>,
    /// What is taken away where it goes beyond what the policy allows, instead of refusing the
    /// container. The user is warned of each thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Removable>,
}

/// What can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the documentation of the language explains the words")]
pub enum Removable {
    Privileged,
    Capabilities,
    Mounts,
    SecretEnv,
}

/// The user id of a process: a number, or that of the target's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserId {
    /// This one.
    Number(i64),
    /// The target's own.
    FromTarget,
}

const FROM_TARGET: &str = "FromTarget";

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(id) => serializer.serialize_i64(*id),
            Self::FromTarget => serializer.serialize_str(FROM_TARGET),
        }
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = UserId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or FromTarget,")
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<UserId, E> {
                Ok(UserId::Number(id))
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<UserId, E> {
                i64::try_from(id)
                    .map(UserId::Number)
                    .map_err(|_| E::custom(format_args!("`{id}` is too large")))
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<UserId, E> {
                match word {
                    FROM_TARGET => Ok(UserId::FromTarget),
                    _ => Err(E::custom("a number without quotes, or FromTarget, is wanted here")),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for UserId {
    fn schema_name() -> Cow<'static, str> {
        "UserId".into()
    }

    /// The one shape that a structural schema has for a number or a word.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "x-kubernetes-validations": [{
                "rule": "type(self) == int ? self >= 0 && self <= 2147483647 : self == 'FromTarget'",
                "message": "it must be a user id or FromTarget",
            }],
        })
    }
}

/// Where a container's last words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are those of core/v1")]
pub enum TerminationMessagePolicy {
    File,
    FallbackToLogsOnError,
}

/// The container's securityContext. Each field is the one of the same name of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityContext {
    /// Whether a process may gain more privileges than its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    /// The AppArmor profile. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_armor_profile: Option<Profile>,
    /// Capabilities added and dropped. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilityChanges>,
    /// Whether the container runs with every privilege of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// How /proc is mounted: Default or Unmasked. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proc_mount: Option<ProcMount>,
    /// Whether the image's files cannot be written to. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    /// The group id of the first process. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// Whether the node refuses to start the container as user 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// The user id of the first process, or FromTarget for that of the target container, where the
    /// pod says which and it is not root. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<UserId>,
    /// The SELinux context. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub se_linux_options: Option<SeLinuxOptions>,
    /// The seccomp profile. Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<Profile>,
    /// What only Windows containers have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_options: Option<WindowsOptions>,
}

/// A seccomp or AppArmor profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: ProfileKind,
    /// The profile on the node; with Localhost, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub localhost_profile: Option<String>,
}

/// Which profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are those of core/v1")]
pub enum ProfileKind {
    RuntimeDefault,
    Localhost,
    Unconfined,
}

/// Capabilities added and dropped. Upper-case names without CAP_, or ALL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapabilityChanges {
    /// Added to those of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Vec<String>>,
    /// Taken from those of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<Vec<String>>,
}

/// How /proc is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are those of core/v1")]
pub enum ProcMount {
    Default,
    Unmasked,
}

/// An SELinux context.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeLinuxOptions {
    /// The user label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The role label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The type label.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The level label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub level: String,
}

/// What only Windows containers have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowsOptions {
    /// The name of the GMSA credential spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gmsa_credential_spec_name: Option<String>,
    /// The contents of the GMSA credential spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gmsa_credential_spec: Option<String>,
    /// Whether it is a HostProcess container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_process: Option<bool>,
    /// The Windows user of the first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user_name: Option<String>,
}
