use std::collections::BTreeMap;

use super::*;
use crate::policy::request::{
    ConfinementProfile, ContainerFacts, DebuggerFacts, Device, Fact, Mount, SeLinuxOptions,
    SecurityContext, Volume, WindowsOptions,
};
use crate::policy::testing;

mod confinement;
mod generated;

const NAME: &str = "debugger-x7k2p";

/// A container that sets nothing, in a pod that sets nothing.
fn scene() -> (Injection, PodSpecFacts) {
    let container = Injection { name: NAME.to_owned(), ..testing::container("busybox:1.36") };
    (container, PodSpecFacts::default())
}

/// What `kubectl debug --profile=restricted` sets.
fn hardened() -> SecurityContext {
    SecurityContext {
        run_as_non_root: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities_drop: Some(vec!["ALL".to_owned()]),
        seccomp_profile: profile("RuntimeDefault"),
        ..SecurityContext::default()
    }
}

fn profile(kind: &str) -> Option<ConfinementProfile> {
    Some(ConfinementProfile { kind: kind.to_owned(), localhost_profile: None })
}

fn in_pod(spec: Fact<PodSpecFacts>) -> PodFacts {
    PodFacts {
        name: "payments-api".to_owned(),
        labels: Fact::Known(BTreeMap::new()),
        spec,
        ephemeral_containers: 0,
        privileged_debuggers: Vec::new(),
    }
}

fn judge(level: Level, container: &Injection, spec: &PodSpecFacts) -> Vec<String> {
    let found = violations(level, container, &in_pod(Fact::Known(spec.clone())), &[]);
    found.iter().map(ToString::to_string).collect()
}

type Change = fn(&mut SecurityContext, &mut PodSpecFacts);

/// Applies each change to a hardened container in a bare pod and compares the sentences of both
/// levels: `(what, change, baseline says, restricted says)`.
fn check(cases: &[(&str, Change, &[&str], &[&str])]) {
    for (what, change, baseline, restricted) in cases {
        let (mut container, mut spec) = scene();
        container.security = hardened();
        change(&mut container.security, &mut spec);
        assert_eq!(judge(Level::Baseline, &container, &spec), *baseline, "baseline: {what}");
        assert_eq!(judge(Level::Restricted, &container, &spec), *restricted, "restricted: {what}");
        assert!(judge(Level::Privileged, &container, &spec).is_empty(), "privileged: {what}");
    }
}

fn device(volume: &str) -> Device {
    Device { position: 0, volume: volume.to_owned() }
}

#[test]
fn a_bare_container_keeps_baseline_and_is_told_all_that_restricted_wants() {
    let (container, spec) = scene();
    assert!(judge(Level::Baseline, &container, &spec).is_empty());
    assert_eq!(
        judge(Level::Restricted, &container, &spec),
        [
            "securityContext.allowPrivilegeEscalation must be false",
            "securityContext.runAsNonRoot must be true",
            "securityContext.seccompProfile.type must be set to RuntimeDefault or Localhost",
            "securityContext.capabilities.drop must hold ALL",
        ]
    );
}

#[test]
fn a_passing_container_costs_no_memory() {
    let (mut container, mut spec) = scene();
    container.security = hardened();
    let (volume, kind) = ("scratch".to_owned(), "emptyDir".into());
    spec.volumes = vec![Volume { name: volume.clone(), kind }];
    container.mounts =
        vec![Mount { position: 0, volume, path: "/scratch".to_owned(), read_only: true }];
    for level in [Level::Privileged, Level::Baseline, Level::Restricted] {
        let found = violations(level, &container, &in_pod(Fact::Known(spec.clone())), &[]);
        assert_eq!((found.len(), found.capacity()), (0, 0));
    }
}

