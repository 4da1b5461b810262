//! `spec.match`

use crate::policy::name::is_dns_label;
use crate::policy::request;
use crate::policy::rule::{self, LabelRequirement, Selector};

use super::super::debug_policy::{
    LabelExpression, LabelOperator, LabelSelector, Match, Namespaces, Pods, Subject, SubjectKind,
    Surface,
};
use super::super::problem::{Fault, Findings, Place};
use super::words::{self, NAMESPACES, PODS};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
/// Before the namespace, of the group that its service accounts are in.
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts:";

pub(super) fn compile(match_: Option<&Match>, at: &Place<'_>, findings: &mut Findings) -> Selector {
    let Some(match_) = match_ else { return Selector::default() };
    let Match {
        subjects: who,
        exclude_subjects,
        namespaces,
        pods,
        surfaces: ways,
        schedule,
        conditions,
    } = match_;
    let mut selector = Selector {
        subjects: who.as_ref().map(|list| {
            not_empty(list, &at.key("subjects"), findings);
            subjects(list, &at.key("subjects"), findings)
        }),
        exclude_subjects: subjects(exclude_subjects, &at.key("excludeSubjects"), findings),
        surfaces: ways.as_ref().map(|list| surfaces(list, &at.key("surfaces"), findings)),
        conditions: super::expressions::conditions(conditions, &at.key("conditions"), findings),
        schedule: schedule
            .as_ref()
            .map(|given| super::schedule::compile(given, &at.key("schedule"), findings)),
        ..Selector::default()
    };
    if let Some(Namespaces { names, exclude, selector: labels }) = namespaces {
        let at = at.key("namespaces");
        selector.namespaces = names.as_ref().map(|names| {
            not_empty(names, &at.key("names"), findings);
            NAMESPACES.patterns(names, &at.key("names"), findings)
        });
        selector.exclude_namespaces = NAMESPACES.patterns(exclude, &at.key("exclude"), findings);
        if let Some(labels) = labels {
            selector.namespace_labels = requirements(labels, &at.key("selector"), findings);
        }
    }
    if let Some(Pods { names, selector: labels }) = pods {
        let at = at.key("pods");
        selector.pod_names = names.as_ref().map(|names| {
            not_empty(names, &at.key("names"), findings);
            PODS.patterns(names, &at.key("names"), findings)
        });
        if let Some(labels) = labels {
            selector.pod_labels = requirements(labels, &at.key("selector"), findings);
        }
    }
    selector
}

/// An empty list would match nothing, which nobody writes a policy for.
fn not_empty<T>(list: &[T], at: &Place<'_>, findings: &mut Findings) {
    findings.check(!list.is_empty(), at, || Fault::EmptyList);
}

fn subjects(list: &[Subject], at: &Place<'_>, findings: &mut Findings) -> Vec<rule::Subject> {
    let items = list.iter().enumerate();
    items.filter_map(|(position, item)| subject(item, &at.index(position), findings)).collect()
}

fn subject(subject: &Subject, at: &Place<'_>, findings: &mut Findings) -> Option<rule::Subject> {
    let Subject { kind, name, namespace, api_group } = subject;
    let right = match kind {
        SubjectKind::User | SubjectKind::Group => RBAC_GROUP,
        SubjectKind::ServiceAccount => "",
    };
    if let Some(given) = api_group.as_ref().filter(|given| *given != right) {
        let given = given.clone();
        findings.add(&at.key("apiGroup"), Fault::SubjectApiGroup { given, right });
    }
    let place = at.key("name");
    findings.check(!name.is_empty(), &place, || Fault::Empty);
    findings.check(!name.contains('*'), &place, || Fault::SubjectWildcard(name.clone()));
    if *kind != SubjectKind::ServiceAccount {
        possible_name(name, &place, findings);
    }
    let named = |make: fn(String) -> rule::Subject| Some(make(name.clone()));
    match (kind, namespace) {
        (SubjectKind::ServiceAccount, Some(namespace)) => {
            let part =
                |part| move |text: &str| Fault::ServiceAccount { text: text.to_owned(), part };
            findings.check(is_dns_label(namespace), &at.key("namespace"), || {
                part("namespace")(namespace)
            });
            findings.check(words::is_dns_subdomain(name), &place, || part("name")(name));
            let user = format!("system:serviceaccount:{namespace}:{name}");
            Some(rule::Subject::User(user))
        }
        (SubjectKind::ServiceAccount, None) => {
            findings.add(at, Fault::SubjectNamespaceMissing);
            None
        }
        (SubjectKind::User | SubjectKind::Group, Some(_)) => {
            findings.add(&at.key("namespace"), Fault::SubjectNamespace);
            None
        }
        (SubjectKind::User, None) => named(rule::Subject::User),
        (SubjectKind::Group, None) => {
            let namespace = name.strip_prefix(SERVICE_ACCOUNTS);
            let possible = namespace.is_none_or(|name| name.contains('*') || is_dns_label(name));
            findings.check(possible, &place, || Fault::ServiceAccountGroup {
                text: name.clone(),
                prefix: SERVICE_ACCOUNTS,
            });
            named(rule::Subject::Group)
        }
    }
}

