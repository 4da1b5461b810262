//! A namespace in which the API server's own Pod Security admission is `restricted`.

use serde_json::json;

use super::desk::Desk;

/// What a restricted namespace lets in, with a user of its own.
fn restricted_pod(pod: &mut serde_json::Value) {
    pod["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    pod["spec"]["volumes"] = json!([{"name": "creds", "secret": {"secretName": "db"}}]);
    pod["spec"]["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "runAsUser": 4711,
    });
}

#[test]
fn a_plain_debugger_ends_as_one_that_pod_security_accepts() {
    let mut desk = Desk::open("restricted-shop");
    desk.types(
        "admin",
        "kubectl label ns restricted-shop pod-security.kubernetes.io/enforce=restricted",
    );
    desk.pod_with("shop", restricted_pod);
    let debug = "kubectl debug shop -n restricted-shop --image=busybox:1.36";
    desk.note("As kubectl asks by itself, and with more than anybody should ask for");
    assert!(desk.types("alice", &format!("{debug} -c plain")).success());
    assert!(desk.types("alice", &format!("{debug} --profile=sysadmin -c everything")).success());
    desk.json_file(
        "steal.json",
        &json!({
            "env": [{"name": "PLAIN", "value": "x"},
                    {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}}],
            "envFrom": [{"secretRef": {"name": "db"}}],
            "volumeMounts": [{"name": "creds", "mountPath": "/steal"}],
            "securityContext": {"capabilities": {"add": ["SYS_ADMIN", "NET_BIND_SERVICE"]}},
        }),
    );
    assert!(desk.types("alice", &format!("{debug} --custom=steal.json -c steal")).success());
    let stored = desk.debuggers("shop");
    assert_eq!(stored.len(), 3);
    for container in &stored {
        let context = &container["securityContext"];
        assert_eq!(context["runAsUser"], 4711, "the target's own");
        assert_eq!(context["runAsNonRoot"], true);
        assert_ne!(context["privileged"], true);
        assert_eq!(container["volumeMounts"], json!(null));
        assert_eq!(container["envFrom"], json!(null));
    }
    assert_eq!(stored[2]["securityContext"]["capabilities"]["add"], json!(["NET_BIND_SERVICE"]));
    assert_eq!(stored[2]["env"], json!([{"name": "PLAIN", "value": "x"}]));
    desk.note("Where policy lets it through as it is, Pod Security refuses the same");
    let glass = format!("{debug} --profile=sysadmin -c glass");
    let refused = desk.types("grace", &glass);
    assert!(refused.stderr.contains("violates PodSecurity"), "{refused:?}");
    desk.close("restricted");
}
