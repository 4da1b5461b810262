//! Requests that no `kubectl debug` sends: the whole list by PUT, JSON Patch, server-side apply.

use serde_json::{Value, json};

use super::desk::{Desk, Shared};
use super::support::Output;

/// A desk with a pod `shop` that alice has put the debuggers `first` and `second` into.
fn desk_with_two_debuggers(namespace: &'static str) -> Desk<Shared> {
    let mut desk = Desk::open(namespace);
    desk.pod("shop");
    for name in ["first", "second"] {
        let line = format!("kubectl debug shop -n {namespace} --image=busybox:1.36 -c {name}");
        assert!(desk.types("alice", &line).success());
    }
    desk
}

/// Sends the pod `shop` back as it is, except for what `change` changes.
fn put(desk: &mut Desk<Shared>, user: &str, what: &str, change: impl FnOnce(&mut Value)) -> Output {
    let mut pod = desk.read_pod("shop");
    if pod["spec"]["ephemeralContainers"].is_null() {
        pod["spec"]["ephemeralContainers"] = json!([]);
    }
    change(&mut pod);
    desk.json_file("pod.json", &pod);
    desk.note(what);
    let path = format!("/api/v1/namespaces/{}/pods/shop/ephemeralcontainers", desk.namespace);
    desk.types(user, &format!("kubectl replace --raw {path} -f pod.json"))
}

fn add(pod: &mut Value, container: Value) {
    pod["spec"]["ephemeralContainers"].as_array_mut().unwrap().push(container);
}

#[test]
fn what_is_already_in_the_pod_cannot_be_touched_and_need_not_be() {
    let mut desk = desk_with_two_debuggers("team-put");
    let before = desk.debuggers("shop");

    assert!(put(&mut desk, "alice", "The same list again", |_| {}).success());
    let reordered = put(&mut desk, "alice", "The same in another order", |pod| {
        pod["spec"]["ephemeralContainers"].as_array_mut().unwrap().reverse();
    });
    assert!(reordered.success());
    assert_eq!(desk.records().len(), 2, "only what was added is on record");

    put(&mut desk, "alice", "Without the first", |pod| {
        pod["spec"]["ephemeralContainers"]
            .as_array_mut()
            .unwrap()
            .retain(|it| it["name"] != "first");
    });
    put(&mut desk, "alice", "With nothing at all", |pod| {
        pod["spec"]["ephemeralContainers"] = json!([]);
    });
    put(&mut desk, "alice", "The first made anew with another image", |pod| {
        let containers = pod["spec"]["ephemeralContainers"].as_array_mut().unwrap();
        let first = containers.iter_mut().find(|it| it["name"] == "first").unwrap();
        first["image"] = json!("nicolaka/netshoot");
        first["tty"] = json!(true);
    });
    put(&mut desk, "alice", "A second one of the same name", |pod| {
        add(pod, json!({"name": "first", "image": "busybox:1.36"}));
    });
    put(&mut desk, "alice", "Named like the application", |pod| {
        add(pod, json!({"name": "app", "image": "busybox:1.36"}));
    });
    put(&mut desk, "alice", "Removed, changed and added at once", |pod| {
        let containers = pod["spec"]["ephemeralContainers"].as_array_mut().unwrap();
        containers.retain(|it| it["name"] != "first");
        containers[0]["command"] = json!(["sh", "-c", "cat /etc/shadow"]);
        add(
            pod,
            json!({"name": "third", "image": "busybox:1.36", "ports": [{"containerPort": 1}]}),
        );
    });

    let mut after = desk.debuggers("shop");
    after.reverse();
    assert_eq!(after, before);
    let spoken = |record: &&Value| record["answer"] == "Refused" && record["phase"] == "Mutate";
    assert_eq!(desk.records().iter().filter(spoken).count(), 6, "in Postern's own words");
    desk.close("put_existing");
}

