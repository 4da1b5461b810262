//! All policies at one moment: immutable, published whole, indexed by whom and where they speak of.

use std::collections::HashMap;
use std::sync::Arc;

use super::expression::Expression;
use super::extent::Extent;
use super::request::{DebugRequest, Requester};
use super::rule::{NamePattern, Policy, Selector, Subject};
use super::select::speaks_to;

/// An immutable snapshot of every policy, Permits in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Vec<Arc<Policy>>,
    by_subject: SubjectIndex,
    by_namespace: NamespaceIndex,
    asks: Asks,
}

/// What a set wants to know beyond the request.
#[derive(Debug, Clone, Default)]
struct Asks {
    namespaces: bool,
    rights: bool,
    rates: bool,
    /// What expressions read; `None`: there are none.
    documents: Option<Wanted>,
}

impl PolicySet {
    /// Takes policies in any order; their names are distinct, which the loader sees to.
    #[must_use]
    pub fn new(mut policies: Vec<Policy>) -> Self {
        policies
            .sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.name.cmp(&b.id.name)));
        Self::indexed(policies.into_iter().map(Arc::new).collect())
    }

    fn indexed(policies: Vec<Arc<Policy>>) -> Self {
        let mut set = Self::default();
        for (position, policy) in policies.iter().enumerate() {
            set.by_subject.insert(position, &policy.selector);
            set.by_namespace.insert(position, &policy.selector);
            set.asks.namespaces |= !policy.selector.namespace_labels.is_empty();
            set.asks.rights |= policy.authorize;
            set.asks.rates |= policy.constraints.per_user_per_hour.is_some();
            for expression in expressions(policy) {
                set.asks.namespaces |= expression.reads("namespaceObject").is_some();
                set.asks.documents.get_or_insert_default().note(&**expression);
            }
        }
        set.policies = policies;
        set
    }

    /// Every policy, highest priority first, then by name.
    #[must_use]
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// Whether any policy wants to know the labels of namespaces, by a selector or an expression.
    #[must_use]
    pub fn asks_for_namespaces(&self) -> bool {
        self.asks.namespaces
    }

    /// Whether any policy wants the requester to have a right.
    #[must_use]
    pub fn asks_for_rights(&self) -> bool {
        self.asks.rights
    }

    /// The documents that expressions of policies read; `None`: there are no expressions.
    #[must_use]
    pub fn asks_for_documents(&self) -> Option<&Wanted> {
        self.asks.documents.as_ref()
    }

    /// Whether any policy limits how much a user adds within a time.
    #[must_use]
    pub fn asks_for_rates(&self) -> bool {
        self.asks.rates
    }

    /// The policies that speak to a request, highest priority first, then by name.
    ///
    /// The indexes only leave out what cannot match; what they leave in is asked in full.
    #[must_use]
    pub fn speaking_to(&self, request: &DebugRequest) -> Vec<&Arc<Policy>> {
        let mut candidates = self.by_subject.candidates(&request.requester);
        candidates.intersect(&self.by_namespace.candidates(&request.namespace));
        candidates
            .positions()
            .filter_map(|position| self.policies.get(position))
            .filter(|policy| speaks_to(policy, request))
            .collect()
    }

    /// The policies that speak to a request as a set of their own, for whoever asks the same for
    /// other containers again and again.
    #[must_use]
    pub fn narrowed_to(&self, request: &DebugRequest) -> Self {
        Self::indexed(self.speaking_to(request).into_iter().cloned().collect())
    }
}

/// How much the expressions of a set read of the documents that take time to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// `object`
    pub object: Extent,
    /// `oldObject`, and `pod`, which is the same.
    pub old_object: Extent,
    /// `request`
    pub request: Extent,
    /// `container`
    pub container: bool,
}

impl Wanted {
    fn note(&mut self, expression: &dyn Expression) {
        let read = |all: &mut Extent, variable: &str| {
            if let Some(read) = expression.reads(variable) {
                all.unite(read);
            }
        };
        read(&mut self.object, "object");
        read(&mut self.old_object, "oldObject");
        read(&mut self.old_object, "pod");
        read(&mut self.request, "request");
        self.container |= expression.reads("container").is_some();
    }
}

fn expressions(policy: &Policy) -> impl Iterator<Item = &Arc<dyn Expression>> {
    let conditions = policy.selector.conditions.iter().map(|condition| &condition.expression);
    let rules = policy.constraints.rules.iter();
    conditions.chain(
        rules.flat_map(|rule| [&rule.expression].into_iter().chain(&rule.message_expression)),
    )
}

/// Policies by requester.
#[derive(Debug, Clone, Default)]
struct SubjectIndex {
    everybody: Positions,
    users: HashMap<String, Positions>,
    groups: HashMap<String, Positions>,
}

impl SubjectIndex {
    fn insert(&mut self, position: usize, selector: &Selector) {
        let Some(subjects) = &selector.subjects else { return self.everybody.insert(position) };
        for subject in subjects {
            let (map, name) = match subject {
                Subject::User(name) => (&mut self.users, name),
                Subject::Group(name) => (&mut self.groups, name),
            };
            map.entry(name.clone()).or_default().insert(position);
        }
    }

    fn candidates(&self, requester: &Requester) -> Positions {
        let mut found = self.everybody.clone();
        let user = self.users.get(&requester.username);
        let groups = requester.groups.iter().filter_map(|group| self.groups.get(group));
        user.into_iter().chain(groups).for_each(|positions| found.unite(positions));
        found
    }
}

/// Policies by namespace.
#[derive(Debug, Clone, Default)]
struct NamespaceIndex {
    everywhere: Positions,
    named: HashMap<String, Positions>,
    patterns: Vec<(NamePattern, Positions)>,
}

impl NamespaceIndex {
    fn insert(&mut self, position: usize, selector: &Selector) {
        let Some(patterns) = &selector.namespaces else { return self.everywhere.insert(position) };
        for pattern in patterns {
            match pattern.literal() {
                Some(name) => self.named.entry(name.to_owned()).or_default().insert(position),
                None => self.pattern_entry(pattern).insert(position),
            }
        }
    }

    fn pattern_entry(&mut self, pattern: &NamePattern) -> &mut Positions {
        let known = self.patterns.iter().position(|(other, _)| other == pattern);
        let index = known.unwrap_or_else(|| {
            self.patterns.push((pattern.clone(), Positions::default()));
            self.patterns.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed two lines above")]
        &mut self.patterns[index].1
    }

    fn candidates(&self, namespace: &str) -> Positions {
        let mut found = self.everywhere.clone();
        let named = self.named.get(namespace);
        let matching = self.patterns.iter().filter(|(pattern, _)| pattern.matches(namespace));
        named.into_iter().chain(matching.map(|(_, positions)| positions)).for_each(|positions| {
            found.unite(positions);
        });
        found
    }
}

/// A set of positions in the list of policies, one bit each.
#[derive(Debug, Clone, Default)]
struct Positions(Vec<u64>);

const BITS: usize = u64::BITS as usize;

impl Positions {
    fn insert(&mut self, position: usize) {
        let word = position / BITS;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (position % BITS);
        }
    }

    fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    fn intersect(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine &= theirs);
    }

    /// In ascending order.
    fn positions(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = usize::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < BITS)?;
                left &= left - 1;
                Some(word * BITS + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests;
