//! The shape of `spec.containers`: what each added container must be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::debug_policy::is_false;

/// What each added container must be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "x-kubernetes-validations" = [
        {"rule": "!has(self.podSecurity) || self.podSecurity != 'privileged' || !has(self.capabilities) || !has(self.capabilities.allow)", "message": "capabilities.allow limits nothing beside podSecurity privileged, which allows every one"},
    ]
))]
pub struct ContainerRules {
    /// Rules in CEL, each asked of each added container as it would be stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub rules: Vec<Rule>,
    /// Which images may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Images>,
    /// The level of the Pod Security Standards that the container must meet, seen with its pod's
    /// security context. Left out, baseline in a Permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// Linux capabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Which container's processes the debugger may see (kubectl debug --target).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Env>,
    /// Volumes of the pod that the container mounts or attaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Volumes>,
    /// What is executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Whether stdin and tty may be asked for (kubectl debug -it). Left out, Allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<Access>,
}

/// Allow or Forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Access {
    Allow,
    Forbid,
}

/// A rule in CEL. Variables: those of match.conditions, container (the added one as it would be
/// stored) and image (its registry, repository, tag and digest).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What records call it.
    pub name: String,
    /// What must hold. A rule that gives no answer objects.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
    /// What users are told where it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub message: Option<String>,
    /// The same in CEL, giving text. Where it gives none, message is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub message_expression: Option<String>,
}

/// Which images may run. Patterns are matched part by part: registry, path, tag, digest. * stays
/// within one path segment, ** stands for any number of them; a pattern without a tag or digest
/// matches every one; without a registry it speaks of docker.io, as images do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Any of these. An empty list allows nothing. Left out, nothing in a Permit. A pattern with a
    /// tag does not match an image that also names a digest, because the digest decides what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// None of these, even if allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Registries that hold what others hold, so that one pattern covers what is the same image:
    /// mirror.example.com/hub/** as docker.io/**. An image below the first counts as what it is
    /// called and as what lies below the second, in both lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// The image must be named by its digest (@sha256:...), so that what was approved is what runs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_digest: bool,
    /// The imagePullPolicy must be one of these. Left out, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policies: Option<Vec<PullPolicy>>,
}

/// When a node asks the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are those of core/v1")]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// A level of the Pod Security Standards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are those of the standard")]
pub enum PodSecurity {
    Restricted,
    Baseline,
    Privileged,
}

/// Linux capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    /// What may be added beyond what podSecurity allows; where podSecurity sets no limit, all that
    /// may be added. Upper-case names without CAP_, such as SYS_PTRACE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

/// Which container's processes the debugger may see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Targets {
    /// Whether a target must be named.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Container names; * stands for any run of characters. Left out, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

/// Environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Env {
    /// Which names variables may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<EnvNames>,
    /// Whether values may come from Secrets. Left out, Forbid in a Permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_secrets: Option<Access>,
    /// Whether values may come from ConfigMaps. Left out, Allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_config_maps: Option<Access>,
}

/// Which names variables may have; * stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvNames {
    /// Any of these. An empty list allows none. Left out, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// None of these, even if allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// Volumes of the pod that the container mounts or attaches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volumes {
    /// How volumes may be mounted. Left out, None in a Permit and ReadWrite in a Require.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<MountAccess>,
    /// Kinds of volumes that may be neither mounted nor attached, as a pod spells them: hostPath,
    /// secret, projected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Whether block devices may be attached. Left out, Forbid in a Permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Access>,
}

/// How volumes may be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words say it")]
pub enum MountAccess {
    None,
    ReadOnly,
    ReadWrite,
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// Command lines, matched word by word against command and args; * stands for any run of
    /// characters within a word, and a last word ** for any number of further arguments. Left out,
    /// any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}
