//! What is taken away, and whose user a debugger gets.

use super::*;

/// Wants little and takes the rest away.
fn taking(parts: &[Removable]) -> Policy {
    let mut taking = permit("taking");
    taking.constraints.pod_security = Some(Level::Restricted);
    taking.constraints.env.from_secrets = Access::Forbid;
    taking.constraints.volumes.mounts = MountAccess::ReadOnly;
    taking.constraints.volumes.devices = Access::Forbid;
    taking.defaults = vec![
        Setting::RunAsNonRoot(true),
        Setting::AllowPrivilegeEscalation(false),
        Setting::CapabilitiesDrop(vec!["ALL".to_owned()]),
        Setting::SeccompProfile(ConfinementProfile {
            kind: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
    ];
    taking.remove = parts.to_vec();
    taking
}

const EVERY_PART: [Removable; 4] =
    [Removable::Privileged, Removable::Capabilities, Removable::Mounts, Removable::SecretEnv];

/// Privileged, and with one of everything that can be taken away.
fn greedy() -> Injection {
    let mut asked = container("busybox");
    asked.security.privileged = Some(true);
    asked.security.capabilities_add =
        Some(vec!["NET_BIND_SERVICE".to_owned(), "SYS_PTRACE".to_owned()]);
    asked.mounts = vec![
        Mount { position: 0, volume: "host".into(), path: "/host".into(), read_only: true },
        Mount { position: 1, volume: "data".into(), path: "/data".into(), read_only: false },
    ];
    asked.devices = vec![Device { position: 0, volume: "data".into() }];
    let secret = EnvSource::Secret("db".to_owned());
    asked.env = vec![
        EnvVar { position: 0, name: "A".into(), source: EnvSource::Pod },
        EnvVar { position: 1, name: "B".into(), source: secret.clone() },
    ];
    asked.env_from = vec![EnvFrom { position: 0, prefix: String::new(), source: secret }];
    asked
}

fn asking_of_pod(asked: Injection) -> DebugRequest {
    let mut request = asking(vec![asked]);
    if let Fact::Known(spec) = &mut request.pod.spec {
        let volume =
            |name: &str, kind: &str| Volume { name: name.into(), kind: kind.to_owned().into() };
        spec.volumes = vec![volume("host", "hostPath"), volume("data", "emptyDir")];
    }
    request
}

#[test]
fn takes_away_what_goes_beyond_the_policy_and_nothing_else() {
    let request = asking_of_pod(greedy());
    let set = PolicySet::new(vec![taking(&EVERY_PART)]);
    let ruling = evaluate(&set, &request, Defaults::Applied).rulings.remove(0);
    assert!(ruling.allows(), "{:?}", ruling.findings);
    let stored = &ruling.container;
    assert_eq!(stored.security.privileged, Some(false));
    assert_eq!(stored.security.capabilities_add, Some(vec!["NET_BIND_SERVICE".to_owned()]));
    assert_eq!(stored.mounts.iter().map(|mount| mount.position).collect::<Vec<_>>(), [1]);
    assert!(stored.mounts[0].read_only && stored.devices.is_empty());
    assert_eq!(stored.env.len(), 1);
    assert!(stored.env_from.is_empty());
    let told: Vec<_> = ruling.removals.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "privileged is taken away",
            "capability SYS_PTRACE is taken away",
            "the mount of volume `host` is taken away",
            "volume `data` is mounted read-only",
            "the device of volume `data` is taken away",
            "variable `B` from secret/db is taken away",
            "the variables from secret/db are taken away",
        ]
    );
}

