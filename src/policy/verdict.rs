//! What policy says, as data. Messages, records and metrics are renderings of it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::image::ImageError;
use super::pod_security::Violation;
use super::removal::Removal;
use super::request::Injection;
use super::rule::{Effect, Enforcement, Level, Policy};
use super::setting::Setting;
use super::text::{Plain, Quoted};

/// What policy says about one request.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// One ruling for each injection, in order.
    pub rulings: Vec<Ruling>,
    /// The reason that the requester gave, where a policy says which variable carries it.
    pub justification: Option<String>,
}

impl Verdict {
    /// Whether every injection may go in. A verdict about nothing allows nothing to be refused.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.rulings.iter().all(Ruling::allows)
    }
}

/// What policy says about one injection.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// The container as it would be stored: what was asked with the changes made.
    pub container: Injection,
    /// The Permit that the container satisfies; a Require may still refuse it.
    pub permit: Option<Arc<Policy>>,
    /// What that Permit changes, in order; empty where defaults were not to be applied.
    pub changes: Vec<Change>,
    /// What that Permit takes away; as for `changes`.
    pub removals: Vec<Removal>,
    /// Why not, nearest and weightiest first. Findings of laxer enforcement may stand beside a
    /// permit.
    pub findings: Vec<Finding>,
}

impl Ruling {
    /// Refusal is the default: without a Permit, or with one objection that is enforced, no.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.permit.is_some() && !self.findings.iter().any(Finding::refuses)
    }
}

/// One field of the container that is not as it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The field and its new value.
    pub setting: Setting,
    /// What was asked; `None` where the field was left out.
    pub asked: Option<Setting>,
}

/// One policy's objection to one injection.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Who objects; `None`: no policy speaks for this request at all.
    pub policy: Option<Arc<Policy>>,
    /// Why.
    pub objection: Objection,
}

impl Finding {
    /// Whom to ask: the policy's contact, or where there is no policy, what the objection names.
    #[must_use]
    pub fn contact(&self) -> Option<&str> {
        match (&self.policy, &self.objection) {
            (Some(policy), _) => policy.contact.as_deref(),
            (None, Objection::NoPolicyPermits { contact, .. }) => contact.as_deref(),
            (None, _) => None,
        }
    }

    /// The weight of the objection.
    #[must_use]
    pub fn enforcement(&self) -> Enforcement {
        self.policy.as_ref().map_or(Enforcement::Enforce, |policy| policy.enforcement)
    }

    /// Whether this alone refuses the container. A Permit's objection does not: another Permit may
    /// let it through; that none did is [`Ruling::permit`].
    fn refuses(&self) -> bool {
        self.policy.as_ref().is_none_or(|policy| {
            policy.effect == Effect::Require && policy.enforcement == Enforcement::Enforce
        })
    }
}

/// Why a policy objects. Each variant is one sentence and one place in a policy; the contact of
/// `NoPolicyPermits` is that of the first enforced Require that speaks to the request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence in `Display` is the documentation")]
pub enum Objection {
    NoPolicyPermits { username: String, namespace: String, contact: Option<String> },
    ImageUnreadable { image: String, why: ImageError },
    ImageNotAllowed { image: String, allowed: Vec<String>, but_by_tag: bool },
    ImageDenied { image: String, pattern: String },
    DigestMissing { image: String },
    PullPolicy { asked: Option<&'static str>, allowed: Vec<&'static str> },
    PodSecurity { level: Level, violation: Violation },
    UnknownField { field: String },
    Capability { name: String, allowed: Vec<String> },
    TargetMissing,
    TargetNotAllowed { target: String, allowed: Vec<String> },
    EnvName { name: String, pattern: Option<String> },
    EnvNamesUnknown { source: String },
    EnvFromSecret { name: String, source: String },
    EnvFromConfigMap { name: String, source: String },
    MountForbidden { volume: String },
    MountWritable { volume: String },
    VolumeKind { volume: String, kind: String },
    VolumeUnknown { volume: String },
    DeviceForbidden { volume: String },
    CommandNotAllowed { argv: Vec<String>, allowed: Vec<String> },
    Interactive,
    Rule { name: String, told: Option<String> },
    RuleFailed { name: String, why: String },
    ConditionFailed { name: String, why: String },
    TooManyInPod { would_be: usize, limit: u32 },
    TooManyAtOnce { added: usize, limit: u32 },
    TooManyInAnHour { would_be: usize, limit: u32 },
    RateUnknown,
    Expired { at: Timestamp },
    PolicyBroken { why: String },
    NotAuthorized { policy: String, namespace: String },
    RightUnknown { policy: String },
    JustificationMissing { env: String },
    JustificationPattern { env: String, pattern: String },
    NotAsSet { field: &'static [&'static str] },
    SetTargetMissing { target: String },
    SetUserUnresolved,
}

