//! One log line for each answer, and what is told to whoever follows requests.

use std::fmt;
use std::time::Duration;

use axum::extract::Request;
use tracing::{debug, info, warn};

use super::metrics::phase_label;
use crate::gate::trace::{Parent, Traced, Tracer};
use crate::gate::{Answer, Arrival, Judgement, Summary, policy_names};
use crate::policy::text::Plain;
use crate::policy::verdict::Verdict;

/// What was judged, in the words of a log line. Nothing is copied: where the line is not written,
/// this costs nothing.
#[derive(Debug)]
struct About<'a> {
    verdict: &'static str,
    namespace: &'a str,
    pod: &'a str,
    user: &'a str,
    policies: Names<'a>,
}

impl<'a> About<'a> {
    /// Of a review that was not judged nothing is known that would be believed.
    fn new(judgement: Option<&'a Judgement>) -> Self {
        let review = judgement.map(|judgement| &judgement.review);
        let verdict = judgement.and_then(|judgement| judgement.verdict.as_ref());
        Self {
            verdict: match verdict.map(Verdict::allows) {
                Some(true) => "allowed",
                Some(false) => "refused",
                None => "none",
            },
            namespace: review.map_or("", |review| &review.namespace),
            pod: review.map_or("", |review| &review.name),
            user: review.map_or("", |review| &review.user.requester.username),
            policies: Names(verdict),
        }
    }
}

/// The policies that decided.
#[derive(Debug)]
struct Names<'a>(Option<&'a Verdict>);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |verdict| f.write_str(&policy_names(verdict)))
    }
}

/// Says what was answered.
pub(super) fn say(said: &Answer, took: Duration) {
    let Summary { phase, allowed, reason, dry_run, decision, changes } = said.summary;
    let (phase, reason) = (phase_label(phase), reason.as_str());
    let answer = if allowed { "allowed" } else { "refused" };
    let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let About { verdict, namespace, pod, user, policies } = About::new(said.judgement.as_ref());
    let (namespace, pod, user) = (Plain(namespace), Plain(pod), Plain(user));
    match decision {
        Some(decision) => info!(
            %decision, phase, verdict, answer, reason, %namespace, %pod, %user, %policies,
            dry_run, changes, duration_us, "Decided"
        ),
        None if said.summary.is_unrecorded() => warn!(
            phase, verdict, answer, reason, %namespace, %pod, %user, %policies,
            changes, duration_us, "Allowed without a record"
        ),
        // Without a decision a refusal still needs to be found, a pass does not.
        None if !allowed => info!(
            phase, verdict, answer, reason, %namespace, %pod, %user, %policies,
            dry_run, changes, duration_us, "Refused"
        ),
        None => debug!(
            phase, verdict, answer, reason, %namespace, %pod, %user, %policies,
            dry_run, changes, duration_us, "Passed"
        ),
    }
}

/// Somebody who wants to know of a review.
pub(super) struct Follow<'a> {
    tracer: &'a dyn Tracer,
    parent: Option<Parent>,
}

/// Whoever sent a request and follows it says whether this one is of interest; of one that nobody
/// follows yet, all are.
pub(super) fn wanted<'a>(request: &Request, tracer: &'a dyn Tracer) -> Option<Follow<'a>> {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let parent = header.and_then(Parent::parse);
    parent.is_none_or(|parent| parent.sampled).then_some(Follow { tracer, parent })
}

impl Follow<'_> {
    pub(super) fn tell(&self, answer: &Answer, arrival: Arrival, took: Duration) {
        let About { verdict, namespace, pod, .. } = About::new(answer.judgement.as_ref());
        let Arrival { time, started, .. } = arrival;
        let steps = answer.steps.map(|steps| steps.spans(started, started + took));
        self.tracer.trace(Traced {
            parent: self.parent,
            time,
            took,
            summary: answer.summary.clone(),
            verdict,
            pod: (Plain(namespace).to_string(), Plain(pod).to_string()),
            steps: steps.unwrap_or_default(),
        });
    }
}
