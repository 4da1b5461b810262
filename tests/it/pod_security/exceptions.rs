//! Where Postern and upstream are not asked the same.
//!
//! Upstream judges a whole pod; Postern judges one container as it will run in it. Each exception
//! narrows a pod down to what one container gets: it takes out what the other question is about,
//! and nothing else. Of a narrowed pod both must say the same, check by check.

use postern::policy::rule::Level;
use serde_json::{Value, json};

/// One difference that is meant.
pub(crate) struct Exception {
    pub(crate) name: &'static str,
    /// Upstream's checks about which the two may differ.
    pub(crate) checks: &'static [&'static str],
    /// Takes the difference out of a pod; `false`: there was none.
    narrow: fn(Level, &mut Value) -> bool,
}

const POD: &str = "/spec/securityContext";
const OWN: &str = "/spec/ephemeralContainers/0/securityContext";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

pub(crate) const EXCEPTIONS: [Exception; 11] = [
    // The kubelet takes the container's profile, whole, and the pod's only where there is none
    // (pkg/kubelet/kuberuntime/helpers.go, getSeccompProfile). Upstream refuses the pod's by
    // itself.
    Exception {
        name: "the container has a seccomp profile of its own",
        checks: &["seccompProfile_baseline", "seccompProfile_restricted"],
        narrow: |_, pod| overridden(pod, "seccompProfile"),
    },
    // As for seccomp: whole, so that `{}` is the runtime's default whatever the pod says
    // (pkg/securitycontext/util.go, DetermineEffectiveSecurityContext).
    Exception {
        name: "the container has SELinux options of its own",
        checks: &["seLinuxOptions"],
        narrow: |_, pod| overridden(pod, "seLinuxOptions"),
    },
    // The same function.
    Exception {
        name: "the container says by itself that it is not root",
        checks: &["runAsNonRoot"],
        narrow: |_, pod| overridden(pod, "runAsNonRoot"),
    },
    // The same function.
    Exception {
        name: "the container has a user of its own",
        checks: &["runAsUser"],
        narrow: |_, pod| overridden(pod, "runAsUser"),
    },
    // The same function, but Windows options are merged field by field.
    Exception {
        name: "the container says by itself that it is no host process",
        checks: &["windowsHostProcess"],
        narrow: |_, pod| {
            is_set(pod, &format!("{OWN}/windowsOptions/hostProcess"))
                && take(pod, &format!("{POD}/windowsOptions"), "hostProcess")
        },
    },
    // An annotation counts where the container has no field, the pod's field where it has neither
    // (pkg/security/apparmor/helpers.go, GetProfile). Upstream refuses each by itself.
    Exception {
        name: "the container's AppArmor field is before its annotation",
        checks: &["appArmorProfile"],
        narrow: |_, pod| {
            let annotation = own_annotation(pod);
            is_set(pod, &format!("{OWN}/appArmorProfile"))
                && take(pod, "/metadata/annotations", &annotation)
        },
    },
    Exception {
        name: "the container has an AppArmor profile of its own",
        checks: &["appArmorProfile"],
        narrow: |_, pod| {
            let value = pod["metadata"]["annotations"][own_annotation(pod)].as_str();
            // The kubelet passes over every other value.
            let annotated = value.is_some_and(|value| {
                ["runtime/default", "unconfined"].contains(&value)
                    || value.starts_with("localhost/")
            });
            (annotated || is_set(pod, &format!("{OWN}/appArmorProfile")))
                && take(pod, POD, "appArmorProfile")
        },
    },
    // Upstream refuses what any annotation says, of whatever container.
    Exception {
        name: "the AppArmor annotation is another container's",
        checks: &["appArmorProfile"],
        narrow: |_, pod| {
            let own = own_annotation(pod);
            let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() else {
                return false;
            };
            let before = annotations.len();
            annotations.retain(|key, _| !key.starts_with(APP_ARMOR) || *key == own);
            annotations.len() < before
        },
    },
    // A volume was in the pod before; the container does not get at it.
    Exception {
        name: "the container does not mount the volume",
        checks: &["hostPathVolumes", "restrictedVolumes"],
        narrow: |_, pod| {
            let used = used_volumes(pod);
            let Some(volumes) = pod["spec"]["volumes"].as_array_mut() else { return false };
            let before = volumes.len();
            volumes.retain(|volume| used.iter().any(|name| volume["name"] == **name));
            volumes.len() < before
        },
    },
    // The API server refuses a mount of nothing. Upstream reads volumes, not mounts; Postern
    // refuses what it does not know, as if it were of the worst kind.
    Exception {
        name: "the container mounts a volume that is not there",
        checks: &["hostPathVolumes", "restrictedVolumes"],
        narrow: |_, pod| {
            let used = used_volumes(pod);
            let volumes = &mut pod["spec"]["volumes"];
            let is_there = |name: &String| {
                volumes.as_array().into_iter().flatten().any(|volume| volume["name"] == **name)
            };
            let missing: Vec<_> = used.into_iter().filter(|name| !is_there(name)).collect();
            let worst = missing.iter().map(|name| json!({"name": name, "hostPath": {}}));
            match volumes {
                Value::Array(volumes) => volumes.extend(worst),
                none => *none = worst.collect(),
            }
            !missing.is_empty()
        },
    },
    // The API server refuses capabilities and seccomp in a Windows pod (pkg/apis/core/validation,
    // validateWindows), so restricted does not look at them there; Postern looks all the same. The
    // narrowed pod is no Windows pod, has what only Windows is excused from, and nothing beside.
    Exception {
        name: "a Windows container asks for what Windows does not have",
        checks: &["capabilities_restricted", "seccompProfile_restricted"],
        narrow: |level, pod| {
            let adds = pod.pointer(&format!("{OWN}/capabilities/add")).and_then(Value::as_array);
            let profile = |context: &str| is_set(pod, &format!("{context}/seccompProfile"));
            let asks = adds.is_some_and(|adds| !adds.is_empty()) || profile(OWN) || profile(POD);
            if level != Level::Restricted || pod["spec"]["os"]["name"] != "windows" || !asks {
                return false;
            }
            let has_profile = profile(OWN) || profile(POD);
            (pod["spec"]["os"], pod["spec"]["containers"]) = (Value::Null, json!([]));
            let own = &mut pod["spec"]["ephemeralContainers"][0]["securityContext"];
            own["allowPrivilegeEscalation"] = json!(false);
            own["capabilities"]["drop"] = json!(["ALL"]);
            if !has_profile {
                own["seccompProfile"] = json!({"type": "RuntimeDefault"});
            }
            true
        },
    },
];