impl Objection {
    /// The place in a policy that objects, below the document.
    #[must_use]
    pub fn constraint(&self) -> &'static str {
        match self {
            Self::NoPolicyPermits { .. } => "spec.match",
            Self::ImageUnreadable { .. } | Self::ImageNotAllowed { .. } => {
                "spec.containers.images.allow"
            }
            Self::ImageDenied { .. } => "spec.containers.images.deny",
            Self::DigestMissing { .. } => "spec.containers.images.requireDigest",
            Self::PullPolicy { .. } => "spec.containers.images.pullPolicies",
            Self::PodSecurity { .. } | Self::UnknownField { .. } => "spec.containers.podSecurity",
            Self::Capability { .. } => "spec.containers.capabilities.allow",
            Self::TargetMissing => "spec.containers.targets.required",
            Self::TargetNotAllowed { .. } => "spec.containers.targets.allow",
            Self::EnvName { .. } | Self::EnvNamesUnknown { .. } => "spec.containers.env.names",
            Self::EnvFromSecret { .. } => "spec.containers.env.fromSecrets",
            Self::EnvFromConfigMap { .. } => "spec.containers.env.fromConfigMaps",
            Self::MountForbidden { .. } | Self::MountWritable { .. } => {
                "spec.containers.volumes.mounts"
            }
            Self::VolumeKind { .. } | Self::VolumeUnknown { .. } => "spec.containers.volumes.deny",
            Self::DeviceForbidden { .. } => "spec.containers.volumes.devices",
            Self::CommandNotAllowed { .. } => "spec.containers.command.allow",
            Self::Interactive => "spec.containers.interactive",
            Self::Rule { .. } | Self::RuleFailed { .. } => "spec.containers.rules",
            Self::ConditionFailed { .. } => "spec.match.conditions",
            Self::TooManyInPod { .. } => "spec.limits.perPod",
            Self::TooManyAtOnce { .. } => "spec.limits.perRequest",
            Self::TooManyInAnHour { .. } | Self::RateUnknown => "spec.limits.perUserPerHour",
            Self::Expired { .. } => "spec.expires",
            Self::PolicyBroken { .. } => "spec",
            Self::NotAuthorized { .. } | Self::RightUnknown { .. } => "spec.authorize",
            Self::JustificationMissing { .. } => "spec.justification.required",
            Self::JustificationPattern { .. } => "spec.justification.pattern",
            Self::NotAsSet { .. } => "spec.set",
            Self::SetTargetMissing { .. } => "spec.set.targetContainerName",
            Self::SetUserUnresolved => "spec.set.securityContext.runAsUser",
        }
    }

    /// What would have been accepted, where a policy lists it.
    #[must_use]
    pub fn approved(&self) -> Vec<&str> {
        match self {
            Self::ImageNotAllowed { allowed, .. }
            | Self::Capability { allowed, .. }
            | Self::TargetNotAllowed { allowed, .. }
            | Self::CommandNotAllowed { allowed, .. } => {
                allowed.iter().map(String::as_str).collect()
            }
            Self::PullPolicy { allowed, .. } => allowed.clone(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Objection {
    #[expect(
        clippy::too_many_lines,
        reason = "one line for each sentence; a table, not a procedure"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicyPermits { username, namespace, .. } => write!(
                f,
                "no policy permits {} to debug this pod in namespace {}",
                Quoted(username),
                Quoted(namespace)
            ),
            Self::ImageUnreadable { image, why } => {
                write!(f, "image {} cannot be read: {why}", Quoted(image))
            }
            Self::ImageNotAllowed { image, but_by_tag: false, .. } => {
                write!(f, "image {} is not approved here", Quoted(image))
            }
            Self::ImageNotAllowed { image, but_by_tag: true, .. } => write!(
                f,
                "image {} is approved here by its tag alone, and its digest decides what runs",
                Quoted(image)
            ),
            Self::ImageDenied { image, pattern } => {
                write!(f, "image {} is denied by {}", Quoted(image), Quoted(pattern))
            }
            Self::DigestMissing { image } => {
                write!(f, "image {} must be named by its digest (@sha256:…)", Quoted(image))
            }
            Self::PullPolicy { asked, .. } => match asked {
                Some(asked) => write!(f, "imagePullPolicy `{asked}` is not approved here"),
                None => f.write_str("imagePullPolicy must be set"),
            },
            Self::PodSecurity { level, violation } => {
                write!(f, "{violation} (Pod Security level {})", level.as_str())
            }
            Self::UnknownField { field } => {
                write!(f, "field {} is not known to this version of Postern", Quoted(field))
            }
            Self::Capability { name, .. } => {
                write!(f, "capability {} may not be added", Quoted(name))
            }
            Self::TargetMissing => f.write_str("a target container must be named (--target)"),
            Self::TargetNotAllowed { target, .. } => {
                write!(f, "container {} may not be a target", Quoted(target))
            }
            Self::EnvName { name, pattern: Some(pattern) } => {
                write!(f, "variable {} is denied by {}", Quoted(name), Quoted(pattern))
            }
            Self::EnvName { name, pattern: None } => {
                write!(f, "variable {} is not approved here", Quoted(name))
            }
            Self::EnvNamesUnknown { source } => {
                write!(f, "envFrom {} brings variables whose names are not known", Quoted(source))
            }
            Self::EnvFromSecret { name, source } => {
                write!(f, "variable {} may not come from {}", Quoted(name), Plain(source))
            }
            Self::EnvFromConfigMap { name, source } => {
                write!(f, "variable {} may not come from {}", Quoted(name), Plain(source))
            }
            Self::MountForbidden { volume } => {
                write!(f, "volume {} may not be mounted", Quoted(volume))
            }
            Self::MountWritable { volume } => {
                write!(f, "volume {} may be mounted read-only alone", Quoted(volume))
            }
            Self::VolumeKind { volume, kind } => {
                write!(f, "volume {} is of kind {}, which is denied", Quoted(volume), Quoted(kind))
            }
            Self::VolumeUnknown { volume } => {
                write!(f, "volume {} is of a kind that is not known", Quoted(volume))
            }
            Self::DeviceForbidden { volume } => {
                write!(f, "volume {} may not be attached as a device", Quoted(volume))
            }
            Self::CommandNotAllowed { argv, .. } => {
                write!(f, "command {} is not approved here", Quoted(&argv.join(" ")))
            }
            Self::Interactive => {
                f.write_str("an interactive container (-i, -t) is not approved here")
            }
            Self::Rule { told: Some(told), .. } => write!(f, "{}", Plain(told)),
            Self::Rule { name, told: None } => write!(f, "rule {} is not kept", Quoted(name)),
            Self::RuleFailed { name, why } => {
                write!(f, "rule {} cannot be decided: {}", Quoted(name), Plain(why))
            }
            Self::ConditionFailed { name, why } => {
                write!(f, "condition {} cannot be decided: {}", Quoted(name), Plain(why))
            }
            Self::TooManyInPod { would_be, limit } => write!(
                f,
                "the pod would have {would_be} ephemeral containers, more than {limit}; \
                 they cannot be removed, so debug another replica or let the pod be recreated"
            ),
            Self::TooManyAtOnce { added, limit } => {
                write!(f, "{added} containers are added at once, more than {limit}")
            }
            Self::TooManyInAnHour { would_be, limit } => write!(
                f,
                "you would have added {would_be} debug containers within an hour, more than {limit}"
            ),
            Self::RateUnknown => f.write_str(
                "how many debug containers you have added cannot be told now; try again",
            ),
            Self::Expired { at } => write!(f, "the policy expired at {at:.0}"),
            Self::PolicyBroken { why } => {
                write!(f, "the policy is broken, so nothing satisfies it: {}", Plain(why))
            }
            Self::NotAuthorized { policy, namespace } => write!(
                f,
                "you need the verb `use` on debugpolicies/{policy} in namespace {}",
                Quoted(namespace)
            ),
            Self::RightUnknown { policy } => write!(
                f,
                "whether you may use debugpolicies/{policy} cannot be told now; try again"
            ),
            Self::JustificationMissing { env } => {
                write!(f, "a reason is required (--env={env}=…)")
            }
            Self::JustificationPattern { env, pattern } => {
                write!(f, "the reason in {env} does not match {}", Quoted(pattern))
            }
            Self::NotAsSet { field } => {
                write!(f, "{} is not what the policy sets", field.join("."))
            }
            Self::SetTargetMissing { target } => {
                write!(f, "the pod has no container {}, which the policy sets", Quoted(target))
            }
            Self::SetUserUnresolved => f.write_str(
                "the policy sets the user of the target, so a target must be named (--target)",
            ),
        }
    }
}
