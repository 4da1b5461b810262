use super::*;
use crate::policy::circumstances::{Circumstances, Right};
use crate::policy::image::{Alias, ImagePattern};
use crate::policy::removal::Removable;
use crate::policy::request::{
    ConfinementProfile, Device, EnvFrom, EnvVar, Fact, Mount, Os, PullPolicy, Redacted, Volume,
};
use crate::policy::rule::{
    Access, Justification, LabelOperator, LabelRequirement, Level, MountAccess, NamePattern,
};
use crate::policy::testing::{asking, container, images, permit, require};
use crate::policy::verdict::Change;

fn ruling(policies: Vec<Policy>, asked: Injection, defaults: Defaults) -> Ruling {
    let set = PolicySet::new(policies);
    evaluate(&set, &asking(vec![asked]), defaults).rulings.remove(0)
}

fn hardening() -> Vec<Setting> {
    vec![Setting::RunAsNonRoot(true), Setting::AllowPrivilegeEscalation(false)]
}

#[test]
fn refuses_where_no_policy_speaks() {
    let ruling = ruling(Vec::new(), container("busybox"), Defaults::Applied);
    assert!(!ruling.allows());
    assert!(matches!(ruling.findings[0].objection, Objection::NoPolicyPermits { .. }));
}

#[test]
fn whom_no_permit_speaks_to_is_told_whom_to_ask_all_the_same() {
    let told = |requires: Vec<Policy>| {
        let ruling = ruling(requires, container("busybox"), Defaults::Ignored);
        match &ruling.findings[0].objection {
            Objection::NoPolicyPermits { contact, .. } => contact.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(vec![require("rails")]), None);
    let named = |name: &str, enforcement| {
        let contact = Some(format!("#{name}"));
        Policy { contact, enforcement, ..require(name) }
    };
    let trial = named("a-trial", Enforcement::Audit);
    let rails = named("rails", Enforcement::Enforce);
    assert_eq!(told(vec![trial.clone()]), None);
    assert_eq!(told(vec![require("first"), trial, rails]), Some("#rails".to_owned()));
}

#[test]
fn refuses_where_only_a_require_is_satisfied() {
    assert!(!ruling(vec![require("r")], container("busybox"), Defaults::Applied).allows());
}

#[test]
fn one_permit_is_enough_and_every_require_is_needed() {
    let mut narrow = permit("narrow");
    narrow.constraints.images = images(&["alpine"]);
    let mut strict = require("strict");
    strict.constraints.images.deny = vec![ImagePattern::parse("evil.io/**").unwrap()];

    let set = || vec![narrow.clone(), permit("wide"), strict.clone()];
    assert!(ruling(set(), container("busybox"), Defaults::Applied).allows());
    let refused = ruling(set(), container("evil.io/busybox"), Defaults::Applied);
    assert!(!refused.allows());
    assert_eq!(refused.findings[0].policy.as_ref().unwrap().id.name, "strict");
}

#[test]
fn an_empty_allow_list_allows_nothing() {
    let mut permit = permit("empty");
    permit.constraints.images = images(&[]);
    assert!(!ruling(vec![permit], container("busybox"), Defaults::Applied).allows());
}

#[test]
fn whose_digest_alone_is_not_approved_is_told_so() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let said = |image: &str| {
        let mut policy = permit("a");
        policy.constraints.images = images(&["busybox:1.36"]);
        let findings = ruling(vec![policy], container(image), Defaults::Applied).findings;
        findings.iter().map(|finding| finding.objection.to_string()).collect::<Vec<_>>().join("; ")
    };
    let message = said(&format!("busybox:1.36@{digest}"));
    assert!(message.ends_with("by its tag alone, and its digest decides what runs"), "{message}");
    for image in [format!("busybox:1.35@{digest}"), "busybox:1.35".to_owned()] {
        assert_eq!(said(&image), format!("image `{image}` is not approved here"));
    }
}

#[test]
fn an_image_that_cannot_be_parsed_is_refused_even_without_an_image_list() {
    assert!(!ruling(vec![permit("any")], container("BAD IMAGE"), Defaults::Applied).allows());
}

