//! The policies themselves: are there any, are they in force, does everybody judge by the same?

use super::schema::{self, Difference};
use super::survey::{Definition, PolicySeen, Survey};
use super::{Code, Diagnosis};
use crate::crd;

/// How many fields are named.
const NAMED: usize = 8;
const DEFINITION: &str = "CustomResourceDefinition/debugpolicies.postern.dev";

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let mut found = definition(survey);
    let Some(policies) = &survey.policies else { return found };
    found.extend(policies.iter().flat_map(about));
    found.extend(no_permit(survey, policies));
    found.extend(not_enforced(policies));
    found.extend(loaded(policies));
    found
}

fn definition(survey: &Survey) -> Vec<Diagnosis> {
    match &survey.definition {
        Definition::Unknown => Vec::new(),
        Definition::Missing => {
            let what = "The definition of DebugPolicies is not installed, so there are none";
            vec![Diagnosis::new(Code::DefinitionMissing, what).seen(
                DEFINITION,
                "metadata.name",
                "not found",
            )]
        }
        Definition::Found(there) => {
            let Difference { missing, unknown } = schema::compare(&crd::definition(), there);
            let about = |code, what: &str, fields: &[String]| {
                let shown = fields.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
                Diagnosis::new(code, what).seen(DEFINITION, "spec.versions[].schema", shown)
            };
            let old = (!missing.is_empty()).then(|| {
                let what = "The definition of DebugPolicies lacks what this version knows";
                about(Code::DefinitionOld, what, &missing)
            });
            let new = (!unknown.is_empty()).then(|| {
                let what = "The definition of DebugPolicies has what this version does not know";
                about(Code::DefinitionNew, what, &unknown)
            });
            old.into_iter().chain(new).collect()
        }
    }
}

fn about(policy: &PolicySeen) -> Vec<Diagnosis> {
    let PolicySeen { name, generation, ready, replicas, fault, .. } = policy;
    let object = format!("DebugPolicy/{name}");
    let describe = format!("kubectl describe debugpolicy {name}");
    let not_ready = match (ready, fault) {
        (Some((status, reason, message)), _) if status != "True" => Some((reason, message)),
        _ => None,
    };
    let mut found = Vec::new();
    if let Some((reason, message)) = not_ready {
        found.push(
            Diagnosis::new(
                Code::PolicyNotReady,
                format!("Policy {name} is not in force: {reason}"),
            )
            .seen(&object, "status.conditions[Ready]", format!("{reason}: {message}"))
            .remedy(&describe),
        );
    } else if let Some(fault) = fault {
        let what = format!("Policy {name} is not valid, and only objects");
        found.push(
            Diagnosis::new(Code::PolicyNotReady, what)
                .seen(&object, "spec", fault)
                .remedy(&describe),
        );
    }
    let behind: Vec<_> = replicas
        .iter()
        .filter(|(_, at)| *at < generation)
        .map(|(replica, at)| format!("{replica} judges by {at}"))
        .collect();
    let unseen = ready.is_none() && replicas.is_empty();
    if unseen || !behind.is_empty() {
        let what = if unseen {
            format!("No server has loaded policy {name}")
        } else {
            format!("Not every server has loaded policy {name} as it is")
        };
        let value = if unseen { "none".to_owned() } else { behind.join(", ") };
        found.push(
            Diagnosis::new(Code::PolicyNotLoaded, what)
                .seen(&object, format!("status.replicas, of generation {generation}"), value)
                .remedy(format!("kubectl get debugpolicy {name} -o yaml")),
        );
    }
    found
}

fn no_permit(survey: &Survey, policies: &[PolicySeen]) -> Option<Diagnosis> {
    let permits = |policy: &&PolicySeen| policy.permits && is_enforced(policy);
    let live = policies.iter().filter(permits).count();
    (live + survey.file_policies.permits == 0).then(|| {
        let number = policies.len() + survey.file_policies.number;
        Diagnosis::new(Code::NoPermit, "No enforced policy permits anything, so nobody can debug")
            .seen("DebugPolicies", "spec.effect", format!("none of {number} is an enforced Permit"))
            .remedy(
                "kubectl apply -f a DebugPolicy with `effect: Permit`; if the server has policies in \
                 files, name them by `--policies`",
            )
    })
}

fn is_enforced(policy: &PolicySeen) -> bool {
    policy.enforcement == "Enforce"
}

