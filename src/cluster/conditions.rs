//! The conditions of a policy: what became of it, in the shape that every Kubernetes tool knows.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

use super::join::Report;
use crate::crd::live::Fault;
use crate::crd::status::DebugPolicyStatus;

/// How long before it expires a policy says so.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Longest message, in characters: a status is no place for a book.
const MAX_CHARS: usize = 1024;

/// What is to be said of a policy, without the time at which it became so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    generation: i64,
    conditions: Vec<Said>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    type_: &'static str,
    status: bool,
    reason: &'static str,
    message: String,
}

/// What is to be said of this policy now.
pub(super) fn state(report: &Report, generation: i64, now: Timestamp) -> Stated {
    let expired = report.expires.filter(|expires| now >= *expires);
    let (status, reason, message) = match (&report.fault, expired) {
        (Some(Fault { reason, message }), _) => (false, *reason, message.clone()),
        (None, Some(at)) => (false, "Expired", format!("since {at:.0} the policy permits nothing")),
        (None, None) => (true, "Loaded", "the policy is in force".to_owned()),
    };
    let mut conditions = vec![Said { type_: "Ready", status, reason, message: cut(&message) }];
    if let Some(at) = report.expires {
        let left = at.duration_since(now);
        let (status, reason) = match expired {
            Some(_) => (false, "Expired"),
            None if left <= SOON => (true, "Soon"),
            None => (false, "NotSoon"),
        };
        let message = format!("from {at:.0} on the policy permits nothing");
        conditions.push(Said { type_: "Expiring", status, reason, message });
    }
    Stated { generation, conditions }
}

fn cut(message: &str) -> String {
    if message.chars().count() <= MAX_CHARS {
        return message.to_owned();
    }
    message.chars().take(MAX_CHARS - 1).chain(['…']).collect()
}

impl Stated {
    /// Whether the status says this, and nothing else.
    pub(super) fn is_said_by(&self, status: &DebugPolicyStatus) -> bool {
        status.observed_generation == Some(self.generation)
            && status.conditions.len() == self.conditions.len()
            && self.conditions.iter().all(|said| {
                status.condition(said.type_).is_some_and(|there| {
                    there.status == word(said.status)
                        && there.reason == said.reason
                        && there.message == said.message
                        && there.observed_generation == Some(self.generation)
                })
            })
    }

    /// The status that says it, after the one that is there.
    pub(super) fn status(&self, before: &DebugPolicyStatus, now: Timestamp) -> Value {
        let conditions = self.conditions.iter().map(|said| {
            let status = word(said.status);
            let same = before.condition(said.type_).filter(|there| there.status == status);
            Condition {
                type_: said.type_.to_owned(),
                status: status.to_owned(),
                reason: said.reason.to_owned(),
                message: said.message.clone(),
                observed_generation: Some(self.generation),
                last_transition_time: same
                    .map_or(Time(now), |there| there.last_transition_time.clone()),
            }
        });
        let conditions: Vec<_> = conditions.collect();
        json!({"observedGeneration": self.generation, "conditions": conditions})
    }
}

fn word(status: bool) -> &'static str {
    if status { "True" } else { "False" }
}
