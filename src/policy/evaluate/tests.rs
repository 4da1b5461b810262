use super::*;
use crate::policy::circumstances::{Circumstances, Right};
use crate::policy::image::{Alias, ImagePattern};
use crate::policy::removal::{Removable, Removal};
use crate::policy::request::{
    ConfinementProfile, Device, EnvFrom, EnvVar, Fact, Mount, Os, PullPolicy, Redacted, Volume,
};
use crate::policy::rule::{
    Access, Justification, LabelOperator, LabelRequirement, Level, MountAccess, NamePattern,
};
use crate::policy::testing::{asking, container, images, permit, require};
use crate::policy::verdict::Change;

mod circumstances;
mod taken;

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

/// The API server refuses the two together, and a default is for what was left open.
#[test]
fn no_default_contains_a_container_that_escalates_anyway() {
    let mut permit = permit("p");
    permit.defaults = vec![Setting::AllowPrivilegeEscalation(false)];
    let contained = |permit: &Policy, privileged: bool, capability: &str| {
        let mut asked = container("busybox");
        asked.security.privileged = Some(privileged);
        asked.security.capabilities_add = Some(vec![capability.to_owned()]);
        let ruling = ruling(vec![permit.clone()], asked, Defaults::Applied);
        assert!(ruling.allows());
        ruling.container.security.allow_privilege_escalation
    };
    assert_eq!(contained(&permit, true, "CHOWN"), None);
    assert_eq!(contained(&permit, false, "CAP_SYS_ADMIN"), None);
    assert_eq!(contained(&permit, false, "SYS_ADMIN"), Some(false), "the API server takes it");

    let privileges = Policy { set: vec![Setting::Privileged(true)], ..permit.clone() };
    assert_eq!(contained(&privileges, false, "CHOWN"), None);
    let set = Policy { set: permit.defaults.clone(), ..permit.clone() };
    assert_eq!(contained(&set, true, "CHOWN"), Some(false), "it was to be so whatever was asked");
    permit.remove = vec![Removable::Privileged];
    permit.constraints.pod_security = Some(Level::Baseline);
    assert_eq!(contained(&permit, true, "CHOWN"), Some(false), "it is privileged no longer");
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
fn a_list_that_is_set_to_nothing_is_one_that_is_left_out() {
    let mut permit = permit("p");
    permit.set = vec![Setting::CapabilitiesAdd(Vec::new())];
    permit.defaults = vec![Setting::CapabilitiesDrop(Vec::new())];
    for defaults in [Defaults::Applied, Defaults::Ignored] {
        let ruling = ruling(vec![permit.clone()], container("busybox"), defaults);
        assert!(ruling.allows() && ruling.changes.is_empty(), "{:?}", ruling.findings);
    }
    let mut asked = container("busybox");
    asked.security.capabilities_add = Some(vec!["NET_ADMIN".to_owned()]);
    let emptied = ruling(vec![permit.clone()], asked.clone(), Defaults::Applied);
    let settings: Vec<_> = emptied.changes.iter().map(|change| &change.setting).collect();
    assert_eq!(settings, [&Setting::CapabilitiesAdd(Vec::new())]);
    assert!(emptied.allows() && emptied.removals.is_empty());
    let bypassed = ruling(vec![permit], asked, Defaults::Ignored);
    assert!(matches!(bypassed.findings[0].objection, Objection::NotAsSet { .. }));
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
        example: None,
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
    let (pattern, example) = (None, None);
    asks.constraints.justification = Some(Justification { required: true, env, pattern, example });
    let set = PolicySet::new(vec![asks]);
    let with = |text: &str| {
        let mut asked = container("busybox");
        let source = EnvSource::Value(Redacted::new(text.to_owned()));
        asked.env = vec![EnvVar { position: 0, name: "DEBUG_REASON".to_owned(), source }];
        evaluate(&set, &asking(vec![asked]), Defaults::Applied)
    };
    assert!(with("because\u{200b}").allows());
    assert!(with("理由").allows());
    let fillers = ["\u{3164}", "\u{2800}", "\u{115f}\u{1160}", "\u{ffa0}", "\u{fe0f}", "\u{301}"];
    let unseen = ["\u{200b}", " \u{feff}\u{2060} \u{200d}", "\u{7}", "\u{e0041}"];
    for unseen in unseen.into_iter().chain(fillers) {
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
