use serde_json::json;

use super::*;
use crate::policy::extent::{Extent, Step};

fn review(object: &Value, old: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "ephemeralcontainers",
            "name": "api", "namespace": "payments", "operation": "UPDATE",
            "userInfo": {"username": "alice", "groups": ["dev"]},
            "object": object, "oldObject": old, "dryRun": false,
        }
    })
}

fn pod(ephemeral: &Value) -> Value {
    json!({
        "metadata": {"name": "api", "labels": {"app": "api"}},
        "spec": {
            "containers": [{"name": "app"}], "initContainers": [{"name": "init"}],
            "ephemeralContainers": ephemeral,
        }
    })
}

fn read(review: &Value) -> Review {
    decode(review.to_string().as_bytes()).unwrap()
}

fn debug_of(new: &Value, old: &Value) -> Debug {
    match read(&review(&pod(new), &pod(old))).subject {
        Subject::Debug(debug) => *debug,
        other => panic!("{other:?}"),
    }
}

fn paths(debug: &Debug) -> Vec<&str> {
    debug.faults.iter().map(|fault| fault.path.as_str()).collect()
}

fn malformed(review: &Value) -> String {
    match read(review).subject {
        Subject::Malformed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn finds_what_is_added_by_name_whatever_the_order() {
    let (a, b) = (json!({"name": "a", "image": "x"}), json!({"name": "b", "image": "y"}));
    let c = json!({"name": "c", "image": "z"});
    let debug = debug_of(&json!([b, c, a]), &json!([a, b]));
    assert!(debug.faults.is_empty());
    assert_eq!(debug.added[0].index, 1);
    assert_eq!(debug.request.injections[0].name, "c");
    assert_eq!(debug.request.pod.ephemeral_containers, 2);
}

#[test]
fn takes_the_same_container_written_differently_for_unchanged() {
    let before = json!([{"name": "a", "image": "x", "stdin": true}]);
    let text = review(&pod(&json!([])), &pod(&before)).to_string();
    let reordered =
        r#""object":{"spec":{"ephemeralContainers":[{ "stdin":true,"image":"x","name":"a"}]}}"#;
    let (before, rest) = text.split_once("\"object\":").unwrap();
    let (_, after) = rest.split_once(",\"oldObject\"").unwrap();
    let text = format!("{before}{reordered},\"oldObject\"{after}");
    let Subject::Debug(debug) = decode(text.as_bytes()).unwrap().subject else { panic!() };
    assert!(debug.faults.is_empty() && debug.added.is_empty());
}

#[test]
fn reports_every_fault_of_every_container_at_once() {
    let debug = debug_of(
        &json!([
            {"name": "old", "image": "other"},
            {"name": "a", "image": "x", "ports": [{"containerPort": 1}], "resources": {},
             "livenessProbe": {"exec": {}}, "restartPolicy": "Always", "targetContainerName": "nope",
             "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": "$(X)"}]},
            {"name": "a", "image": "x"},
            {"name": "app", "image": "x"},
            {"image": "x", "targetContainerName": "a"},
        ]),
        &json!([{"name": "old", "image": "x"}, {"name": "gone", "image": "x"}]),
    );
    assert_eq!(
        paths(&debug),
        [
            "spec.ephemeralContainers[0]",
            "spec.ephemeralContainers[2].name",
            "spec.ephemeralContainers[3].name",
            "spec.ephemeralContainers[4].name",
            "spec.ephemeralContainers",
            "spec.ephemeralContainers[1].ports",
            "spec.ephemeralContainers[1].livenessProbe",
            "spec.ephemeralContainers[1].restartPolicy",
            "spec.ephemeralContainers[1].volumeMounts[0].subPathExpr",
            "spec.ephemeralContainers[1].targetContainerName",
            "spec.ephemeralContainers[4].targetContainerName",
        ]
    );
    let changed = debug.faults[0].to_string();
    assert!(changed.contains("`image` differs"), "{changed}");
}

