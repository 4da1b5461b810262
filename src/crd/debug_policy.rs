//! The shape of a `DebugPolicy`: whom it speaks about, and what it asks beyond the container.
//!
//! The doc comments of the fields are what `kubectl explain debugpolicy.spec` prints, so they are
//! written for an administrator and hold no links.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::ContainerRules;
use super::hardening::{Defaults, Overrides};
use super::status::DebugPolicyStatus;

pub use super::labels::{LabelExpression, LabelOperator, LabelSelector};

/// What a DebugPolicy says. A request must satisfy every Require that matches it, and at least one
/// Permit that matches it; where no Permit matches, it is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "postern.dev",
    version = "v1alpha1",
    kind = "DebugPolicy",
    plural = "debugpolicies",
    singular = "debugpolicy",
    shortname = "dbgp",
    category = "postern",
    status = "DebugPolicyStatus",
    doc = "DebugPolicy says who may put which debug container into which pod.",
    printcolumn(name = "Effect", type_ = "string", json_path = ".spec.effect"),
    printcolumn(name = "Enforcement", type_ = "string", json_path = ".spec.enforcement"),
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.effect == 'Permit' || !has(self.spec.defaults)")
        .message("a Require changes nothing; put `defaults` into a Permit")
        .field_path(".spec.defaults")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("self.spec.effect == 'Permit' || !has(self.spec.set)")
        .message("a Require changes nothing; put `set` into a Permit")
        .field_path(".spec.set")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("self.spec.effect == 'Permit' || !has(self.spec.expires)")
        .message("a Require that ends by itself would loosen what it holds; only a Permit expires")
        .field_path(".spec.expires")
        .reason(Reason::FieldValueForbidden),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DebugPolicySpec {
    /// One sentence for those who read the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// What the policy can do. Permit: a container that satisfies it may go in. Require: every
    /// container it matches must satisfy it, whatever a Permit says.
    pub effect: Effect,
    /// How much an objection weighs. Enforce refuses, Warn warns the user, Audit is only written
    /// into the ledger. A Permit at Warn or Audit permits nothing.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Permits are tried highest first, then by name. It decides which Permit's defaults are
    /// applied, never whether a container is let in.
    #[serde(default)]
    pub priority: i32,
    /// Whom and what the policy speaks about. Every part given must match; a part left out matches
    /// everything.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub match_: Option<Match>,
    /// The right that the requester needs besides: the RBAC verb use on debugpolicies/NAME of
    /// apiGroup postern.dev in the pod's namespace. Left out, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize: Option<Authorize>,
    /// From this moment on the policy permits nothing: 2026-12-31T18:00:00Z. Only in a Permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
    /// What each added container must be. A part left out sets no limit in a Require, and means the
    /// safe default named at the field in a Permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<ContainerRules>,
    /// How many ephemeral containers there may be. A part left out sets no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The reason a requester gives, in an environment variable of the debug container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<Justification>,
    /// Filled in where the request left the field out, field by field. Only in a Permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// Replaced whatever was asked, with a warning to the user. Only in a Permit. The place for
    /// fields that the API server has already filled in before a webhook sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Overrides>,
    /// What users are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
}

/// What a policy can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the field of this type explains the words")]
pub enum Effect {
    Permit,
    Require,
}

/// A right that the requester needs, asked of the API server by SubjectAccessReview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authorize {
    /// The verb on debugpolicies/NAME.
    pub verb: Verb,
}

/// A verb on debugpolicies/NAME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the word says it")]
pub enum Verb {
    Use,
}

/// How much an objection weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the field of this type explains the words")]
pub enum Enforcement {
    #[default]
    Enforce,
    Warn,
    Audit,
}

/// Whom and what the policy speaks about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Who asks: any of these. Left out, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub subjects: Option<Vec<Subject>>,
    /// Who is not meant, even if listed in subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_subjects: Vec<Subject>,
    /// The pod's namespace. Left out, every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Namespaces>,
    /// The pod. Left out, every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
    /// The ways in. Left out, every one. This version judges EphemeralContainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    #[schemars(extend(
        "x-kubernetes-validations" = [
            {"rule": "self.all(way, way == 'EphemeralContainer')",
             "message": "this version of Postern judges EphemeralContainer alone"},
        ]
    ))]
    pub surfaces: Option<Vec<Surface>>,
    /// When. Left out, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Conditions in CEL, all of which must hold. One that gives no answer never makes a Permit
    /// match and always makes a Require match and object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub conditions: Vec<MatchCondition>,
}