#[test]
fn fills_in_defaults_only_where_the_field_was_left_out() {
    let mut permit = permit("p");
    permit.defaults = hardening();
    let mut asked = container("busybox");
    asked.security.run_as_non_root = Some(false);
    let ruling = ruling(vec![permit], asked, Defaults::Applied);
    assert_eq!(ruling.container.security.run_as_non_root, Some(false));
    assert_eq!(
        ruling.changes,
        [Change { setting: Setting::AllowPrivilegeEscalation(false), asked: None }]
    );
}

#[test]
fn replaces_what_is_set_and_says_what_was_asked() {
    let mut permit = permit("p");
    permit.set = vec![Setting::ImagePullPolicy(PullPolicy::Always)];
    let ruling = ruling(vec![permit], container("busybox"), Defaults::Applied);
    assert_eq!(
        ruling.changes,
        [Change {
            setting: Setting::ImagePullPolicy(PullPolicy::Always),
            asked: Some(Setting::ImagePullPolicy(PullPolicy::IfNotPresent)),
        }]
    );
}

#[test]
fn the_validating_phase_assumes_neither_defaults_nor_set() {
    let mut restricted = permit("restricted");
    restricted.constraints.pod_security = Some(Level::Restricted);
    restricted.defaults = hardening();
    let unhardened = ruling(vec![restricted], container("busybox"), Defaults::Ignored);
    assert!(!unhardened.allows());
    assert!(unhardened.changes.is_empty());

    let mut sets = permit("sets");
    sets.set = vec![Setting::ImagePullPolicy(PullPolicy::Always)];
    let bypassed = ruling(vec![sets], container("busybox"), Defaults::Ignored);
    assert!(matches!(bypassed.findings[0].objection, Objection::NotAsSet { .. }));
}

#[test]
fn a_refusal_in_the_validating_phase_gives_the_reason_that_hardening_would_not_mend() {
    let mut restricted = permit("restricted");
    restricted.constraints.images = images(&["alpine"]);
    restricted.constraints.pod_security = Some(Level::Baseline);
    restricted.set = vec![Setting::ImagePullPolicy(PullPolicy::Always)];
    let refused = ruling(vec![restricted], container("busybox"), Defaults::Ignored);
    let objections: Vec<_> = refused.findings.iter().map(|f| f.objection.constraint()).collect();
    assert_eq!(objections, ["spec.containers.images.allow"]);
}

/// The first Permit would be refused by the Require once its settings are in; the second passes.
#[test]
fn a_permit_of_higher_priority_never_turns_yes_into_no() {
    let mut first = permit("first");
    first.priority = 10;
    first.set = vec![Setting::ImagePullPolicy(PullPolicy::Never)];
    let mut fresh = require("fresh");
    fresh.constraints.images.pull_policies =
        Some(vec![PullPolicy::Always, PullPolicy::IfNotPresent]);
    let set = || vec![first.clone(), permit("second"), fresh.clone()];
    let ruling = ruling(set(), container("busybox"), Defaults::Applied);
    assert!(ruling.allows());
    assert_eq!(ruling.permit.unwrap().id.name, "second");
}

/// What the lower Permit fills in satisfies the higher one, whose own settings then apply too.
#[test]
fn a_patched_container_judged_again_is_unchanged() {
    let mut high = permit("high");
    high.priority = 10;
    high.constraints.pod_security = Some(Level::Baseline);
    high.constraints.images.pull_policies = Some(vec![PullPolicy::Always]);
    high.set = vec![Setting::TerminationMessagePolicy("FallbackToLogsOnError".to_owned())];
    let mut low = permit("low");
    low.set = vec![Setting::ImagePullPolicy(PullPolicy::Always)];
    let set = || vec![high.clone(), low.clone()];

    let once = ruling(set(), container("busybox"), Defaults::Applied);
    assert_eq!(once.permit.as_ref().unwrap().id.name, "high");
    assert_eq!(once.changes.len(), 2);
    let twice = ruling(set(), once.container.clone(), Defaults::Applied);
    assert!(twice.changes.is_empty());
    assert_eq!(twice.container, once.container);
    assert!(ruling(set(), once.container, Defaults::Ignored).allows());
}

