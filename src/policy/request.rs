//! The question: who wants to add which containers to which pod.
//!
//! Everything here has been parsed. A missing value means that the requester left the field out,
//! or, inside a [`Fact`], that nobody could tell; it never means that a parser forgot.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::circumstances::Circumstances;
use super::expression::Documents;
use super::image::{ImageError, ImageRef};

pub use super::security_context::{
    ConfinementProfile, SeLinuxOptions, SecurityContext, WindowsOptions,
};
pub use super::volume::Volume;

/// One request to debug a pod, reduced to what policies may look at.
#[derive(Debug, Clone, PartialEq)]
pub struct DebugRequest {
    /// The way in that is being used.
    pub surface: Surface,
    /// Who asks, as the API server authenticated them.
    pub requester: Arc<Requester>,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod as it was **before** the request; nothing in it comes from the requester.
    pub pod: PodFacts,
    /// The containers this request adds, in the order asked.
    pub injections: Vec<Injection>,
    /// What was looked up besides.
    pub circumstances: Circumstances,
    /// What was sent, whole, where an expression reads it.
    pub documents: Documents,
}

/// A way into a running pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `pods/ephemeralcontainers`, what `kubectl debug POD` uses (KEP-277).
    EphemeralContainer,
}

impl Surface {
    /// The name that policies and records use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EphemeralContainer => "EphemeralContainer",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Requester {
    /// `userInfo.username`; a service account is `system:serviceaccount:NAMESPACE:NAME`.
    pub username: String,
    /// `userInfo.groups`.
    pub groups: Vec<String>,
}

/// Something about the cluster that may not be known (clusters up to 1.21 send no pod).
///
/// What is unknown never makes a Permit match and always makes a Require match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fact<T> {
    /// Seen in the object that the API server already stored.
    Known(T),
    /// Not in the review, and not to be guessed.
    #[default]
    Unknown,
}

impl<T> Fact<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// The pod as stored before the request.
#[derive(Debug, Clone, PartialEq)]
pub struct PodFacts {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Fact<BTreeMap<String, String>>,
    /// What policies read of `spec`.
    pub spec: Fact<PodSpecFacts>,
    /// How many ephemeral containers the pod already has.
    pub ephemeral_containers: usize,
    /// Those of them that are privileged; while containers of one request are judged, also the
    /// others that it adds.
    pub privileged_debuggers: Vec<DebuggerFacts>,
}

impl PodFacts {
    /// The kind of one of its volumes; `None` where there is none of that name or the pod is not
    /// known.
    #[must_use]
    pub fn volume_kind(&self, name: &str) -> Option<&str> {
        let volumes = &self.spec.known()?.volumes;
        volumes.iter().find(|volume| volume.name == name).map(|volume| volume.kind.as_ref())
    }
}

/// What policies read of a pod's `spec`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PodSpecFacts {
    /// `spec.os.name`, when set.
    pub os: Option<Os>,
    /// `spec.hostUsers: false`: the pod runs in a user namespace of its own.
    pub user_namespace: bool,
    /// Namespaces of the node that every container of the pod is in: `hostPID`, `hostNetwork`,
    /// `hostIPC`.
    pub host_namespaces: Vec<&'static str>,
    /// `spec.shareProcessNamespace`
    pub shares_processes: bool,
    /// The part of `spec.securityContext` that containers inherit.
    pub security: SecurityContext,
    /// `spec.containers`, in order.
    pub containers: Vec<ContainerFacts>,
    /// `spec.initContainers`, in order.
    pub init_containers: Vec<ContainerFacts>,
    /// `spec.volumes`.
    pub volumes: Vec<Volume>,
    /// AppArmor annotations of the time before 1.30, by container name:
    /// `container.apparmor.security.beta.kubernetes.io/<container>`.
    pub app_armor_annotations: BTreeMap<String, String>,
}

impl PodSpecFacts {
    /// Whether a container of that name can be a target: a regular or an init container.
    #[must_use]
    pub fn has(&self, container: &str) -> bool {
        self.container(container).is_some()
    }

    /// The regular or init container of that name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&ContainerFacts> {
        self.containers.iter().chain(&self.init_containers).find(|container| container.name == name)
    }

    /// The user that a container's first process runs as, where the pod says so.
    #[must_use]
    pub fn user_of(&self, name: &str) -> Option<i64> {
        self.container(name)?.run_as_user.or(self.security.run_as_user)
    }
}

/// A container that the pod already runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerFacts {
    /// `name`
    pub name: String,
    /// `securityContext.runAsUser`
    pub run_as_user: Option<i64>,
    /// `securityContext.privileged`
    pub privileged: bool,
}