#[test]
fn host_access_is_refused_from_baseline_on() {
    const PRIVILEGED: &str = "securityContext.privileged must be left out or false";
    const OWN: &str = "securityContext.windowsOptions.hostProcess must be left out or false";
    const POD: &str = "the pod runs as a Windows host process, and so would the container";
    fn host_process(value: Option<bool>) -> Option<Box<WindowsOptions>> {
        Some(Box::new(WindowsOptions { host_process: value, ..WindowsOptions::default() }))
    }
    check(&[
        ("privileged", |own, _| own.privileged = Some(true), &[PRIVILEGED], &[PRIVILEGED]),
        ("privileged: false", |own, _| own.privileged = Some(false), &[], &[]),
        ("host process", |own, _| own.windows_options = host_process(Some(true)), &[OWN], &[OWN]),
        ("false", |own, _| own.windows_options = host_process(Some(false)), &[], &[]),
        (
            "the pod's host process, which other options of the container leave in force",
            |own, pod| {
                own.windows_options = host_process(None);
                pod.security.windows_options = host_process(Some(true));
            },
            &[POD],
            &[POD],
        ),
    ]);
}

#[test]
fn only_default_capabilities_may_be_added_and_only_one_at_restricted() {
    fn adds(own: &mut SecurityContext, names: &[&str]) {
        own.capabilities_add = Some(names.iter().map(|name| (*name).to_owned()).collect());
    }
    const PTRACE: &str = "capability `SYS_PTRACE` may not be added";
    check(&[
        ("an empty list", |own, _| adds(own, &[]), &[], &[]),
        ("what both allow", |own, _| adds(own, &["NET_BIND_SERVICE"]), &[], &[]),
        (
            "what baseline allows",
            |own, _| adds(own, &["CHOWN"]),
            &[],
            &["capability `CHOWN` may not be added"],
        ),
        ("the same twice", |own, _| adds(own, &["SYS_PTRACE", "SYS_PTRACE"]), &[PTRACE], &[PTRACE]),
        (
            "other spellings that a runtime would understand",
            |own, _| adds(own, &["chown", "CAP_CHOWN"]),
            &["capability `chown` may not be added", "capability `CAP_CHOWN` may not be added"],
            &["capability `chown` may not be added", "capability `CAP_CHOWN` may not be added"],
        ),
        (
            "everything",
            |own, _| adds(own, &["ALL"]),
            &["capability `ALL` may not be added"],
            &["capability `ALL` may not be added"],
        ),
        (
            "the pod has no capabilities to inherit",
            |own, pod| {
                own.capabilities_drop = None;
                pod.security.capabilities_drop = Some(vec!["ALL".to_owned()]);
            },
            &[],
            &["securityContext.capabilities.drop must hold ALL"],
        ),
        (
            "dropping one is not dropping all",
            |own, _| own.capabilities_drop = Some(vec!["NET_RAW".to_owned()]),
            &[],
            &["securityContext.capabilities.drop must hold ALL"],
        ),
    ]);
}

#[test]
fn every_default_capability_passes_baseline() {
    for name in BASELINE_CAPABILITIES {
        let (mut container, spec) = scene();
        container.security.capabilities_add = Some(vec![name.to_owned()]);
        assert!(judge(Level::Baseline, &container, &spec).is_empty(), "{name}");
    }
}

#[test]
fn extra_capabilities_pass_and_nothing_else_changes() {
    let (mut container, spec) = scene();
    container.security = hardened();
    container.security.capabilities_add = Some(vec!["SYS_PTRACE".to_owned(), "BPF".to_owned()]);
    let pod = in_pod(Fact::Known(spec));
    for level in [Level::Baseline, Level::Restricted] {
        let found = violations(level, &container, &pod, &["SYS_PTRACE".to_owned()]);
        assert_eq!(found, [Violation::CapabilityAdded { name: "BPF".to_owned() }]);
    }
}

