//! The parts of `admission.k8s.io` and `core/v1` that are read, as they are on the wire.
//!
//! Everything else is skipped without being built: a review carries the pod twice, and only a
//! fraction of it matters. What is read of the new pod is its list of ephemeral containers alone,
//! because the rest of it is whatever the requester sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::noted::Noted;
use crate::policy::volume::kind_of;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review<'a> {
    #[serde(borrow)]
    pub(super) api_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) request: Noted<'a, Request<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) uid: String,
    #[serde(borrow)]
    pub(super) kind: Kind<'a>,
    #[serde(borrow)]
    pub(super) resource: Resource<'a>,
    #[serde(borrow, default)]
    pub(super) sub_resource: Cow<'a, str>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    pub(super) operation: String,
    pub(super) user_info: UserInfo,
    #[serde(borrow)]
    pub(super) object: Option<Noted<'a, NewPod<'a>>>,
    #[serde(borrow)]
    pub(super) old_object: Option<Noted<'a, OldPod<'a>>>,
    pub(super) dry_run: Option<bool>,
}

/// As much of a review as can be had when the whole cannot: enough to answer and to record.
#[derive(Debug, Deserialize)]
pub(super) struct Remains<'a> {
    #[serde(borrow, rename = "apiVersion")]
    pub(super) api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) request: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow, default)]
    pub(super) group: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow, default)]
    pub(super) group: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) resource: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct UserInfo {
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) uid: String,
    pub(super) groups: Option<Vec<String>>,
    pub(super) extra: Option<BTreeMap<String, Vec<String>>>,
}

/// `object`: a Pod, or the `EphemeralContainers` of clusters up to 1.21.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPod<'a> {
    #[serde(borrow)]
    pub(super) metadata: Option<Noted<'a, Unread>>,
    #[serde(borrow)]
    pub(super) spec: Option<Noted<'a, NewPodSpec<'a>>>,
    #[serde(borrow)]
    pub(super) ephemeral_containers: Option<Vec<&'a RawValue>>,
}

/// An object of which no more than its keys are noted.
#[derive(Debug, Deserialize)]
pub(super) struct Unread {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPodSpec<'a> {
    #[serde(borrow)]
    pub(super) ephemeral_containers: Option<Vec<&'a RawValue>>,
}

/// `oldObject`: likewise, as the API server has it stored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldPod<'a> {
    #[serde(borrow, default)]
    pub(super) metadata: Noted<'a, Metadata>,
    #[serde(borrow)]
    pub(super) spec: Option<Noted<'a, OldPodSpec<'a>>>,
    #[serde(borrow)]
    pub(super) ephemeral_containers: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) uid: String,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<Annotations>,
    pub(super) owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OwnerReference {
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) controller: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldPodSpec<'a> {
    pub(super) os: Option<PodOs>,
    pub(super) host_users: Option<bool>,
    #[serde(rename = "hostPID")]
    pub(super) host_pid: Option<bool>,
    pub(super) host_network: Option<bool>,
    #[serde(rename = "hostIPC")]
    pub(super) host_ipc: Option<bool>,
    pub(super) share_process_namespace: Option<bool>,
    pub(super) security_context: Option<SecurityContext>,
    pub(super) containers: Option<Vec<PodContainer>>,
    pub(super) init_containers: Option<Vec<PodContainer>>,
    pub(super) volumes: Option<Vec<Volume>>,
    pub(super) node_name: Option<String>,
    pub(super) service_account_name: Option<String>,
    #[serde(borrow)]
    pub(super) ephemeral_containers: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PodOs {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) name: String,
}

/// A container that the pod already runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodContainer {
    #[serde(default)]
    pub(super) name: String,
    pub(super) security_context: Option<OwnSecurity>,
}

/// What is read of the `securityContext` of a container that the pod already runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnSecurity {
    pub(super) run_as_user: Option<i64>,
    pub(super) privileged: Option<bool>,
}

/// The few annotations that matter; others can be long and are skipped unread.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// `kubernetes.io/config.mirror` is there.
    pub(super) mirror: bool,
    /// `container.apparmor.security.beta.kubernetes.io/<container>`
    pub(super) app_armor: BTreeMap<String, String>,
}

const MIRROR: &str = "kubernetes.io/config.mirror";
const APP_ARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut read = Annotations::default();
                while let Some(Text(key)) = map.next_key()? {
                    if let Some(container) = key.strip_prefix(APP_ARMOR_PREFIX) {
                        read.app_armor.insert(container.to_owned(), map.next_value()?);
                    } else {
                        read.mirror |= key == MIRROR;
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A string that borrows from the input where it can, also as a key of a map.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A volume: its name and the one other key, which is its kind.
#[derive(Debug, Default)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) kind: Cow<'static, str>,
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Volume;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a volume")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Volume, A::Error> {
                let mut read = Volume::default();
                while let Some(Text(key)) = map.next_key()? {
                    if key == "name" {
                        read.name = map.next_value()?;
                    } else if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                        read.kind = kind_of(key);
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// `securityContext` of a pod or a container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityContext {
    pub(super) privileged: Option<bool>,
    pub(super) allow_privilege_escalation: Option<bool>,
    pub(super) run_as_non_root: Option<bool>,
    pub(super) run_as_user: Option<i64>,
    pub(super) run_as_group: Option<i64>,
    pub(super) read_only_root_filesystem: Option<bool>,
    pub(super) capabilities: Option<Capabilities>,
    pub(super) seccomp_profile: Option<Profile>,
    pub(super) app_armor_profile: Option<Profile>,
    pub(super) se_linux_options: Option<Box<SeLinux>>,
    pub(super) proc_mount: Option<String>,
    pub(super) windows_options: Option<Box<Windows>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Capabilities {
    pub(super) add: Option<Vec<String>>,
    pub(super) drop: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) localhost_profile: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SeLinux {
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    pub(super) role: String,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) level: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Windows {
    pub(super) host_process: Option<bool>,
    pub(super) run_as_user_name: Option<String>,
    pub(super) gmsa_credential_spec_name: Option<String>,
    pub(super) gmsa_credential_spec: Option<String>,
}

/// An added ephemeral container, as far as policies look at it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    #[serde(default)]
    pub(super) image: String,
    pub(super) image_pull_policy: Option<String>,
    pub(super) target_container_name: Option<String>,
    pub(super) command: Option<Vec<String>>,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<Vec<Env>>,
    pub(super) env_from: Option<Vec<EnvFrom>>,
    pub(super) volume_mounts: Option<Vec<VolumeMount>>,
    pub(super) volume_devices: Option<Vec<Named>>,
    pub(super) stdin: Option<bool>,
    pub(super) stdin_once: Option<bool>,
    pub(super) tty: Option<bool>,
    pub(super) security_context: Option<SecurityContext>,
    pub(super) termination_message_path: Option<String>,
    pub(super) termination_message_policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) name: String,
    pub(super) value: Option<String>,
    /// One key, which says the kind of the source.
    pub(super) value_from: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EnvFrom {
    #[serde(default)]
    pub(super) prefix: String,
    /// One key, which says the kind of the source.
    #[serde(flatten)]
    pub(super) source: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: String,
    #[serde(default)]
    pub(super) mount_path: String,
    pub(super) read_only: Option<bool>,
}
