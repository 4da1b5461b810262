//! The objects that tests create.

use std::path::Path;

use serde_json::{Value, json};

/// What users install, of these kinds.
pub(crate) fn installed(kinds: &[&str]) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base/install.yaml");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is =
        |object: &Value| object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    objects.retain(|object| kinds.contains(&is(object).as_str()));
    objects
}

/// A pod with one container, `app`, and the label `app: NAME`. Change what the test is about before
/// giving it to the cluster.
pub(crate) fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app",
                "image": "docker.io/library/busybox:1.36",
                "command": ["sleep", "3600"],
            }],
        },
    })
}

/// The patch of a pod's status with which a kubelet says that all is well.
pub(super) fn running_status(pod: &Value) -> Value {
    // Any moment does; this one needs no clock.
    let since = "2026-01-01T00:00:00Z";
    let statuses = |list: &str, ready: bool| -> Vec<Value> {
        let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        let status = |container: &Value| {
            let state = if list == "initContainers" {
                json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": since,
                                      "finishedAt": since}})
            } else {
                json!({"running": {"startedAt": since}})
            };
            json!({
                "name": container.get("name"),
                "image": container.get("image"),
                "imageID": format!("sha256:{:064}", 0),
                "containerID": format!("containerd://{:064}", 0),
                "ready": ready,
                "started": ready,
                "restartCount": 0,
                "state": state,
            })
        };
        containers.into_iter().flatten().map(status).collect()
    };
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .map(|kind| json!({"type": kind, "status": "True"}));
    json!({"status": {
        "phase": "Running",
        "startTime": since,
        "hostIP": "192.0.2.1",
        "hostIPs": [{"ip": "192.0.2.1"}],
        "podIP": "198.51.100.1",
        "podIPs": [{"ip": "198.51.100.1"}],
        "conditions": conditions,
        "initContainerStatuses": statuses("initContainers", true),
        "containerStatuses": statuses("containers", true),
        "ephemeralContainerStatuses": statuses("ephemeralContainers", false),
    }})
}
