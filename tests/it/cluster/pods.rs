//! Pods as they are found: of two containers, with a history, described afterwards.

use serde_json::json;

use super::desk::Desk;

#[test]
fn a_tomcat_pod_is_debugged_by_its_target_and_described() {
    let mut desk = Desk::open("team-tomcat");
    desk.pod_with("tomcat-test", |pod| {
        pod["spec"]["containers"] = json!([
            {"name": "tomcat-java", "image": "tomcat:9.0", "ports": [{"containerPort": 8080}]},
            {"name": "log-shipper", "image": "registry.example.com/app/shipper:1.0"},
        ]);
        pod["spec"]["shareProcessNamespace"] = json!(true);
    });
    let debug = "kubectl debug tomcat-test -n team-tomcat --image=busybox:1.36";
    desk.types("alice", &format!("{debug} --target=tomcat-java -c look"));
    desk.note("There is no container of this name");
    desk.types("alice", &format!("{debug} --target=tomcat -c look-again"));
    desk.note("Without a target, the first container is the target; with the second, the second");
    desk.types("alice", &format!("{debug} -c no-target"));
    desk.types("alice", &format!("{debug} --target=log-shipper -c second"));
    let targets: Vec<_> = desk
        .debuggers("tomcat-test")
        .iter()
        .map(|container| container["targetContainerName"].clone())
        .collect();
    assert_eq!(targets, ["tomcat-java", "tomcat-java", "log-shipper"]);

    desk.cluster().report_running("team-tomcat", "tomcat-test");
    desk.note("What everybody sees afterwards");
    desk.types("alice", "kubectl describe pod tomcat-test -n team-tomcat");
    let each = r#"{range .spec.ephemeralContainers[*]}{.name}: {.securityContext}{"\n"}{end}"#;
    desk.types(
        "alice",
        &format!("kubectl get pod tomcat-test -n team-tomcat -o 'jsonpath={each}'"),
    );
    desk.close("tomcat");
}

#[test]
fn an_older_debugger_that_breaks_policy_neither_blocks_nor_hides_a_new_one() {
    let mut desk = Desk::open_alone("team-older");
    desk.pod("shop");
    desk.postern_mut().uninstall();
    let debug = "kubectl debug shop -n team-older --image=";
    desk.note("Before Postern was installed: privileged, from a registry that is denied today");
    let before = format!("{debug}ttl.sh/shady:1h --profile=sysadmin -c before");
    assert!(desk.types("alice", &before).success());
    desk.postern_mut().install();

    desk.note("Today");
    assert!(desk.types("alice", &format!("{debug}busybox:1.36 -c second")).success());
    let stored = desk.debuggers("shop");
    assert_eq!(stored[0]["securityContext"]["privileged"], true, "left as it was");
    assert_eq!(stored[1]["securityContext"]["allowPrivilegeEscalation"], false);
    desk.note("The same as before would not get in any more");
    let again = before.replace("-c before", "-c again");
    assert!(!desk.types("alice", &again).success());
    assert_eq!(desk.debuggers("shop").len(), 2);
    desk.close("older_debugger");
}

#[test]
fn a_pod_takes_no_more_debuggers_than_the_policy_says() {
    let mut desk = Desk::open("team-full");
    desk.pod("shop");
    for number in 1..=6 {
        let line =
            format!("kubectl debug shop -n team-full --image=busybox:1.36 -c debugger-{number}");
        assert_eq!(desk.types("alice", &line).success(), number <= 5);
    }
    desk.close("full_pod");
}
