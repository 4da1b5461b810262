//! Documents of which every field is known here. What else is asked of them is never there, so
//! that `has(…)` and `.?` would say no for ever.

use super::{Checker, flaw};
use crate::expression::node::Node;
use crate::expression::{Flaw, shown};

const NAMESPACE: &str = "namespaceObject";

/// What there is at a place of a document.
#[derive(Debug)]
enum Known {
    /// A value, which is there whole.
    Value,
    /// A part of what the document has elsewhere.
    Part(&'static [(&'static str, Self)]),
}

/// What a field is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Its value.
    Read,
    /// Whether it is there.
    Seen,
}

static DOCUMENTS: [(&str, Known); 2] = [
    (
        NAMESPACE,
        Known::Part(&[(
            "metadata",
            Known::Part(&[("name", Known::Value), ("labels", Known::Value)]),
        )]),
    ),
    (
        "image",
        Known::Part(&[
            ("registry", Known::Value),
            ("repository", Known::Value),
            ("tag", Known::Value),
            ("digest", Known::Value),
        ]),
    ),
];

impl Checker<'_> {
    /// Notes that a variable is named. A namespace is no value: an author would take what is known
    /// of it for all that it has.
    pub(super) fn named(&mut self, at: usize, variable: &str) {
        if variable == NAMESPACE {
            self.unread.push(at);
        }
    }

    /// A field of what the operand is.
    pub(super) fn read(
        &mut self,
        at: usize,
        operand: &Node,
        field: &str,
        wanted: Use,
    ) -> Result<(), Flaw> {
        let Some((path, Known::Part(fields))) = place(operand) else { return Ok(()) };
        match fields.iter().find(|(name, _)| *name == field) {
            Some((_, Known::Part(_))) if wanted == Use::Read => {}
            Some(_) => self.settled(operand),
            None => {
                let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
                let (field, names) = (shown(field), names.join("`, `"));
                return flaw(
                    at,
                    format!("`{path}` has no field `{field}` here; there are `{names}`"),
                );
            }
        }
        Ok(())
    }

    /// What the operand names is no more than looked at: whether it has a field, or is null.
    pub(super) fn settled(&mut self, operand: &Node) {
        // What was named last is this: an operand is checked just before what is done with it.
        if place(operand).is_some_and(|(path, known)| {
            path.starts_with(NAMESPACE) && matches!(known, Known::Part(_))
        }) {
            self.unread.pop();
        }
    }

    /// Nothing is left of which more is used than is known.
    pub(in crate::expression) fn finish(&self) -> Result<(), Flaw> {
        let Some(at) = self.unread.first() else { return Ok(()) };
        let known = "`metadata.name` and `metadata.labels`";
        flaw(*at, format!("of `{NAMESPACE}` only {known} are known; name one of them"))
    }
}

/// Where in such a document an operand is; `None`: in none.
fn place(operand: &Node) -> Option<(String, &'static Known)> {
    let (below, field) = match operand {
        Node::Variable(name) => {
            let (name, known) = DOCUMENTS.iter().find(|(known, _)| known == name)?;
            return Some(((*name).to_owned(), known));
        }
        Node::Select { operand, field, .. } => (operand, field),
        Node::Index { operand, index, .. } => match &**index {
            Node::Text(field) => (operand, field),
            _ => return None,
        },
        _ => return None,
    };
    let (path, Known::Part(fields)) = place(below)? else { return None };
    let (_, known) = fields.iter().find(|(name, _)| name == field)?;
    Some((format!("{path}.{field}"), known))
}
