//! What the API server itself refuses, said by name and with what to do instead.
//!
//! The rules are `validateEphemeralContainers` and `ValidatePodEphemeralContainersUpdate` of
//! `pkg/apis/core/validation`. Only the mutating phase sees such requests: the API server refuses
//! them before it calls a validating webhook.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::container::is_left_out;
use crate::policy::text::{Plain, Quoted};

/// How large added containers may be together, in bytes of JSON. What people type has hundreds;
/// each costs many times its size while it is judged, and who sends it chooses it.
const MAX_ADDED_BYTES: usize = 256 * 1024;

/// Most containers that one request may add and still be judged: more is not debugging.
pub const MAX_INJECTIONS: usize = 64;

/// Whether those that are judged may be judged at all; if not, why.
pub(super) fn check_size<'a>(added: impl Iterator<Item = &'a str>) -> Result<(), String> {
    if added.take(MAX_INJECTIONS).map(str::len).sum::<usize>() <= MAX_ADDED_BYTES {
        return Ok(());
    }
    let most = MAX_ADDED_BYTES / 1024;
    Err(format!("the added containers are larger than {most} KiB together"))
}

/// One structural objection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `spec.ephemeralContainers[1].ports`.
    pub path: String,
    /// The container's name; empty where the fault is the request's.
    pub container: String,
    /// What.
    pub kind: FaultKind,
}

/// What is wrong with a request's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences below are the documentation")]
pub enum FaultKind {
    ForbiddenField { field: &'static str },
    SubPath { field: &'static str, mount_path: String },
    Removed,
    Changed { fields: Vec<String> },
    NameRepeated,
    NameMissing,
    TargetUnknown { target: String, containers: Vec<String> },
    TargetEphemeral { target: String },
    MirrorPod,
    TooMany { added: usize },
}

impl Fault {
    /// A fault of the container at `index`.
    pub(super) fn new(index: usize, name: &str, kind: FaultKind) -> Self {
        let field = match &kind {
            FaultKind::ForbiddenField { field } => format!(".{field}"),
            FaultKind::NameRepeated | FaultKind::NameMissing => ".name".to_owned(),
            FaultKind::TargetUnknown { .. } | FaultKind::TargetEphemeral { .. } => {
                ".targetContainerName".to_owned()
            }
            _ => String::new(),
        };
        let path = format!("spec.ephemeralContainers[{index}]{field}");
        Self { path, container: name.to_owned(), kind }
    }

    /// A fault of the list as a whole, about a container that is not in it.
    pub(super) fn removed(name: &str) -> Self {
        Self {
            path: "spec.ephemeralContainers".to_owned(),
            container: name.to_owned(),
            kind: FaultKind::Removed,
        }
    }

    /// A fault of the request as a whole.
    pub(super) fn of_request(path: &str, kind: FaultKind) -> Self {
        Self { path: path.to_owned(), container: String::new(), kind }
    }

    /// What to do instead.
    #[must_use]
    pub fn remedy(&self) -> String {
        match &self.kind {
            FaultKind::ForbiddenField { field } => field_remedy(field).to_owned(),
            FaultKind::SubPath { .. } => "mount the whole volume".to_owned(),
            FaultKind::Removed => {
                "send it along unchanged; only recreating the pod removes it".to_owned()
            }
            FaultKind::Changed { .. } => {
                "send it along unchanged, and add a container under a new name".to_owned()
            }
            FaultKind::NameRepeated => "choose a name that the pod does not have yet".to_owned(),
            FaultKind::NameMissing => "give the container a name".to_owned(),
            FaultKind::TargetUnknown { containers, .. } => {
                let names: Vec<_> = containers.iter().map(|name| Plain(name).to_string()).collect();
                format!("target one of: {}", names.join(", "))
            }
            FaultKind::TargetEphemeral { .. } => {
                "target a regular container; its processes are seen by both".to_owned()
            }
            FaultKind::MirrorPod => {
                "static pods cannot be debugged this way; use kubectl debug node/NODE".to_owned()
            }
            FaultKind::TooMany { .. } => "add them one request at a time".to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::ForbiddenField { field } => {
                write!(f, "{field} cannot be set on an ephemeral container")
            }
            FaultKind::SubPath { field, mount_path } => write!(
                f,
                "{field} of the mount at {} cannot be set on an ephemeral container",
                Quoted(mount_path)
            ),
            FaultKind::Removed => f.write_str("an ephemeral container cannot be removed"),
            FaultKind::Changed { fields } if fields.is_empty() => {
                f.write_str("an ephemeral container cannot be changed")
            }
            FaultKind::Changed { fields } => write!(
                f,
                "an ephemeral container cannot be changed, and {} {}",
                Quoted(&fields.join(", ")),
                if fields.len() == 1 { "differs" } else { "differ" }
            ),
            FaultKind::NameRepeated => f.write_str("the name is used by another container"),
            FaultKind::NameMissing => f.write_str("the container has no name"),
            FaultKind::TargetUnknown { target, .. } => {
                write!(f, "target {} is not a container of this pod", Quoted(target))
            }
            FaultKind::TargetEphemeral { target } => {
                write!(f, "target {} is itself an ephemeral container", Quoted(target))
            }
            FaultKind::MirrorPod => f.write_str("a static pod takes no ephemeral containers"),
            FaultKind::TooMany { added } => write!(
                f,
                "{added} containers are added at once, more than the {MAX_INJECTIONS} that are judged"
            ),
        }
    }
}

/// Fields of a container that the API forbids on ephemeral ones.
const FORBIDDEN_FIELDS: &[&str] = &[
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
];

fn field_remedy(field: &str) -> &'static str {
    match field {
        "ports" => "leave it out; kubectl port-forward reaches any port of the pod",
        "resources" => "leave it out; the container shares what the pod has",
        "livenessProbe" | "readinessProbe" | "startupProbe" => {
            "leave it out; an ephemeral container is not probed"
        }
        "lifecycle" => "leave it out, and put what it does into the command",
        _ => "leave it out; an ephemeral container never restarts and is never resized",
    }
}

/// The names a target can be checked against; nothing where the pod is not known.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    /// Regular and init containers, in order.
    pub(super) containers: Vec<&'a str>,
    /// Ephemeral containers, old and new.
    pub(super) ephemeral: &'a BTreeSet<Cow<'a, str>>,
}

