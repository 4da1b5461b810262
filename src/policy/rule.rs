//! One compiled policy. Built only by `crd`, so everything here is already known to make sense.

use std::sync::Arc;

use jiff::Timestamp;
use regex::Regex;

use super::expression::{Condition, ContainerRule};
use super::image::{Alias, ImagePattern};
use super::removal::Removable;
use super::request::{PullPolicy, Surface};
use super::schedule::Schedule;
use super::setting::Setting;

pub use super::name::NamePattern;

/// One `DebugPolicy`, ready to judge.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What findings and records call it.
    pub id: Arc<PolicyId>,
    /// What it can do.
    pub effect: Effect,
    /// How much its objections weigh.
    pub enforcement: Enforcement,
    /// Permits are tried highest first, then by name.
    pub priority: i32,
    /// Whom and what it speaks about.
    pub selector: Selector,
    /// `authorize`: the requester also needs the right to use this policy.
    pub authorize: bool,
    /// `expires`: from then on a Permit permits nothing.
    pub expires: Option<Timestamp>,
    /// What each added container must be.
    pub constraints: Constraints,
    /// Filled in where the request left the field out.
    pub defaults: Vec<Setting>,
    /// Replaced whatever was asked.
    pub set: Vec<Setting>,
    /// `set.remove`: taken away where it goes beyond what the policy allows.
    pub remove: Vec<Removable>,
    /// `messages.contact`: shown at the end of a refusal.
    pub contact: Option<String>,
    /// Why this policy cannot be judged by. It then objects to everything that it speaks to,
    /// whatever else is here: an error is never a pass.
    pub broken: Option<String>,
}

impl Policy {
    /// The same policy, objecting to whatever it speaks to. It asks nobody anything any more.
    #[must_use]
    pub fn objecting(mut self, why: String) -> Self {
        self.authorize = false;
        self.expires = None;
        self.constraints.per_user_per_hour = None;
        self.constraints.rules.clear();
        self.defaults.clear();
        self.set.clear();
        self.remove.clear();
        self.broken = Some(why);
        self
    }
}

/// Which policy, in which version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PolicyId {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`; a policy from a file has none.
    pub uid: Option<String>,
    /// `metadata.generation`; a policy from a file has none.
    pub generation: Option<i64>,
    /// SHA-256 of its spec, lower-case hex.
    pub hash: String,
}

/// What a policy can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// At least one matching Permit must be satisfied.
    Permit,
    /// Every matching Require must be satisfied.
    Require,
}

/// How much an objection weighs. Ordered from laxest to strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Enforcement {
    /// A record only.
    Audit,
    /// A warning to the user.
    Warn,
    /// A refusal.
    Enforce,
}

impl Enforcement {
    /// As policies and settings spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "Audit",
            Self::Warn => "Warn",
            Self::Enforce => "Enforce",
        }
    }
}

impl Effect {
    /// As policies spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "Permit",
            Self::Require => "Require",
        }
    }
}

/// `spec.match`: every part must match; an empty part matches all.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// Any of; `None`: everybody.
    pub subjects: Option<Vec<Subject>>,
    /// None of.
    pub exclude_subjects: Vec<Subject>,
    /// `namespaces.names`; `None`: every namespace.
    pub namespaces: Option<Vec<NamePattern>>,
    /// `namespaces.exclude`
    pub exclude_namespaces: Vec<NamePattern>,
    /// `namespaces.selector`, both forms, as one list of which all must hold.
    pub namespace_labels: Vec<LabelRequirement>,
    /// `pods.names`; `None`: every pod.
    pub pod_names: Option<Vec<NamePattern>>,
    /// `pods.selector`, both forms, as one list of which all must hold.
    pub pod_labels: Vec<LabelRequirement>,
    /// `None`: every surface.
    pub surfaces: Option<Vec<Surface>>,
    /// `None`: always.
    pub schedule: Option<Schedule>,
    /// `conditions`, all of which must hold.
    pub conditions: Vec<Condition>,
}

/// One RBAC subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A username; a service account is one of the form `system:serviceaccount:NAMESPACE:NAME`.
    User(String),
    /// A group.
    Group(String),
}

/// One condition of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// What must hold of it.
    pub operator: LabelOperator,
}