#[test]
fn restricted_wants_no_root_and_no_escalation() {
    const NON_ROOT: &str = "securityContext.runAsNonRoot must be true";
    const ROOT: &str = "securityContext.runAsUser must not be 0";
    const POD_ROOT: &str =
        "securityContext.runAsUser must not be 0 (from the pod; the container may set its own)";
    const ESCALATION: &str = "securityContext.allowPrivilegeEscalation must be false";
    check(&[
        ("a user", |own, _| own.run_as_user = Some(65_532), &[], &[]),
        ("root", |own, _| own.run_as_user = Some(0), &[], &[ROOT]),
        ("the pod's root", |_, pod| pod.security.run_as_user = Some(0), &[], &[POD_ROOT]),
        (
            "the pod's root, overridden",
            |own, pod| {
                own.run_as_user = Some(1);
                pod.security.run_as_user = Some(0);
            },
            &[],
            &[],
        ),
        ("asked for root", |own, _| own.run_as_non_root = Some(false), &[], &[NON_ROOT]),
        (
            "the pod's promise",
            |own, pod| {
                own.run_as_non_root = None;
                pod.security.run_as_non_root = Some(true);
            },
            &[],
            &[],
        ),
        (
            "the pod's promise, taken back",
            |own, pod| {
                own.run_as_non_root = Some(false);
                pod.security.run_as_non_root = Some(true);
            },
            &[],
            &[NON_ROOT],
        ),
        ("overridden", |_, pod| pod.security.run_as_non_root = Some(false), &[], &[]),
        ("escalation", |own, _| own.allow_privilege_escalation = Some(true), &[], &[ESCALATION]),
        (
            "escalation is not the pod's to forbid",
            |own, pod| {
                own.allow_privilege_escalation = None;
                pod.security.allow_privilege_escalation = Some(false);
            },
            &[],
            &[ESCALATION],
        ),
        (
            "root of a user namespace",
            |own, pod| {
                pod.user_namespace = true;
                own.run_as_non_root = Some(false);
                own.run_as_user = Some(0);
            },
            &[],
            &[],
        ),
    ]);
}

#[test]
fn windows_pods_need_not_set_what_they_cannot() {
    let (mut container, mut spec) = scene();
    spec.os = Some(Os::Windows);
    let wanted = ["securityContext.runAsNonRoot must be true"];
    assert_eq!(judge(Level::Restricted, &container, &spec), wanted);
    container.security.run_as_non_root = Some(true);
    assert!(judge(Level::Restricted, &container, &spec).is_empty());
    spec.os = Some(Os::Linux);
    assert_eq!(judge(Level::Restricted, &container, &spec).len(), 3);
}

#[test]
fn volumes_count_only_where_the_container_gets_at_them() {
    const HOST: &str = "volume `host` is a hostPath and may not be mounted";
    const NFS: &str = "volume `share` is of kind `nfs` and may not be mounted";
    const GONE: &str = "volume `gone` is of a kind that is not known";
    let (mut container, mut spec) = scene();
    container.security = hardened();
    let volume =
        |name: &str, kind: &str| Volume { name: name.to_owned(), kind: kind.to_owned().into() };
    spec.volumes = vec![volume("host", "hostPath"), volume("share", "nfs")];
    spec.volumes.extend(RESTRICTED_VOLUMES.map(|kind| volume(kind, kind)));
    assert!(judge(Level::Restricted, &container, &spec).is_empty(), "nothing is mounted");

    let mount = |volume: &str| Mount {
        position: 0,
        volume: volume.to_owned(),
        path: format!("/mnt/{volume}"),
        read_only: true,
    };
    container.mounts = RESTRICTED_VOLUMES.map(mount).into();
    assert!(judge(Level::Restricted, &container, &spec).is_empty(), "all that it accepts");

    container.mounts = ["host", "share", "gone", "host"].map(mount).into();
    assert_eq!(judge(Level::Baseline, &container, &spec), [HOST, GONE]);
    assert_eq!(judge(Level::Restricted, &container, &spec), [HOST, NFS, GONE]);

    container.mounts.clear();
    container.devices = vec![device("host")];
    assert_eq!(judge(Level::Baseline, &container, &spec), [HOST]);
}

#[test]
fn an_unknown_pod_sets_nothing_and_its_volumes_are_wrong() {
    let (mut container, _) = scene();
    container.security = hardened();
    let pod = in_pod(Fact::Unknown);
    assert!(violations(Level::Restricted, &container, &pod, &[]).is_empty());
    assert_eq!(strictest_level(&container, &pod), Level::Restricted);

    let (volume, path) = ("data".to_owned(), "/data".to_owned());
    container.mounts = vec![Mount { position: 0, volume: volume.clone(), path, read_only: true }];
    for level in [Level::Baseline, Level::Restricted] {
        let found = violations(level, &container, &pod, &[]);
        assert_eq!(found, [Violation::VolumeUnknown { volume: volume.clone() }]);
    }
    assert_eq!(strictest_level(&container, &pod), Level::Privileged);
}