#[test]
fn warn_and_audit_neither_refuse_nor_permit() {
    for enforcement in [Enforcement::Warn, Enforcement::Audit] {
        let mut strict = require("strict");
        strict.enforcement = enforcement;
        strict.constraints.interactive = Access::Forbid;
        let noted = ruling(vec![permit("p"), strict], container("busybox"), Defaults::Ignored);
        assert!(noted.allows());
        assert_eq!(noted.findings[0].enforcement(), enforcement);

        let mut lax = permit("lax");
        lax.enforcement = enforcement;
        assert!(!ruling(vec![lax], container("busybox"), Defaults::Ignored).allows());
    }
}

/// What decides puts something in that the other would not have.
#[test]
fn a_permit_that_does_not_decide_is_asked_about_its_own_container() {
    use crate::policy::explain::{Standing, explain};
    let mut decides = permit("decides");
    decides.set = vec![Setting::ImagePullPolicy(PullPolicy::Always)];
    let mut tried = permit("tried");
    tried.constraints.images.pull_policies = Some(vec![PullPolicy::IfNotPresent]);
    let mut fresh = require("fresh");
    fresh.enforcement = Enforcement::Audit;
    fresh.constraints.images.pull_policies = Some(vec![PullPolicy::IfNotPresent]);
    for enforcement in [Enforcement::Warn, Enforcement::Audit] {
        tried.enforcement = enforcement;
        let set = PolicySet::new(vec![decides.clone(), tried.clone(), fresh.clone()]);
        let request = asking(vec![container("busybox")]);
        let ruling = evaluate(&set, &request, Defaults::Applied).rulings.remove(0);
        let who: Vec<_> = ruling.findings.iter().filter_map(|it| it.policy.as_ref()).collect();
        assert!(who.iter().all(|policy| policy.id.name == "fresh") && who.len() == 1, "{who:?}");
        for account in explain(&set, &request, Defaults::Applied) {
            let Standing::Speaks(opinions) = account.standing else { panic!() };
            let objects = account.policy.id.name == "fresh";
            assert_eq!(!opinions[0].objections.is_empty(), objects, "{}", account.policy.id.name);
        }
    }
}

#[test]
fn what_is_not_known_makes_a_require_match_and_a_permit_not() {
    use crate::policy::rule::{LabelOperator, LabelRequirement};
    let tiered = |mut policy: Policy| {
        policy.selector.pod_labels =
            vec![LabelRequirement { key: "tier".to_owned(), operator: LabelOperator::Exists }];
        policy
    };
    let mut strict = tiered(require("strict"));
    strict.constraints.interactive = Access::Forbid;
    let mut request = asking(vec![container("busybox")]);
    request.pod.labels = Fact::Unknown;

    let permits = PolicySet::new(vec![tiered(permit("p"))]);
    assert!(!evaluate(&permits, &request, Defaults::Applied).allows());
    let requires = PolicySet::new(vec![permit("p"), strict]);
    assert!(!evaluate(&requires, &request, Defaults::Applied).allows());
}

#[test]
fn counts_what_the_pod_has_and_what_is_added() {
    let mut limited = permit("limited");
    limited.constraints.per_pod = Some(3);
    limited.constraints.per_request = Some(2);
    let set = PolicySet::new(vec![limited]);
    let mut request = asking(vec![container("busybox"), container("alpine")]);
    request.pod.ephemeral_containers = 1;
    assert!(evaluate(&set, &request, Defaults::Applied).allows());
    request.pod.ephemeral_containers = 2;
    assert!(!evaluate(&set, &request, Defaults::Applied).allows());
    request.pod.ephemeral_containers = 0;
    request.injections.push(container("busybox"));
    assert!(!evaluate(&set, &request, Defaults::Applied).allows());
}