/// A pod as its one ephemeral container has it, and which exceptions that took.
pub(crate) fn narrow(level: Level, pod: &Value) -> (Value, Vec<&'static Exception>) {
    let mut narrowed = pod.clone();
    let taken =
        EXCEPTIONS.iter().filter(|exception| (exception.narrow)(level, &mut narrowed)).collect();
    (narrowed, taken)
}

fn is_set(pod: &Value, path: &str) -> bool {
    pod.pointer(path).is_some_and(|value| !value.is_null())
}

fn take(pod: &mut Value, parent: &str, field: &str) -> bool {
    let parent = pod.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.and_then(|parent| parent.remove(field)).is_some_and(|value| !value.is_null())
}

/// Takes the pod's value of a field that the container has too.
fn overridden(pod: &mut Value, field: &str) -> bool {
    is_set(pod, &format!("{OWN}/{field}")) && take(pod, POD, field)
}

fn own_annotation(pod: &Value) -> String {
    format!("{APP_ARMOR}{}", pod["spec"]["ephemeralContainers"][0]["name"].as_str().unwrap())
}

fn used_volumes(pod: &Value) -> Vec<String> {
    let container = &pod["spec"]["ephemeralContainers"][0];
    let mounts = ["volumeMounts", "volumeDevices"].map(|list| container[list].as_array());
    let mut names: Vec<String> = mounts
        .into_iter()
        .flatten()
        .flatten()
        .map(|mount| mount["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}