/// An exclusion that matches nobody would be a hole, and these are what a slip of a hand leaves.
fn possible_name(name: &str, at: &Place<'_>, findings: &mut Findings) {
    let possible = name.trim() == name && !name.contains(char::is_control);
    findings.check(possible, at, || Fault::SubjectName(name.to_owned()));
}

fn surfaces(list: &[Surface], at: &Place<'_>, findings: &mut Findings) -> Vec<request::Surface> {
    not_empty(list, at, findings);
    let mut judged = Vec::new();
    for (position, surface) in list.iter().enumerate() {
        let name = match surface {
            Surface::EphemeralContainer => {
                judged.push(request::Surface::EphemeralContainer);
                continue;
            }
            Surface::Exec => "Exec",
            Surface::Attach => "Attach",
            Surface::PortForward => "PortForward",
            Surface::PodCopy => "PodCopy",
            Surface::NodeDebug => "NodeDebug",
        };
        findings.add(&at.index(position), Fault::SurfaceNotJudged(name));
    }
    judged
}

/// Both forms of a label selector, as one list.
fn requirements(
    selector: &LabelSelector,
    at: &Place<'_>,
    findings: &mut Findings,
) -> Vec<LabelRequirement> {
    let LabelSelector { match_labels, match_expressions } = selector;
    let mut all = Vec::new();
    for (key, value) in match_labels {
        let labels = at.key("matchLabels");
        let place = labels.key(key);
        check_key(key, &place, findings);
        check_value(value, &place, findings);
        let operator = rule::LabelOperator::In(vec![value.clone()]);
        all.push(LabelRequirement { key: key.clone(), operator });
    }
    for (position, expression) in match_expressions.iter().enumerate() {
        let place = at.key("matchExpressions");
        all.push(requirement(expression, &place.index(position), findings));
    }
    all
}

fn requirement(
    expression: &LabelExpression,
    at: &Place<'_>,
    findings: &mut Findings,
) -> LabelRequirement {
    let LabelExpression { key, operator, values } = expression;
    check_key(key, &at.key("key"), findings);
    let place = at.key("values");
    for (position, value) in values.iter().enumerate() {
        check_value(value, &place.index(position), findings);
    }
    let mut some =
        |name| findings.check(!values.is_empty(), at, || Fault::LabelValuesMissing(name));
    let operator = match operator {
        LabelOperator::In => {
            some("In");
            rule::LabelOperator::In(values.clone())
        }
        LabelOperator::NotIn => {
            some("NotIn");
            rule::LabelOperator::NotIn(values.clone())
        }
        LabelOperator::Exists => {
            findings.check(values.is_empty(), &place, || Fault::LabelValues("Exists"));
            rule::LabelOperator::Exists
        }
        LabelOperator::DoesNotExist => {
            findings.check(values.is_empty(), &place, || Fault::LabelValues("DoesNotExist"));
            rule::LabelOperator::DoesNotExist
        }
    };
    LabelRequirement { key: key.clone(), operator }
}

fn check_key(key: &str, at: &Place<'_>, findings: &mut Findings) {
    findings.check(words::is_label_key(key), at, || Fault::LabelKey(key.to_owned()));
}

fn check_value(value: &str, at: &Place<'_>, findings: &mut Findings) {
    findings.check(words::is_label_value(value), at, || Fault::LabelValue(value.to_owned()));
}
