//! `authorize`: the right to use a policy, given by real roles. And the rights that Kubernetes wants.

use std::path::Path;

use super::super::support::Postern;
use super::{IMAGE, ask, house, permit};

const AUTHORIZE: &str = "authorize: {verb: use}\n";

/// The administrator asks beforehand, and hears what the server will say.
#[test]
fn check_judges_by_the_live_policies_and_rights() {
    let house = house();
    house.room("asked-beforehand");
    house.apply(
        "
apiVersion: postern.dev/v1alpha1
kind: DebugPolicy
metadata:
  name: asked-beforehand
spec:
  effect: Permit
  authorize: {verb: use}
  match:
    namespaces:
      names: [asked-beforehand]
      selector: {matchLabels: {kubernetes.io/metadata.name: asked-beforehand}}
  containers: {images: {allow: [busybox]}, podSecurity: privileged}
",
    );
    let kubeconfig = house.cluster.kubeconfig("admin").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let pod = folder.path().join("pod.json");
    let stored = house.cluster.get("asked-beforehand", "pod/api");
    std::fs::write(&pod, stored.to_string()).unwrap();
    let pod = pod.display().to_string();
    let question = ["check", "--cluster", "--kubeconfig", &kubeconfig, "--pod", &pod];
    let asks = |user: &str| {
        let who = ["--image=busybox", "--as", user, "--explain"];
        house.postern().run(&[&question[..], &who].concat())
    };
    let refused = asks("alice");
    assert_eq!(refused.status, Some(1), "{refused:?}");
    let needed = "you need the verb `use` on debugpolicies/asked-beforehand";
    assert!(refused.stdout.contains(needed), "{refused:?}");

    house.admin(
        "create rolebinding asked --clusterrole=postern-user --user=alice -n asked-beforehand",
    );
    house.wait("the right", || asks("alice").success());
    assert_eq!(asks("bob").status, Some(1));

    let of = |context: &str| {
        let who = ["--image=busybox", "--as", "alice", "--context", context];
        house.postern().run(&[&question[..], &who].concat())
    };
    assert!(of("test").success());
    let unknown = of("nowhere");
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("nowhere"), "{unknown:?}");
}

#[test]
fn whoever_is_bound_in_a_namespace_may_use_the_policy_there_and_nowhere_else() {
    let house = house();
    for namespace in ["access-here", "access-there"] {
        house.room(namespace);
    }
    house.apply(&permit("access-pair", "access-*", AUTHORIZE));
    let needs = "you need the verb `use` on debugpolicies/access-pair in namespace `access-here`";
    house.wait_until_refused("alice", "access-here", needs);

    let bind = "create rolebinding pair --clusterrole=postern-user --user=alice -n access-here";
    assert!(house.admin(bind).success());
    house.wait_until_allowed("alice", "access-here");
    let needs = "debugpolicies/access-pair in namespace `access-there`";
    house.wait_until_refused("alice", "access-there", needs);
    house.wait_until_refused("bob", "access-here", "you need the verb `use`");

    assert!(house.admin("delete rolebinding pair -n access-here").success());
    house.wait_until_refused("alice", "access-here", "you need the verb `use`");
}

#[test]
fn a_group_is_bound_to_one_policy_by_name() {
    let house = house();
    house.room("access-group");
    for name in ["access-group-a", "access-group-b"] {
        let text = permit(name, "access-group", AUTHORIZE);
        let image = if name.ends_with('a') { "busybox" } else { "nicolaka/netshoot" };
        house.apply(&text.replace("busybox", image));
    }
    house.cluster.apply(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: use-a}\n\
         rules: [{apiGroups: [postern.dev], resources: [debugpolicies], \
         resourceNames: [access-group-a], verbs: [use]}]\n",
    );
    assert!(
        house.admin("create clusterrolebinding use-a --clusterrole=use-a --group=dev").success()
    );
    house.wait_until_allowed("alice", "access-group");
    let refused = house.debug("alice", "access-group", "nicolaka/netshoot").stderr;
    assert!(refused.contains("is not approved here"), "{refused}");
    let records = house.postern().audit(&["-n", "access-group"]);
    let findings = records.last().unwrap()["findings"].as_array().unwrap();
    let said =
        |words: &str| findings.iter().any(|it| it["message"].as_str().unwrap().contains(words));
    assert!(said("you need the verb `use` on debugpolicies/access-group-b"), "{findings:#?}");
    house.wait_until_refused("bob", "access-group", "you need the verb `use`");
}

