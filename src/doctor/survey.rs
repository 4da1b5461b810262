//! What was seen of a cluster, as plain data.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::rbac::Rbac;
use super::selector::Selector;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Everything. What could not be looked at is `None`, and is named in `unseen`.
#[derive(Debug, Default)]
pub struct Survey {
    /// What Postern's webhook configurations are called.
    pub configuration: String,
    /// What the API server says it is.
    pub version: Option<Version>,
    /// What `pods/ephemeralcontainers` takes: `Pod`, `EphemeralContainers`; empty where it is not
    /// served.
    pub subresource_kind: Option<String>,
    /// Every webhook of every configuration.
    pub hooks: Option<Vec<Hook>>,
    /// Every namespace.
    pub namespaces: Option<BTreeMap<String, Labels>>,
    /// The Services that Postern's webhooks are behind.
    pub backends: Vec<Backend>,
    /// The certificates that Postern's webhooks show.
    pub handshakes: Vec<Handshake>,
    /// The definition of DebugPolicies.
    pub definition: Definition,
    /// The DebugPolicies.
    pub policies: Option<Vec<PolicySeen>>,
    /// How many policies were given as files.
    pub file_policies: FilePolicies,
    /// Roles and bindings.
    pub rbac: Option<Rbac>,
    /// Ephemeral containers in pods.
    pub debuggers: Option<Debuggers>,
    /// ValidatingAdmissionPolicies with a binding.
    pub admission_policies: Option<Vec<AdmissionPolicy>>,
    /// How often the API server let a request pass because a webhook did not answer.
    pub fail_open: Option<Vec<FailOpen>>,
    /// What happened when it was tried.
    pub trial: Trial,
    /// What was not looked at, and why.
    pub unseen: Vec<Unseen>,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// The right that it takes: `list pods`.
    pub needs: String,
    /// What the API server said.
    pub answer: String,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The second number.
    pub minor: Option<u32>,
    /// As the API server calls itself.
    pub text: String,
}

/// When a webhook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before defaults and validation: it may change the request.
    Mutating,
    /// On what will be stored.
    Validating,
}

impl Phase {
    /// The kind of configuration.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Validating => "ValidatingWebhookConfiguration",
        }
    }
}

/// One webhook, with where it was found.
#[derive(Debug, Clone)]
pub struct Hook {
    /// When it is called.
    pub phase: Phase,
    /// The configuration's name.
    pub configuration: String,
    /// Its place in it.
    pub index: usize,
    /// What it says.
    pub webhook: Webhook,
}

impl Hook {
    /// `ValidatingWebhookConfiguration/postern`
    #[must_use]
    pub fn object(&self) -> String {
        format!("{}/{}", self.phase.kind(), self.configuration)
    }

    /// `webhooks[0].failurePolicy`
    #[must_use]
    pub fn field(&self, field: &str) -> String {
        format!("webhooks[{}].{field}", self.index)
    }
}

/// An entry of `webhooks`; fields are those of the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Webhook {
    pub name: String,
    pub client_config: ClientConfig,
    #[serde(default)]
    pub rules: Vec<Rule>,
    #[serde(default = "fail")]
    pub failure_policy: String,
    #[serde(default = "equivalent")]
    pub match_policy: String,
    #[serde(default)]
    pub namespace_selector: Selector,
    #[serde(default)]
    pub object_selector: Selector,
    #[serde(default)]
    pub match_conditions: Vec<MatchCondition>,
    #[serde(default)]
    pub side_effects: String,
    #[serde(default = "ten")]
    pub timeout_seconds: i64,
    #[serde(default = "never")]
    pub reinvocation_policy: String,
}

fn fail() -> String {
    "Fail".to_owned()
}

fn equivalent() -> String {
    "Equivalent".to_owned()
}

fn never() -> String {
    "Never".to_owned()
}

fn ten() -> i64 {
    10
}

/// `clientConfig`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct ClientConfig {
    pub url: Option<String>,
    pub service: Option<ServiceReference>,
    /// Still in base64.
    #[serde(default)]
    pub ca_bundle: Option<String>,
}

/// `clientConfig.service`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct ServiceReference {
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default = "https")]
    pub port: u16,
}

fn https() -> u16 {
    443
}

/// An entry of `rules`, or of a ValidatingAdmissionPolicy's `resourceRules`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Rule {
    #[serde(default)]
    pub api_groups: Vec<String>,
    #[serde(default)]
    pub api_versions: Vec<String>,
    #[serde(default)]
    pub operations: Vec<String>,
    #[serde(default)]
    pub resources: Vec<String>,
    #[serde(default = "any_scope")]
    pub scope: String,
}

fn any_scope() -> String {
    "*".to_owned()
}