#[test]
fn takes_the_reason_from_a_written_value_alone() {
    let mut asks = permit("asks");
    asks.constraints.justification = Some(Justification {
        required: true,
        env: "DEBUG_REASON".to_owned(),
        pattern: Some(regex::Regex::new("^[A-Z]+-[0-9]+").unwrap()),
    });
    let with = |source: EnvSource| {
        let mut asked = container("busybox");
        asked.env = vec![EnvVar { position: 0, name: "DEBUG_REASON".to_owned(), source }];
        evaluate(&PolicySet::new(vec![asks.clone()]), &asking(vec![asked]), Defaults::Applied)
    };
    let value = |text: &str| EnvSource::Value(Redacted::new(text.to_owned()));
    let good = with(value("INC-42 payments are slow"));
    assert!(good.allows());
    assert_eq!(good.justification.as_deref(), Some("INC-42 payments are slow"));
    assert!(!with(value("because")).allows());
    assert!(!with(value("  ")).allows());
    assert!(!with(EnvSource::Secret("INC-42".to_owned())).allows());
}

#[test]
fn a_reason_that_nobody_can_see_is_none() {
    let mut asks = permit("asks");
    let env = "DEBUG_REASON".to_owned();
    asks.constraints.justification = Some(Justification { required: true, env, pattern: None });
    let set = PolicySet::new(vec![asks]);
    let with = |text: &str| {
        let mut asked = container("busybox");
        let source = EnvSource::Value(Redacted::new(text.to_owned()));
        asked.env = vec![EnvVar { position: 0, name: "DEBUG_REASON".to_owned(), source }];
        evaluate(&set, &asking(vec![asked]), Defaults::Applied)
    };
    assert!(with("because\u{200b}").allows());
    for unseen in ["\u{200b}", " \u{feff}\u{2060} \u{200d}", "\u{7}", "\u{e0041}"] {
        let verdict = with(unseen);
        assert!(!verdict.allows(), "{unseen:?}");
        assert_eq!(verdict.justification, None);
    }
}

#[test]
fn env_from_brings_names_that_nobody_knows() {
    let mut names = permit("names");
    names.constraints.env.deny = vec![NamePattern::new("*TOKEN*")];
    let mut asked = container("busybox");
    asked.env_from = vec![EnvFrom {
        position: 0,
        prefix: String::new(),
        source: EnvSource::ConfigMap("settings".to_owned()),
    }];
    assert!(!ruling(vec![names], asked, Defaults::Applied).allows());
}

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

/// The answer to a plain container when this is known.
fn with(policy: &Policy, circumstances: Circumstances) -> bool {
    let mut request = asking(vec![container("busybox")]);
    request.circumstances = circumstances;
    let others = if policy.effect == Effect::Require { vec![permit("all")] } else { Vec::new() };
    let set = PolicySet::new([vec![policy.clone()], others].concat());
    evaluate(&set, &request, Defaults::Applied).allows()
}

#[test]
fn a_right_is_needed_and_not_to_know_is_not_to_have_it() {
    let mut authorized = permit("developers");
    authorized.authorize = true;
    for (right, expected) in
        [(Some(Right::Granted), true), (Some(Right::Denied), false), (Some(Right::Unknown), false)]
    {
        let rights = right.map(|right| ("developers".to_owned(), right)).into_iter().collect();
        let known = Circumstances { rights, ..Circumstances::default() };
        assert_eq!(with(&authorized, known.clone()), expected);
        let required = Policy { effect: Effect::Require, ..authorized.clone() };
        assert_eq!(with(&required, known), expected, "a Require holds it against everybody");
    }
    assert!(!with(&authorized, Circumstances::default()), "not asked");
}

#[test]
fn a_permit_ends_and_a_rate_is_held() {
    let now: jiff::Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let at = |now| Circumstances { now: Fact::Known(now), ..Circumstances::default() };
    let mut ending = permit("ending");
    ending.expires = Some(now);
    assert!(with(&ending, at(now - jiff::SignedDuration::from_secs(1))));
    assert!(!with(&ending, at(now)));
    assert!(!with(&ending, Circumstances::default()), "no clock, no permission");

    let mut rated = permit("rated");
    rated.constraints.per_user_per_hour = Some(3);
    let added = |number| Circumstances { added_last_hour: number, ..Circumstances::default() };
    assert!(with(&rated, added(Fact::Known(2))));
    assert!(!with(&rated, added(Fact::Known(3))));
    assert!(!with(&rated, added(Fact::Unknown)));
}

