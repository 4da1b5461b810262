use std::process::Command;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The container that a recorded request added, and the whole request.
fn recorded(name: &str) -> (Value, Value) {
    let path = format!("{}/tests/corpus/reviews/{name}", env!("CARGO_MANIFEST_DIR"));
    let review: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let request = review["request"].clone();
    let containers = |object: &str| {
        request[object]["spec"]["ephemeralContainers"].as_array().cloned().unwrap_or_default()
    };
    let old = containers("oldObject");
    let added: Vec<_> =
        containers("object").into_iter().filter(|container| !old.contains(container)).collect();
    assert_eq!(added.len(), 1, "{name}");
    (added[0].clone(), request)
}

fn options(container: &str, image: &str) -> DebugOptions {
    DebugOptions {
        image: image.to_owned(),
        container: Some(container.to_owned()),
        ..DebugOptions::default()
    }
}

fn custom(container: Value) -> Option<CustomProfile> {
    Some(CustomProfile::new("custom.yaml", container).unwrap())
}

/// The part of the built container that is not the same for all.
fn built(options: &DebugOptions) -> Value {
    let mut container = options.ephemeral_container("x7k2p").unwrap();
    let fields = container.as_object_mut().unwrap();
    for same in ["name", "image", "imagePullPolicy", "resources"] {
        fields.remove(same).unwrap();
    }
    assert_eq!(fields.remove("terminationMessagePath"), Some(json!("/dev/termination-log")));
    assert_eq!(fields.remove("terminationMessagePolicy"), Some(json!("File")));
    container
}

