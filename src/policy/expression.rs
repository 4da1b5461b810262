//! Conditions in a language of their own: the port through which the core asks them.
//!
//! The language is CEL, and [`crate::expression`] speaks it. Here it is enough that a condition
//! holds, does not, or gives no answer, which is no yes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::extent::Extent;
use super::request::{DebugRequest, Injection};

/// One compiled expression.
pub trait Expression: fmt::Debug + Send + Sync {
    /// Whether the condition holds.
    ///
    /// # Errors
    ///
    /// Why it gives no answer, in words for the author of the policy.
    fn holds(&self, scene: &Scene<'_>) -> Result<bool, String>;

    /// The text that it makes.
    ///
    /// # Errors
    ///
    /// As for [`Expression::holds`].
    fn text(&self, scene: &Scene<'_>) -> Result<String, String>;

    /// How much it reads of a variable's document; `None`: it does not name the variable.
    fn reads(&self, variable: &str) -> Option<&Extent>;
}

/// What an expression is about.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The request.
    pub request: &'a DebugRequest,
    /// The added container as it would be stored; none where a policy's `match` is decided.
    pub container: Option<&'a Injection>,
}

/// One entry of `match.conditions`.
#[derive(Debug, Clone)]
pub struct Condition {
    /// What records call it.
    pub name: String,
    /// The condition.
    pub expression: Arc<dyn Expression>,
}

/// One entry of `containers.rules`.
#[derive(Debug, Clone)]
pub struct ContainerRule {
    /// What records call it.
    pub name: String,
    /// What must hold of each added container.
    pub expression: Arc<dyn Expression>,
    /// What users are told where it does not.
    pub message: Option<String>,
    /// The same, made of the documents; where it gives no answer, `message` is told.
    pub message_expression: Option<Arc<dyn Expression>>,
}

impl ContainerRule {
    /// What users are told where the rule does not hold.
    #[must_use]
    pub fn told(&self, scene: &Scene<'_>) -> Option<String> {
        let made = self.message_expression.as_ref().and_then(|made| made.text(scene).ok());
        made.filter(|text| !text.trim().is_empty()).or_else(|| self.message.clone())
    }
}

/// The documents of a request, whole. What they are is between those who put them in and those who
/// evaluate expressions; here they only travel along.
#[derive(Clone, Default)]
pub struct Documents(Option<Arc<dyn Any + Send + Sync>>);

impl Documents {
    /// Takes them along.
    pub fn new<T: Any + Send + Sync>(documents: T) -> Self {
        Self(Some(Arc::new(documents)))
    }

    /// The documents, if they are of this kind.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.downcast_ref()
    }
}

impl fmt::Debug for Documents {
    /// They may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "(documents)" } else { "(none)" })
    }
}

impl PartialEq for Documents {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}
