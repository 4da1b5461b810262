//! What holds for all containers and pods: the levels are ordered, extra capabilities only help.

use proptest::prelude::*;

use super::*;

fn confinement_profiles() -> impl Strategy<Value = Option<ConfinementProfile>> {
    prop::option::of(prop::sample::select(vec!["RuntimeDefault", "Localhost", "Unconfined", ""]))
        .prop_map(|kind| kind.and_then(profile))
}

fn capability_lists() -> impl Strategy<Value = Option<Vec<String>>> {
    let names = vec!["ALL", "NET_BIND_SERVICE", "CHOWN", "SYS_ADMIN", "NET_RAW"];
    let name = prop::sample::select(names).prop_map(str::to_owned);
    prop::option::of(prop::collection::vec(name, 0..3))
}

fn se_linux() -> impl Strategy<Value = Option<Box<SeLinuxOptions>>> {
    let word = || prop::sample::select(vec!["", "container_t", "spc_t"]).prop_map(str::to_owned);
    prop::option::of((word(), word(), word()).prop_map(|(user, role, kind)| {
        Box::new(SeLinuxOptions { user, role, kind, level: String::new() })
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
                windows_options: windows.map(|host_process| {
                    Box::new(WindowsOptions { host_process, ..WindowsOptions::default() })
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
                    .map(|(name, kind)| Volume {
                        name: name.to_owned(),
                        kind: kind.to_owned().into(),
                    })
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
