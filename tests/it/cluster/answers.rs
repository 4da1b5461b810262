//! What else an answer carries: warnings for the terminal, annotations for the API server's log.

use serde_json::Value;

use super::desk::Desk;

#[test]
fn warnings_reach_the_terminal() {
    let mut desk = Desk::open("fresh");
    desk.pod("api");
    let line = "kubectl debug api -n fresh --image=registry.example.com/debug/net:1 -c dbg \
                --profile=baseline";
    assert!(desk.types("alice", line).success());
    let stored = &desk.debuggers("api")[0];
    assert_eq!(stored["imagePullPolicy"], "Always");
    assert_eq!(stored["terminationMessagePolicy"], "FallbackToLogsOnError");
    let record = &desk.records()[0];
    let levels: Vec<_> =
        record["findings"].as_array().unwrap().iter().map(|it| &it["enforcement"]).collect();
    assert_eq!(levels, ["Warn", "Audit"], "the second is silent");
    assert_eq!(record["injections"][0]["changes"][0]["field"], "imagePullPolicy");
    desk.close("warnings");
}

#[test]
fn the_api_servers_log_names_the_decision() {
    let mut desk = Desk::open("team-annotated");
    desk.pod("api");
    let debug = "kubectl debug api -n team-annotated --image=";
    assert!(desk.types("alice", &format!("{debug}busybox:1.36 -c fine")).success());
    assert!(!desk.types("alice", &format!("{debug}evil.io/x -c evil")).success());
    desk.file("ports.yaml", "ports: [{containerPort: 80}]\n");
    let custom = "--custom=ports.yaml";
    assert!(!desk.types("alice", &format!("{debug}busybox:1.36 -c ports {custom}")).success());

    let events: Vec<_> = desk
        .cluster()
        .audit_events()
        .into_iter()
        .filter(|event| event["objectRef"]["namespace"] == "team-annotated")
        .filter(|event| event["objectRef"]["subresource"] == "ephemeralcontainers")
        .collect();
    let annotations = |webhook: &str, key: &str| -> Vec<Value> {
        let key = format!("{webhook}.postern.dev/{key}");
        events.iter().map(|event| event["annotations"][&key].clone()).collect()
    };
    let records = desk.records();
    let id = |number: usize| records[number]["id"].clone();
    let none = Value::Null;
    assert_eq!(annotations("validate", "decision"), [id(0), id(1), none.clone()]);
    assert_eq!(annotations("mutate", "decision"), [none.clone(), none.clone(), id(2)]);
    assert_eq!(annotations("validate", "verdict"), ["allowed".into(), "refused".into(), none]);
    let policies = annotations("validate", "policies");
    assert_eq!(policies, ["developers".into(), "developers".into(), Value::Null]);
    for event in &events {
        assert_eq!(event["user"]["username"], "alice");
    }
}

#[test]
fn posterns_own_namespace_is_guarded_too() {
    let mut desk = Desk::open("postern-system");
    desk.pod_with("postern", |pod| {
        pod["metadata"]["labels"]["app.kubernetes.io/name"] = "postern".into();
    });
    let line = "kubectl debug postern -n postern-system --image=busybox:1.36 -c dbg \
                --env=DEBUG_REASON=INC-1";
    for user in ["alice", "bob", "admin"] {
        assert!(!desk.types(user, line).success());
    }
    desk.close("own_namespace");
}

#[test]
fn whoever_is_impersonated_is_the_one_who_asks() {
    let mut desk = Desk::open("answers-as-olga");
    desk.pod("api");
    let debug = "kubectl debug api -n answers-as-olga --profile=netadmin \
                 --image=registry.example.com/tools/net:3 --as=olga --as-group=on-call \
                 --as-group=system:authenticated";
    desk.types("admin", &format!("{debug} -c without"));
    desk.types("admin", &format!("{debug} -c with --env=DEBUG_REASON=INC-4711"));
    let records = desk.records();
    assert_eq!(records[1]["justification"], "INC-4711");
    assert_eq!(records[1]["requester"]["username"], "olga");
    assert_eq!(records[1]["injections"][0]["permittedBy"]["name"], "on-call");
    desk.close("impersonated");
}
