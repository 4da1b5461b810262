//! Webhook configurations: which requests never reach Postern, and what happens when it is away.

mod conditions;

use super::survey::{Hook, Phase, Rule, ServiceReference, Survey, Webhook};
use super::{Code, Diagnosis, Severity};

/// What the server allows itself unless told otherwise, in seconds.
const DEADLINE: i64 = 1;
/// Longer than this nobody should wait.
const PATIENCE: i64 = 10;
/// How many namespaces are named.
const NAMED: usize = 12;

pub(super) fn diagnose(survey: &Survey) -> Vec<Diagnosis> {
    let Some(hooks) = &survey.hooks else { return Vec::new() };
    let (ours, others): (Vec<_>, Vec<_>) =
        hooks.iter().partition(|hook| hook.configuration == survey.configuration);
    let mut found = missing(survey, &ours);
    for hook in &ours {
        found.extend(rules(hook));
        found.extend(too_wide(hook));
        found.extend(namespaces(hook, survey));
        found.extend(objects(hook));
        found.extend(path(hook));
        found.extend(conditions::diagnose(hook, survey));
        found.extend(manners(hook));
    }
    found.extend(stale(&ours, &others));
    found
}

fn missing(survey: &Survey, ours: &[&Hook]) -> Vec<Diagnosis> {
    let has = |phase| ours.iter().any(|hook| hook.phase == phase);
    let absent = |code, phase: Phase| {
        let object = format!("{}/{}", phase.kind(), survey.configuration);
        Diagnosis::new(code, format!("There is no {object}, or it has no webhook"))
            .seen(object, "webhooks", "none")
    };
    match (has(Phase::Validating), has(Phase::Mutating)) {
        (false, _) => vec![absent(Code::WebhookMissing, Phase::Validating)],
        (true, false) => vec![absent(Code::MutatingMissing, Phase::Mutating)],
        (true, true) => Vec::new(),
    }
}

/// A finding about a field. What only the mutating webhook misses, the validating one refuses.
fn about(hook: &Hook, code: Code, field: &str, value: String, what: &str) -> Diagnosis {
    let diagnosis = Diagnosis::new(code, format!("{} {what}", hook.object())).seen(
        hook.object(),
        hook.field(field),
        value,
    );
    match hook.phase {
        Phase::Validating => diagnosis,
        Phase::Mutating => {
            let severity = diagnosis.severity.min(Severity::Medium);
            diagnosis.at(severity)
        }
    }
}

fn rules(hook: &Hook) -> Option<Diagnosis> {
    let Webhook { rules, .. } = &hook.webhook;
    let missing = |code, part: fn(&Rule) -> bool| (code, part);
    let parts = [
        missing(Code::RulesMissResource, Rule::names_the_subresource),
        missing(Code::RulesMissUpdate, Rule::names_update),
        missing(Code::RulesMissVersion, Rule::names_v1),
        missing(Code::RulesWrongScope, Rule::is_for_namespaced),
    ];
    // The rule that comes nearest tells what is wrong: the part that none of those left has.
    let mut left: Vec<&Rule> = rules.iter().collect();
    for (code, has) in parts {
        left.retain(|rule| has(rule));
        if left.is_empty() {
            let what = "is not asked about `pods/ephemeralcontainers`";
            return Some(about(hook, code, "rules", texts(rules), what));
        }
    }
    None
}

fn too_wide(hook: &Hook) -> Option<Diagnosis> {
    let wide = |resource: &&String| {
        !matches!(resource.as_str(), "pods/ephemeralcontainers" | "*/ephemeralcontainers")
    };
    let resources: Vec<_> = hook.webhook.rules.iter().flat_map(|rule| &rule.resources).collect();
    let wide: Vec<_> = resources.into_iter().filter(wide).cloned().collect();
    (!wide.is_empty()).then(|| {
        about(hook, Code::RulesTooWide, "rules", wide.join(", "), "is sent more than it judges")
    })
}