/// There the API server refuses `privileged: false` and empty capabilities too.
#[test]
fn nothing_is_left_of_what_windows_does_not_know() {
    let mut asked = greedy();
    asked.security.capabilities_add = Some(vec!["SYS_PTRACE".to_owned()]);
    let stored = |asked: Injection| {
        let mut request = asking_of_pod(asked);
        if let Fact::Known(spec) = &mut request.pod.spec {
            spec.os = Some(Os::Windows);
        }
        let set = PolicySet::new(vec![taking(&EVERY_PART)]);
        let ruling = evaluate(&set, &request, Defaults::Applied).rulings.remove(0);
        assert!(ruling.allows(), "{:?}", ruling.findings);
        assert!(matches!(ruling.removals[0], Removal::Privileged { left: None }));
        (ruling.container.security, ruling.removals)
    };
    let (security, removals) = stored(asked.clone());
    assert_eq!((security.privileged, security.capabilities_add), (None, None));
    assert!(matches!(&removals[1], Removal::Capabilities { kept: None, .. }));
    asked.security.capabilities_add = None;
    assert_eq!(stored(asked).0.capabilities_add, None);
}

#[test]
fn what_is_not_to_be_taken_away_is_refused() {
    for left in EVERY_PART {
        let parts: Vec<_> = EVERY_PART.into_iter().filter(|part| *part != left).collect();
        let set = PolicySet::new(vec![taking(&parts)]);
        let request = asking_of_pod(greedy());
        assert!(!evaluate(&set, &request, Defaults::Applied).allows(), "{left:?}");
    }
    let set = PolicySet::new(vec![taking(&EVERY_PART)]);
    let request = asking_of_pod(greedy());
    assert!(!evaluate(&set, &request, Defaults::Ignored).allows(), "nothing was taken away");
}

#[test]
fn a_debugger_runs_as_its_targets_user_unless_that_is_root() {
    let user = |target: Option<&str>, of_container, of_pod| {
        let mut request = asking(vec![container("busybox")]);
        request.injections[0].target = target.map(str::to_owned);
        if let Fact::Known(spec) = &mut request.pod.spec {
            spec.containers[0].run_as_user = of_container;
            spec.security.run_as_user = of_pod;
        }
        let mut copying = permit("copying");
        copying.defaults = vec![Setting::RunAsUserFromTarget];
        let set = PolicySet::new(vec![copying]);
        evaluate(&set, &request, Defaults::Applied).rulings.remove(0).container.security.run_as_user
    };
    assert_eq!(user(Some("app"), Some(1000), Some(2000)), Some(1000));
    assert_eq!(user(Some("app"), None, Some(2000)), Some(2000));
    assert_eq!(user(Some("app"), None, None), None);
    assert_eq!(user(Some("app"), Some(0), Some(2000)), None, "root is not copied");
    assert_eq!(user(None, Some(1000), None), None, "there is no target");
}

/// Or root would stay root by leaving `--target` out.
#[test]
fn a_policy_that_sets_the_targets_user_needs_a_target() {
    let mut copying = permit("copying");
    copying.set = vec![Setting::RunAsUserFromTarget];
    let allows = |policy: &Policy, target: Option<&str>, os: Option<Os>, phase| {
        let mut request = asking(vec![container("busybox")]);
        request.injections[0].target = target.map(str::to_owned);
        if let Fact::Known(spec) = &mut request.pod.spec {
            spec.os = os;
        }
        evaluate(&PolicySet::new(vec![policy.clone()]), &request, phase).rulings.remove(0)
    };
    for phase in [Defaults::Applied, Defaults::Ignored] {
        let refused = allows(&copying, None, None, phase);
        assert!(!refused.allows());
        assert_eq!(refused.findings[0].objection, Objection::SetUserUnresolved);
        assert!(allows(&copying, Some("app"), None, phase).allows(), "its user is not known");
        assert!(allows(&copying, None, Some(Os::Windows), phase).allows());
    }
    copying.defaults = vec![Setting::FirstTarget];
    assert!(allows(&copying, None, None, Defaults::Applied).allows());
    copying.defaults = vec![Setting::RunAsUserFromTarget];
    copying.set.clear();
    assert!(allows(&copying, None, None, Defaults::Applied).allows());
}
