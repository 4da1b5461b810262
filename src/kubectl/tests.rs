use std::process::Command;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod custom_profiles;

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
fn names_that_the_api_server_refuses_are_refused() {
    for name in ["Bad Name", "-a", "a-", "a.b", "a_b", &"a".repeat(64)] {
        let refused = options(name, "busybox").ephemeral_container("x");
        assert_eq!(refused, Err(DebugError::ContainerName(name.to_owned())));
    }
    assert!(options(&"a".repeat(63), "busybox").ephemeral_container("x").is_ok());
    let with = |name: &str| {
        let env = vec![(name.to_owned(), "v".to_owned())];
        DebugOptions { env, ..options("d", "busybox") }.ephemeral_container("x")
    };
    for name in ["", "ä", "a\tb"] {
        assert_eq!(with(name), Err(DebugError::VariableName(name.to_owned())));
    }
    for name in ["A", "1 a-b.c"] {
        assert!(with(name).is_ok(), "{name}");
    }
    let custom = custom(json!({"env": [{"name": "A=B", "value": "v"}]}));
    let refused = DebugOptions { custom, ..options("d", "busybox") }.ephemeral_container("x");
    assert_eq!(refused, Err(DebugError::VariableName("A=B".to_owned())));
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
            drop(options.ephemeral_container("x"));
        }
    }
}