#[test]
fn labels_of_a_namespace_that_are_not_known_never_widen_a_permit() {
    let tier = LabelRequirement {
        key: "tier".to_owned(),
        operator: LabelOperator::In(vec!["app".to_owned()]),
    };
    let mut selecting = permit("selecting");
    selecting.selector.namespace_labels = vec![tier];
    let labels = |value: &str| Circumstances {
        namespace_labels: Fact::Known([("tier".to_owned(), value.to_owned())].into()),
        ..Circumstances::default()
    };
    assert!(with(&selecting, labels("app")));
    assert!(!with(&selecting, labels("db")));
    assert!(!with(&selecting, Circumstances::default()));
    let mut forbidding = Policy { effect: Effect::Require, ..selecting };
    forbidding.constraints.images.allow = Some(Vec::new());
    assert!(!with(&forbidding, labels("app")));
    assert!(with(&forbidding, labels("db")));
    assert!(!with(&forbidding, Circumstances::default()));
}

#[test]
fn an_image_of_a_mirror_is_allowed_and_denied_as_what_it_mirrors() {
    let mirrored = |list: &str, image: &str| {
        let alias = Alias::parse("mirror.example.com/hub/**", "docker.io/**").unwrap();
        let mut policy = permit("mirrored");
        policy.constraints.images.aliases = vec![alias];
        let pattern = vec![ImagePattern::parse("docker.io/library/busybox").unwrap()];
        if list == "allow" {
            policy.constraints.images.allow = Some(pattern);
        } else {
            policy.constraints.images.deny = pattern;
        }
        ruling(vec![policy], container(image), Defaults::Applied).allows()
    };
    for image in
        ["busybox", "mirror.example.com/hub/busybox", "mirror.example.com/hub/library/busybox"]
    {
        assert!(mirrored("allow", image) && !mirrored("deny", image), "{image}");
    }
    for image in ["mirror.example.com/other/busybox", "mirror.example.com/hub/x/busybox"] {
        assert!(!mirrored("allow", image) && mirrored("deny", image), "{image}");
    }
}

/// What one request adds is judged as it will be stored, also where another looks at it.
#[test]
fn containers_added_together_are_judged_beside_each_other() {
    let mut developers = permit("developers");
    developers.constraints.pod_security = Some(Level::Baseline);
    let mut admins = permit("admins");
    admins.constraints.images = images(&["admin/**"]);
    admins.set = vec![Setting::Privileged(true)];
    let named = |name: &str, image: &str, target: &str| Injection {
        name: name.to_owned(),
        target: Some(target.to_owned()),
        ..container(image)
    };
    let small = named("small", "busybox", "app");
    let verdict = |beside: Injection, set: &[&Policy]| {
        let set = PolicySet::new(set.iter().map(|policy| (*policy).clone()).collect());
        evaluate(&set, &asking(vec![small.clone(), beside]), Defaults::Applied)
    };
    let big = || named("big", "admin/tool", "app");
    developers.constraints.images = images(&["busybox"]);
    let both: &[&Policy] = &[&developers, &admins];
    let refused = verdict(big(), both);
    let [small_ruling, big_ruling] = refused.rulings.as_slice() else { panic!() };
    assert!(big_ruling.allows() && !small_ruling.allows());
    let told: Vec<_> = small_ruling.findings.iter().map(|it| it.objection.to_string()).collect();
    assert!(told.iter().any(|it| it.contains("container `big` is privileged")), "{told:?}");
    assert!(verdict(named("big", "admin/tool", "other"), both).allows());
    // A privilege that is taken away leads nowhere.
    admins.set.clear();
    admins.constraints.pod_security = Some(Level::Baseline);
    admins.remove = vec![Removable::Privileged];
    let mut asking_for_more = big();
    asking_for_more.security.privileged = Some(true);
    assert!(verdict(asking_for_more, &[&developers, &admins]).allows());
}