fn not_enforced(policies: &[PolicySeen]) -> Option<Diagnosis> {
    let requires: Vec<_> = policies.iter().filter(|policy| !policy.permits).collect();
    let none = !requires.is_empty() && !requires.iter().any(|policy| is_enforced(policy));
    none.then(|| {
        let texts =
            requires.iter().map(|policy| format!("{}: {}", policy.name, policy.enforcement));
        let texts: Vec<_> = texts.take(NAMED).collect();
        Diagnosis::new(Code::PolicyNotEnforced, "No policy that requires anything is enforced")
            .seen("DebugPolicies", "spec.enforcement", texts.join(", "))
    })
}

fn loaded(policies: &[PolicySeen]) -> Option<Diagnosis> {
    let mut servers: Vec<&String> = policies.iter().flat_map(|it| it.replicas.keys()).collect();
    servers.sort();
    servers.dedup();
    let number = policies.len();
    let seen = policies.iter().all(|it| it.ready.is_some());
    (number > 0).then(|| {
        let names: Vec<_> = servers.iter().map(|name| name.as_str()).collect();
        let servers = match names.len() {
            1 => "1 server judges".to_owned(),
            many => format!("{many} servers judge"),
        };
        let policies = match number {
            1 => "1 policy".to_owned(),
            many => format!("{many} policies"),
        };
        if names.is_empty() && seen {
            // A server that stops takes its entries out; the conditions that it wrote stay.
            return Diagnosis::new(
                Code::PolicyNotLoaded,
                "No server judges by any policy of the cluster",
            )
            .seen("DebugPolicies", "status.replicas", "none");
        }
        let what = format!("{servers} by {policies} of the cluster");
        Diagnosis::new(Code::PoliciesLoaded, what).seen(
            "DebugPolicies",
            "status.replicas",
            names.join(", "),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, permits: bool) -> PolicySeen {
        PolicySeen {
            name: name.to_owned(),
            generation: 2,
            permits,
            enforcement: "Enforce".to_owned(),
            ready: Some(("True".to_owned(), "Loaded".to_owned(), String::new())),
            replicas: [("postern-0".to_owned(), 2)].into(),
            fault: None,
        }
    }

    fn codes(policies: Vec<PolicySeen>) -> Vec<&'static str> {
        let survey = Survey { policies: Some(policies), ..Survey::default() };
        let found = diagnose(&survey);
        let bad = found.iter().filter(|it| it.code != Code::PoliciesLoaded);
        bad.map(|it| it.code.as_str()).collect()
    }

    #[test]
    fn policies_in_force_are_well() {
        assert_eq!(codes(vec![policy("a", true), policy("b", false)]), [""; 0]);
    }

    #[test]
    fn each_way_not_to_be_in_force() {
        let permit = policy("p", true);
        let with = |change: fn(&mut PolicySeen)| {
            let mut policy = policy("x", false);
            change(&mut policy);
            codes(vec![permit.clone(), policy])
        };
        assert_eq!(codes(vec![]), ["no-permit"]);
        assert_eq!(codes(vec![policy("r", false)]), ["no-permit"]);
        let broken = |it: &mut PolicySeen| {
            it.ready = Some(("False".to_owned(), "Broken".to_owned(), "x".to_owned()));
        };
        assert_eq!(with(broken), ["policy-not-ready"]);
        assert_eq!(with(|it| it.fault = Some("x".to_owned())), ["policy-not-ready"]);
        let behind = |it: &mut PolicySeen| it.replicas.extend([("postern-1".to_owned(), 1)]);
        assert_eq!(with(behind), ["policy-not-loaded"]);
        let unseen = |it: &mut PolicySeen| {
            it.ready = None;
            it.replicas.clear();
        };
        assert_eq!(with(unseen), ["policy-not-loaded"]);
        assert_eq!(with(|it| it.enforcement = "Audit".to_owned()), ["policy-not-enforced"]);
        let mut audit = permit.clone();
        audit.enforcement = "Audit".to_owned();
        assert_eq!(codes(vec![audit]), ["no-permit"]);
    }

    #[test]
    fn the_definition_is_compared_with_this_programs() {
        let codes = |definition| {
            let survey = Survey { definition, ..Survey::default() };
            diagnose(&survey).iter().map(|it| it.code.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(codes(Definition::Missing), ["definition-missing"]);
        let ours = crd::definition();
        assert_eq!(codes(Definition::Found(ours.clone())), [""; 0]);
        let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        let mut old = ours.clone();
        old.pointer_mut(spec).unwrap().as_object_mut().unwrap().remove("limits");
        assert_eq!(codes(Definition::Found(old)), ["definition-old"]);
        let mut new = ours;
        new.pointer_mut(spec).unwrap()["later"] = serde_json::json!({"type": "string"});
        assert_eq!(codes(Definition::Found(new)), ["definition-new"]);
    }
}
