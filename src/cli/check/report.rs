//! An examination as data, for `-o json`, `-o yaml` and the text.

use json_patch::{Patch, PatchOperation};
use serde::Serialize;
use serde_json::Value;

use super::examine::{Change, Examination, Step};
use super::explanation::PolicyReport;
use crate::admission::decode::{Debug, Subject};
use crate::admission::respond::{Response, respond};
use crate::admission::structural::Fault;
use crate::gate::Phase;
use crate::policy::verdict::{Finding, Ruling};

/// What was found about one review.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Report {
    /// The file, or the command.
    pub(in crate::cli) review: String,
    /// Whether the request would get through.
    pub(in crate::cli) allowed: bool,
    /// Why, in one word: that of the webhook asked last.
    pub(in crate::cli) reason: &'static str,
    /// What each webhook said.
    pub(in crate::cli) phases: Vec<PhaseReport>,
    /// What the API server would refuse.
    pub(in crate::cli) faults: Vec<FaultReport>,
    /// What policy says of each added container.
    pub(in crate::cli) containers: Vec<ContainerReport>,
    /// What each policy has to do with it, where that was asked for and policy was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) explanation: Option<Vec<PolicyReport>>,
    /// The containers as they would be stored; none where the request is refused.
    #[serde(skip)]
    pub(in crate::cli) stored: Vec<Value>,
    /// What the text shows of changes; as data they are in `phases[].patch`.
    #[serde(skip)]
    pub(in crate::cli) changes: Vec<Change>,
}

/// What one webhook said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PhaseReport {
    pub(in crate::cli) phase: &'static str,
    pub(in crate::cli) allowed: bool,
    pub(in crate::cli) reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) message: Option<String>,
    pub(in crate::cli) warnings: Vec<String>,
    /// RFC 6902.
    #[serde(skip_serializing_if = "<[PatchOperation]>::is_empty")]
    pub(in crate::cli) patch: Patch,
    /// The AdmissionReview as the server would send it, but for the id of a decision.
    pub(in crate::cli) answer: Value,
}

/// A structural fault.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FaultReport {
    pub(in crate::cli) container: String,
    pub(in crate::cli) path: String,
    pub(in crate::cli) message: String,
    pub(in crate::cli) remedy: String,
}

/// What policy says of one container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ContainerReport {
    pub(in crate::cli) name: String,
    pub(in crate::cli) allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) permit: Option<String>,
    pub(in crate::cli) findings: Vec<FindingReport>,
}

/// One policy's objection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FindingReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) policy: Option<String>,
    pub(in crate::cli) enforcement: &'static str,
    pub(in crate::cli) constraint: &'static str,
    pub(in crate::cli) message: String,
}

impl Report {
    pub(in crate::cli) fn new(review: String, examination: Examination) -> Self {
        let allowed = examination.allows();
        let Examination { steps, changes } = examination;
        let last = steps.last();
        let verdict = last.and_then(|step| step.judgement.verdict.as_ref());
        let debug = last.and_then(|step| match &step.judgement.review.subject {
            Subject::Debug(debug) => Some(debug.as_ref()),
            Subject::NotJudged(_) | Subject::Malformed(_) => None,
        });
        Self {
            review,
            allowed,
            reason: last.map_or("", |step| step.judgement.reason.as_str()),
            faults: debug.map(faults).unwrap_or_default(),
            containers: verdict.map_or_else(Vec::new, |verdict| {
                verdict.rulings.iter().map(ContainerReport::new).collect()
            }),
            phases: steps.iter().map(PhaseReport::new).collect(),
            explanation: None,
            stored: debug.filter(|_| allowed).map(stored).unwrap_or_default(),
            changes,
        }
    }
}

impl PhaseReport {
    fn new(step: &Step) -> Self {
        let Step { judgement, response, notes } = step;
        let (version, uid) = (judgement.review.version, &judgement.review.uid);
        let (message, patch) = match response {
            Response::Allow { patch } => (None, patch.clone()),
            Response::Refuse { message } => (Some(message.clone()), Patch::default()),
        };
        Self {
            phase: match judgement.phase {
                Phase::Mutate => "mutate",
                Phase::Validate => "validate",
            },
            allowed: message.is_none(),
            reason: judgement.reason.as_str(),
            message,
            warnings: notes.warnings.clone(),
            patch,
            answer: serde_json::from_slice(&respond(version, uid, response, notes))
                .unwrap_or_default(),
        }
    }
}

impl ContainerReport {
    fn new(ruling: &Ruling) -> Self {
        Self {
            name: ruling.container.name.clone(),
            allowed: ruling.allows(),
            permit: ruling.permit.as_ref().map(|policy| policy.id.name.clone()),
            findings: ruling.findings.iter().map(FindingReport::new).collect(),
        }
    }
}

impl FindingReport {
    fn new(finding: &Finding) -> Self {
        Self {
            policy: finding.policy.as_ref().map(|policy| policy.id.name.clone()),
            enforcement: finding.enforcement().as_str(),
            constraint: finding.objection.constraint(),
            message: finding.objection.to_string(),
        }
    }
}

fn stored(debug: &Debug) -> Vec<Value> {
    debug.added.iter().map(|added| added.json.clone()).collect()
}

fn faults(debug: &Debug) -> Vec<FaultReport> {
    let report = |fault: &Fault| FaultReport {
        container: fault.container.clone(),
        path: fault.path.clone(),
        message: fault.to_string(),
        remedy: fault.remedy(),
    };
    debug.faults.iter().map(report).collect()
}
