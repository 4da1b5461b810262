//! From the API server's documents to what the survey keeps of them.

use std::collections::{BTreeMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ask::{Asker, Why};
use super::{each, text};
use crate::doctor::rbac::Rbac;
use crate::doctor::survey::{AdmissionPolicy, FailOpen, Hook, Labels, Phase, Rule, Version};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

pub(super) fn version(document: &Value) -> Version {
    let minor: String = text(document, "/minor").chars().take_while(char::is_ascii_digit).collect();
    Version { minor: minor.parse().ok(), text: text(document, "/gitVersion").to_owned() }
}

/// What `pods/ephemeralcontainers` takes; nothing where it is not served.
pub(super) fn subresource(resources: &Value) -> String {
    let mut all = each(resources, "/resources");
    let found = all.find(|it| text(it, "/name") == "pods/ephemeralcontainers");
    found.map(|it| text(it, "/kind").to_owned()).unwrap_or_default()
}

pub(super) fn hooks(phase: Phase, configuration: &Value) -> Result<Vec<Hook>, Why> {
    let name = text(configuration, "/metadata/name").to_owned();
    let hooks = each(configuration, "/webhooks").enumerate().map(|(index, webhook)| {
        let configuration = name.clone();
        let webhook = shaped(webhook, &name)?;
        Ok(Hook { phase, configuration, index, webhook })
    });
    hooks.collect()
}

pub(super) fn namespaces(all: &[Value]) -> BTreeMap<String, Labels> {
    let named = all.iter().map(|namespace| {
        let labels = namespace.pointer("/metadata/labels").cloned().unwrap_or_default();
        let labels: Labels = serde_json::from_value(labels).unwrap_or_default();
        (text(namespace, "/metadata/name").to_owned(), labels)
    });
    named.collect()
}

pub(super) async fn rbac(asker: &mut Asker) -> Option<Rbac> {
    let mut rbac = Rbac::default();
    let mut complete = true;
    for plural in ["clusterroles", "roles", "clusterrolebindings", "rolebindings"] {
        let listed = asker.list(&format!("{RBAC}/{plural}")).await;
        let needs = format!("list {plural}");
        let Some(all) = asker.noted("who has which rights", &needs, listed) else {
            complete = false;
            continue;
        };
        for object in &all {
            let name = text(object, "/metadata/name").to_owned();
            let known = if plural.ends_with("bindings") {
                shaped(object, &name).map(|it| rbac.bindings.push(it))
            } else {
                shaped(object, &name).map(|it| rbac.roles.push(it))
            };
            asker.noted("a role or binding", &needs, known);
        }
    }
    complete.then_some(rbac)
}

/// Those that a binding has deny. Clusters before 1.30 have none.
pub(super) async fn admission_policies(asker: &mut Asker) -> Option<Vec<AdmissionPolicy>> {
    let mut lists = Vec::new();
    for plural in ["validatingadmissionpolicies", "validatingadmissionpolicybindings"] {
        let listed = asker.list(&format!("{ADMISSION}/{plural}")).await;
        let listed = match listed {
            Err(why) if why.is_absence() => Ok(Vec::new()),
            other => other,
        };
        let needs = format!("list {plural}");
        lists.push(asker.noted("ValidatingAdmissionPolicies", &needs, listed)?);
    }
    let (bindings, policies) = (lists.pop()?, lists.pop()?);
    let denies =
        |binding: &&Value| each(binding, "/spec/validationActions").any(|action| action == "Deny");
    let bound: HashSet<&str> =
        bindings.iter().filter(denies).map(|binding| text(binding, "/spec/policyName")).collect();
    let mut found = Vec::new();
    for policy in &policies {
        let name = text(policy, "/metadata/name").to_owned();
        if !bound.contains(name.as_str()) {
            continue;
        }
        let rules = each(policy, "/spec/matchConstraints/resourceRules");
        let rules = rules.map(|rule| shaped::<Rule>(rule, &name)).collect::<Result<Vec<_>, _>>();
        let needs = "list validatingadmissionpolicies";
        if let Some(rules) = asker.noted("a ValidatingAdmissionPolicy", needs, rules) {
            found.push(AdmissionPolicy { name, rules });
        }
    }
    Some(found)
}

fn shaped<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, Why> {
    serde_json::from_value(value.clone())
        .map_err(|error| Why::new(format!("`{name}` cannot be read: {error}")))
}

/// The series `apiserver_admission_webhook_fail_open_count{name="…",type="…"} 3`.
pub(super) fn fail_open(metrics: &str) -> Vec<FailOpen> {
    let lines = metrics.lines();
    let lines =
        lines.filter_map(|line| line.strip_prefix("apiserver_admission_webhook_fail_open_count{"));
    let series = lines.filter_map(|line| {
        let (labels, value) = line.rsplit_once("} ")?;
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        // Prometheus writes large numbers as 1e+06.
        let count = value.trim().parse::<f64>().ok()?;
        let count = format!("{count:.0}").parse().ok()?;
        Some(FailOpen { webhook: label("name")?, phase: label("type")?, count })
    });
    series.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_the_api_server_says_of_itself() {
        let said = version(&json!({"minor": "24+", "gitVersion": "v1.24.3-gke"}));
        assert_eq!(said, Version { minor: Some(24), text: "v1.24.3-gke".to_owned() });
        let resources = json!({"resources": [
            {"name": "pods", "kind": "Pod"},
            {"name": "pods/ephemeralcontainers", "kind": "EphemeralContainers"},
        ]});
        assert_eq!(subresource(&resources), "EphemeralContainers");
        assert_eq!(subresource(&json!({"resources": []})), "");
    }

    #[test]
    fn reads_how_often_a_webhook_was_done_without() {
        let metrics = "# TYPE x counter\n\
            apiserver_admission_webhook_fail_open_count{name=\"a.b.c\",type=\"admit\"} 3\n\
            apiserver_admission_webhook_fail_open_count{name=\"d.e.f\",type=\"validating\"} 1e+06\n\
            apiserver_other{name=\"a.b.c\"} 4\n";
        let series = fail_open(metrics);
        let of = |webhook: &str, phase: &str, count| FailOpen {
            webhook: webhook.to_owned(),
            phase: phase.to_owned(),
            count,
        };
        assert_eq!(series, [of("a.b.c", "admit", 3), of("d.e.f", "validating", 1_000_000)]);
    }
}
