use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::policy::request::{
    ConfinementProfile, ContainerFacts, Device, Fact, Mount, SeLinuxOptions, SecurityContext,
    Volume, WindowsOptions,
};
use crate::policy::testing;

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
    let (volume, kind) = ("scratch".to_owned(), "emptyDir".to_owned());
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
    fn host_process(value: Option<bool>) -> Option<WindowsOptions> {
        Some(WindowsOptions { host_process: value, ..WindowsOptions::default() })
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
fn app_armor_may_not_be_weakened() {
    const OWN: &str = "securityContext.appArmorProfile.type must be RuntimeDefault or Localhost, \
                       not `Unconfined`";
    const POD: &str = "securityContext.appArmorProfile.type must be RuntimeDefault or Localhost, \
                       not `Unconfined` (from the pod; the container may set its own)";
    fn annotate(pod: &mut PodSpecFacts, container: &str, value: &str) {
        pod.app_armor_annotations.insert(container.to_owned(), value.to_owned());
    }
    check(&[
        ("the default", |own, _| own.app_armor_profile = profile("RuntimeDefault"), &[], &[]),
        ("a local profile", |own, _| own.app_armor_profile = profile("Localhost"), &[], &[]),
        ("none", |own, _| own.app_armor_profile = profile("Unconfined"), &[OWN], &[OWN]),
        (
            "the pod's",
            |_, pod| pod.security.app_armor_profile = profile("Unconfined"),
            &[POD],
            &[POD],
        ),
        (
            "the pod's, overridden",
            |own, pod| {
                pod.security.app_armor_profile = profile("Unconfined");
                own.app_armor_profile = profile("RuntimeDefault");
            },
            &[],
            &[],
        ),
        ("an annotation", |_, pod| annotate(pod, NAME, "unconfined"), &[POD], &[POD]),
        ("another's annotation", |_, pod| annotate(pod, "main", "unconfined"), &[], &[]),
        (
            "a field wins over an annotation",
            |own, pod| {
                annotate(pod, NAME, "unconfined");
                own.app_armor_profile = profile("Localhost");
            },
            &[],
            &[],
        ),
        (
            "an annotation wins over the pod's field",
            |_, pod| {
                annotate(pod, NAME, "localhost/strict");
                pod.security.app_armor_profile = profile("Unconfined");
            },
            &[],
            &[],
        ),
        (
            "an empty annotation says nothing",
            |_, pod| {
                annotate(pod, NAME, "");
                pod.security.app_armor_profile = profile("Unconfined");
            },
            &[POD],
            &[POD],
        ),
        ("the annotation's default", |_, pod| annotate(pod, NAME, "runtime/default"), &[], &[]),
    ]);
    let (container, mut spec) = scene();
    annotate(&mut spec, NAME, "made/up");
    assert_eq!(judge(Level::Baseline, &container, &spec).len(), 1);
}

#[test]
fn se_linux_may_only_have_a_containers_type() {
    const SPC: &str = "securityContext.seLinuxOptions.type may not be `spc_t`";
    const USER: &str = "securityContext.seLinuxOptions.user may not be set";
    const ROLE: &str = "securityContext.seLinuxOptions.role may not be set";
    const POD: &str = "securityContext.seLinuxOptions.type may not be `spc_t` \
                       (from the pod; the container may set its own)";
    fn options(user: &str, role: &str, kind: &str) -> Option<SeLinuxOptions> {
        let level = "s0:c1,c2".to_owned();
        Some(SeLinuxOptions {
            user: user.to_owned(),
            role: role.to_owned(),
            kind: kind.to_owned(),
            level,
        })
    }
    check(&[
        ("a level alone", |own, _| own.se_linux_options = options("", "", ""), &[], &[]),
        (
            "since 1.31",
            |own, _| own.se_linux_options = options("", "", "container_engine_t"),
            &[],
            &[],
        ),
        ("a user", |own, _| own.se_linux_options = options("system_u", "", ""), &[USER], &[USER]),
        ("a role", |own, _| own.se_linux_options = options("", "system_r", ""), &[ROLE], &[ROLE]),
        (
            "everything wrong",
            |own, _| own.se_linux_options = options("system_u", "system_r", "spc_t"),
            &[SPC, USER, ROLE],
            &[SPC, USER, ROLE],
        ),
        (
            "the pod's",
            |_, pod| pod.security.se_linux_options = options("", "", "spc_t"),
            &[POD],
            &[POD],
        ),
        (
            "the pod's, overridden whole",
            |own, pod| {
                own.se_linux_options = options("", "", "");
                pod.security.se_linux_options = options("system_u", "system_r", "spc_t");
            },
            &[],
            &[],
        ),
    ]);
}

#[test]
fn proc_stays_masked_but_for_baseline_in_a_user_namespace() {
    const UNMASKED: &str = "securityContext.procMount must be Default, not `Unmasked`";
    check(&[
        ("the default", |own, _| own.proc_mount = Some("Default".to_owned()), &[], &[]),
        (
            "unmasked",
            |own, _| own.proc_mount = Some("Unmasked".to_owned()),
            &[UNMASKED],
            &[UNMASKED],
        ),
        (
            "unmasked in a user namespace",
            |own, pod| {
                own.proc_mount = Some("Unmasked".to_owned());
                pod.user_namespace = true;
            },
            &[],
            &[UNMASKED],
        ),
    ]);
}

#[test]
fn seccomp_may_not_be_off_and_restricted_wants_it_set() {
    const OFF: &str = "securityContext.seccompProfile.type must be RuntimeDefault or Localhost, \
                       not `Unconfined`";
    const POD: &str = "securityContext.seccompProfile.type must be RuntimeDefault or Localhost, \
                       not `Unconfined` (from the pod; the container may set its own)";
    const MISSING: &str =
        "securityContext.seccompProfile.type must be set to RuntimeDefault or Localhost";
    check(&[
        ("a local profile", |own, _| own.seccomp_profile = profile("Localhost"), &[], &[]),
        ("off", |own, _| own.seccomp_profile = profile("Unconfined"), &[OFF], &[OFF]),
        ("not set", |own, _| own.seccomp_profile = None, &[], &[MISSING]),
        (
            "the pod's",
            |own, pod| {
                own.seccomp_profile = None;
                pod.security.seccomp_profile = profile("RuntimeDefault");
            },
            &[],
            &[],
        ),
        (
            "the pod's is off",
            |own, pod| {
                own.seccomp_profile = None;
                pod.security.seccomp_profile = profile("Unconfined");
            },
            &[POD],
            &[POD],
        ),
        ("overridden", |_, pod| pod.security.seccomp_profile = profile("Unconfined"), &[], &[]),
    ]);
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
    let volume = |name: &str, kind: &str| Volume { name: name.to_owned(), kind: kind.to_owned() };
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

fn confinement_profiles() -> impl Strategy<Value = Option<ConfinementProfile>> {
    prop::option::of(prop::sample::select(vec!["RuntimeDefault", "Localhost", "Unconfined", ""]))
        .prop_map(|kind| kind.and_then(profile))
}

fn capability_lists() -> impl Strategy<Value = Option<Vec<String>>> {
    let names = vec!["ALL", "NET_BIND_SERVICE", "CHOWN", "SYS_ADMIN", "NET_RAW"];
    let name = prop::sample::select(names).prop_map(str::to_owned);
    prop::option::of(prop::collection::vec(name, 0..3))
}

fn se_linux() -> impl Strategy<Value = Option<SeLinuxOptions>> {
    let word = || prop::sample::select(vec!["", "container_t", "spc_t"]).prop_map(str::to_owned);
    prop::option::of((word(), word(), word()).prop_map(|(user, role, kind)| SeLinuxOptions {
        user,
        role,
        kind,
        level: String::new(),
    }))
}

fn security_contexts() -> impl Strategy<Value = SecurityContext> {
    let flags = prop::array::uniform4(prop::option::of(any::<bool>()));
    let windows = prop::option::of(prop::option::of(any::<bool>()));
    let proc_mount = prop::option::of(prop::sample::select(vec!["Default", "Unmasked"]));
    let confinement = (confinement_profiles(), confinement_profiles(), se_linux(), proc_mount);
    let capabilities = (capability_lists(), capability_lists());
    (flags, prop::option::of(0..2_i64), capabilities, confinement, windows).prop_map(
        |(flags, user, (add, drop), (seccomp, app_armor, se_linux, proc_mount), windows)| {
            SecurityContext {
                privileged: flags[0],
                allow_privilege_escalation: flags[1],
                run_as_non_root: flags[2],
                read_only_root_filesystem: flags[3],
                run_as_user: user,
                run_as_group: None,
                capabilities_add: add,
                capabilities_drop: drop,
                seccomp_profile: seccomp,
                app_armor_profile: app_armor,
                se_linux_options: se_linux,
                proc_mount: proc_mount.map(str::to_owned),
                windows_options: windows.map(|host_process| WindowsOptions {
                    host_process,
                    ..WindowsOptions::default()
                }),
            }
        },
    )
}

/// Near-hardened containers come up often enough that restricted really accepts some.
fn containers() -> impl Strategy<Value = Injection> {
    let volumes = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..3);
    let security = prop_oneof![security_contexts(), Just(hardened())];
    (security, capability_lists(), volumes, any::<bool>()).prop_map(
        |(security, add, volumes, mounted)| {
            let (mut container, _) = scene();
            container.security = security;
            if add.is_some() {
                container.security.capabilities_add = add;
            }
            if mounted {
                let mount = |volume: &str| Mount {
                    position: 0,
                    volume: volume.to_owned(),
                    path: format!("/{volume}"),
                    read_only: false,
                };
                container.mounts = volumes.into_iter().map(mount).collect();
            } else {
                container.devices = volumes.into_iter().map(device).collect();
            }
            container
        },
    )
}

fn pods() -> impl Strategy<Value = PodFacts> {
    let os = prop::option::of(prop::sample::select(vec![Os::Linux, Os::Windows]));
    let kinds = prop::sample::subsequence(vec!["hostPath", "emptyDir", "nfs"], 0..=3);
    let annotation = prop::option::of(prop::sample::select(vec!["unconfined", "localhost/x"]));
    let known = (security_contexts(), os, any::<bool>(), kinds, annotation).prop_map(
        |(security, os, user_namespace, kinds, annotation)| {
            let volumes = ["a", "b", "c"].into_iter().zip(kinds);
            Fact::Known(PodSpecFacts {
                security,
                os,
                user_namespace,
                volumes: volumes
                    .map(|(name, kind)| Volume { name: name.to_owned(), kind: kind.to_owned() })
                    .collect(),
                app_armor_annotations: annotation
                    .map(|value| (NAME.to_owned(), value.to_owned()))
                    .into_iter()
                    .collect(),
                ..PodSpecFacts::default()
            })
        },
    );
    prop_oneof![9 => known, 1 => Just(Fact::Unknown)].prop_map(in_pod)
}

proptest! {
    #[test]
    fn what_restricted_accepts_baseline_accepts(
        container in containers(),
        pod in pods(),
        extra in capability_lists(),
    ) {
        let extra = extra.unwrap_or_default();
        if violations(Level::Restricted, &container, &pod, &extra).is_empty() {
            let found = violations(Level::Baseline, &container, &pod, &extra);
            prop_assert!(found.is_empty(), "{:?}", found);
        }
        prop_assert!(violations(Level::Privileged, &container, &pod, &extra).is_empty());
        let strictest = strictest_level(&container, &pod);
        prop_assert!(violations(strictest, &container, &pod, &[]).is_empty());
    }

    #[test]
    fn an_extra_capability_never_makes_it_worse(
        container in containers(),
        pod in pods(),
        extra in capability_lists(),
    ) {
        for level in [Level::Baseline, Level::Restricted] {
            let strict = violations(level, &container, &pod, &[]);
            let lax = violations(level, &container, &pod, &extra.clone().unwrap_or_default());
            prop_assert!(lax.iter().all(|violation| strict.contains(violation)));
        }
    }
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