fn namespaces(hook: &Hook, survey: &Survey) -> Option<Diagnosis> {
    let selector = &hook.webhook.namespace_selector;
    if selector.is_empty() {
        return None;
    }
    let field = "namespaceSelector";
    let Some(all) = &survey.namespaces else {
        let what = "leaves namespaces out; which ones could not be looked at";
        return Some(about(hook, Code::NamespacesExcluded, field, selector.text(), what));
    };
    let out: Vec<&str> = all
        .iter()
        .filter(|(_, labels)| !selector.selects(labels))
        .map(|(name, _)| name.as_str())
        .collect();
    if out.is_empty() {
        let what = "leaves no namespace out today, but a label is enough to change that";
        let severity = Severity::Low;
        let found = about(hook, Code::NamespacesExcluded, field, selector.text(), what);
        return Some(found.at(severity));
    }
    let what = format!("leaves out {} of {} namespaces", out.len(), all.len());
    let found = about(hook, Code::NamespacesExcluded, field, selector.text(), &what);
    let found = found.seen("namespaces", "left out", listed(&out));
    if hook.phase == Phase::Validating && out.len() == all.len() {
        // As if it were not there.
        return Some(found.at(Severity::Critical));
    }
    Some(found)
}

fn objects(hook: &Hook) -> Option<Diagnosis> {
    let selector = &hook.webhook.object_selector;
    (!selector.is_empty()).then(|| {
        let what = "leaves pods out by their labels";
        about(hook, Code::PodsExcluded, "objectSelector", selector.text(), what)
    })
}

/// Each phase has its own judge: what hardens refuses less, what refuses hardens nothing. Whoever
/// is behind a URL may lead on from paths of its own; a Service does not.
fn path(hook: &Hook) -> Option<Diagnosis> {
    let there = &hook.webhook.client_config;
    let (field, path) = match (&there.service, &there.url) {
        (Some(service), _) => ("clientConfig.service.path", service.path.as_deref()),
        (None, url) => ("clientConfig.url", Some(url.as_deref()?)),
    };
    let path = path.filter(|path| !path.is_empty()).unwrap_or("/");
    let (other, right) = match hook.phase {
        Phase::Mutating => ("validate", "mutate"),
        Phase::Validating => ("mutate", "validate"),
    };
    let found = |what: &str| {
        let what = format!("leads to {what}, not to `/{right}`");
        let found = about(hook, Code::PathWrong, field, path.to_owned(), &what);
        found.remedy(format!("Let the path be `/{right}`"))
    };
    let whole = path.split(['?', '#']).next()?.trim_matches('/');
    match whole.rsplit('/').next()? {
        last if last == other => {
            let what = format!("`/{other}`, which is for the other phase");
            Some(found(&what).at(Severity::High))
        }
        _ if there.service.is_some() && whole != right => {
            Some(found(&format!("`{path}`, where nobody answers")))
        }
        _ => None,
    }
}

/// Everything that is wrong in one field by itself.
fn manners(hook: &Hook) -> Vec<Diagnosis> {
    let wrong = fields(hook).into_iter().filter(|check| check.is_wrong);
    let found = wrong.map(|Field { code, field, value, what, .. }| {
        let found = about(hook, code, field, value, what);
        match remedy_patch(code, hook.index) {
            None => found,
            Some(patch) => found.remedy(format!(
                "kubectl patch {} {} --type=json -p '{patch}'",
                hook.phase.kind().to_lowercase(),
                hook.configuration
            )),
        }
    });
    found.collect()
}

/// One field, and whether it is wrong.
struct Field {
    is_wrong: bool,
    code: Code,
    field: &'static str,
    value: String,
    what: &'static str,
}

fn fields(hook: &Hook) -> [Field; 6] {
    let it = &hook.webhook;
    let validating = hook.phase == Phase::Validating;
    let check = |is_wrong, (code, field), value: &str, what| {
        let value = value.to_owned();
        Field { is_wrong, code, field, value, what }
    };
    let seconds = it.timeout_seconds.to_string();
    [
        check(
            validating && it.failure_policy != "Fail",
            (Code::FailurePolicyIgnore, "failurePolicy"),
            &it.failure_policy,
            "lets everything through when Postern does not answer",
        ),
        check(
            it.match_policy == "Exact",
            (Code::MatchPolicyExact, "matchPolicy"),
            &it.match_policy,
            "misses requests by another version of the API",
        ),
        check(
            !matches!(it.side_effects.as_str(), "None" | "NoneOnDryRun"),
            (Code::SideEffects, "sideEffects"),
            &it.side_effects,
            "is not declared free of side effects",
        ),
        check(
            it.timeout_seconds <= DEADLINE,
            (Code::TimeoutShort, "timeoutSeconds"),
            &seconds,
            "is given up before Postern's own deadline, 1 s unless set otherwise",
        ),
        check(
            it.timeout_seconds > PATIENCE,
            (Code::TimeoutLong, "timeoutSeconds"),
            &seconds,
            "is waited for very long",
        ),
        check(
            !validating && it.reinvocation_policy != "IfNeeded",
            (Code::ReinvocationNever, "reinvocationPolicy"),
            &it.reinvocation_policy,
            "does not look again after other webhooks",
        ),
    ]
}

