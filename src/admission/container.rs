//! An added container, from JSON to [`Injection`].

use serde::Deserialize;
use serde_json::Value;

use super::wire;
use crate::policy::image::ImageRef;
use crate::policy::request::{
    ConfinementProfile, Device, EnvFrom, EnvSource, EnvVar, Injection, Mount, PullPolicy, Redacted,
    SeLinuxOptions, SecurityContext, WindowsOptions,
};

/// Why an added container cannot be read. The API server would not send such a one; the value is
/// left out, because it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// A field has the wrong type.
    #[error("a field is of the wrong type")]
    Shape,
    /// A word that is not one of the API's.
    #[error("imagePullPolicy is not Always, IfNotPresent or Never")]
    PullPolicy,
}

/// Reads one container.
///
/// # Errors
///
/// What cannot be read, which refuses the request.
pub fn read(name: &str, container: &Value) -> Result<Injection, ContainerError> {
    let wire = wire::Container::deserialize(container).map_err(|_| ContainerError::Shape)?;
    let pull_policy = match wire.image_pull_policy.as_deref() {
        None | Some("") => None,
        Some(text) => Some(PullPolicy::parse(text).ok_or(ContainerError::PullPolicy)?),
    };
    let set = |flag: Option<bool>| flag == Some(true);
    Ok(Injection {
        name: name.to_owned(),
        image: ImageRef::parse(&wire.image),
        image_asked: wire.image,
        pull_policy,
        target: wire.target_container_name.filter(|name| !name.is_empty()),
        argv: wire.command.into_iter().chain(wire.args).flatten().collect(),
        env: each(wire.env, variable),
        env_from: each(wire.env_from, variables),
        mounts: each(wire.volume_mounts, mount),
        devices: each(wire.volume_devices, |position, device| Device {
            position,
            volume: device.name,
        }),
        interactive: set(wire.stdin) || set(wire.stdin_once) || set(wire.tty),
        security: wire.security_context.map(security_context).unwrap_or_default(),
        termination_message_path: wire.termination_message_path,
        termination_message_policy: wire.termination_message_policy,
        unknown_fields: unknown_fields(container),
    })
}

/// The entries of a list, each with its place in it.
fn each<T, U>(list: Option<Vec<T>>, read: impl Fn(usize, T) -> U) -> Vec<U> {
    list.into_iter().flatten().enumerate().map(|(position, entry)| read(position, entry)).collect()
}

pub(super) fn security_context(wire: wire::SecurityContext) -> SecurityContext {
    let (capabilities_add, capabilities_drop) = wire
        .capabilities
        .map_or((None, None), |capabilities| (capabilities.add, capabilities.drop));
    // The API server writes no list that has nothing in it.
    let filled = |names: Option<Vec<String>>| names.filter(|names| !names.is_empty());
    SecurityContext {
        privileged: wire.privileged,
        allow_privilege_escalation: wire.allow_privilege_escalation,
        run_as_non_root: wire.run_as_non_root,
        run_as_user: wire.run_as_user,
        run_as_group: wire.run_as_group,
        read_only_root_filesystem: wire.read_only_root_filesystem,
        capabilities_add: filled(capabilities_add),
        capabilities_drop: filled(capabilities_drop),
        seccomp_profile: wire.seccomp_profile.map(profile),
        app_armor_profile: wire.app_armor_profile.map(profile),
        se_linux_options: wire.se_linux_options.map(|wire| Box::new(se_linux(*wire))),
        proc_mount: wire.proc_mount,
        windows_options: wire.windows_options.map(|wire| Box::new(windows(*wire))),
    }
}

fn se_linux(wire: wire::SeLinux) -> SeLinuxOptions {
    let wire::SeLinux { user, role, kind, level } = wire;
    SeLinuxOptions { user, role, kind, level }
}

fn windows(wire: wire::Windows) -> WindowsOptions {
    WindowsOptions {
        host_process: wire.host_process,
        run_as_user_name: wire.run_as_user_name,
        gmsa_credential_spec_name: wire.gmsa_credential_spec_name,
        gmsa_credential_spec: wire.gmsa_credential_spec,
    }
}

fn profile(wire: wire::Profile) -> ConfinementProfile {
    ConfinementProfile { kind: wire.kind, localhost_profile: wire.localhost_profile }
}

fn mount(position: usize, wire: wire::VolumeMount) -> Mount {
    let read_only = wire.read_only == Some(true);
    Mount { position, volume: wire.name, path: wire.mount_path, read_only }
}

fn variable(position: usize, wire: wire::Env) -> EnvVar {
    let source = match wire.value_from {
        None => EnvSource::Value(Redacted::new(wire.value.unwrap_or_default())),
        Some(from) => source(from),
    };
    EnvVar { position, name: wire.name, source }
}

