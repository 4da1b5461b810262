//! AppArmor, SELinux, seccomp and the mask over `/proc`.

use super::*;

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
    fn options(user: &str, role: &str, kind: &str) -> Option<Box<SeLinuxOptions>> {
        let level = "s0:c1,c2".to_owned();
        Some(Box::new(SeLinuxOptions {
            user: user.to_owned(),
            role: role.to_owned(),
            kind: kind.to_owned(),
            level,
        }))
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