fn remedy_patch(code: Code, index: usize) -> Option<String> {
    let (field, value) = match code {
        Code::FailurePolicyIgnore => ("failurePolicy", "\"Fail\""),
        Code::MatchPolicyExact => ("matchPolicy", "\"Equivalent\""),
        Code::SideEffects => ("sideEffects", "\"NoneOnDryRun\""),
        Code::TimeoutShort | Code::TimeoutLong => ("timeoutSeconds", "3"),
        Code::ReinvocationNever => ("reinvocationPolicy", "\"IfNeeded\""),
        _ => return None,
    };
    let path = format!("/webhooks/{index}/{field}");
    Some(format!("[{{\"op\":\"replace\",\"path\":\"{path}\",\"value\":{value}}}]"))
}

/// Configurations of another name that lead to Postern as well.
fn stale(ours: &[&Hook], others: &[&Hook]) -> Vec<Diagnosis> {
    let leads_here = |other: &&&Hook| {
        let named = other.webhook.name.ends_with(".postern.dev");
        let there = &other.webhook.client_config;
        let same = ours.iter().map(|hook| &hook.webhook.client_config).any(|here| {
            let service = here.service.is_some()
                && service_of(here.service.as_ref()) == service_of(there.service.as_ref());
            let url = here.url.is_some() && host(here.url.as_ref()) == host(there.url.as_ref());
            service || url
        });
        named || same
    };
    others
        .iter()
        .filter(leads_here)
        .map(|hook| {
            let object = hook.object();
            let kind = hook.phase.kind().to_lowercase();
            let right = format!("--webhook-configurations {}", hook.configuration);
            let remedy = match ours {
                // Whoever mistyped the name is not told to take the guard away.
                [] => format!("If that is the right one: {right}"),
                _ => format!(
                    "kubectl delete {kind} {}; if that is the right one: {right}",
                    hook.configuration
                ),
            };
            Diagnosis::new(Code::StaleConfiguration, format!("{object} leads to Postern as well"))
                .seen(object, hook.field("name"), &hook.webhook.name)
                .remedy(remedy)
        })
        .collect()
}

fn service_of(service: Option<&ServiceReference>) -> Option<(&str, &str)> {
    service.map(|service| (service.namespace.as_str(), service.name.as_str()))
}

/// `https://HOST:PORT` of a URL.
fn host(url: Option<&String>) -> Option<&str> {
    url?.split_once("://")?.1.split('/').next()
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn texts(rules: &[Rule]) -> String {
    let text = |rule: &Rule| {
        let Rule { api_groups, api_versions, operations, resources, scope } = rule;
        let words = |words: &[String]| {
            let words = words.iter().map(|word| if word.is_empty() { "\"\"" } else { word });
            words.collect::<Vec<_>>().join(",")
        };
        format!(
            "{} {}/{} {} ({scope})",
            words(operations),
            words(api_groups),
            words(api_versions),
            words(resources)
        )
    };
    let texts: Vec<_> = rules.iter().map(text).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join("; ") }
}

fn holds(words: &[String], wanted: &[&str]) -> bool {
    words.iter().any(|word| wanted.contains(&word.as_str()))
}

impl Rule {
    pub(super) fn names_the_subresource(&self) -> bool {
        // `*` alone covers no subresource.
        let wanted = ["pods/ephemeralcontainers", "pods/*", "*/ephemeralcontainers", "*/*"];
        holds(&self.api_groups, &["", "*"]) && holds(&self.resources, &wanted)
    }

    pub(super) fn names_update(&self) -> bool {
        holds(&self.operations, &["UPDATE", "*"])
    }

    fn names_v1(&self) -> bool {
        holds(&self.api_versions, &["v1", "*"])
    }

    fn is_for_namespaced(&self) -> bool {
        matches!(self.scope.as_str(), "Namespaced" | "*")
    }

    /// Whether it covers the creation of pods.
    pub(super) fn names_new_pods(&self) -> bool {
        holds(&self.api_groups, &["", "*"])
            && holds(&self.resources, &["pods", "*", "*/*"])
            && holds(&self.operations, &["CREATE", "*"])
            && self.names_v1()
            && self.is_for_namespaced()
    }

    /// Whether it covers debug containers.
    pub(super) fn names_debug_containers(&self) -> bool {
        self.names_the_subresource()
            && self.names_update()
            && self.names_v1()
            && self.is_for_namespaced()
    }
}

#[cfg(test)]
mod tests;
