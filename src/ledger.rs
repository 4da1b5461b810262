//! What is written down, and the port through which it is written.
//!
//! One [`Record`] for each answered review that added something or was refused, and an
//! [`event::Event`] for what happens around them; both are an [`Entry`]. Each writer's entries are a
//! [`chain`] and the leaves of a [`tree`], about which it signs [`checkpoint`]s. The stores are in
//! [`crate::store`]; whoever answers reviews needs only the [`Ledger`] trait.

pub mod chain;
pub mod checkpoint;
pub mod entry;
pub mod event;
pub mod export;
pub mod hold;
pub mod id_prefix;
pub mod json;
pub mod keyring;
pub mod note;
pub mod port;
pub mod query;
pub mod review;
pub mod schema;
pub mod stats;
pub mod tree;
pub mod verify;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::entry::Entry;
pub use self::event::Event;
pub use self::port::{Journal, Kept, Ledger, LedgerError};
pub use self::query::{Cursor, Query};

/// Longest reason that is kept, in characters.
pub const MAX_REASON_CHARS: usize = 512;

/// One decision, as stored. Env values and secret data have no field here on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// UUIDv7, so that ids sort by time. Shown to the user as the decision.
    pub id: Uuid,
    /// When the decision was made, by this server's clock.
    pub time: Timestamp,
    /// Name of the cluster, from the settings.
    pub cluster: String,
    /// Which writer wrote it; each has its own sequence.
    pub writer: String,
    /// Position in the writer's sequence, from 1, without gaps. The store assigns it.
    pub sequence: u64,
    /// The decision that this record takes back: its answer came too late, or was a refusal since
    /// the ledger seemed not to be written. Nobody was told that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Uuid>,
    /// `request.uid` of the review.
    pub review_uid: String,
    /// Which webhook was called.
    pub phase: Phase,
    /// The way in: `EphemeralContainer`.
    pub surface: String,
    /// `request.operation`: `UPDATE`.
    pub operation: String,
    /// Who asked.
    pub requester: Requester,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: Pod,
    /// What else the decision rested on, to judge it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The containers that were to be added; at most 64 are kept, see `injections_total`.
    pub injections: Vec<Injection>,
    /// How many containers the request added.
    pub injections_total: usize,
    /// What policy says.
    pub verdict: Outcome,
    /// What the API server was told.
    pub answer: Outcome,
    /// Strictest level of the whole server at the time: `Enforce`, `Warn` or `Audit`.
    pub enforcement: String,
    /// Why not, and what was only warned of or noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The reason that the requester gave, its first 512 characters; of those of several
    /// containers, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// The text of a refusal, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long it took.
    pub timings: Timings,
}

/// Which webhook was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Phase {
    Mutate,
    Validate,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Outcome {
    Allowed,
    Refused,
}

impl Outcome {
    /// As records spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "Allowed",
            Self::Refused => "Refused",
        }
    }
}

/// `request.userInfo`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Requester {
    pub username: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The pod as it was before the request. Empty where the cluster did not say (up to 1.21).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Pod {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The controlling owner: `ReplicaSet/payments-api-7d4b9`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_account: String,
}

/// What a decision rested on beside what the record says anyway. Nothing in it can be secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The pod's labels; nothing if they were not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The labels of its namespace; nothing if they were not known, or no policy asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// What policies read of the pod's spec, as the API writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<serde_json::Value>,
    /// Policies that the requester needed the right to use, and whether they had it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rights: BTreeMap<String, bool>,
    /// How many containers the requester had added in the hour before, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_last_hour: Option<usize>,
}

/// One added container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Injection {
    /// Name of the container.
    pub name: String,
    /// The image as asked.
    pub image: String,
    /// The image as parsed; nothing where it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_parsed: Option<Image>,
    /// `targetContainerName`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the container may do.
    pub privileges: Privileges,
    /// Names and sources of its variables, never values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Volumes it mounts or attaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// `command` followed by `args`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Whether somebody can type into it.
    pub interactive: bool,
    /// Fields of the container as they were, of those that policies read and that are not said
    /// above; defaults of the API are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<serde_json::Value>,
    /// The Permit that let it through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted_by: Option<Policy>,
    /// Fields in which the stored container carries what that Permit fills in or sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl Injection {
    /// The names under which [`Query::image`] finds it: as asked and, where that differs, as
    /// parsed.
    pub fn image_names(&self) -> impl Iterator<Item = String> + '_ {
        let parsed = self.image_parsed.as_ref().map(Image::to_string);
        std::iter::once(self.image.clone()).chain(parsed.filter(|name| *name != self.image))
    }
}

/// A parsed image reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Image {
    pub registry: String,
    pub repository: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, repository, tag, digest } = self;
        write!(f, "{registry}/{repository}")?;
        if let Some(tag) = tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// What a container may do, as far as its own `securityContext` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Privileges {
    /// The strictest level of the Pod Security Standards that it meets: `restricted`, `baseline`
    /// or `privileged`.
    pub pod_security: String,
    /// `privileged: true`
    pub privileged: bool,
    /// `capabilities.add`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// `runAsUser`, its own or the pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// `runAsNonRoot`, its own or the pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// `allowPrivilegeEscalation`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Its name; `PREFIX*` for what an `envFrom` brings.
    pub name: String,
    /// `value`, `pod`, `secret/NAME`, `configMap/NAME`, `file/VOLUME` or what the request called it.
    pub source: String,
}

/// One mounted or attached volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// The volume's name.
    pub volume: String,
    /// Its kind as the API spells it; empty where it is not known.
    pub kind: String,
    /// Where it appears in the container; empty for a device.
    pub path: String,
    /// Whether it can be written to.
    pub writable: bool,
}

/// A policy in the version that judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`; nothing for a policy from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `metadata.generation`; nothing for a policy from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// SHA-256 of its spec, lower-case hex.
    pub hash: String,
}

/// One changed field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The field below the container: `securityContext.runAsNonRoot`.
    pub field: String,
    /// Its value, as JSON text.
    pub value: String,
}

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// The container it is about; empty for the request as a whole.
    pub container: String,
    /// Who objects; nothing for a structural objection or where no policy matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The weight of it: `Enforce`, `Warn` or `Audit`.
    pub enforcement: String,
    /// The place in the policy (`spec.containers.images.allow`) or in the pod
    /// (`spec.ephemeralContainers[1].ports`).
    pub constraint: String,
    /// The sentence.
    pub message: String,
}

/// How long it took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timings {
    /// From the first byte of the body being there to the verdict.
    pub judge_us: u64,
}
