//! What happens around decisions and belongs in the same ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Policy;

/// One event, as stored. It stands in its writer's sequence as a decision does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// UUIDv7.
    pub id: Uuid,
    /// When it was noticed, by the clock of whoever noticed it.
    pub time: Timestamp,
    /// Name of the cluster, from the settings.
    pub cluster: String,
    /// Which writer wrote it.
    pub writer: String,
    /// Position in the writer's sequence. The store assigns it.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// An event of this moment. `writer` and `sequence` are the store's to fill in.
    #[must_use]
    pub fn now(cluster: &str, what: What) -> Self {
        Self {
            id: Uuid::now_v7(),
            time: Timestamp::now(),
            cluster: cluster.to_owned(),
            writer: String::new(),
            sequence: 0,
            what,
        }
    }
}

/// What happened. The key `event` of the stored JSON says which; decisions have no such key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub enum What {
    /// A server began to write.
    Started {
        /// Of Postern.
        version: String,
        /// Its settings by name; a password in one is left out.
        settings: BTreeMap<String, String>,
        /// How many entries it found after the last checkpoint: a server that was killed leaves
        /// some, and so does whoever adds some.
        #[serde(default, skip_serializing_if = "is_zero")]
        unsigned: u64,
    },
    /// It starts with other settings than the last time.
    SettingsChanged {
        /// Name, before, now.
        changed: Vec<SettingChange>,
    },
    /// A server stopped as it was told to. A server that was killed leaves no such record.
    Stopped {},
    /// Other policies are in force, or in another version.
    PoliciesChanged {
        /// SHA-256 over the hashes of all policies in order of their names, lower-case hex.
        hash: String,
        /// How many there are.
        total: usize,
        /// Those that were added or changed, at most 256.
        added: Vec<Policy>,
        /// Names of those that are no longer there, at most 256.
        removed: Vec<String>,
    },
    /// A person read the ledger.
    Read {
        /// Who.
        by: Person,
        /// The command with what it filtered by.
        command: String,
    },
    /// A person took a copy of a part of it.
    Exported {
        /// Who.
        by: Person,
        /// The command with what it filtered by.
        command: String,
        /// How many records.
        records: u64,
        /// SHA-256 of what was written, lower-case hex.
        sha256: String,
    },
    /// From here on checkpoints are signed by another key.
    KeyRotated {
        /// The signed note in which the key before names the new one.
        note: String,
    },
    /// Records of this writer were dropped because they were old, or too many.
    Dropped {
        /// Up to this sequence number, itself too.
        through: u64,
        /// The signed checkpoint of exactly that many records.
        checkpoint: String,
        /// Which limit: `age` or `size`.
        reason: String,
    },
    /// Entries stand in this writer's sequence that it did not write.
    Foreign {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// Nothing may be dropped from here on.
    Held {
        /// What the hold is called.
        hold: String,
        /// Who says so.
        by: Person,
    },
    /// That hold is over.
    Released {
        /// What the hold was called.
        hold: String,
        /// Who says so.
        by: Person,
    },
    /// What became of a container that was allowed.
    Observed {
        /// The decision that allowed it.
        decision: Uuid,
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
        /// What was seen.
        outcome: ContainerOutcome,
    },
    /// A container that no decision allowed.
    Unattested {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The pod's uid.
        pod_uid: String,
        /// The container's name.
        container: String,
        /// Its image, as the pod has it.
        image: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A setting that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingChange {
    /// Its name.
    pub name: String,
    /// Its value before; nothing if there was no such setting.
    #[serde(default)]
    pub before: Option<String>,
    /// Its value now; nothing if there is no such setting any more.
    #[serde(default)]
    pub now: Option<String>,
}

/// Somebody at a shell, as far as the system knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// The name of the user that ran the command; `uid:1000` where it has none.
    pub user: String,
    /// On which host.
    pub host: String,
}

/// What became of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all_fields = "camelCase")]
pub enum ContainerOutcome {
    /// It runs.
    Running {
        /// Since when.
        started_at: Option<Timestamp>,
        /// The image with its digest, as the node resolved it.
        image_id: String,
    },
    /// It ran and ended.
    Ended {
        /// Since when.
        started_at: Option<Timestamp>,
        /// When.
        finished_at: Option<Timestamp>,
        /// The image with its digest, as the node resolved it.
        image_id: String,
        /// Its exit code.
        exit_code: i32,
        /// `Completed`, `Error`, `OOMKilled` …
        reason: String,
    },
    /// It cannot start.
    Waiting {
        /// `ImagePullBackOff`, `CreateContainerError` …
        reason: String,
    },
    /// It was allowed and is not in the pod: a later webhook or the API server refused it.
    NeverAppeared {},
    /// The pod went away.
    PodGone {},
}

impl What {
    /// The word for it in the stored JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Started { .. } => "Started",
            Self::SettingsChanged { .. } => "SettingsChanged",
            Self::Stopped {} => "Stopped",
            Self::PoliciesChanged { .. } => "PoliciesChanged",
            Self::Read { .. } => "Read",
            Self::Exported { .. } => "Exported",
            Self::KeyRotated { .. } => "KeyRotated",
            Self::Foreign { .. } => "Foreign",
            Self::Dropped { .. } => "Dropped",
            Self::Held { .. } => "Held",
            Self::Released { .. } => "Released",
            Self::Observed { .. } => "Observed",
            Self::Unattested { .. } => "Unattested",
        }
    }

    /// The pod that it is about: namespace and name.
    #[must_use]
    pub fn pod(&self) -> Option<(&str, &str)> {
        match self {
            Self::Observed { namespace, pod, .. } | Self::Unattested { namespace, pod, .. } => {
                Some((namespace, pod))
            }
            _ => None,
        }
    }

    /// Who did it, where a person did.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match self {
            Self::Read { by, .. }
            | Self::Exported { by, .. }
            | Self::Held { by, .. }
            | Self::Released { by, .. } => Some(by),
            _ => None,
        }
    }

    /// The decision that it is about.
    #[must_use]
    pub fn decision(&self) -> Option<Uuid> {
        match self {
            Self::Observed { decision, .. } => Some(*decision),
            _ => None,
        }
    }
}
