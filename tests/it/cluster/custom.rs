//! `--custom` files: what kubectl's own flags cannot say.

use serde_json::json;

use super::desk::Desk;

#[test]
fn secrets_are_not_taken_by_a_custom_profile() {
    let mut desk = Desk::open("team-thief");
    desk.cluster().apply(
        r#"{"apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": "team-thief", "name": "database"},
            "stringData": {"password": "correct horse"}}"#,
    );
    desk.pod_with("shop", |pod| {
        pod["spec"]["volumes"] = json!([
            {"name": "credentials", "secret": {"secretName": "database"}},
            {"name": "node", "hostPath": {"path": "/"}},
            {"name": "cache", "emptyDir": {}},
        ]);
    });
    desk.file("env.yaml", "envFrom: [{secretRef: {name: database}}]\n");
    desk.file(
        "variable.yaml",
        "env: [{name: DB, valueFrom: {secretKeyRef: {name: database, key: password}}}]\n",
    );
    desk.file("mount.yaml", "volumeMounts: [{name: credentials, mountPath: /steal}]\n");
    desk.file("node.yaml", "volumeMounts: [{name: node, mountPath: /host}]\n");
    desk.file("cache.yaml", "volumeMounts: [{name: cache, mountPath: /cache}]\n");
    desk.file(
        "all.yaml",
        "envFrom: [{secretRef: {name: database}}]\n\
         volumeMounts: [{name: credentials, mountPath: /steal}]\n\
         securityContext: {privileged: true}\n",
    );
    for file in ["env", "variable", "mount", "node", "cache", "all"] {
        let line =
            format!("kubectl debug shop -n team-thief --image=busybox:1.36 --custom={file}.yaml");
        assert_eq!(desk.types("alice", &line).status, Some(1), "{file}");
    }
    desk.note("Somebody on call may read the pod's own data, and no secrets either");
    for (file, status) in [("mount", 1), ("cache", 1), ("cache-read-only", 0)] {
        if file == "cache-read-only" {
            desk.file(
                "cache-read-only.yaml",
                "volumeMounts: [{name: cache, mountPath: /cache, readOnly: true}]\n",
            );
        }
        let line = format!(
            "kubectl debug shop -n team-thief --image=busybox:1.36 --env=DEBUG_REASON=INC-1 \
             --custom={file}.yaml"
        );
        assert_eq!(desk.types("bob", &line).status, Some(status), "{file}");
    }
    let records = desk.records();
    assert_eq!(records[0]["injections"][0]["env"][0]["source"], "secret/database");
    let told = records.iter().map(ToString::to_string).collect::<String>();
    assert!(!told.contains("correct horse"), "{told}");
    desk.close("custom_steals_secrets");
}

#[test]
fn fields_that_no_debugger_may_have_are_named_with_what_to_do_instead() {
    let mut desk = Desk::open("team-fields");
    desk.pod("shop");
    desk.file(
        "three.yaml",
        "ports: [{containerPort: 80}]\n\
         resources: {limits: {cpu: 100m}}\n\
         livenessProbe: {exec: {command: [\"true\"]}}\n",
    );
    desk.file("port.yaml", "ports: [{containerPort: 80}]\n");
    for file in ["three", "port"] {
        let line =
            format!("kubectl debug shop -n team-fields --image=busybox:1.36 --custom={file}.yaml");
        assert_eq!(desk.types("alice", &line).status, Some(1));
    }
    // The API server would have refused too: not the validating webhook has spoken.
    assert!(desk.records().iter().all(|record| record["phase"] == "Mutate"));
    assert!(desk.debuggers("shop").is_empty());
    desk.close("custom_forbidden_fields");
}

#[test]
fn variables_that_look_like_secrets_are_not_typed_into_a_pod() {
    let mut desk = Desk::open("team-variables");
    desk.pod("shop");
    let line = |variable: &str| {
        format!("kubectl debug shop -n team-variables --image=busybox:1.36 --env={variable}")
    };
    desk.types("alice", &line("LOG_LEVEL=debug"));
    desk.types("alice", &line("GITHUB_TOKEN=hunter2"));
    let told = desk.records().iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("GITHUB_TOKEN") && !told.contains("hunter2"), "{told}");
    desk.close("custom_variables");
}