/// An ephemeral container beside the one that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebuggerFacts {
    /// `name`
    pub name: String,
    /// `targetContainerName`
    pub target: Option<String>,
}

/// `spec.os.name` (KEP-2802).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// `linux`
    Linux,
    /// `windows`
    Windows,
}

/// One container that the request adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// `name`
    pub name: String,
    /// `image`, as asked.
    pub image_asked: String,
    /// `image`, parsed; what cannot be parsed is refused, never skipped.
    pub image: Result<ImageRef, ImageError>,
    /// `imagePullPolicy`; the API server fills it in before a webhook sees it.
    pub pull_policy: Option<PullPolicy>,
    /// `targetContainerName`
    pub target: Option<String>,
    /// `command` followed by `args`: what will be executed, where the image's own is replaced.
    pub argv: Vec<String>,
    /// `env`
    pub env: Vec<EnvVar>,
    /// `envFrom`
    pub env_from: Vec<EnvFrom>,
    /// `volumeMounts`
    pub mounts: Vec<Mount>,
    /// `volumeDevices`
    pub devices: Vec<Device>,
    /// `stdin`, `stdinOnce` or `tty` is set.
    pub interactive: bool,
    /// `securityContext`
    pub security: SecurityContext,
    /// `terminationMessagePath`
    pub termination_message_path: Option<String>,
    /// `terminationMessagePolicy`
    pub termination_message_policy: Option<String>,
    /// Fields that are set and that this version of Postern does not know, as dotted paths.
    pub unknown_fields: Vec<String>,
}

impl Injection {
    /// A container that asks for nothing but this image.
    #[must_use]
    pub fn bare(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image_asked: image.to_owned(),
            image: ImageRef::parse(image),
            pull_policy: None,
            target: None,
            argv: Vec::new(),
            env: Vec::new(),
            env_from: Vec::new(),
            mounts: Vec::new(),
            devices: Vec::new(),
            interactive: false,
            security: SecurityContext::default(),
            termination_message_path: None,
            termination_message_policy: None,
            unknown_fields: Vec::new(),
        }
    }
}

/// `imagePullPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Ask the registry each time.
    Always,
    /// Use what the node has.
    IfNotPresent,
    /// Only what the node has.
    Never,
}

impl PullPolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Always, Self::IfNotPresent, Self::Never];

    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }

    /// From the API's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }
}

/// One entry of `env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// Where it stands in the list that was sent.
    pub position: usize,
    /// `name`
    pub name: String,
    /// Where the value comes from.
    pub source: EnvSource,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvSource {
    /// Written in the request.
    Value(Redacted),
    /// `secretKeyRef`: the Secret's name.
    Secret(String),
    /// `configMapKeyRef`: the ConfigMap's name.
    ConfigMap(String),
    /// `fieldRef` or `resourceFieldRef`: facts of the pod itself.
    Pod,
    /// `fileKeyRef`: the volume that holds the file (KEP-3721).
    File(String),
    /// A source this version does not know; judged as if it were a Secret.
    Unknown(String),
}

impl EnvSource {
    /// Whether the value may be a secret: a Secret's, a file's, or of a source that is not known.
    #[must_use]
    pub fn may_be_secret(&self) -> bool {
        match self {
            Self::Secret(_) | Self::File(_) | Self::Unknown(_) => true,
            Self::Value(_) | Self::ConfigMap(_) | Self::Pod => false,
        }
    }

    /// In a few words, without the value: `secret/db-password`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Value(_) => "value".to_owned(),
            Self::Secret(name) => format!("secret/{name}"),
            Self::ConfigMap(name) => format!("configMap/{name}"),
            Self::Pod => "pod".to_owned(),
            Self::File(volume) => format!("file/{volume}"),
            Self::Unknown(kind) => kind.clone(),
        }
    }
}

/// One entry of `envFrom`; its variables' names are unknown to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFrom {
    /// Where it stands in the list that was sent.
    pub position: usize,
    /// `prefix`
    pub prefix: String,
    /// [`EnvSource::Secret`], [`EnvSource::ConfigMap`] or [`EnvSource::Unknown`].
    pub source: EnvSource,
}

/// A value that must not reach a log, a message or the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value. The one caller that may keep it is the justification.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// One entry of `volumeDevices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it stands in the list that was sent.
    pub position: usize,
    /// `name`: the volume.
    pub volume: String,
}

/// One entry of `volumeMounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it stands in the list that was sent.
    pub position: usize,
    /// `name`: the volume.
    pub volume: String,
    /// `mountPath`
    pub path: String,
    /// `readOnly`
    pub read_only: bool,
}