#[test]
fn every_profile_is_built_as_a_real_kubectl_built_it() {
    for profile in Profile::ALL {
        let name = profile.as_str();
        let (container, _) = recorded(&format!("debug-profile-{name}.mutate.json"));
        let options = DebugOptions {
            profile,
            target: Some("tomcat-java".to_owned()),
            ..options(&format!("dbg-{name}"), "busybox:1.36")
        };
        assert_eq!(options.ephemeral_container("unused").unwrap(), container, "{name}");
    }
}

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
fn a_review_is_what_a_real_api_server_sent_but_for_its_bookkeeping() {
    let (container, mut request) = recorded("debug-profile-general.mutate.json");
    let requester = impersonated("alice", &["dev".to_owned(), "sre".to_owned()]);
    let mut built = review(&request["oldObject"], &container, &requester).unwrap();
    // The manager of a field is noted by the API server alone.
    for review in [&mut built["request"], &mut request] {
        for object in ["object", "oldObject"] {
            review[object]["metadata"].as_object_mut().unwrap().remove("managedFields");
        }
        review.as_object_mut().unwrap().remove("uid").unwrap();
        review["userInfo"].as_object_mut().unwrap().remove("uid");
    }
    assert_eq!(built["request"], request);
    assert_eq!(built["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(built["kind"], "AdmissionReview");
}

#[test]
fn a_manifest_without_namespace_or_containers_to_debug_with_is_a_pod_too() {
    let requester = impersonated("alice", &[]);
    let volumes = json!([{"name": "scratch"}, {"name": "host", "hostPath": {"path": "/"}}]);
    let spec = json!({"ephemeralContainers": null, "volumes": volumes});
    let pod = json!({"metadata": {"name": "web"}, "spec": spec});
    let built = review(&pod, &json!({"name": "d"}), &requester).unwrap();
    let stored = &built["request"]["oldObject"]["spec"]["volumes"];
    assert_eq!(stored[0], json!({"name": "scratch", "emptyDir": {}}));
    assert_eq!(stored[1], volumes[1]);
    assert_eq!(built["request"]["namespace"], "default");
    assert_eq!(built["request"]["object"]["spec"]["ephemeralContainers"], json!([{"name": "d"}]));
    assert_eq!(built["request"]["oldObject"]["spec"]["ephemeralContainers"], Value::Null);
}

#[test]
fn what_is_not_a_pod_says_so() {
    let cases = [
        (json!([]), "not a pod: it is not a mapping"),
        (json!({"kind": "Deployment"}), "not a pod: its `kind` is another"),
        (json!({"kind": "Pod"}), "not a pod: it has no `metadata`"),
        (json!({"metadata": {}}), "not a pod: it has no `metadata.name`"),
        (
            json!({"metadata": {"name": "x", "namespace": 1}}),
            "not a pod: its `metadata.namespace` is not a text",
        ),
        (json!({"metadata": {"name": "x"}, "spec": 1}), "not a pod: it has no `spec`"),
        (
            json!({"metadata": {"name": "x"}, "spec": {"ephemeralContainers": {}}}),
            "not a pod: `spec.ephemeralContainers` is not a list",
        ),
    ];
    for (pod, message) in cases {
        let error = review(&pod, &json!({}), &impersonated("alice", &[])).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn whoever_is_impersonated_gets_the_groups_that_the_api_server_adds() {
    let groups = |user: &str, groups: &[&str]| {
        let groups: Vec<_> = groups.iter().map(|&group| group.to_owned()).collect();
        impersonated(user, &groups).groups
    };
    assert_eq!(groups("alice", &["dev"]), ["dev", "system:authenticated"]);
    assert_eq!(groups("alice", &["system:authenticated"]), ["system:authenticated"]);
    assert_eq!(groups("system:anonymous", &[]), ["system:unauthenticated"]);
    assert_eq!(
        groups("system:serviceaccount:ci:bot", &[]),
        ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"]
    );
    assert_eq!(groups("system:serviceaccount:ci:bot", &["x"]), ["x", "system:authenticated"]);
}

#[test]
fn each_flag_sets_its_field() {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let bare = DebugOptions { image: "busybox".to_owned(), ..DebugOptions::default() };
    let container = bare.ephemeral_container("x7k2p").unwrap();
    assert_eq!(container["name"], "debugger-x7k2p");
    assert_eq!(container["resources"], json!({}));
    assert_eq!(built(&bare), json!({"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}));

    let full = DebugOptions {
        profile: Profile::Baseline,
        env: vec![("A".into(), "1".into()), ("B".into(), String::new()), ("A".into(), "2".into())],
        stdin: true,
        tty: true,
        command: words(&["sh", "-c", "id"]),
        ..bare.clone()
    };
    let expected = json!({
        "env": [{"name": "A", "value": "2"}, {"name": "B"}],
        "stdin": true,
        "tty": true,
        "command": ["sh", "-c", "id"],
    });
    assert_eq!(built(&full), expected);

    let arguments = DebugOptions {
        profile: Profile::Legacy,
        command: words(&["-v"]),
        arguments_only: true,
        ..bare
    };
    assert_eq!(built(&arguments), json!({"args": ["-v"]}));
}

#[test]
fn the_pull_policy_follows_the_tag_unless_it_is_asked_for() {
    let digest = format!("busybox:latest@sha256:{}", "0".repeat(64));
    let cases = [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("registry:5000/busybox", "Always"),
        (digest.as_str(), "Always"),
        (digest.trim_start_matches("busybox:latest@"), "IfNotPresent"),
        ("busybox:1.36", "IfNotPresent"),
        ("BUSYBOX", "IfNotPresent"),
    ];
    for (image, policy) in cases {
        let container = options("d", image).ephemeral_container("x").unwrap();
        assert_eq!(container["imagePullPolicy"], policy, "{image}");
    }
    let never =
        DebugOptions { image_pull_policy: Some(PullPolicy::Never), ..options("d", "busybox") };
    assert_eq!(never.ephemeral_container("x").unwrap()["imagePullPolicy"], "Never");
}

#[test]
fn flags_that_kubectl_refuses_are_refused() {
    let bare = DebugOptions::default();
    assert_eq!(bare.ephemeral_container("x"), Err(DebugError::ImageMissing));
    let tty = DebugOptions { tty: true, ..options("d", "busybox") };
    assert_eq!(tty.ephemeral_container("x"), Err(DebugError::TtyWithoutStdin));
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

#[test]
fn env_flags_are_read_as_kubectl_reads_them() {
    let read = |text: &str| parse_env(text).unwrap();
    let pairs = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    assert_eq!(read("A=1"), pairs(&[("A", "1")]));
    assert_eq!(read("A=1,2"), pairs(&[("A", "1,2")]));
    assert_eq!(read("\"A=1\""), pairs(&[("A", "1")]));
    assert_eq!(read("A=1,B=2"), pairs(&[("A", "1"), ("B", "2")]));
    assert_eq!(read("A=x=y"), pairs(&[("A", "x=y")]));
    assert_eq!(read("A=x=y,B=2"), pairs(&[("A", "x=y"), ("B", "2")]));
    assert_eq!(read("A=\"q\""), pairs(&[("A", "\"q")]));
    assert_eq!(read("\"A=x=y,\"\"z\"\"\",B="), pairs(&[("A", "x=y,\"z\""), ("B", "")]));
    assert_eq!(parse_env("A"), Err(EnvError::NoValue));
    assert_eq!(parse_env("A=1,B=2,C"), Err(EnvError::NoValue));
    assert_eq!(parse_env("A=1,B=\"2\""), Err(EnvError::Quotes));
    assert_eq!(parse_env("A=x=y,\"z"), Err(EnvError::Quotes));
    assert_eq!(parse_env("\"A=1,B=2"), Err(EnvError::Quotes));
    assert_eq!(parse_env("\"A=1\"x,B=2"), Err(EnvError::Quotes));
}

#[test]
fn a_command_line_is_ready_to_paste() {
    let short = DebugOptions {
        image: "registry.example.com/debug/netshoot".to_owned(),
        profile: Profile::Restricted,
        ..DebugOptions::default()
    };
    assert_eq!(
        short.command_line("payments-api", "payments"),
        "kubectl debug payments-api -n payments --image=registry.example.com/debug/netshoot \
         --profile=restricted"
    );
    let long = DebugOptions {
        target: Some("app".to_owned()),
        env: vec![("REASON".to_owned(), "INC-1 it's down".to_owned())],
        image_pull_policy: Some(PullPolicy::Always),
        custom: custom(json!({})),
        stdin: true,
        tty: true,
        command: vec![
            "sh".to_owned(),
            "-c".to_owned(),
            "echo $HOME\r\n\u{1b}[2J\u{202e}7".to_owned(),
        ],
        arguments_only: true,
        ..options("dbg", "busybox")
    };
    assert_eq!(
        long.command_line("web", "default"),
        "kubectl debug web -n default --image=busybox --profile=general --target=app \
         --container=dbg '--env=REASON=INC-1 it'\\''s down' --image-pull-policy=Always \
         --custom=custom.yaml -it --arguments-only -- sh -c \
         $'echo $HOME\\015\\012\\033[2J\\342\\200\\2567'"
    );
}

/// What bash makes of a command line, word by word.
fn bash_words(line: &str) -> Vec<String> {
    let script = format!("printf '%s\\0' {line}");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_shell_reads_a_command_line_back(
        command in prop::collection::vec("[^\0]{0,12}", 1..8),
        value in "[^\0]{0,12}",
    ) {
        let options = DebugOptions {
            env: vec![("A".to_owned(), value)],
            command: command.clone(),
            ..options("d", "busybox")
        };
        let line = options.command_line("web", "default");
        prop_assert!(line.chars().all(crate::policy::text::is_plain), "{:?}", line);
        let words = bash_words(&line);
        prop_assert_eq!(&words[words.len() - command.len()..], &command[..]);
        let flag = words.iter().find_map(|word| word.strip_prefix("--env=")).unwrap();
        let value = &options.env[0].1;
        if value.contains('=') || !value.ends_with('"') {
            prop_assert_eq!(parse_env(flag).unwrap(), options.env);
        }
    }

    #[test]
    fn no_custom_profile_and_no_env_makes_it_panic(text in ".{0,40}", depth in 0..4_usize) {
        prop_assert!(parse_env(&text).map_or(true, |pairs| !pairs.is_empty()));
        let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        for _ in 0..depth {
            value = json!({ "env": [value] });
        }
        if let Ok(custom) = CustomProfile::new("x", value) {
            let options = DebugOptions {
                env: vec![("A".to_owned(), text)],
                custom: Some(custom),
                ..options("d", "busybox")
            };
            options.ephemeral_container("x").unwrap();
        }
    }
}
