//! Who may get around Postern, or in: computed from roles and bindings.

use std::collections::BTreeMap;

use super::rbac::{Deed, Grant, Rbac, Subject};
use super::survey::Survey;
use super::{Code, Diagnosis, Severity};

/// Where Postern is if its webhooks do not say.
const NAMESPACE: &str = "postern-system";
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const CHANGE: &[&str] = &["create", "update", "patch", "delete"];
const READ: &[&str] = &["get", "list", "watch"];
const HOOKS: &str = "admissionregistration.k8s.io";
const ROLES: &str = "rbac.authorization.k8s.io";

/// A power over pods, or over what guards them.
struct Power {
    code: Code,
    /// What people call it.
    may: &'static str,
    deeds: &'static [Deed],
    /// Only what is done in Postern's namespace counts.
    at_home: bool,
}

const fn deed(verbs: &'static [&'static str], group: &'static str, resource: &'static str) -> Deed {
    Deed { verbs, group, resource }
}

const fn power(code: Code, may: &'static str, deeds: &'static [Deed]) -> Power {
    Power { code, may, deeds, at_home: false }
}

const POWERS: [Power; 12] = [
    power(
        Code::RbacWebhooks,
        "change webhook configurations",
        &[
            deed(WRITE, HOOKS, "validatingwebhookconfigurations"),
            deed(WRITE, HOOKS, "mutatingwebhookconfigurations"),
        ],
    ),
    power(
        Code::RbacImpersonate,
        "act as others",
        &[
            deed(&["impersonate"], "", "users"),
            deed(&["impersonate"], "", "groups"),
            deed(&["impersonate"], "", "serviceaccounts"),
            deed(&["create"], "", "serviceaccounts/token"),
        ],
    ),
    power(
        Code::RbacGrant,
        "give rights that they do not have",
        &[
            deed(&["bind"], ROLES, "clusterroles"),
            deed(&["escalate"], ROLES, "clusterroles"),
            deed(&["bind", "escalate"], ROLES, "roles"),
        ],
    ),
    power(Code::RbacNodes, "use nodes/proxy", &[deed(&["get", "create"], "", "nodes/proxy")]),
    Power {
        code: Code::RbacPostern,
        may: "write Secrets, ConfigMaps or workloads in Postern's namespace",
        deeds: &[
            deed(CHANGE, "", "secrets"),
            deed(CHANGE, "", "configmaps"),
            deed(CHANGE, "apps", "deployments"),
            deed(CHANGE, "apps", "statefulsets"),
            deed(CHANGE, "apps", "daemonsets"),
            deed(CHANGE, "apps", "replicasets"),
            deed(CHANGE, "batch", "jobs"),
            deed(CHANGE, "batch", "cronjobs"),
        ],
        at_home: true,
    },
    Power {
        code: Code::RbacSecrets,
        may: "read Secrets in Postern's namespace",
        deeds: &[deed(READ, "", "secrets")],
        at_home: true,
    },
    power(
        Code::RbacPolicies,
        "write DebugPolicies",
        &[deed(WRITE, "postern.dev", "debugpolicies")],
    ),
    power(
        Code::RbacDebug,
        "add debug containers",
        &[deed(&["patch", "update"], "", "pods/ephemeralcontainers")],
    ),
    power(Code::RbacExec, "exec into pods", &[deed(&["create", "get"], "", "pods/exec")]),
    power(Code::RbacAttach, "attach to containers", &[deed(&["create", "get"], "", "pods/attach")]),
    power(
        Code::RbacPortForward,
        "forward ports of pods",
        &[deed(&["create", "get"], "", "pods/portforward")],
    ),
    power(Code::RbacCreatePods, "create pods", &[deed(&["create"], "", "pods")]),
];

/// A subject, and by what it has a power.
type Holders<'a> = BTreeMap<&'a Subject, Vec<String>>;

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let Some(rbac) = &survey.rbac else { return Vec::new() };
    let home = home(survey);
    let grants = relevant(rbac);
    let administrators: Vec<&Subject> =
        grants.iter().filter(|it| it.is_administrator()).map(|it| it.subject).collect();
    let mut found = Vec::new();
    for power in &POWERS {
        let holders = holders(power, &grants, &home);
        let (everybody, others): (Holders<'_>, Holders<'_>) =
            holders.into_iter().partition(|(subject, _)| subject.is_everybody());
        let others = others.into_iter().filter(|(subject, _)| {
            !administrators.contains(subject) && !is_posterns_own(power, subject, survey, &home)
        });
        found.extend(told(power, Code::RbacEverybody, &everybody));
        found.extend(told(power, power.code, &others.collect()));
    }
    found.extend(told_administrators(&grants));
    found
}

/// Whether roles let a group add debug containers somewhere.
pub(super) fn may_debug(survey: &Survey, group: &str) -> bool {
    let Some(rbac) = &survey.rbac else { return false };
    let grants = relevant(rbac);
    let debug = POWERS.iter().filter(|power| power.code == Code::RbacDebug);
    let is_it = |subject: &&Subject| subject.kind == "Group" && subject.name == group;
    debug.into_iter().any(|power| holders(power, &grants, "").into_keys().any(|it| is_it(&it)))
}

/// Without what is part of Kubernetes.
fn relevant(rbac: &Rbac) -> Vec<Grant<'_>> {
    let mut grants = rbac.grants();
    grants.retain(|grant| !grant.subject.is_system());
    grants
}

