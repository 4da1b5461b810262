use serde_json::{Value, json};

use super::super::rbac::Rbac;
use super::*;

fn hook(phase: Phase, change: impl FnOnce(&mut Value)) -> Hook {
    let mut webhook = json!({
        "name": "validate.postern.dev",
        "clientConfig": {"url": format!("https://127.0.0.1:8443/{}", path_of(phase))},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                   "resources": ["pods/ephemeralcontainers"], "scope": "Namespaced"}],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": 3,
        "reinvocationPolicy": "IfNeeded",
    });
    change(&mut webhook);
    Hook {
        phase,
        configuration: "postern".to_owned(),
        index: 0,
        webhook: serde_json::from_value(webhook).unwrap(),
    }
}

fn path_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Mutating => "mutate",
        Phase::Validating => "validate",
    }
}

fn survey(hooks: Vec<Hook>) -> Survey {
    let label = |name: &str| [("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into();
    let named = ["default", "shop"].map(|name| (name.to_owned(), label(name)));
    Survey {
        configuration: "postern".to_owned(),
        hooks: Some(hooks),
        namespaces: Some(named.into()),
        ..Survey::default()
    }
}

fn good() -> Vec<Hook> {
    vec![hook(Phase::Mutating, |_| ()), hook(Phase::Validating, |_| ())]
}

fn codes(hooks: Vec<Hook>) -> Vec<&'static str> {
    diagnose(&survey(hooks)).iter().map(|it| it.code.as_str()).collect()
}

/// What is found of a validating webhook beside a good mutating one.
fn of(change: impl FnOnce(&mut Value)) -> Vec<&'static str> {
    codes(vec![hook(Phase::Mutating, |_| ()), hook(Phase::Validating, change)])
}

#[test]
fn good_configurations_have_nothing_wrong() {
    assert_eq!(codes(good()), [""; 0]);
}

#[test]
fn what_could_not_be_looked_at_is_not_missing() {
    assert_eq!(diagnose(&Survey::default()), []);
}

#[test]
fn missing_ones_are_missing() {
    assert_eq!(codes(vec![]), ["webhook-missing"]);
    assert_eq!(codes(vec![hook(Phase::Mutating, |_| ())]), ["webhook-missing"]);
    assert_eq!(codes(vec![hook(Phase::Validating, |_| ())]), ["mutating-missing"]);
    let mut elsewhere = hook(Phase::Validating, |_| ());
    elsewhere.configuration = "old".to_owned();
    let found = diagnose(&survey(vec![elsewhere]));
    let found: Vec<_> = found.iter().map(|it| (it.code.as_str(), it.remedy.as_str())).collect();
    assert_eq!(found[0].0, "webhook-missing");
    // It may be the only guard there is.
    let remedy = "If that is the right one: --webhook-configurations old";
    assert_eq!(found[1], ("stale-configuration", remedy));
}

/// What the API server itself refuses today, or a later one might have stored.
#[test]
fn faults_that_no_api_server_takes_any_more_are_found() {
    assert_eq!(of(|it| it["sideEffects"] = "Unknown".into()), ["side-effects"]);
    assert_eq!(of(|it| it["rules"] = json!([])), ["rules-miss-resource"]);
}

#[test]
fn a_star_covers_no_subresource() {
    let rules = |resource: &str| of(|it| it["rules"][0]["resources"] = json!([resource]));
    assert_eq!(rules("*"), ["rules-miss-resource", "rules-too-wide"]);
    assert_eq!(rules("*/*"), ["rules-too-wide"]);
    assert_eq!(rules("pods/*"), ["rules-too-wide"]);
    assert_eq!(rules("*/ephemeralcontainers"), [""; 0]);
}

#[test]
fn each_phase_leads_to_its_own_path() {
    for (phase, other) in [(Phase::Mutating, "validate"), (Phase::Validating, "mutate")] {
        let beside = match phase {
            Phase::Mutating => Phase::Validating,
            Phase::Validating => Phase::Mutating,
        };
        let found = |config: Value| {
            let wrong = hook(phase, |it| it["clientConfig"] = config);
            diagnose(&survey(vec![hook(beside, |_| ()), wrong]))
        };
        let service =
            |path: String| json!({"service": {"namespace": "n", "name": "s", "path": path}});
        let by_service = found(service(format!("/{other}")));
        assert_eq!(by_service.len(), 1, "{by_service:?}");
        assert_eq!((by_service[0].code, by_service[0].severity), (Code::PathWrong, Severity::High));
        assert_eq!(by_service[0].evidence[0].field, "webhooks[0].clientConfig.service.path");
        assert_eq!(by_service[0].evidence[0].value, format!("/{other}"));
        let url = found(json!({"url": format!("https://proxy:8443/postern/{other}/?a")}));
        assert_eq!(url[0].code, Code::PathWrong);
        assert_eq!(found(service(format!("/{}", path_of(phase)))), []);
        assert_eq!(found(service(format!("/{}/", path_of(phase)))), []);
        // A proxy may know better.
        assert_eq!(found(json!({"url": "https://proxy:8443/"})), []);
    }
}

