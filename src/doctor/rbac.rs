//! Roles and bindings, and what of the API they let whom do.

use serde::Deserialize;

use super::selector::Selector;
use super::survey::Labels;

/// Everything that RBAC says.
#[derive(Debug, Clone, Default)]
pub struct Rbac {
    /// ClusterRoles and Roles.
    pub roles: Vec<Role>,
    /// ClusterRoleBindings and RoleBindings.
    pub bindings: Vec<Binding>,
}

/// A ClusterRole, or a Role of a namespace.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Role {
    pub metadata: Metadata,
    #[serde(default)]
    pub rules: Option<Vec<PolicyRule>>,
    #[serde(default)]
    pub aggregation_rule: Option<AggregationRule>,
}

/// What is read of `metadata`.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Metadata {
    pub name: String,
    /// Of what is cluster-scoped, none.
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub labels: Labels,
}

/// `aggregationRule`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct AggregationRule {
    #[serde(default)]
    pub cluster_role_selectors: Vec<Selector>,
}

/// An entry of `rules`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct PolicyRule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub resource_names: Vec<String>,
}

/// A ClusterRoleBinding, or a RoleBinding of a namespace.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Binding {
    pub metadata: Metadata,
    pub role_ref: RoleRef,
    #[serde(default)]
    pub subjects: Vec<Subject>,
}

/// `roleRef`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct RoleRef {
    pub kind: String,
    pub name: String,
}

/// An entry of `subjects`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[expect(missing_docs, reason = "each is the API field of the same name")]
pub struct Subject {
    pub kind: String,
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
}

/// Something to do to something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deed {
    pub(super) verbs: &'static [&'static str],
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
}

/// A role that somebody has.
#[derive(Debug, Clone)]
pub(super) struct Grant<'a> {
    pub(super) subject: &'a Subject,
    pub(super) binding: &'a Binding,
    pub(super) rules: Vec<&'a PolicyRule>,
}

impl Subject {
    /// `Group dev`, `ServiceAccount ns/name`
    pub(super) fn text(&self) -> String {
        match (&self.kind, &self.namespace) {
            (kind, Some(namespace)) if kind == "ServiceAccount" => {
                format!("{kind} {namespace}/{}", self.name)
            }
            (kind, _) => format!("{kind} {}", self.name),
        }
    }

    /// Everybody, everybody who logged in, every pod.
    pub(super) fn is_everybody(&self) -> bool {
        matches!(
            self.name.as_str(),
            "system:authenticated"
                | "system:unauthenticated"
                | "system:anonymous"
                | "system:serviceaccounts"
        )
    }

    /// Part of Kubernetes itself.
    pub(super) fn is_system(&self) -> bool {
        match self.kind.as_str() {
            "ServiceAccount" => self.namespace.as_deref() == Some("kube-system"),
            _ => {
                self.name.starts_with("system:")
                    && !self.name.starts_with("system:serviceaccount")
                    && !self.is_everybody()
            }
        }
    }

    /// A program, not a person.
    pub(super) fn is_program(&self) -> bool {
        self.kind == "ServiceAccount" || self.name.starts_with("system:serviceaccount")
    }
}

impl Rbac {
    /// Every subject of every binding, with the rules that it gets.
    pub(super) fn grants(&self) -> Vec<Grant<'_>> {
        let of = |binding| {
            let rules = self.rules(binding);
            move |subject| Grant { subject, binding, rules: rules.clone() }
        };
        self.bindings.iter().flat_map(|binding| binding.subjects.iter().map(of(binding))).collect()
    }

    fn rules(&self, binding: &Binding) -> Vec<&PolicyRule> {
        let RoleRef { kind, name } = &binding.role_ref;
        let namespace = match kind.as_str() {
            "Role" => binding.metadata.namespace.as_deref(),
            _ => None,
        };
        let is_it = |role: &&Role| {
            role.metadata.name == *name && role.metadata.namespace.as_deref() == namespace
        };
        self.roles.iter().find(is_it).map(|role| self.with_aggregated(role)).unwrap_or_default()
    }

    /// A role's rules and those of the roles that it takes in. The API server's controller writes
    /// the latter into the former, but a moment later.
    fn with_aggregated<'a>(&'a self, role: &'a Role) -> Vec<&'a PolicyRule> {
        let mut all = vec![role];
        let mut next = 0;
        while let Some(selectors) = all.get(next).map(|role| role.aggregation_rule.as_ref()) {
            next += 1;
            let selectors = selectors.map(|it| &it.cluster_role_selectors).into_iter().flatten();
            for selector in selectors {
                let taken = self.roles.iter().filter(|role| {
                    role.metadata.namespace.is_none() && selector.selects(&role.metadata.labels)
                });
                for role in taken {
                    if !all.iter().any(|known| std::ptr::eq(*known, role)) {
                        all.push(role);
                    }
                }
            }
        }
        all.into_iter().flat_map(|role| role.rules.iter().flatten()).collect()
    }
}

impl Grant<'_> {
    /// Where it holds; `None`: everywhere.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.binding.metadata.namespace.as_deref()
    }

    /// The first rule that lets the deed be done, and the names that it is limited to.
    pub(super) fn allows(&self, deed: &Deed) -> Option<&PolicyRule> {
        let allowing = self.rules.iter().filter(|rule| rule.covers(deed)).copied();
        // What is not limited says more.
        allowing.min_by_key(|rule| rule.resource_names.len())
    }

    /// Everything, everywhere.
    pub(super) fn is_administrator(&self) -> bool {
        let any = |words: &[String]| words.iter().any(|word| word == "*");
        self.namespace().is_none()
            && self.rules.iter().any(|rule| {
                any(&rule.verbs)
                    && any(&rule.api_groups)
                    && any(&rule.resources)
                    && rule.resource_names.is_empty()
            })
    }

    /// `ClusterRole/edit by RoleBinding/payments/editors`
    pub(super) fn by(&self) -> String {
        let RoleRef { kind, name } = &self.binding.role_ref;
        let binding = &self.binding.metadata.name;
        match self.namespace() {
            None => format!("{kind}/{name} by ClusterRoleBinding/{binding}, everywhere"),
            Some(namespace) => format!("{kind}/{name} by RoleBinding/{namespace}/{binding}"),
        }
    }
}

impl PolicyRule {
    /// As the API server reads rules: `*` covers subresources too, `*/x` those called x.
    fn covers(&self, deed: &Deed) -> bool {
        let has = |words: &[String], wanted: &str| words.iter().any(|it| it == "*" || it == wanted);
        let resource = has(&self.resources, deed.resource)
            || deed.resource.split_once('/').is_some_and(|(_, subresource)| {
                self.resources.iter().any(|it| it.strip_prefix("*/") == Some(subresource))
            });
        resource
            && has(&self.api_groups, deed.group)
            && deed.verbs.iter().any(|verb| has(&self.verbs, verb))
    }
}