/// A Postern that may do nothing: it is never ready, and refuses.
#[test]
fn without_rights_of_its_own_postern_says_what_it_lacks() {
    let house = house();
    let file = permit("access-own", "access-own", AUTHORIZE);
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    let mallory = house.cluster.kubeconfig("mallory").display().to_string();
    // Given last, so it counts.
    let options = ["--cluster-policies=false", "--kubeconfig", &mallory];
    let policies = [("own.yaml", file.as_str())];
    let mut postern = Postern::start_with(&house.cluster, program, &policies, &options);
    let said = postern.wait_for_readiness(|said| said.contains("namespaces is forbidden"));
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("[-]cluster failed: the namespaces have not been read yet"), "{said}");
    let log = postern.log();
    assert_eq!(log.matches("namespaces is forbidden").count(), 1, "{log}");
}

/// One that may watch, and may not ask for rights.
#[test]
fn without_the_right_to_ask_nobody_has_a_right_and_the_refusal_says_so() {
    let house = house();
    for line in [
        "create clusterrole watcher --verb=list,watch --resource=namespaces",
        "create clusterrolebinding watcher --clusterrole=watcher --user=carol",
        "create namespace access-unasked",
        "create rolebinding uses --clusterrole=postern-user --user=alice -n access-unasked",
    ] {
        assert!(house.admin(line).success());
    }
    let file = permit("access-unasked", "access-unasked", AUTHORIZE);
    let program = Path::new(env!("CARGO_BIN_EXE_postern"));
    let carol = house.cluster.kubeconfig("carol").display().to_string();
    let policies = [("unasked.yaml", file.as_str())];
    let options = ["--kubeconfig", &carol];
    let mut postern = Postern::start_with(&house.cluster, program, &policies, &options);
    postern.wait_for_readiness(|said| said.starts_with("HTTP/1.1 200"));
    for _ in 0..3 {
        let answer = ask(&postern, "access-unasked");
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
        let said = answer["response"]["status"]["message"].as_str().unwrap();
        let words =
            "whether you may use debugpolicies/access-unasked cannot be told now; try again";
        assert!(said.contains(words), "{said}");
    }
    let log = postern.log();
    assert_eq!(log.matches("Rights cannot be asked of the API server").count(), 1, "{log}");
    assert!(log.contains("subjectaccessreviews.authorization.k8s.io is forbidden"), "{log}");
    let said = postern.probe("/readyz");
    assert!(said.contains("[+]cluster ok: rights cannot be asked: "), "{said}");
    // Nor may it write Events, which takes nothing from the answers.
    let failed = "postern_pod_events_total{result=\"failed\"} 3";
    house.wait("three Events that failed", || postern.probe("/metrics").contains(failed));
    let log = postern.log();
    assert_eq!(log.matches("Events on pods cannot be written").count(), 1, "{log}");
    assert!(log.contains("events.events.k8s.io is forbidden"), "{log}");
}

