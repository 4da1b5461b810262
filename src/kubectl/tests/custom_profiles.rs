//! `--custom` files: merged, completed and refused as by the real programs.

use super::*;

#[test]
fn custom_profiles_are_merged_as_a_real_kubectl_merged_them() {
    let steals = DebugOptions {
        custom: custom(json!({
            "envFrom": [{"secretRef": {"name": "db-creds"}}],
            "volumeMounts": [{"name": "creds", "mountPath": "/steal"}],
            "securityContext": {"privileged": true},
        })),
        ..options("dbg-custom", "busybox")
    };
    let (container, _) = recorded("debug-custom-steals-secret.mutate.json");
    assert_eq!(steals.ephemeral_container("unused").unwrap(), container);

    let forbidden = DebugOptions {
        custom: custom(json!({
            "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1"}},
            "livenessProbe": {"exec": {"command": ["true"]}},
        })),
        ..options("dbg-forbidden", "busybox")
    };
    let (container, _) = recorded("debug-custom-forbidden-fields.mutate.json");
    assert_eq!(forbidden.ephemeral_container("unused").unwrap(), container);
}

#[test]
fn a_custom_profile_wins_field_by_field() {
    let merged = DebugOptions {
        profile: Profile::Restricted,
        stdin: true,
        tty: true,
        image_pull_policy: Some(PullPolicy::IfNotPresent),
        custom: custom(json!({
            "args": ["-v"],
            "imagePullPolicy": "Never",
            "stdin": false,
            "securityContext": {
                "runAsNonRoot": false,
                "runAsUser": 0,
                "capabilities": {"add": ["SYS_PTRACE"], "drop": []},
                "seccompProfile": {"localhostProfile": "p"},
            },
        })),
        ..options("d", "busybox")
    };
    let expected = json!({
        "args": ["-v"],
        "stdin": true,
        "tty": true,
        "securityContext": {
            "runAsNonRoot": false,
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "p"},
        },
    });
    assert_eq!(built(&merged), expected);
    let policy = merged.ephemeral_container("x").unwrap()["imagePullPolicy"].clone();
    assert_eq!(policy, "Never");

    let replaced = DebugOptions {
        profile: Profile::Netadmin,
        custom: custom(json!({"securityContext": {"capabilities": {"add": ["CHOWN"]}}})),
        ..options("d", "busybox")
    };
    let expected = json!({"securityContext": {"capabilities": {"add": ["CHOWN"]}}});
    assert_eq!(built(&replaced), expected, "a list is replaced whole");
}

/// The order is that of `mergeSlice` in apimachinery's `strategicpatch`.
#[test]
fn env_is_merged_by_name_in_the_order_of_a_strategic_merge() {
    let cases = [
        (vec!["A"], vec!["B"], vec!["B", "A"]),
        (vec!["A", "B"], vec!["B", "C"], vec!["A", "B", "C"]),
        (vec!["A", "B", "C"], vec!["C", "A"], vec!["B", "C", "A"]),
        (vec!["A", "B", "C"], vec!["X", "C"], vec!["X", "A", "B", "C"]),
        (vec!["A"], vec!["B", "B"], vec!["B", "A"]),
        (vec![], vec!["B", "B"], vec!["B", "B"]),
    ];
    for (flags, profile, expected) in cases {
        let entries: Vec<_> =
            profile.iter().map(|name| json!({"name": name, "value": "custom"})).collect();
        let merged = DebugOptions {
            profile: Profile::Legacy,
            env: flags.iter().map(|&name| (name.to_owned(), "flag".to_owned())).collect(),
            custom: custom(json!({"env": entries})),
            ..options("d", "busybox")
        };
        let env = built(&merged)["env"].as_array().unwrap().clone();
        let names: Vec<_> = env.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{flags:?} + {profile:?}");
        for entry in env {
            let name = entry["name"].as_str().unwrap();
            let source = if profile.contains(&name) { "custom" } else { "flag" };
            assert_eq!(entry["value"], source);
        }
    }
}

