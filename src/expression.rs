//! Expressions of policies: the Common Expression Language as Kubernetes'
//! ValidatingAdmissionPolicy speaks it, over borrowed JSON documents.
//!
//! An expression is compiled when a policy is loaded: [`Program::compile`] finds everything that
//! can be found without a document. It is then evaluated many times, within a budget of steps,
//! memory and time, on the stack of whoever asks: depth is limited when it is parsed.
//!
//! ```text
//! source ── lexer ── parser ── Syntax ── check ── Node ── evaluate ── Value
//!                    limits             names, types │            budget
//!                                                    reach: what is read of each document
//! ```

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;

mod budget;
mod check;
mod equality;
mod evaluate;
mod functions;
mod lexer;
mod literal;
mod node;
mod parser;
mod reach;
pub mod scene;
mod syntax;
mod types;
mod value;

#[cfg(test)]
mod tests;

use check::Checker;
use evaluate::Evaluation;
use node::Node;
use reach::Reach;
use types::Type;
use value::Value;

use crate::policy::extent::Extent;

/// A compiled expression. Cheap to clone and to share.
#[derive(Debug, Clone)]
pub struct Program(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    root: Node,
    reach: Reach,
}

/// What an expression must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A condition, for [`Program::holds`].
    Bool,
    /// A message, for [`Program::text`].
    Text,
}

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Flaw {
    /// Where it is wrong: a byte offset into the source, for a picture of the line.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

/// Why an expression gave no answer. A rule that is judged by it cannot pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The expression does not fit the documents: a field that is not there, a text where a
    /// number was meant, a division by zero.
    #[error("{0}")]
    Expression(String),
    /// Its result is not a condition.
    #[error("it gives {0}, not bool")]
    NotBool(&'static str),
    /// Its result is not text.
    #[error("it gives {0}, not string")]
    NotText(&'static str),
    /// It took more steps than one evaluation may.
    #[error("it takes too many steps")]
    TooManySteps,
    /// It made more data than one evaluation may.
    #[error("it takes too much memory")]
    TooMuchMemory,
    /// The time for it was over.
    #[error("it takes too long")]
    TooLate,
}

impl Trouble {
    /// Whether `||` and `&&` may decide without the operand that failed. What ran out stays out.
    fn can_be_decided_without(&self) -> bool {
        match self {
            Self::Expression(_) | Self::NotBool(_) | Self::NotText(_) => true,
            Self::TooManySteps | Self::TooMuchMemory | Self::TooLate => false,
        }
    }
}

/// The documents that the variables of an expression stand for, and the time it may take.
#[derive(Debug, Clone)]
pub struct Bindings<'a> {
    variables: Vec<(&'a str, &'a Json)>,
    allowed: Duration,
    deadline: Option<Instant>,
}

impl Program {
    /// Reads an expression that may use `variables`.
    ///
    /// # Errors
    ///
    /// The first thing wrong with it: syntax, an unknown name, arguments that no function takes,
    /// a pattern or time that cannot be read, a size beyond the limits, or a result that cannot
    /// be what is wanted.
    pub fn compile(source: &str, wanted: Wanted, variables: &[&str]) -> Result<Self, Flaw> {
        let syntax = parser::parse(source)?;
        let at = syntax.at;
        let mut checker = Checker::new(variables);
        let (root, gives) = checker.check(syntax)?;
        checker.finish()?;
        let wanted_type = match wanted {
            Wanted::Bool => Type::Bool,
            Wanted::Text => Type::Text,
        };
        if !gives.meets(&wanted_type) {
            return Err(Flaw { at, message: format!("it gives {gives}, not {wanted_type}") });
        }
        let reach = reach::reach(&root);
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), root, reach })))
    }

    /// The expression as its author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// How much the expression reads of a variable's document, so that nobody builds what is not
    /// read; `None`: it does not name the variable.
    #[must_use]
    pub fn reads(&self, variable: &str) -> Option<&Extent> {
        self.0.reach.get(variable)
    }

    /// Whether the condition holds for these documents.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub fn holds(&self, bindings: &Bindings<'_>) -> Result<bool, Trouble> {
        match self.value(bindings)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Trouble::NotBool(other.type_name())),
        }
    }

    /// The text that the expression makes of these documents.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn text(&self, bindings: &Bindings<'_>) -> Result<String, Trouble> {
        match self.value(bindings)? {
            Value::Text(text) => Ok(text.as_str().to_owned()),
            other => Err(Trouble::NotText(other.type_name())),
        }
    }

    fn value<'a>(&'a self, bindings: &'a Bindings<'a>) -> Result<Value<'a>, Trouble> {
        Evaluation::new(bindings).of(&self.0.root)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl Default for Bindings<'_> {
    fn default() -> Self {
        Self { variables: Vec::new(), allowed: budget::DEFAULT_TIME, deadline: None }
    }
}

impl<'a> Bindings<'a> {
    /// No documents yet: a variable without one is null.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a variable to a document; the last of the same name counts.
    #[must_use]
    pub fn with(mut self, name: &'a str, document: &'a Json) -> Self {
        self.bind(name, document);
        self
    }

    /// As [`Bindings::with`], for one variable that changes from evaluation to evaluation.
    pub fn bind(&mut self, name: &'a str, document: &'a Json) {
        match self.variables.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = document,
            None => self.variables.push((name, document)),
        }
    }

    /// Sets when each evaluation must be done, in place of the 100 ms that it has by itself.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn document(&self, name: &str) -> Option<&'a Json> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, document)| *document)
    }
}

/// Text of others for a message: control characters escaped, cut to 60 characters.
fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(60).flat_map(char::escape_debug).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