/// `matchExpressions[].operator`; `matchLabels` are `In` with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of metav1.LabelSelectorRequirement")]
pub enum LabelOperator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// `spec.containers` and `spec.limits`, with the defaults of the policy's effect already put in:
/// `None`, an empty deny-list and [`Access::Allow`] set no limit.
#[derive(Debug, Clone)]
pub struct Constraints {
    /// `images`
    pub images: ImageConstraint,
    /// `podSecurity`
    pub pod_security: Option<Level>,
    /// `capabilities.allow`: what may be added beyond the level; where there is no level, all that
    /// may be added.
    pub capabilities: Option<Vec<String>>,
    /// `targets`
    pub targets: TargetConstraint,
    /// `env`
    pub env: EnvConstraint,
    /// `volumes`
    pub volumes: VolumeConstraint,
    /// `command.allow`
    pub commands: Option<Vec<CommandPattern>>,
    /// `interactive`
    pub interactive: Access,
    /// `rules`
    pub rules: Vec<ContainerRule>,
    /// `limits.perPod`: ephemeral containers of the pod, old and new, running or not.
    pub per_pod: Option<u32>,
    /// `limits.perRequest`: containers added at once.
    pub per_request: Option<u32>,
    /// `limits.perUserPerHour`: containers that one user adds within an hour, in every namespace.
    pub per_user_per_hour: Option<u32>,
    /// `justification`
    pub justification: Option<Justification>,
}

/// `containers.images`
#[derive(Debug, Clone, Default)]
pub struct ImageConstraint {
    /// `None` sets no limit; an empty list allows nothing.
    pub allow: Option<Vec<ImagePattern>>,
    /// Wins over `allow`.
    pub deny: Vec<ImagePattern>,
    /// What an image counts as besides what it is called, in both lists.
    pub aliases: Vec<Alias>,
    /// The reference must name a digest.
    pub require_digest: bool,
    /// `None` sets no limit.
    pub pull_policies: Option<Vec<PullPolicy>>,
}

/// A level of the Pod Security Standards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No limit.
    Privileged,
    /// No known privilege escalation.
    Baseline,
    /// Hardened.
    Restricted,
}

impl Level {
    /// As the standard spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// `Allow` or `Forbid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Access {
    Allow,
    Forbid,
}

/// `containers.targets`
#[derive(Debug, Clone, Default)]
pub struct TargetConstraint {
    /// A target must be named.
    pub required: bool,
    /// `None` sets no limit.
    pub allow: Option<Vec<NamePattern>>,
}

/// `containers.env`
#[derive(Debug, Clone)]
pub struct EnvConstraint {
    /// `names.allow`; `None` sets no limit.
    pub allow: Option<Vec<NamePattern>>,
    /// `names.deny`
    pub deny: Vec<NamePattern>,
    /// `fromSecrets`
    pub from_secrets: Access,
    /// `fromConfigMaps`
    pub from_config_maps: Access,
}

/// `containers.volumes`
#[derive(Debug, Clone)]
pub struct VolumeConstraint {
    /// How volumes may be mounted.
    pub mounts: MountAccess,
    /// Kinds that may be neither mounted nor attached, as the API spells them: `hostPath`.
    pub deny: Vec<String>,
    /// `volumeDevices`
    pub devices: Access,
}

/// `volumes.mounts`. Ordered from strictest to laxest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words say it")]
pub enum MountAccess {
    None,
    ReadOnly,
    ReadWrite,
}

/// One entry of `command.allow`: words matched against `command` and `args`, one to one; a last
/// word `**` stands for any number of further arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandPattern {
    text: String,
    words: Vec<NamePattern>,
    open_ended: bool,
}

impl CommandPattern {
    /// Splits at white space. Every text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut words: Vec<_> = text.split_whitespace().collect();
        let open_ended = words.last() == Some(&"**");
        if open_ended {
            words.pop();
        }
        let words = words.into_iter().map(NamePattern::new).collect();
        Self { text: text.to_owned(), words, open_ended }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it covers what would be executed.
    #[must_use]
    pub fn matches(&self, argv: &[String]) -> bool {
        let enough = if self.open_ended {
            argv.len() >= self.words.len()
        } else {
            argv.len() == self.words.len()
        };
        enough && self.words.iter().zip(argv).all(|(word, argument)| word.matches(argument))
    }
}

/// `spec.justification`
#[derive(Debug, Clone)]
pub struct Justification {
    /// A container without one is objected to.
    pub required: bool,
    /// The environment variable that carries it.
    pub env: String,
    /// What it must look like.
    pub pattern: Option<Regex>,
    /// A text that the pattern takes, for people to put their own in its place.
    pub example: Option<String>,
}