/// An entry of `matchConditions`.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct MatchCondition {
    pub name: String,
    pub expression: String,
}

/// A Service that webhooks are behind.
#[derive(Debug, Clone)]
pub struct Backend {
    /// As the webhooks name it.
    pub reference: ServiceReference,
    /// Its ports; `None`: there is no such Service.
    pub ports: Option<Vec<u16>>,
    /// How many of its endpoints are ready; `None`: not known.
    pub ready: Option<usize>,
    /// The image of the Deployment that is called as it; `None`: there is none, or it is not known.
    pub image: Option<String>,
}

/// What was seen when a webhook's server was spoken to.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// Whose: `ValidatingWebhookConfiguration/postern webhooks[0]`.
    pub object: String,
    /// Host and port.
    pub address: String,
    /// What came of it.
    pub outcome: Shown,
}

/// What a server showed.
#[derive(Debug, Clone)]
pub enum Shown {
    /// It was not reached from here.
    Nothing(String),
    /// A certificate.
    Certificate {
        /// As DER.
        leaf: Vec<u8>,
        /// Whether the API server would believe it.
        trust: Trust,
    },
}

/// Whether a certificate would be believed by whoever has the `caBundle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It would.
    Believed,
    /// Its dates are wrong.
    NotNow,
    /// It is for another name.
    WrongName,
    /// Whoever shows it does not have its key.
    NotItsOwn,
    /// Nobody of the bundle vouches for it.
    Stranger(String),
}

/// The definition of DebugPolicies.
#[derive(Debug, Clone, Default)]
pub enum Definition {
    /// It could not be looked at.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// The CustomResourceDefinition.
    Found(Value),
}

/// A DebugPolicy.
#[derive(Debug, Clone)]
pub struct PolicySeen {
    /// `metadata.name`
    pub name: String,
    /// `metadata.generation`
    pub generation: i64,
    /// Whether it permits; else it requires.
    pub permits: bool,
    /// `spec.enforcement`
    pub enforcement: String,
    /// The condition Ready: status, reason and message; `None`: nobody has said anything.
    pub ready: Option<(String, String, String)>,
    /// The generation that each server judges by.
    pub replicas: BTreeMap<String, i64>,
    /// What this program finds wrong with it.
    pub fault: Option<String>,
}

/// Policies that were given as files beside those of the cluster.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilePolicies {
    /// How many.
    pub number: usize,
    /// How many of them permit.
    pub permits: usize,
}

/// The ephemeral containers of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Debuggers {
    /// How many pods were looked at.
    pub pods: usize,
    /// Whether there were more.
    pub truncated: bool,
    /// How many containers were judged.
    pub judged: usize,
    /// By how many policies.
    pub policies: usize,
    /// Those that nobody at all could add today.
    pub refused: Vec<Debugger>,
}

/// An ephemeral container.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Debugger {
    pub namespace: String,
    pub pod: String,
    pub container: String,
    pub image: String,
    pub has_ended: bool,
    /// Why it would be refused.
    pub objections: Vec<String>,
}

/// A ValidatingAdmissionPolicy that denies.
#[derive(Debug, Clone)]
pub struct AdmissionPolicy {
    /// `metadata.name`
    pub name: String,
    /// `spec.matchConstraints.resourceRules`
    pub rules: Vec<Rule>,
}

/// One series of `apiserver_admission_webhook_fail_open_count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailOpen {
    /// The webhook's name.
    pub webhook: String,
    /// `validating`, or `admit`.
    pub phase: String,
    /// How often.
    pub count: u64,
}

/// What happened when a container was added in dry runs.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Who asked, for people.
    pub requester: String,
    /// The user and the groups that were acted as; `None`: whoever looks asked for themselves.
    pub acted_as: Option<(String, Vec<String>)>,
    /// Namespace and name of the pod; `None`: there was none.
    pub pod: Option<(String, String)>,
    /// Why it was not tried.
    pub not_tried: Option<String>,
    /// What the API server said of a container that Kubernetes itself does not accept, which only
    /// the mutating webhook can refuse first.
    pub malformed: Option<Answer>,
    /// What it said of a container that no policy can permit.
    pub forbidden: Option<Answer>,
}

/// The container that no policy can permit: its image is no image reference.
pub const FORBIDDEN_IMAGE: &str = "postern.invalid/Doctor-Tries-The-Door";

/// What the containers are called that are tried. Postern names a container that it has judged.
pub const TRIED_NAME: &str = "postern-doctor";

/// An answer of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It would have done it.
    Through {
        /// What it warned of.
        warnings: Vec<String>,
    },
    /// It would not.
    Refused {
        /// HTTP status.
        code: u16,
        /// What it says.
        message: String,
    },
}
