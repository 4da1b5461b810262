//! What an expression can read of its variables' documents, seen from its nodes.
//!
//! A path is followed as far as it is one: `pod.spec.containers` in `pod.spec.containers.all(c,
//! c.image != '')` and then the `image` of each. Wherever a value goes on as a value, into a call,
//! a comparison or a result, all of it counts as read.

use std::collections::BTreeMap;

use super::node::{Fold, FoldKind, Node};
use crate::policy::extent::{Extent, Step};

/// What is read of each variable that is named.
pub(super) type Reach = BTreeMap<String, Extent>;

/// What the expression at this root reads.
pub(super) fn reach(root: &Node) -> Reach {
    let mut walk = Walk::default();
    walk.value(root);
    walk.reach
}

#[derive(Debug, Clone)]
struct Path {
    variable: String,
    steps: Vec<Step>,
}

impl Path {
    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

#[derive(Debug, Default)]
struct Walk {
    reach: Reach,
    /// Where the variables of the loops around come from; `None`: not out of a document.
    locals: Vec<Option<Path>>,
}

impl Walk {
    fn read(&mut self, Path { variable, steps }: &Path, whole: bool) {
        self.reach.entry(variable.clone()).or_default().add(steps, whole);
    }

    /// A node whose value is used as one.
    fn value(&mut self, node: &Node) {
        if let Some(path) = self.path(node) {
            return self.read(&path, true);
        }
        match node {
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Uint(_)
            | Node::Double(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::Type(_)
            | Node::Variable(_)
            | Node::Local(_) => {}
            // The operand is no path, and its indexes were read where that was found.
            Node::Select { .. } | Node::Index { .. } => {}
            Node::Has { operand, field } => {
                if let Some(path) = self.path_or_value(operand) {
                    self.read(&path.then(Step::Field(field.clone())), false);
                }
            }
            Node::List(items) => items.iter().for_each(|(item, _)| self.value(item)),
            Node::Map(entries) => entries.iter().for_each(|(key, value, _)| {
                self.value(key);
                self.value(value);
            }),
            Node::Not(operand) | Node::Negate(operand) => self.value(operand),
            Node::Any(operands) | Node::All(operands) | Node::Sum(operands) => {
                operands.iter().for_each(|operand| self.value(operand));
            }
            Node::Binary { left, right, .. } => {
                self.value(left);
                self.value(right);
            }
            Node::Conditional(parts) => parts.iter().for_each(|part| self.value(part)),
            Node::Call(call) => call.arguments.iter().for_each(|argument| self.value(argument)),
            Node::Fold(fold) => self.fold(fold),
        }
    }

    /// The path that a node is. A node that is none, and what is inside the brackets of one that
    /// is, has been read when this is back.
    fn path(&mut self, node: &Node) -> Option<Path> {
        match node {
            Node::Variable(name) => Some(Path { variable: name.clone(), steps: Vec::new() }),
            Node::Local(place) => self.locals.get(*place).cloned().flatten(),
            Node::Select { operand, field, .. } => {
                Some(self.path_or_value(operand)?.then(Step::Field(field.clone())))
            }
            Node::Index { operand, index, .. } => {
                let step = match &**index {
                    Node::Text(name) => Step::Field(name.clone()),
                    index => {
                        self.value(index);
                        Step::Item
                    }
                };
                Some(self.path_or_value(operand)?.then(step))
            }
            _ => None,
        }
    }

    fn path_or_value(&mut self, node: &Node) -> Option<Path> {
        let path = self.path(node);
        if path.is_none() && !matches!(node, Node::Select { .. } | Node::Index { .. }) {
            self.value(node);
        }
        path
    }

    fn fold(&mut self, fold: &Fold) {
        let Fold { kind, pairs, range, keep, body, key } = fold;
        let optional = matches!(kind, FoldKind::Optional | FoldKind::OptionalFlat);
        let range = self.path_or_value(range);
        let item = match range {
            Some(range) if optional => {
                // Whether there is anything decides, and a variable is there by its document.
                self.read(&range, range.steps.is_empty());
                Some(range)
            }
            Some(range) => {
                let item = range.then(Step::Item);
                // These give the items themselves.
                let given = matches!(kind, FoldKind::Filter | FoldKind::SortBy);
                self.read(&item, given);
                Some(item)
            }
            None => None,
        };
        let outer = self.locals.len();
        // An index or a key is no part of a document.
        self.locals.extend(pairs.then_some(None));
        self.locals.push(item);
        [keep.as_ref(), key.as_ref(), Some(body)].into_iter().flatten().for_each(|node| {
            self.value(node);
        });
        self.locals.truncate(outer);
    }
}

#[cfg(test)]
mod tests;