#[test]
fn takes_facts_about_the_pod_from_what_is_stored() {
    let mut spoofed = pod(&json!([{"name": "a", "image": "x"}]));
    spoofed["metadata"]["labels"] = json!({"app": "harmless"});
    spoofed["spec"]["containers"] = json!([{"name": "harmless"}]);
    let Subject::Debug(debug) = read(&review(&spoofed, &pod(&json!([])))).subject else { panic!() };
    let labels = debug.request.pod.labels.known().unwrap();
    assert_eq!(labels.get("app").map(String::as_str), Some("api"));
    assert_eq!(debug.request.pod.spec.known().unwrap().containers[0].name, "app");
}

#[test]
fn a_mirror_pod_takes_no_debugger() {
    let mut old = pod(&json!([]));
    old["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x", "other": "y"});
    let new = pod(&json!([{"name": "a", "image": "x"}]));
    let Subject::Debug(debug) = read(&review(&new, &old)).subject else { panic!() };
    assert_eq!(debug.faults[0].kind, FaultKind::MirrorPod);
}

#[test]
fn what_is_added_has_a_size_and_more_is_not_even_read() {
    let of = |words: usize| {
        let container = json!({"name": "a", "image": "x", "command": vec!["a"; words]});
        read(&review(&pod(&json!([container])), &pod(&json!([])))).subject
    };
    let Subject::Debug(debug) = of(50_000) else { panic!() };
    assert_eq!(debug.request.injections.len(), 1);
    let Subject::Malformed(why) = of(80_000) else { panic!() };
    assert_eq!(why, "the added containers are larger than 256 KiB together");
}

#[test]
fn too_many_at_once_are_refused_and_only_so_many_are_read() {
    let many: Vec<_> =
        (0..10_000).map(|n| json!({"name": format!("c{n}"), "image": "x"})).collect();
    let debug = debug_of(&json!(many), &json!([]));
    assert_eq!((debug.added_total, debug.request.injections.len()), (10_000, MAX_INJECTIONS));
    assert_eq!(debug.faults[0].kind, FaultKind::TooMany { added: 10_000 });
}

#[test]
fn keeps_the_uid_of_a_review_whose_object_makes_no_sense() {
    for object in
        [json!("pod"), json!([1]), json!({"spec": 5}), json!({"spec": {"ephemeralContainers": {}}})]
    {
        let why = malformed(&review(&object, &pod(&json!([]))));
        assert!(why.contains("wrong type"), "{why}");
    }
    assert_eq!(malformed(&review(&json!(null), &pod(&json!([])))), "the review has no object");
    assert_eq!(malformed(&review(&pod(&json!([])), &json!(null))), "the review has no oldObject");
    let unnamed = pod(&json!([{"name": 5}]));
    assert!(malformed(&review(&unnamed, &pod(&json!([])))).contains("an ephemeral container"));
    let secret = pod(&json!([{"name": "a", "image": "x", "env": "hunter2"}]));
    assert!(!malformed(&review(&secret, &pod(&json!([])))).contains("hunter2"));
}

#[test]
fn keeps_who_asked_of_a_review_that_cannot_be_read() {
    let review = read(&review(&json!({"spec": 5}), &json!({})));
    assert_eq!(
        (review.user.requester.username.as_str(), review.namespace.as_str()),
        ("alice", "payments")
    );
}