fn variables(position: usize, wire: wire::EnvFrom) -> EnvFrom {
    EnvFrom { position, prefix: wire.prefix, source: source(wire.source) }
}

/// Of several sources, which the API server refuses, the one that weighs most.
fn source(keys: impl IntoIterator<Item = (String, Value)>) -> EnvSource {
    let weight = |source: &EnvSource| match source {
        EnvSource::Value(_) | EnvSource::Pod => 0,
        EnvSource::ConfigMap(_) => 1,
        EnvSource::File(_) => 2,
        EnvSource::Secret(_) => 3,
        EnvSource::Unknown(_) => 4,
    };
    let sources = keys.into_iter().filter(|(_, value)| !value.is_null()).map(|(kind, value)| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        match kind.as_str() {
            "secretKeyRef" | "secretRef" => EnvSource::Secret(text("name").to_owned()),
            "configMapKeyRef" | "configMapRef" => EnvSource::ConfigMap(text("name").to_owned()),
            "fieldRef" | "resourceFieldRef" => EnvSource::Pod,
            "fileKeyRef" => EnvSource::File(text("volumeName").to_owned()),
            _ => EnvSource::Unknown(kind),
        }
    });
    sources.max_by_key(weight).unwrap_or_else(|| EnvSource::Unknown("nothing".to_owned()))
}

/// Every field of core/v1 `EphemeralContainer` as of 1.37; the forbidden ones are judged elsewhere.
const CONTAINER_FIELDS: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

/// Every field of core/v1 `SecurityContext` as of 1.37.
const SECURITY_FIELDS: &[&str] = &[
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "windowsOptions",
];

/// Every field of what is below `securityContext`, as of 1.37.
const SECURITY_PARTS: [(&str, &[&str]); 5] = [
    ("capabilities", &["add", "drop"]),
    ("seLinuxOptions", &["level", "role", "type", "user"]),
    ("seccompProfile", &["localhostProfile", "type"]),
    ("appArmorProfile", &["localhostProfile", "type"]),
    (
        "windowsOptions",
        &["gmsaCredentialSpec", "gmsaCredentialSpecName", "hostProcess", "runAsUserName"],
    ),
];

/// Every field of the entries of lists, as of 1.37.
const ENTRIES: [(&str, &[&str]); 4] = [
    ("env", &["name", "value", "valueFrom"]),
    (ENV_FROM, &["configMapRef", "prefix", "secretRef"]),
    (
        "volumeMounts",
        &[
            "bindMountOptions",
            "mountPath",
            "mountPropagation",
            "name",
            "readOnly",
            "recursiveReadOnly",
            "subPath",
            "subPathExpr",
        ],
    ),
    ("volumeDevices", &["devicePath", "name"]),
];
const ENV_FROM: &str = "envFrom";

/// Fields that a later Kubernetes added: set, and of a meaning that is not known here.
fn unknown_fields(container: &Value) -> Vec<String> {
    let mut fields: Vec<String> =
        fields_beyond(CONTAINER_FIELDS, container).map(|(key, _)| key.clone()).collect();
    if let Some(security) = container.get("securityContext") {
        let unknown = fields_beyond(SECURITY_FIELDS, security);
        fields.extend(unknown.map(|(key, _)| format!("securityContext.{key}")));
        for (part, known) in SECURITY_PARTS {
            let unknown = security.get(part).into_iter().flat_map(|it| fields_beyond(known, it));
            fields.extend(unknown.map(|(key, _)| format!("securityContext.{part}.{key}")));
        }
    }
    for (list, known) in ENTRIES {
        let entries = container.get(list).and_then(Value::as_array).into_iter().flatten();
        for (position, entry) in entries.enumerate() {
            // A source that is not known is judged as if it were a Secret.
            let source = |value: &Value| list == ENV_FROM && value.is_object();
            let unknown = fields_beyond(known, entry).filter(|(_, value)| !source(value));
            fields.extend(unknown.map(|(key, _)| format!("{list}[{position}].{key}")));
        }
    }
    fields
}

fn fields_beyond<'v>(
    known: &[&str],
    object: &'v Value,
) -> impl Iterator<Item = (&'v String, &'v Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(key, value)| !known.contains(&key.as_str()) && !is_left_out(key, value))
}

/// Whether the API server would take a field for one that was left out.
///
/// `resources` is the one struct that is no pointer in Go, so it is written as `{}` where nothing
/// was asked; an empty probe is a probe.
pub(super) fn is_left_out(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => field == "resources" && fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
