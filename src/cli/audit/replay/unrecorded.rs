//! What a record does not hold, and what that leaves open.

use crate::ledger::Record;
use crate::policy::extent::Extent;
use crate::policy::request::DebugRequest;
use crate::policy::rule::Policy;
use crate::policy::set::PolicySet;

/// Whether it was refused for how the request was built: no policy has a say in that, and of what
/// was wrong a record has no more than the words.
pub(super) fn is_structural(record: &Record) -> bool {
    record.findings.iter().any(|finding| {
        let place = finding.constraint.as_str();
        finding.policy.is_none()
            && (place == "metadata" || place.starts_with("spec.ephemeralContainers"))
    })
}

/// Whether an expression reads of the added containers what the record does not hold.
pub(super) fn reads_it(record: &Record, policies: &PolicySet, request: &DebugRequest) -> bool {
    let fields = Missing::of(record);
    let all = policies.policies().iter();
    // Whether a policy speaks is what its conditions decide.
    all.map(AsRef::as_ref).any(|policy| fields.are_in_conditions(policy))
        || policies.speaking_to(request).iter().any(|policy| fields.are_in_rules(policy))
}

/// The fields that nobody knows.
struct Missing(&'static [&'static str]);

impl Missing {
    fn of(record: &Record) -> Self {
        // Command and arguments are recorded as one.
        let has_command = record.injections.iter().any(|it| !it.command.is_empty());
        Self(if has_command { &["workingDir", "command", "args"] } else { &["workingDir"] })
    }

    fn are_in_conditions(&self, policy: &Policy) -> bool {
        let mut conditions = policy.selector.conditions.iter();
        conditions.any(|condition| self.are_in_pod(condition.expression.reads("object")))
    }

    fn are_in_rules(&self, policy: &Policy) -> bool {
        policy.constraints.rules.iter().any(|rule| {
            let reads = |variable| rule.expression.reads(variable);
            self.are_in(reads("container")) || self.are_in_pod(reads("object"))
        })
    }

    fn are_in_pod(&self, pod: Option<&Extent>) -> bool {
        let containers = pod
            .and_then(|pod| pod.field("spec")?.field("ephemeralContainers"))
            .and_then(Extent::item);
        self.are_in(containers)
    }

    fn are_in(&self, container: Option<&Extent>) -> bool {
        container.is_some_and(|read| self.0.iter().any(|field| read.field(field).is_some()))
    }
}