#[test]
fn an_object_nested_beyond_reason_is_malformed_where_it_is_read_and_skipped_elsewhere() {
    let deep = |key: &str| {
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let container = format!(r#"{{"name":"a","image":"x","{key}":{nested}}}"#);
        review(&pod(&json!(["HERE"])), &pod(&json!([]))).to_string().replace("\"HERE\"", &container)
    };
    let review = decode(deep("env").as_bytes()).unwrap();
    assert!(matches!(review.subject, Subject::Malformed(_)));
}

#[test]
fn answers_nobody_without_a_plain_uid() {
    for uid in [
        json!(null),
        json!(""),
        json!("a b"),
        json!("a\u{1b}[2J"),
        json!(7),
        json!("x".repeat(300)),
    ] {
        let mut review = review(&pod(&json!([])), &pod(&json!([])));
        review["request"]["uid"] = uid;
        assert_eq!(decode(review.to_string().as_bytes()).unwrap_err(), NotAReview::Uid);
    }
    let mut old = review(&pod(&json!([])), &pod(&json!([])));
    old["apiVersion"] = json!("admission.k8s.io/v2");
    assert_eq!(decode(old.to_string().as_bytes()).unwrap_err(), NotAReview::Version);
    for body in ["", "{", "[]", "null", "{}", "{\"request\":null}", "\u{0}", "{\"request\":{}}"] {
        assert!(decode(body.as_bytes()).is_err(), "{body:?}");
    }
    assert!(decode(b"\xff\xfe").is_err());
    let whole = review(&pod(&json!([])), &pod(&json!([]))).to_string();
    for end in 0..whole.len() - 1 {
        assert!(decode(&whole.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn a_key_given_twice_is_malformed_not_the_last_one() {
    let text = review(&pod(&json!([{"name": "a", "image": "x"}])), &pod(&json!([]))).to_string();
    let twice = text
        .replace("\"namespace\":\"payments\"", "\"namespace\":\"payments\",\"namespace\":\"lax\"");
    let read = decode(twice.as_bytes()).unwrap();
    assert!(matches!(read.subject, Subject::Malformed(_)));

    let added = json!([{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}],
        "securityContext": {"capabilities": {"add": ["CHOWN"]}}}]);
    let text = review(&pod(&added), &pod(&json!([]))).to_string();
    for (once, twice) in [
        ("\"image\":\"x\"", "\"image\":\"evil/x\",\"image\":\"x\""),
        ("\"value\":\"1\"", "\"value\":\"2\",\"value\":\"1\""),
        ("\"add\":[\"CHOWN\"]", "\"add\":[\"SYS_ADMIN\"],\"a\\u0064d\":[\"CHOWN\"]"),
    ] {
        assert!(matches!(decode(text.as_bytes()).unwrap().subject, Subject::Debug(_)));
        assert!(text.contains(once), "{once}");
        let read = decode(text.replacen(once, twice, 1).as_bytes()).unwrap();
        let Subject::Malformed(why) = read.subject else { panic!("{twice}") };
        assert_eq!(why, "an added container cannot be read");
    }
}

#[test]
fn other_resources_are_not_judged() {
    let mut exec = review(&json!({}), &json!(null));
    exec["request"]["subResource"] = json!("exec");
    exec["request"]["operation"] = json!("CONNECT");
    let Subject::NotJudged(resource) = read(&exec).subject else { panic!() };
    assert_eq!(resource, "pods/exec");

    let mut other = review(&json!({"spec": "text"}), &json!({"metadata": [1]}));
    other["request"]["resource"] = json!({"group": "example.com", "resource": "things"});
    other["request"]["subResource"] = json!("");
    let Subject::NotJudged(resource) = read(&other).subject else { panic!() };
    assert_eq!(resource, "things");
}

#[test]
fn another_operation_than_update_is_not_understood() {
    let mut deletion = review(&pod(&json!([])), &pod(&json!([])));
    deletion["request"]["operation"] = json!("DELETE");
    assert_eq!(malformed(&deletion), "the operation is not UPDATE");
}

#[test]
fn notes_fields_that_it_does_not_know() {
    let debug = debug_of(
        &json!([{"name": "a", "image": "x", "novel": {}, "empty": null,
                "securityContext": {"runAsUser": 5, "brandNew": true}}]),
        &json!([]),
    );
    assert_eq!(debug.request.injections[0].unknown_fields, ["novel", "securityContext.brandNew"]);
}

#[test]
fn notes_fields_that_it_does_not_know_further_down() {
    let container = json!({
        "name": "a", "image": "x",
        "securityContext": {
            "capabilities": {"add": ["CHOWN"], "ambient": ["SYS_ADMIN"], "drop": null},
            "seLinuxOptions": {"type": "container_t", "range": "s0"},
            "seccompProfile": {"type": "RuntimeDefault", "inline": "{}"},
            "appArmorProfile": {"type": "RuntimeDefault", "inline": {}},
            "windowsOptions": {"hostProcess": false, "hostUser": "x"},
        },
        "env": [{"name": "A", "value": ""}, {"name": "B", "valueFrom": {"vaultRef": {}}, "how": 1}],
        "envFrom": [{"secretRef": {"name": "s"}, "suffix": "_X"}, {"vaultRef": {"name": "v"}}],
        "volumeMounts": [{
            "name": "v", "mountPath": "/v", "readOnly": true, "recursiveReadOnly": "Enabled",
            "mountPropagation": "None", "bindMountOptions": ["noexec"], "idMap": "host",
        }],
        "volumeDevices": [{"name": "d", "devicePath": "/d", "mode": "rw", "empty": ""}],
    });
    let debug = debug_of(&json!([container]), &json!([]));
    assert_eq!(
        debug.request.injections[0].unknown_fields,
        [
            "securityContext.capabilities.ambient",
            "securityContext.seLinuxOptions.range",
            "securityContext.seccompProfile.inline",
            "securityContext.appArmorProfile.inline",
            "securityContext.windowsOptions.hostUser",
            "env[1].how",
            "envFrom[0].suffix",
            "volumeMounts[0].idMap",
            "volumeDevices[0].mode",
        ]
    );
}

#[test]
fn reads_where_variables_come_from_and_never_shows_their_values() {
    let debug = debug_of(
        &json!([{"name": "a", "image": "x", "env": [
            {"name": "V", "value": "hunter2"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "p"}}},
            {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "L", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p"}}},
            {"name": "N", "valueFrom": {"vaultRef": {"name": "v"}}},
            {"name": "B", "valueFrom": {"fieldRef": {}, "secretKeyRef": {"name": "both"}}},
            {"name": "E", "valueFrom": {}},
        ], "envFrom": [{"prefix": "P_", "secretRef": {"name": "all"}}]}]),
        &json!([]),
    );
    let container = &debug.request.injections[0];
    let sources: Vec<_> = container.env.iter().map(|env| env.source.describe()).collect();
    assert_eq!(
        sources,
        [
            "value",
            "secret/db",
            "configMap/cm",
            "pod",
            "file/v",
            "vaultRef",
            "secret/both",
            "nothing"
        ]
    );
    assert_eq!(container.env_from[0].source.describe(), "secret/all");
    assert!(!format!("{debug:?}").replace("hunter2\",\"", "").contains("Value(\"hunter2"));
    assert!(!format!("{:?}", debug.request).contains("hunter2"));
}

#[test]
fn expressions_can_read_all_that_was_sent_or_any_part_of_it() {
    let mut whole = 0;
    for path in std::fs::read_dir("tests/corpus/reviews").unwrap() {
        let Ok(text) = std::fs::read_to_string(path.unwrap().path()) else { continue };
        let Ok(Review { subject: Subject::Debug(debug), .. }) = decode(text.as_bytes()) else {
            continue;
        };
        let mut sent: Value = serde_json::from_str(&text).unwrap();
        let request = sent["request"].as_object_mut().unwrap();
        let (object, old) = (request.remove("object"), request.remove("oldObject"));
        let (body, places) = (text.as_bytes(), &debug.places);
        let everything = Extent::everything();
        assert_eq!(places.object.read(body, everything), object);
        assert_eq!(places.old_object.read(body, everything), old);
        assert_eq!(places.request.read(body, everything).as_ref(), Some(&sent["request"]));
        let mut name = Extent::default();
        name.add(&[Step::Field("metadata".into()), Step::Field("name".into())], true);
        name.add(&[Step::Field("spec".into()), Step::Field("nodeName".into())], true);
        let part = |pod: &Value| {
            let name = &pod["metadata"]["name"];
            match pod.get("spec") {
                Some(spec) => {
                    json!({"metadata": {"name": name}, "spec": match spec["nodeName"].clone() {
                        Value::Null => json!({}),
                        node => json!({"nodeName": node}),
                    }})
                }
                None => json!({"metadata": {"name": name}}),
            }
        };
        assert_eq!(places.object.read(body, &name), object.as_ref().map(part));
        assert_eq!(places.old_object.read(body, &name), old.as_ref().map(part));
        whole += 1;
    }
    assert!(whole > 10, "{whole}");
}

#[test]
fn a_name_of_a_field_with_escapes_is_not_looked_for() {
    let pod = pod(&json!([]));
    let text = review(&pod, &pod).to_string();
    for (name, escaped) in [(r#""spec""#, r#""sp\u0065c""#), (r#""object""#, r#""obj\u0065ct""#)] {
        assert!(text.contains(name));
        let review: Review = decode(text.replace(name, escaped).as_bytes()).unwrap();
        assert!(matches!(review.subject, Subject::Malformed(_)), "{escaped}");
    }
}

#[test]
fn notes_the_privileged_debuggers_that_the_pod_has_in_either_shape() {
    let old = json!([
        {"name": "plain", "image": "x", "targetContainerName": "app"},
        {"name": "root", "image": "x", "targetContainerName": "app",
         "securityContext": {"privileged": true, "capabilities": {"add": ["ALL"]}}},
        {"name": "alone", "image": "x", "targetContainerName": "",
         "securityContext": {"privileged": true}},
        {"name": "none", "image": "x", "securityContext": {"privileged": null}},
    ]);
    let mut new = old.clone();
    new.as_array_mut().unwrap().push(json!({"name": "new", "image": "x"}));
    let mut shapes = [review(&pod(&new), &pod(&old)), review(&json!({}), &json!({}))];
    shapes[1]["request"]["kind"]["kind"] = json!("EphemeralContainers");
    shapes[1]["request"]["object"] = json!({"ephemeralContainers": new});
    shapes[1]["request"]["oldObject"] = json!({"ephemeralContainers": old});
    for shape in &shapes {
        let Subject::Debug(debug) = read(shape).subject else { panic!("{shape}") };
        let seen = debug.request.pod.privileged_debuggers;
        let seen: Vec<_> = seen.iter().map(|it| (it.name.as_str(), it.target.as_deref())).collect();
        assert_eq!(seen, [("root", Some("app")), ("alone", None)]);
    }
    let mut wrong = old.clone();
    wrong[0]["securityContext"] = json!({"privileged": "yes"});
    assert!(malformed(&review(&pod(&new), &pod(&wrong))).contains("cannot be read"));
}

/// No API server sends such a thing; if one did, what is in the other list would be a yes unread.
#[test]
fn an_object_of_another_kind_than_the_review_names_is_malformed() {
    let added = json!([{"name": "new", "image": "x"}]);
    let list = |containers: &Value| json!({"ephemeralContainers": containers});
    let (bare, none) = (json!({}), json!([]));
    for (kind, object, old) in [
        ("EphemeralContainers", pod(&added), pod(&none)),
        ("EphemeralContainers", list(&none), pod(&none)),
        ("Pod", list(&added), list(&none)),
        ("Pod", list(&added), bare),
    ] {
        let mut review = review(&object, &old);
        review["request"]["kind"]["kind"] = json!(kind);
        assert!(malformed(&review).contains("not of the kind"), "{kind} {object}");
    }
}