/// A condition in CEL. Variables: object, oldObject and request as in a ValidatingAdmissionPolicy,
/// namespaceObject with its name and labels, and pod, the pod as it was before the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchCondition {
    /// What records call it.
    pub name: String,
    /// The condition.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
}

/// When the policy speaks: on these days, within these hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "x-kubernetes-validations" = [
        {"rule": "has(self.days) || has(self.hours)", "message": "it names neither days nor hours, so it says nothing; leave it out"},
    ]
))]
pub struct Schedule {
    /// The time zone of the days and hours, by its name in the time zone database: Europe/Berlin.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Any of these days. Left out, every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub days: Option<Vec<Day>>,
    /// Within any of these: 08:00-18:00. Where the end is not after the start it is the next day's,
    /// and the night belongs to the day on which it began. Left out, the whole day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub hours: Option<Vec<String>>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A user, a group or a service account, in the shape of an RBAC subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "x-kubernetes-validations" = [
        {"rule": "self.kind != 'ServiceAccount' || has(self.__namespace__)", "message": "a ServiceAccount needs its namespace"},
        {"rule": "self.kind == 'ServiceAccount' || !has(self.__namespace__)", "message": "only a ServiceAccount has a namespace"},
        {"rule": "!has(self.apiGroup) || self.apiGroup == (self.kind == 'ServiceAccount' ? '' : 'rbac.authorization.k8s.io')", "message": "apiGroup is rbac.authorization.k8s.io for a User or a Group, and empty for a ServiceAccount"},
    ]
))]
pub struct Subject {
    /// What the name is the name of.
    pub kind: SubjectKind,
    /// The name, as the API server authenticates it. No wildcards.
    pub name: String,
    /// The namespace of a ServiceAccount. Not for a User or a Group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// As in RBAC: rbac.authorization.k8s.io for a User or a Group, empty for a ServiceAccount. May
    /// be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
}

/// What a subject's name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are those of RBAC")]
pub enum SubjectKind {
    User,
    Group,
    ServiceAccount,
}

/// Namespaces by name and label.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Namespaces {
    /// Any of these; * stands for any run of characters. Left out, every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub names: Option<Vec<String>>,
    /// None of these; * stands for any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The namespace's labels. Where they are not known, because no cluster is watched or it has
    /// not answered yet, a Permit does not match and a Require does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Pods by name and label.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    /// Any of these; * stands for any run of characters. Left out, every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub names: Option<Vec<String>>,
    /// The pod's labels, as they were before the request. Where they are not known (clusters up to
    /// 1.21 do not send them), a Permit does not match and a Require does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// A way into a running pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the ways in; a reference explains them")]
pub enum Surface {
    EphemeralContainer,
    Exec,
    Attach,
    PortForward,
    PodCopy,
    NodeDebug,
}

/// How many ephemeral containers there may be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Ephemeral containers of one pod, old and new, running or not: they can never be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_pod: Option<i32>,
    /// Containers added by one request. kubectl debug adds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_request: Option<i32>,
    /// Containers that one user was allowed to add within the last hour, in every namespace of the
    /// cluster, as the ledger has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_user_per_hour: Option<i32>,
}

/// The reason a requester gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Justification {
    /// Whether a container without a reason is objected to.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// The environment variable that carries it: kubectl debug --env=DEBUG_REASON=OPS-123. Its
    /// value is the only one that Postern ever writes down.
    #[serde(default = "default_reason_variable")]
    pub env: String,
    /// A regular expression that a reason must match somewhere; anchor it with ^ and $ to mean all
    /// of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub pattern: Option<String>,
}

/// What users are told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Messages {
    /// Where to ask for help, shown at the end of a refusal: a channel, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub contact: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn default_reason_variable() -> String {
    "DEBUG_REASON".to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}
