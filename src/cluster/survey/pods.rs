//! Every pod: debug containers that should not be there, and one pod to try on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::ask::Asker;
use super::{each, text};
use crate::admission::decode::{Subject, decode};
use crate::doctor::anybody;
use crate::doctor::survey::{Debugger, Debuggers, Survey};
use crate::gate::lookup::bring_documents;
use crate::gate::{Phase, judge};
use crate::kubectl::review;
use crate::policy::request::{Fact, Requester};
use crate::policy::rule::Enforcement;
use crate::policy::set::PolicySet;

/// How many pods are listed at once: few, because each comes whole.
const PAGE: u32 = 100;
/// How many pods are looked at.
const PODS: usize = 50_000;
/// How many containers are told of.
const TOLD: usize = 200;
/// How many objections to one container are told.
const OBJECTIONS: usize = 3;
/// Whoever it was.
const SOMEBODY: &str = "somebody";

/// A pod to try on. Its lowest rank is best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    rank: u8,
    pub(super) namespace: String,
    pub(super) pod: String,
}

/// Judges every debug container, and finds pods to try on: of each namespace one, the best first.
pub(super) async fn search(
    asker: &mut Asker,
    survey: &mut Survey,
    policies: &PolicySet,
    preferred: Option<&str>,
) -> Vec<Candidate> {
    let relaxed = anybody(policies);
    let mut debuggers = Debuggers { policies: policies.policies().len(), ..Debuggers::default() };
    let mut best: BTreeMap<String, Candidate> = BTreeMap::new();
    let mut token = None;
    loop {
        let page = asker.page("/api/v1/pods", PAGE, token).await;
        let Some((pods, next)) = asker.noted("pods", "list pods", page) else {
            return Vec::new();
        };
        for pod in &pods {
            debuggers.pods += 1;
            if let Some(candidate) = candidate(pod, preferred) {
                let known = best.entry(candidate.namespace.clone());
                let known = known.or_insert_with(|| candidate.clone());
                if candidate < *known {
                    *known = candidate;
                }
            }
            look(pod, survey, &relaxed, &mut debuggers);
        }
        match next {
            Some(next) if debuggers.pods < PODS => token = Some(next),
            next => {
                debuggers.truncated = next.is_some();
                break;
            }
        }
    }
    survey.debuggers = Some(debuggers);
    let mut best: Vec<_> = best.into_values().collect();
    best.sort();
    best
}

fn candidate(pod: &Value, preferred: Option<&str>) -> Option<Candidate> {
    let namespace = text(pod, "/metadata/namespace");
    let mirror = pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some();
    let ends = pod.pointer("/metadata/deletionTimestamp").is_some();
    // What is asked of a Windows pod is different, and what is asked here is Linux's.
    let windows = text(pod, "/spec/os/name") == "windows";
    let runs = text(pod, "/status/phase") == "Running";
    if mirror || ends || windows || !runs || preferred.is_some_and(|it| it != namespace) {
        return None;
    }
    let rank = match namespace {
        "kube-system" => 1,
        _ => 0,
    };
    let pod = text(pod, "/metadata/name").to_owned();
    Some(Candidate { rank, namespace: namespace.to_owned(), pod })
}

fn look(pod: &Value, survey: &Survey, policies: &PolicySet, debuggers: &mut Debuggers) {
    let containers: Vec<&Value> = each(pod, "/spec/ephemeralContainers").collect();
    for (position, container) in containers.iter().enumerate() {
        debuggers.judged += 1;
        // Without any policy all are refused, and that is said elsewhere.
        if policies.policies().is_empty() || debuggers.refused.len() >= TOLD {
            continue;
        }
        let before = containers.get(..position).unwrap_or_default();
        let objections = objections(pod, before, container, survey, policies);
        if let Some(objections) = objections {
            let name = text(container, "/name");
            let mut statuses = each(pod, "/status/ephemeralContainerStatuses");
            // What has no status yet may be about to start.
            let has_ended = statuses.any(|status| {
                text(status, "/name") == name && status.pointer("/state/terminated").is_some()
            });
            debuggers.refused.push(Debugger {
                namespace: text(pod, "/metadata/namespace").to_owned(),
                pod: text(pod, "/metadata/name").to_owned(),
                container: name.to_owned(),
                image: text(container, "/image").to_owned(),
                has_ended,
                objections,
            });
        }
    }
}

/// Why nobody could add the container to the pod as it was; `None`: somebody could.
fn objections(
    pod: &Value,
    before: &[&Value],
    container: &Value,
    survey: &Survey,
    policies: &PolicySet,
) -> Option<Vec<String>> {
    let mut earlier = pod.clone();
    if let Some(list) = earlier.pointer_mut("/spec/ephemeralContainers") {
        *list = before.iter().copied().cloned().collect();
    }
    let somebody = Requester { username: SOMEBODY.to_owned(), groups: Vec::new() };
    let body = review(&earlier, container, &somebody).ok()?.to_string().into_bytes();
    let mut review = decode(&body).ok()?;
    let namespace = review.namespace.clone();
    if let Subject::Debug(debug) = &mut review.subject {
        let labels = survey.namespaces.as_ref().and_then(|all| all.get(&namespace)).cloned();
        let circumstances = &mut debug.request.circumstances;
        circumstances.now = Fact::Known(Timestamp::now());
        circumstances.namespace_labels = labels.map_or(Fact::Unknown, Fact::Known);
        bring_documents(policies, debug, &body);
    }
    let judgement = judge(Some(policies), Phase::Validate, review, Enforcement::Enforce);
    let verdict = judgement.verdict.as_ref()?;
    if verdict.allows() {
        return None;
    }
    let findings = verdict.rulings.iter().flat_map(|ruling| &ruling.findings);
    let texts = findings.map(|finding| match &finding.policy {
        Some(policy) => format!("policy {}: {}", policy.id.name, finding.objection),
        None => finding.objection.to_string(),
    });
    Some(texts.take(OBJECTIONS).collect())
}