/// The namespace that Postern is in.
fn home(survey: &Survey) -> String {
    let hooks = survey.hooks.iter().flatten();
    let mut ours = hooks.filter(|hook| hook.configuration == survey.configuration);
    let named = ours.find_map(|hook| hook.webhook.client_config.service.as_ref());
    named.map_or(NAMESPACE, |service| &service.namespace).to_owned()
}

/// Postern may write its own authority into its own configurations and Secret. A webhook that leads
/// to a wrong place makes another Postern of nobody. The chart gives all of a release one name.
fn is_posterns_own(power: &Power, subject: &Subject, survey: &Survey, home: &str) -> bool {
    let is_called = |namespace: &str, name: &str| {
        let account = subject.kind == "ServiceAccount"
            && subject.namespace.as_deref() == Some(namespace)
            && subject.name == name;
        account || subject.name == format!("system:serviceaccount:{namespace}:{name}")
    };
    let at =
        |namespace| is_called(namespace, "postern") || is_called(namespace, &survey.configuration);
    let needed = matches!(power.code, Code::RbacWebhooks | Code::RbacPostern | Code::RbacSecrets);
    needed && (at(home) || at(NAMESPACE))
}

fn holders<'a>(power: &Power, grants: &[Grant<'a>], home: &str) -> Holders<'a> {
    let mut holders = Holders::new();
    for grant in grants {
        let elsewhere = grant.namespace().is_some_and(|namespace| namespace != home);
        if power.at_home && elsewhere {
            continue;
        }
        // A RoleBinding gives nothing that is outside of its namespace.
        let reaches = |deed: &&Deed| grant.namespace().is_none() || is_namespaced(deed);
        let deeds = power.deeds.iter().filter(reaches);
        let ways: Vec<_> = deeds.filter_map(|deed| way(grant, deed)).collect();
        if !ways.is_empty() {
            let text = format!("{} ({})", grant.by(), ways.join("; "));
            holders.entry(grant.subject).or_default().push(text);
        }
    }
    holders
}

fn is_namespaced(deed: &Deed) -> bool {
    match deed.resource {
        "validatingwebhookconfigurations"
        | "mutatingwebhookconfigurations"
        | "nodes/proxy"
        | "debugpolicies"
        | "users"
        | "groups" => false,
        // `bind` is asked in the namespace of the binding that is made, `escalate` where a
        // ClusterRole is written, which is in none.
        "clusterroles" => deed.verbs == ["bind"],
        _ => true,
    }
}

/// `patch update pods/ephemeralcontainers`, with the names that it is limited to.
fn way(grant: &Grant<'_>, deed: &Deed) -> Option<String> {
    let rule = grant.allows(deed)?;
    let verbs = if rule.verbs.iter().any(|verb| verb == "*") {
        "*".to_owned()
    } else {
        let given = deed.verbs.iter().filter(|verb| rule.verbs.iter().any(|it| it == *verb));
        given.copied().collect::<Vec<_>>().join(" ")
    };
    let names = &rule.resource_names;
    let only = if names.is_empty() { String::new() } else { format!(" {}", names.join(" ")) };
    Some(format!("{verbs} {}{only}", deed.resource))
}

fn told(power: &Power, code: Code, holders: &Holders<'_>) -> Option<Diagnosis> {
    if holders.is_empty() {
        return None;
    }
    let severity = match code.severity() {
        // A program cannot be talked into it, but it can be taken over.
        Severity::High if holders.keys().all(|subject| subject.is_program()) => Severity::Medium,
        other => other,
    };
    let number = match holders.len() {
        1 => "1 subject".to_owned(),
        number => format!("{number} subjects"),
    };
    let what = format!("{number} may {}", power.may);
    let remedy = holders.values().flatten().next().filter(|_| severity >= Severity::Medium);
    let remedy = remedy.map(|by| look_at(by));
    let found = Diagnosis::new(code, what).at(severity);
    let found = match remedy {
        Some(command) => {
            let advice = code.remedy();
            found.remedy(format!("{command}; {}", lower(advice)))
        }
        None => found,
    };
    let told = holders.iter().fold(found, |found, (subject, by)| {
        by.iter().fold(found, |found, by| found.seen(subject.text(), "has", by))
    });
    Some(told)
}

/// `Bind …` → `bind …`
fn lower(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

/// A command that shows the binding that a text of [`Grant::by`] names.
fn look_at(by: &str) -> String {
    let binding = by.split(" by ").nth(1).unwrap_or_default();
    let binding = binding.split([',', ' ']).next().unwrap_or_default();
    let parts: Vec<_> = binding.split('/').collect();
    match parts.as_slice() {
        [kind, name] => format!("kubectl get {} {name} -o yaml", kind.to_lowercase()),
        [kind, namespace, name] => {
            format!("kubectl get {} {name} -n {namespace} -o yaml", kind.to_lowercase())
        }
        _ => "kubectl get clusterrolebindings,rolebindings -A".to_owned(),
    }
}

fn told_administrators(grants: &[Grant<'_>]) -> Option<Diagnosis> {
    let all: Vec<_> = grants.iter().filter(|it| it.is_administrator()).collect();
    let everybody = all.iter().any(|grant| grant.subject.is_everybody());
    if all.is_empty() {
        return None;
    }
    let what = format!("{} bindings let somebody do everything", all.len());
    let code = if everybody { Code::RbacEverybody } else { Code::RbacAdministrators };
    let found = Diagnosis::new(code, what);
    Some(all.iter().fold(found, |found, it| found.seen(it.subject.text(), "has", it.by())))
}

#[cfg(test)]
mod tests;