#[test]
fn the_strictest_level_is_the_one_recorded() {
    let (mut container, spec) = scene();
    let pod = in_pod(Fact::Known(spec));
    assert_eq!(strictest_level(&container, &pod), Level::Baseline);
    container.security = hardened();
    assert_eq!(strictest_level(&container, &pod), Level::Restricted);
    container.security.privileged = Some(true);
    assert_eq!(strictest_level(&container, &pod), Level::Privileged);
}

#[test]
fn foreign_text_is_shown_plain() {
    let name = "CHOWN\u{1b}[2J\n".to_owned();
    let sentence = Violation::CapabilityAdded { name }.to_string();
    assert_eq!(sentence, "capability `CHOWN\\u{1b}[2J\\u{a}` may not be added");
}

#[test]
fn a_pod_in_the_nodes_namespaces_and_a_privileged_target_lead_out_of_the_container() {
    const SHARED: &str =
        "the pod shares namespaces of the node (hostPID, hostIPC), and so would the container";
    const REACHED: &str =
        "container `agent` is privileged, and the debugger would reach its processes";
    let (mut container, mut spec) = scene();
    container.security = hardened();
    spec.host_namespaces = vec!["hostPID", "hostIPC"];
    assert_eq!(judge(Level::Baseline, &container, &spec), [SHARED]);
    assert_eq!(judge(Level::Restricted, &container, &spec), [SHARED]);
    assert!(judge(Level::Privileged, &container, &spec).is_empty());

    spec.host_namespaces.clear();
    let facts = |name: &str, privileged| ContainerFacts {
        name: name.to_owned(),
        privileged,
        ..ContainerFacts::default()
    };
    spec.containers = vec![facts("app", false), facts("agent", true)];
    container.target = Some("app".to_owned());
    assert!(judge(Level::Restricted, &container, &spec).is_empty());
    container.target = Some("agent".to_owned());
    assert_eq!(judge(Level::Baseline, &container, &spec), [REACHED]);
    container.target = None;
    assert!(judge(Level::Baseline, &container, &spec).is_empty());
    spec.shares_processes = true;
    assert_eq!(judge(Level::Baseline, &container, &spec), [REACHED]);
}

/// A debugger of `--profile=sysadmin` that is there already is as good as the node.
#[test]
fn a_privileged_debugger_beside_this_one_leads_out_of_the_container() {
    let (mut container, mut spec) = scene();
    container.security = hardened();
    let judged = |container: &Injection, spec: Fact<PodSpecFacts>, beside: (&str, Option<&str>)| {
        let target = beside.1.map(str::to_owned);
        let debugger = DebuggerFacts { name: beside.0.to_owned(), target };
        let pod = PodFacts { privileged_debuggers: vec![debugger], ..in_pod(spec) };
        !violations(Level::Baseline, container, &pod, &[]).is_empty()
    };
    let known = |spec: &PodSpecFacts| Fact::Known(spec.clone());
    let beside = ("sysadmin", Some("app"));
    assert!(!judged(&container, known(&spec), ("sysadmin", None)));
    assert!(!judged(&container, known(&spec), beside));
    container.target = Some("app".to_owned());
    assert!(judged(&container, known(&spec), beside));
    assert!(judged(&container, Fact::Unknown, beside));
    assert!(!judged(&container, known(&spec), ("sysadmin", Some("other"))));
    assert!(!judged(&container, known(&spec), ("sysadmin", None)));
    assert!(!judged(&container, known(&spec), (NAME, Some("app"))), "it is itself");
    container.target = Some("sysadmin".to_owned());
    assert!(judged(&container, Fact::Unknown, beside));
    container.target = None;
    spec.shares_processes = true;
    assert!(judged(&container, known(&spec), ("sysadmin", None)));
}
