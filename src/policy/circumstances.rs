//! What is known beside the request itself: looked up beforehand, because nothing in the core
//! waits.
//!
//! Everything starts as unknown, and what is unknown never helps a request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::request::Fact;

/// The circumstances of one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Circumstances {
    /// When it is judged.
    pub now: Fact<Timestamp>,
    /// The labels of the pod's namespace.
    pub namespace_labels: Fact<BTreeMap<String, String>>,
    /// Whether the requester may use a policy, by the policy's name. Of policies that do not ask
    /// for a right of their own, nothing is here.
    pub rights: BTreeMap<String, Right>,
    /// How many containers the requester was allowed to add in the last hour, in every namespace.
    pub added_last_hour: Fact<usize>,
}

/// What the API server says of somebody's right to use a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// They have it.
    Granted,
    /// They do not have it.
    Denied,
    /// It could not be asked, or did not answer.
    Unknown,
}

impl Circumstances {
    /// The requester's right to use a policy; one that was not asked about is not known.
    #[must_use]
    pub fn right(&self, policy: &str) -> Right {
        self.rights.get(policy).copied().unwrap_or(Right::Unknown)
    }
}
