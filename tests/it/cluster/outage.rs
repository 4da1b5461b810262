//! Postern is down, is back, or half of it cannot be reached.

use serde_json::json;

use super::desk::Desk;

#[test]
fn the_door_is_shut_while_postern_is_down_and_opens_when_it_is_back() {
    let mut desk = Desk::open_alone("team-outage");
    desk.pod("api");
    let debug = "kubectl debug api -n team-outage --image=busybox:1.36 -c";
    assert!(desk.types("alice", &format!("{debug} up")).success());

    desk.postern_mut().stop();
    desk.note("Postern is down");
    assert!(!desk.types("alice", &format!("{debug} down")).success());
    desk.note("Everything but debugging goes on");
    assert!(desk.types("alice", "kubectl get pod api -n team-outage -o name").success());
    assert!(desk.types("admin", "kubectl label pod api -n team-outage still=changed").success());

    desk.postern_mut().start_again();
    desk.note("Postern is back");
    assert!(desk.types("alice", &format!("{debug} back")).success());

    let sequences = |field: &str| -> Vec<_> {
        desk.records().iter().map(|record| record[field].clone()).collect()
    };
    let numbers: Vec<_> = sequences("sequence").iter().filter_map(|it| it.as_u64()).collect();
    assert_eq!(numbers.len(), 2);
    // Between them: that it stopped, started, and which policies were in force.
    assert!(numbers[1] > numbers[0] + 1, "{numbers:?}");
    assert_eq!(sequences("writer"), ["postern-0", "postern-0"]);
    desk.close("down");
}

#[test]
fn the_ledger_of_all_tests_so_far_is_good() {
    let desk = Desk::open_alone("team-sequence");
    let ledger = desk.postern().ledger();
    let verified = desk.postern().run(&["audit", "verify", "--ledger", &ledger]);
    assert!(verified.success(), "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.starts_with("postern-0: good, records 1 to "), "{}", verified.stdout);
}

#[test]
fn what_the_mutating_webhook_missed_the_validating_one_refuses() {
    let mut desk = Desk::open_alone("fresh-cut-off");
    desk.pod("api");
    desk.postern_mut().cut_off_mutating();
    let debug = "kubectl debug api -n fresh-cut-off --image=registry.example.com/debug/net:1 -c";
    desk.note("The pull policy is not what the policy sets, and nothing was there to set it");
    assert!(!desk.types("alice", &format!("{debug} unhardened --profile=baseline")).success());
    desk.note("One that brings along everything that the policy wants");
    desk.file(
        "hardened.yaml",
        "imagePullPolicy: Always\nterminationMessagePolicy: FallbackToLogsOnError\n",
    );
    let hardened = format!("{debug} hardened --profile=baseline --custom=hardened.yaml");
    assert!(desk.types("alice", &hardened).success());
    assert_eq!(desk.debuggers("api").len(), 1);

    desk.note("A structural fault is then told by the API server alone");
    desk.file("ports.yaml", "ports: [{containerPort: 80}]\n");
    assert!(!desk.types("alice", &format!("{debug} ports --custom=ports.yaml")).success());
    assert_eq!(desk.records().len(), 2);
    desk.close("mutating_cut_off");
}

/// As docs/policies says: a container is refused if it *needed* what was not filled in. The example
/// `developers` fills in more than its own `podSecurity: baseline` needs, so without the mutating
/// webhook a debugger gets in that drops no capability and may gain privileges.
#[test]
fn a_default_that_no_policy_needs_is_not_missed_by_the_validating_webhook() {
    let mut desk = Desk::open_alone("team-cut-off");
    desk.pod("api");
    desk.postern_mut().cut_off_mutating();
    let line = "kubectl debug api -n team-cut-off --image=busybox:1.36 -c general";
    assert!(desk.types("alice", line).success());
    let context = &desk.debuggers("api")[0]["securityContext"];
    assert_eq!(*context, json!({"capabilities": {"add": ["SYS_PTRACE"]}}));
    desk.note("What policy does need, it needs here too");
    let line = "kubectl debug api -n team-cut-off --image=busybox:1.36 -c sysadmin";
    assert!(!desk.types("alice", &format!("{line} --profile=sysadmin")).success());
    desk.close("mutating_cut_off_examples");
}
