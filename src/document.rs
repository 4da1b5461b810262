//! Layer 1, a container as JSON, what a policy changes put over it, and the parts of a review that
//! expressions read ([`excerpt`]).

use serde_json::{Map, Value, json};

pub mod excerpt;

use crate::policy::removal::Removal;
use crate::policy::request::{ConfinementProfile, SeLinuxOptions, SecurityContext, WindowsOptions};
use crate::policy::setting::Setting;

/// A setting's value as the API writes it.
#[must_use]
pub fn value(setting: &Setting) -> Value {
    match setting {
        Setting::Privileged(flag)
        | Setting::AllowPrivilegeEscalation(flag)
        | Setting::RunAsNonRoot(flag)
        | Setting::ReadOnlyRootFilesystem(flag) => json!(flag),
        Setting::RunAsUser(id) | Setting::RunAsGroup(id) => json!(id),
        Setting::CapabilitiesAdd(names) | Setting::CapabilitiesDrop(names) => json!(names),
        Setting::SeccompProfile(profile) | Setting::AppArmorProfile(profile) => {
            confinement(profile)
        }
        Setting::SeLinuxOptions(options) => se_linux(options),
        Setting::WindowsOptions(options) => windows(options),
        Setting::ProcMount(text)
        | Setting::TargetContainerName(text)
        | Setting::TerminationMessagePath(text)
        | Setting::TerminationMessagePolicy(text) => json!(text),
        Setting::ImagePullPolicy(policy) => json!(policy.as_str()),
        Setting::FirstTarget | Setting::RunAsUserFromTarget => Value::Null,
    }
}

/// Puts a value at a path of a container; what is on the way to it is made.
pub fn put(container: &mut Value, path: &[&str], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut here = container;
    for key in parents {
        let Some(object) = here.as_object_mut() else { return };
        let next = object.entry(*key).or_insert(Value::Null);
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        here = next;
    }
    if let Some(object) = here.as_object_mut() {
        object.insert((*last).to_owned(), value);
    }
}

/// Takes away from a container what was taken away; `removals` in the order in which the core
/// lists them, so that what stands behind goes first.
pub fn take(container: &mut Value, removals: &[Removal]) {
    for removal in removals.iter().rev() {
        match removal {
            Removal::Mount { position, .. } => drop_entry(container, "volumeMounts", *position),
            Removal::Device { position, .. } => drop_entry(container, "volumeDevices", *position),
            Removal::Env { position, .. } => drop_entry(container, "env", *position),
            Removal::EnvFrom { position, .. } => drop_entry(container, "envFrom", *position),
            Removal::MountWrite { position, .. } => {
                let mounts = container.get_mut("volumeMounts");
                if let Some(mount) = mounts.and_then(|mounts| mounts.get_mut(*position)) {
                    put(mount, &["readOnly"], json!(true));
                }
            }
            Removal::Privileged { left: Some(left) } => {
                put(container, &["securityContext", "privileged"], json!(left));
            }
            Removal::Privileged { left: None } => drop_security(container, "privileged"),
            Removal::Capabilities { kept: Some(kept), .. } => {
                put(container, &["securityContext", "capabilities", "add"], json!(kept));
            }
            Removal::Capabilities { kept: None, .. } => drop_security(container, "capabilities"),
        }
    }
}

/// Drops the lists that have nothing in them, as the API server does where it writes a container
/// (`omitempty`). Objects stay: those of a container are pointers in Go.
pub fn drop_empty_lists(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.as_array().is_some_and(Vec::is_empty));
            fields.values_mut().for_each(drop_empty_lists);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty_lists),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_entry(container: &mut Value, list: &str, position: usize) {
    let entries = container.get_mut(list).and_then(Value::as_array_mut);
    if let Some(entries) = entries.filter(|entries| position < entries.len()) {
        entries.remove(position);
    }
}

fn drop_security(container: &mut Value, field: &str) {
    let context = container.get_mut("securityContext").and_then(Value::as_object_mut);
    if let Some(context) = context {
        context.remove(field);
    }
}

/// A security context as the API writes it, with the fields that are set.
#[must_use]
pub fn security_context(context: &SecurityContext) -> Value {
    let flag = |flag: Option<bool>| flag.map(Value::from);
    let names = |names: &Option<Vec<String>>| names.as_ref().map(|names| json!(names));
    let capabilities = object([
        ("add", names(&context.capabilities_add)),
        ("drop", names(&context.capabilities_drop)),
    ]);
    let has_capabilities = capabilities.as_object().is_some_and(|lists| !lists.is_empty());
    object([
        ("privileged", flag(context.privileged)),
        ("allowPrivilegeEscalation", flag(context.allow_privilege_escalation)),
        ("runAsNonRoot", flag(context.run_as_non_root)),
        ("runAsUser", context.run_as_user.map(Value::from)),
        ("runAsGroup", context.run_as_group.map(Value::from)),
        ("readOnlyRootFilesystem", flag(context.read_only_root_filesystem)),
        ("capabilities", has_capabilities.then_some(capabilities)),
        ("seccompProfile", context.seccomp_profile.as_ref().map(confinement)),
        ("appArmorProfile", context.app_armor_profile.as_ref().map(confinement)),
        ("seLinuxOptions", context.se_linux_options.as_deref().map(se_linux)),
        ("procMount", context.proc_mount.as_ref().map(|text| json!(text))),
        ("windowsOptions", context.windows_options.as_deref().map(windows)),
    ])
}

fn confinement(profile: &ConfinementProfile) -> Value {
    let ConfinementProfile { kind, localhost_profile } = profile;
    object([
        ("type", Some(json!(kind))),
        ("localhostProfile", localhost_profile.as_ref().map(|p| json!(p))),
    ])
}

fn se_linux(options: &SeLinuxOptions) -> Value {
    let SeLinuxOptions { user, role, kind, level } = options;
    let text = |text: &String| (!text.is_empty()).then(|| json!(text));
    object([
        ("user", text(user)),
        ("role", text(role)),
        ("type", text(kind)),
        ("level", text(level)),
    ])
}

fn windows(options: &WindowsOptions) -> Value {
    let WindowsOptions {
        host_process,
        run_as_user_name,
        gmsa_credential_spec_name,
        gmsa_credential_spec,
    } = options;
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    object([
        ("hostProcess", host_process.map(|flag| json!(flag))),
        ("runAsUserName", text(run_as_user_name)),
        ("gmsaCredentialSpecName", text(gmsa_credential_spec_name)),
        ("gmsaCredentialSpec", text(gmsa_credential_spec)),
    ])
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let set = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(set.collect())
}