#[test]
fn what_a_put_adds_is_judged_and_hardened_like_any_other() {
    let mut desk = Desk::open("team-put-add");
    desk.pod("shop");
    put(&mut desk, "alice", "One that is allowed", |pod| {
        add(pod, json!({"name": "fine", "image": "busybox:1.36"}));
    });
    let fine = &desk.debuggers("shop")[0];
    assert_eq!(fine["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(fine["targetContainerName"], "app");

    put(&mut desk, "alice", "One that is not", |pod| {
        add(pod, json!({"name": "shady", "image": "ttl.sh/shady:1h"}));
    });
    put(&mut desk, "alice", "Two at once, more than the policy's one", |pod| {
        add(pod, json!({"name": "third", "image": "busybox:1.36"}));
        add(pod, json!({"name": "fourth", "image": "busybox:1.36"}));
    });
    put(&mut desk, "alice", "Looking at another debugger, or at nobody", |pod| {
        let target = |name: &str, target: &str| json!({"name": name, "image": "busybox:1.36", "targetContainerName": target});
        add(pod, target("third", "fine"));
        add(pod, target("fourth", "database"));
    });
    put(&mut desk, "alice", "Everything that the API forbids", |pod| {
        let probe = json!({"exec": {"command": ["true"]}});
        add(
            pod,
            json!({
                "name": "everything", "image": "busybox:1.36",
                "ports": [{"containerPort": 80}],
                "resources": {"requests": {"cpu": "1"}},
                "livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe,
                "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
                "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
                "restartPolicy": "Always",
                "volumeMounts": [{"name": "x", "mountPath": "/x", "subPath": "y"}],
            }),
        );
    });
    assert_eq!(desk.debuggers("shop").len(), 1);
    desk.close("put_added");
}

#[test]
fn a_label_in_the_request_does_not_make_a_pod_another() {
    let mut desk = Desk::open("labelled-spoof");
    desk.pod("shop");
    let spoofed = put(&mut desk, "carol", "The label is only in the request", |pod| {
        pod["metadata"]["labels"]["debug"] = json!("welcome");
        pod["metadata"]["annotations"] = json!({"postern.dev/allow": "yes"});
        add(pod, json!({"name": "spoofed", "image": "busybox:1.36"}));
    });
    assert_eq!(spoofed.status, Some(1));
    assert!(desk.read_pod("shop")["metadata"]["labels"]["debug"].is_null());

    desk.note("The label is the pod's own");
    desk.types("admin", "kubectl label pod shop -n labelled-spoof debug=welcome");
    let own = put(&mut desk, "carol", "and the request may even deny it", |pod| {
        pod["metadata"]["labels"].as_object_mut().unwrap().remove("debug");
        add(pod, json!({"name": "own", "image": "busybox:1.36"}));
    });
    assert!(own.success());
    assert_eq!(desk.read_pod("shop")["metadata"]["labels"]["debug"], "welcome");
    desk.close("put_spoofed_label");
}

#[test]
fn a_dry_run_is_judged_in_full_and_leaves_no_trace() {
    let mut desk = Desk::open("team-dry-run");
    desk.pod("shop");
    desk.json_file("pod.json", &{
        let mut pod = desk.read_pod("shop");
        pod["spec"]["ephemeralContainers"] = json!([{"name": "fine", "image": "busybox:1.36"}]);
        pod
    });
    let path = "/api/v1/namespaces/team-dry-run/pods/shop/ephemeralcontainers?dryRun=All";
    let line = format!("kubectl replace --raw {path} -f pod.json");
    let allowed = desk.types("alice", &line);
    let shown: Value = serde_json::from_str(&allowed.stdout).unwrap();
    let container = &shown["spec"]["ephemeralContainers"][0];
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "hardened");
    desk.note("The same by somebody who may not");
    assert_eq!(desk.types("carol", &line).status, Some(1));
    desk.note("Faults of structure");
    desk.json_file("pod.json", &{
        let mut pod = desk.read_pod("shop");
        let ports = json!([{"containerPort": 80}]);
        pod["spec"]["ephemeralContainers"] =
            json!([{"name": "fine", "image": "busybox:1.36", "ports": ports}]);
        pod
    });
    assert_eq!(desk.types("alice", &line).status, Some(1));
    assert!(desk.debuggers("shop").is_empty());
    assert!(desk.records().is_empty());
    desk.close("dry_run");
}

#[test]
fn json_patch_and_server_side_apply_meet_the_same_rules() {
    let mut desk = Desk::open("team-patch");
    desk.pod("shop");
    let patch = |containers: &str| {
        format!(
            "kubectl patch pod shop -n team-patch --subresource=ephemeralcontainers --type=json \
             -p '[{{\"op\": \"add\", \"path\": \"/spec/ephemeralContainers\", \"value\": {containers}}}]'"
        )
    };
    desk.types("alice", &patch(r#"[{"name": "patched", "image": "nicolaka/netshoot"}]"#));
    desk.types("alice", &patch(r#"[{"name": "patched", "image": "busybox:1.36"}]"#));
    desk.note("`add` on a list that is there replaces it");
    desk.types("alice", &patch(r#"[{"name": "other", "image": "busybox:1.36"}]"#));

    desk.note("Strategic merge patch, which is what kubectl debug sends");
    let strategic = |image: &str| {
        let spec = json!({"ephemeralContainers": [{"name": "merged", "image": image}]});
        format!(
            "kubectl patch pod shop -n team-patch --subresource=ephemeralcontainers \
             -p '{}'",
            json!({"spec": spec})
        )
    };
    desk.types("alice", &strategic("nicolaka/netshoot"));
    desk.types("alice", &strategic("busybox:1.36"));

    let apply = "kubectl apply --server-side --subresource=ephemeralcontainers -f apply.json";
    let applied = |image: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "shop", "namespace": "team-patch"},
            "spec": {"ephemeralContainers": [{"name": "applied", "image": image}]},
        })
    };
    desk.note("Server-side apply");
    desk.json_file("apply.json", &applied("nicolaka/netshoot"));
    desk.types("alice", apply);
    desk.json_file("apply.json", &applied("busybox:1.36"));
    desk.types("alice", apply);
    let stored = desk.debuggers("shop");
    assert_eq!(stored.len(), 3);
    for container in stored {
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    }
    desk.close("patch_and_apply");
}