/// The API server is told 404, and then does what `failurePolicy` says.
#[test]
fn a_path_that_leads_nowhere_is_wrong() {
    for path in [Value::Null, json!("/"), json!("/validte"), json!("/postern/validate")] {
        let service = json!({"service": {"namespace": "n", "name": "s", "path": path}});
        assert_eq!(of(|it| it["clientConfig"] = service), ["path-wrong"], "{path}");
    }
}

/// Two rules of which each has half of what it takes cover nothing.
#[test]
fn one_rule_must_have_it_all() {
    let halves = json!([
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
         "resources": ["pods/ephemeralcontainers"]},
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
         "resources": ["pods"]},
    ]);
    assert_eq!(of(|it| it["rules"] = halves), ["rules-miss-update", "rules-too-wide"]);
}

#[test]
fn what_the_mutating_webhook_misses_weighs_less() {
    let wrong = |it: &mut Value| it["rules"][0]["operations"] = json!(["CREATE"]);
    let severity = |phase| {
        let other = match phase {
            Phase::Mutating => Phase::Validating,
            Phase::Validating => Phase::Mutating,
        };
        diagnose(&survey(vec![hook(other, |_| ()), hook(phase, wrong)]))[0].severity
    };
    assert_eq!(severity(Phase::Validating), Severity::Critical);
    assert_eq!(severity(Phase::Mutating), Severity::Medium);
}

#[test]
fn namespaces_that_are_left_out_are_named() {
    let selector = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name",
        "operator": "NotIn", "values": ["shop"]}]});
    let wrong = hook(Phase::Validating, |it| it["namespaceSelector"] = selector);
    let all = vec![hook(Phase::Mutating, |_| ()), wrong];
    let found = diagnose(&survey(all.clone()));
    assert_eq!(found[0].severity, Severity::High);
    assert_eq!(found[0].evidence[1].value, "shop");
    // One that leaves out nobody today is still a way out.
    let mut without = survey(all.clone());
    without.namespaces.as_mut().unwrap().remove("shop");
    assert_eq!(diagnose(&without)[0].severity, Severity::Low);
    // One that selects nobody guards nobody.
    let nowhere = json!({"matchLabels": {"guarded": "yes"}});
    let of = |phase| hook(phase, |it| it["namespaceSelector"] = nowhere.clone());
    let found = diagnose(&survey(vec![of(Phase::Mutating), of(Phase::Validating)]));
    let severities: Vec<_> = found.iter().map(|it| it.severity).collect();
    assert_eq!(severities, [Severity::Medium, Severity::Critical]);
    let unknown = Survey { namespaces: None, ..survey(all) };
    assert_eq!(diagnose(&unknown)[0].severity, Severity::High);
}

#[test]
fn only_the_emergency_exit_is_a_harmless_condition() {
    let condition = |expression: &str| {
        let conditions = json!([{"name": "c", "expression": expression}]);
        of(|it| it["matchConditions"] = conditions)
    };
    assert_eq!(condition("!(\"glass\" in request.userInfo.groups)"), ["break-glass"]);
    assert_eq!(condition("! ( 'glass' in request.userInfo.groups )"), ["break-glass"]);
    let of_the_chart = "!(has(request.userInfo.groups) && \"glass\" in request.userInfo.groups)";
    assert_eq!(condition(of_the_chart), ["break-glass"]);
    for escaped in
        ["!('a\\'b' in request.userInfo.groups)", "!(r'a\\b' in request.userInfo.groups)"]
    {
        assert_eq!(condition(escaped), ["conditions-exclude"], "{escaped}");
    }
    let everybody = "!('system:authenticated' in request.userInfo.groups)";
    assert_eq!(condition(everybody), ["conditions-exclude"]);
    assert_eq!(condition("'glass' in request.userInfo.groups"), ["conditions-exclude"]);
    let two = "!('a' in request.userInfo.groups || 'b' in request.userInfo.groups)";
    assert_eq!(condition(two), ["conditions-exclude"]);
}

