//! The policies of files and those of the cluster, as one set.

use std::collections::HashSet;

use jiff::Timestamp;

use super::policies::Snapshot;
use crate::crd::live::{Fault, Live};
use crate::policy::rule::Policy;
use crate::policy::set::PolicySet;

/// What became of one policy of the cluster, for its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: Option<String>,
    /// `metadata.generation`
    pub generation: Option<i64>,
    /// Why it only objects.
    pub fault: Option<Fault>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// Everything that is judged by from now on. A name that both have is the file's: whoever may write
/// into the cluster must not be able to take its place.
#[must_use]
pub fn join(files: &[Policy], cluster: &Snapshot) -> (PolicySet, Vec<Report>) {
    let taken: HashSet<_> = files.iter().map(|policy| policy.id.name.as_str()).collect();
    let mut policies = files.to_vec();
    let mut reports = Vec::with_capacity(cluster.policies.len());
    for (name, seen) in &cluster.policies {
        let Live { policy, fault, told: _ } = if taken.contains(name.as_str()) {
            seen.live.objecting(name_taken())
        } else {
            Live::clone(&seen.live)
        };
        reports.push(Report {
            name: name.clone(),
            uid: policy.id.uid.clone(),
            generation: policy.id.generation,
            fault,
            expires: policy.expires,
        });
        policies.push(policy);
    }
    (PolicySet::new(policies), reports)
}

fn name_taken() -> Fault {
    let message = "a policy from a file has this name, and counts; give this one another";
    Fault { reason: "NameTaken", message: message.to_owned() }
}

#[cfg(test)]
mod tests;
