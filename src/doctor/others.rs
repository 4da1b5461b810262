//! Other engines: those that judge pods and forget their debug containers.

use super::survey::{Hook, Phase, Rule, Survey};
use super::{Code, Diagnosis};

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let hooks = survey.hooks.iter().flatten();
    let others: Vec<&Hook> = hooks
        .filter(|hook| hook.configuration != survey.configuration)
        .filter(|hook| !hook.webhook.name.ends_with(".postern.dev"))
        .collect();
    let mut found = missing(&others);
    found.extend(policies(survey));
    found.extend(others.iter().filter_map(|hook| mutates(hook)));
    found
}

fn misses(rules: &[Rule]) -> bool {
    rules.iter().any(Rule::names_new_pods) && !rules.iter().any(Rule::names_debug_containers)
}

/// By configuration: an engine may have a webhook for each kind of object.
fn missing(others: &[&Hook]) -> Vec<Diagnosis> {
    let validating = others.iter().filter(|hook| hook.phase == Phase::Validating);
    let mut found: Vec<Diagnosis> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for hook in validating {
        if names.contains(&hook.configuration.as_str()) {
            continue;
        }
        names.push(&hook.configuration);
        let same = others
            .iter()
            .filter(|it| it.phase == Phase::Validating && it.configuration == hook.configuration);
        let rules: Vec<Rule> = same.flat_map(|it| it.webhook.rules.clone()).collect();
        if misses(&rules) {
            let object = hook.object();
            let what = format!("{object} judges pods, but not their debug containers");
            found.push(Diagnosis::new(Code::OtherMissesDebug, what).seen(
                object,
                "webhooks[].rules",
                "pods, not pods/ephemeralcontainers",
            ));
        }
    }
    found
}

fn policies(survey: &Survey) -> Vec<Diagnosis> {
    let all = survey.admission_policies.iter().flatten();
    all.filter(|policy| misses(&policy.rules))
        .map(|policy| {
            let object = format!("ValidatingAdmissionPolicy/{}", policy.name);
            let what = format!("{object} judges pods, but not their debug containers");
            Diagnosis::new(Code::OtherMissesDebug, what).seen(
                object,
                "spec.matchConstraints.resourceRules",
                "pods, not pods/ephemeralcontainers",
            )
        })
        .collect()
}

fn mutates(hook: &Hook) -> Option<Diagnosis> {
    let rules = &hook.webhook.rules;
    let does = hook.phase == Phase::Mutating && rules.iter().any(Rule::names_debug_containers);
    does.then(|| {
        let object = hook.object();
        let what = format!("{object} may change debug containers as well");
        Diagnosis::new(Code::OtherMutates, what).seen(
            object,
            hook.field("name"),
            &hook.webhook.name,
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::survey::AdmissionPolicy;
    use super::*;

    fn hook(phase: Phase, resources: &[&str]) -> Hook {
        let webhook = json!({
            "name": "engine.example.com",
            "clientConfig": {},
            "rules": [{"apiGroups": [""], "apiVersions": ["*"],
                       "operations": ["CREATE", "UPDATE"], "resources": resources}],
        });
        Hook {
            phase,
            configuration: "engine".to_owned(),
            index: 0,
            webhook: serde_json::from_value(webhook).unwrap(),
        }
    }

    fn codes(hooks: Vec<Hook>) -> Vec<&'static str> {
        let survey = Survey { hooks: Some(hooks), ..Survey::default() };
        diagnose(&survey).iter().map(|it| it.code.as_str()).collect()
    }

    #[test]
    fn an_engine_that_names_only_pods_misses_debug_containers() {
        use Phase::{Mutating, Validating};
        assert_eq!(codes(vec![hook(Validating, &["pods"])]), ["other-misses-debug"]);
        assert_eq!(codes(vec![hook(Validating, &["*"])]), ["other-misses-debug"], "no subresource");
        assert_eq!(codes(vec![hook(Validating, &["*/*"])]), [""; 0]);
        let both = ["pods", "pods/ephemeralcontainers"];
        assert_eq!(codes(vec![hook(Validating, &both)]), [""; 0]);
        let apart = ["pods", "pods/ephemeralcontainers"].map(|it| hook(Validating, &[it]));
        assert_eq!(codes(apart.to_vec()), [""; 0], "two webhooks of one engine");
        assert_eq!(codes(vec![hook(Validating, &["configmaps"])]), [""; 0]);
        assert_eq!(codes(vec![hook(Mutating, &["pods"])]), [""; 0]);
        assert_eq!(codes(vec![hook(Mutating, &both)]), ["other-mutates"]);
    }

    #[test]
    fn so_does_an_admission_policy() {
        let rules = hook(Phase::Validating, &["pods"]).webhook.rules;
        let policy = AdmissionPolicy { name: "images".to_owned(), rules };
        let survey = Survey { admission_policies: Some(vec![policy]), ..Survey::default() };
        assert_eq!(diagnose(&survey)[0].code, Code::OtherMissesDebug);
    }
}