/// A condition that never holds takes the webhook away; one that always does takes nothing.
#[test]
fn a_condition_that_never_holds_leaves_nothing_guarded() {
    let told = |expression: &str, phase: Phase| {
        let conditions = json!([{"name": "c", "expression": expression}]);
        let change = |it: &mut Value| it["matchConditions"] = conditions;
        let found = match phase {
            Phase::Validating => vec![hook(Phase::Mutating, |_| ()), hook(phase, change)],
            Phase::Mutating => vec![hook(phase, change), hook(Phase::Validating, |_| ())],
        };
        diagnose(&survey(found)).iter().map(|it| it.severity).collect::<Vec<_>>()
    };
    for never in [
        "false",
        "1 > 2",
        "request.operation == 'CREATE'",
        "request.subResource == '' && request.resource.resource == 'pods'",
        "!(request.subResource in ['ephemeralcontainers', 'exec'])",
    ] {
        assert_eq!(told(never, Phase::Validating), [Severity::Critical], "{never}");
        assert_eq!(told(never, Phase::Mutating), [Severity::Medium], "{never}");
    }
    for always in ["true", "request.subResource == 'ephemeralcontainers'"] {
        assert_eq!(told(always, Phase::Validating), [], "{always}");
    }
    for depends in [
        "request.namespace != 'shop'",
        "has(request.userInfo) && false",
        "object == null",
        "request.subResources == ''",
        "authorizer.group('').resource('pods').check('get').allowed()",
    ] {
        assert_eq!(told(depends, Phase::Validating), [Severity::Medium], "{depends}");
    }
}

/// One group is the emergency exit; who debugs every day is not.
#[test]
fn a_group_that_debugs_every_day_is_no_emergency_exit() {
    let rbac = |group: &str| {
        Rbac {
        roles: vec![
            serde_json::from_value(json!({"metadata": {"name": "debugger"}, "rules": [{
                "verbs": ["patch"], "apiGroups": [""], "resources": ["pods/ephemeralcontainers"]}]}))
            .unwrap(),
        ],
        bindings: vec![
            serde_json::from_value(json!({"metadata": {"name": "b"},
                "roleRef": {"kind": "ClusterRole", "name": "debugger"},
                "subjects": [{"kind": "Group", "name": group}]}))
            .unwrap(),
        ],
    }
    };
    let told = |conditions: &[(&str, &str)], holder: &str| {
        let conditions = conditions.iter().map(|(name, group)| {
            json!({"name": name, "expression": format!("!({group:?} in request.userInfo.groups)")})
        });
        let conditions: Value = conditions.collect();
        let validating = hook(Phase::Validating, |it| it["matchConditions"] = conditions);
        let hooks = vec![hook(Phase::Mutating, |_| ()), validating];
        let found = diagnose(&Survey { rbac: Some(rbac(holder)), ..survey(hooks) });
        found.iter().map(|it| (it.code.as_str(), it.severity)).collect::<Vec<_>>()
    };
    let exit = ("break-glass", Severity::Info);
    let hole = ("conditions-exclude", Severity::High);
    let many = ("conditions-exclude", Severity::Medium);
    assert_eq!(told(&[("c", "dev")], "dev"), [hole]);
    // Blanks and backslashes of a name are its own.
    for group in ["Domain Users", "CORP\\dev"] {
        assert_eq!(told(&[("c", group)], group), [hole], "{group}");
    }
    assert_eq!(told(&[("c", "Domain Users")], "DomainUsers"), [exit]);
    assert_eq!(told(&[("c", "glass")], "dev"), [exit]);
    assert_eq!(told(&[("not-break-glass", "glass")], "glass"), [exit]);
    assert_eq!(told(&[("not-break-glass", "glass"), ("c", "ops")], "dev"), [many, many]);
    assert_eq!(told(&[("not-break-glass", "glass"), ("c", "dev")], "dev"), [many, hole]);
}

#[test]
fn a_remedy_is_a_command() {
    let found = diagnose(&survey(vec![
        hook(Phase::Mutating, |_| ()),
        hook(Phase::Validating, |it| it["failurePolicy"] = "Ignore".into()),
    ]));
    assert_eq!(
        found[0].remedy,
        "kubectl patch validatingwebhookconfiguration postern --type=json -p \
         '[{\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Fail\"}]'"
    );
}