/// What kubectl 1.37.2 sent to a server that wrote it down.
#[test]
fn odd_flags_are_read_as_a_real_kubectl_read_them() {
    let flags = DebugOptions {
        profile: Profile::Netadmin,
        target: Some("tomcat-java".to_owned()),
        env: vec![("A".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())],
        image_pull_policy: Some(PullPolicy::Always),
        stdin: true,
        custom: custom(json!({
            "env": [
                {"name": "X", "value": "custom"},
                {"name": "C", "value": "custom", "valueFrom": null},
            ],
            "stdin": false,
            "args": [],
            "securityContext": {
                "capabilities": {"add": ["CHOWN"], "drop": []},
                "runAsUser": 0,
                "seLinuxOptions": {"user": ""},
            },
            "workingDir": "",
        })),
        ..options("d", "busybox:1.36")
    };
    let sent = json!({
        "env": [
            {"name": "X", "value": "custom"},
            {"name": "C", "value": "custom"},
            {"name": "A", "value": "2"},
        ],
        "image": "busybox:1.36",
        "imagePullPolicy": "Always",
        "name": "d",
        "resources": {},
        "securityContext": {
            "capabilities": {"add": ["CHOWN"]},
            "runAsUser": 0,
            "seLinuxOptions": {},
        },
        "stdin": true,
        "targetContainerName": "tomcat-java",
        "terminationMessagePolicy": "File",
    });
    assert_eq!(flags.ephemeral_container("x").unwrap(), stored(sent));
}

/// What kubectl 1.37.2 sent to a server that wrote it down.
#[test]
fn odd_custom_profiles_are_merged_as_a_real_kubectl_merged_them() {
    let profile = custom(json!({
        "env": [
            {"name": "C", "value": ""},
            {"name": "C", "value": "twice"},
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "volumeMounts": [
            {"name": "v", "mountPath": "/a", "readOnly": false},
            {"name": "w", "mountPath": "/a"},
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "Never",
        "tty": true,
        "securityContext": {},
    }));
    let pod_name = json!({"fieldRef": {"fieldPath": "metadata.name"}});
    let mut sent = json!({
        "args": ["-v", "x"],
        "env": [
            {"name": "C", "value": "twice"},
            {"name": "A", "value": "flag", "valueFrom": pod_name},
        ],
        "image": "busybox",
        "imagePullPolicy": "Never",
        "name": "d",
        "resources": {},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "tty": true,
        "volumeMounts": [{"mountPath": "/a", "name": "v"}, {"mountPath": "/a", "name": "w"}],
    });
    let merged = DebugOptions {
        profile: Profile::Restricted,
        env: vec![("A".to_owned(), "flag".to_owned())],
        command: vec!["-v".to_owned(), "x".to_owned()],
        arguments_only: true,
        custom: profile,
        ..options("d", "busybox")
    };
    assert_eq!(merged.ephemeral_container("x").unwrap(), stored(sent.clone()));

    sent["env"] = json!([{"name": "C"}, {"name": "C", "value": "twice"}, {"name": "A", "valueFrom": pod_name}]);
    sent.as_object_mut().unwrap().remove("args");
    let alone = DebugOptions { env: Vec::new(), command: Vec::new(), ..merged };
    assert_eq!(alone.ephemeral_container("x").unwrap(), stored(sent));
}

/// What the API server makes of what kubectl sent.
fn stored(sent: Value) -> Value {
    let Value::Object(mut container) = sent else { panic!("a container is a mapping") };
    defaults::fill_in(&mut container);
    Value::Object(container)
}

#[test]
fn custom_profiles_that_kubectl_refuses_or_ignores_are_refused() {
    let refused = |container: Value| CustomProfile::new("x", container).unwrap_err();
    for (field, value) in [
        ("name", json!("x")),
        ("image", json!("x")),
        ("command", json!(["x"])),
        ("lifecycle", json!({})),
        ("volumeDevices", json!([{"name": "x", "devicePath": "/dev/x"}])),
    ] {
        assert_eq!(refused(json!({ field: value })), CustomError::Fixed(field));
    }
    let unknown = CustomError::UnknownField("targetContainerName".to_owned());
    assert_eq!(refused(json!({"targetContainerName": "x"})), unknown);
    assert_eq!(refused(json!({"env": {}})), CustomError::WrongShape("env".to_owned()));
    assert_eq!(refused(json!([])), CustomError::NotFields);

    let nothing = json!({"name": "", "command": [], "image": null, "env": [], "tty": false});
    let empty = DebugOptions { profile: Profile::Legacy, ..options("d", "busybox") };
    let same = DebugOptions { custom: custom(nothing), ..empty.clone() };
    assert_eq!(built(&empty), built(&same));
}

#[test]
fn the_api_server_fills_in_what_a_custom_profile_leaves_out() {
    let options = DebugOptions {
        profile: Profile::Legacy,
        custom: custom(json!({
            "env": [
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "F", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}},
            ],
            "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5},
            "startupProbe": {"grpc": {"port": 80}},
        })),
        ..options("d", "busybox")
    };
    let container = built(&options);
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(container["env"][1]["valueFrom"]["fileKeyRef"]["optional"], false);
    assert_eq!(container["startupProbe"]["grpc"]["service"], "");
    let expected = json!({
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 5,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    });
    assert_eq!(container["readinessProbe"], expected);
}