#[test]
fn postern_itself_may_do_what_it_needs_and_no_more() {
    let house = house();
    for (verb, resource, may) in [
        ("watch", "debugpolicies", true),
        ("patch", "debugpolicies/status", true),
        ("create", "events.events.k8s.io", true),
        ("get", "pods", true),
        ("list", "pods", true),
        ("patch", "events.events.k8s.io", false),
        ("watch", "pods", false),
        ("patch", "pods", false),
        ("patch", "pods/ephemeralcontainers", false),
        ("create", "pods/exec", false),
        ("patch", "debugpolicies", false),
        ("get", "secrets", false),
    ] {
        let resource = resource.replace('/', " --subresource=");
        let postern = "system:serviceaccount:postern-system:postern";
        let line = format!("auth can-i {verb} {resource} -A --as={postern}");
        assert_eq!(house.admin(&line).success(), may, "{verb} {resource}");
    }
}

#[test]
fn the_smallest_role_is_enough_for_kubectl_debug_and_no_part_can_be_left_out() {
    let house = house();
    house.room("access-least");
    house.apply(&permit("access-least", "access-least", ""));
    let refused = house.debug("mallory", "access-least", IMAGE).stderr;
    assert!(refused.contains("cannot get resource \"pods\""), "{refused}");

    let bind = "create rolebinding least --clusterrole=postern-debugger --user=mallory \
                -n access-least";
    assert!(house.admin(bind).success());
    house.wait_until_allowed("mallory", "access-least");
    for (verb, resource, may) in [
        ("get", "pods", true),
        ("watch", "pods", true),
        ("patch", "pods/ephemeralcontainers", true),
        ("create", "pods/attach", true),
        ("get", "pods/log", true),
        ("create", "pods/exec", false),
        ("update", "pods/ephemeralcontainers", false),
        ("create", "pods", false),
        ("get", "secrets", false),
    ] {
        let resource = resource.replace('/', " --subresource=");
        let line = format!("auth can-i {verb} {resource} -n access-least --as=mallory");
        assert_eq!(house.admin(&line).success(), may, "{verb} {resource}");
    }

    house.room("access-viewer");
    house.apply(&permit("access-viewer", "access-viewer", ""));
    for line in [
        "create role viewer --verb=get,list,watch --resource=pods -n access-viewer",
        "create rolebinding viewer --role=viewer --user=mallory -n access-viewer",
    ] {
        assert!(house.admin(line).success());
    }
    let mut said = String::new();
    house.wait("Kubernetes' own refusal", || {
        said = house.debug("mallory", "access-viewer", IMAGE).stderr;
        said.contains("cannot patch resource \"pods/ephemeralcontainers\"")
    });
}

/// Who may write policies decides over the whole cluster.
#[test]
fn reading_policies_comes_with_view_and_writing_them_with_nothing() {
    let house = house();
    for (role, user) in [("view", "dana"), ("edit", "erin"), ("admin", "adam")] {
        let line =
            format!("create clusterrolebinding roles-{role} --clusterrole={role} --user={user}");
        assert!(house.admin(&line).success());
        let may = |verb: &str| {
            house.admin(&format!("auth can-i {verb} debugpolicies --as={user}")).success()
        };
        // The aggregated rules arrive by a controller, which this cluster has not: the label is
        // what can be asked about.
        assert!(!may("create") && !may("update") && !may("use"), "{role}");
    }
    let labelled = "get clusterrole -l rbac.authorization.k8s.io/aggregate-to-view=true -o name";
    let labelled = house.admin(labelled).stdout;
    assert!(labelled.contains("postern-policy-view"), "{labelled}");
    for kind in ["edit", "admin"] {
        let line = format!("get clusterrole -l rbac.authorization.k8s.io/aggregate-to-{kind}=true");
        assert!(!house.admin(&line).stdout.contains("postern"), "{kind}");
    }
    assert!(
        house
            .admin(
                "create clusterrolebinding writer --clusterrole=postern-policy-edit --user=wanda"
            )
            .success()
    );
    let text = permit("access-wanda", "access-wanda", "");
    let write = |user: &str| {
        let line = format!("apply -f - --as={user}");
        house.cluster.kubectl("admin").args(line.split(' ')).stdin(&text).run()
    };
    assert!(write("erin").stderr.contains("forbidden"));
    house.wait("wanda's right", || write("wanda").success());
}