/// The faults of one added container, all of them.
pub(super) fn faults(
    index: usize,
    name: &str,
    container: &Value,
    targets: Option<&Targets<'_>>,
) -> Vec<Fault> {
    let forbidden = FORBIDDEN_FIELDS
        .iter()
        .filter(|field| container.get(**field).is_some_and(|value| !is_left_out(field, value)));
    let mut faults: Vec<Fault> = forbidden
        .map(|field| Fault::new(index, name, FaultKind::ForbiddenField { field }))
        .collect();
    faults.extend(sub_paths(index, name, container));
    let target = container.get("targetContainerName").and_then(Value::as_str).unwrap_or_default();
    if let Some(targets) = targets.filter(|_| !target.is_empty())
        && !targets.containers.contains(&target)
    {
        let target = target.to_owned();
        let kind = if targets.ephemeral.contains(target.as_str()) {
            FaultKind::TargetEphemeral { target }
        } else {
            let containers = targets.containers.iter().map(|name| (*name).to_owned()).collect();
            FaultKind::TargetUnknown { target, containers }
        };
        faults.push(Fault::new(index, name, kind));
    }
    faults
}

fn sub_paths(index: usize, name: &str, container: &Value) -> Vec<Fault> {
    let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    let fault = |(position, mount): (usize, &Value), field: &'static str| {
        let set = mount.get(field).is_some_and(|value| !is_left_out(field, value));
        let mount_path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
        set.then(|| Fault {
            path: format!("spec.ephemeralContainers[{index}].volumeMounts[{position}].{field}"),
            container: name.to_owned(),
            kind: FaultKind::SubPath { field, mount_path: mount_path.to_owned() },
        })
    };
    mounts
        .enumerate()
        .flat_map(|mount| [fault(mount, "subPath"), fault(mount, "subPathExpr")])
        .flatten()
        .collect()
}
