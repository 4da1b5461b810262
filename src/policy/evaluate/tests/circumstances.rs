//! Rights, times, rates, labels, aliases, and what is added beside.

use super::*;

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
