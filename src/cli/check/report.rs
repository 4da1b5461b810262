//! An examination as data, for `-o json`, `-o yaml` and the text.

use json_patch::{Patch, PatchOperation};
use serde::Serialize;
use serde_json::Value;

use super::examine::{Change, Examination, Step};
use crate::admission::decode::{Debug, Subject};
use crate::admission::respond::{Response, respond};
use crate::admission::structural::Fault;
use crate::gate::Phase;
use crate::policy::verdict::{Finding, Ruling};

/// What was found about one review.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The file, or the command.
    pub(super) review: String,
    /// Whether the request would get through.
    pub(super) allowed: bool,
    /// Why, in one word: that of the webhook asked last.
    pub(super) reason: &'static str,
    /// What each webhook said.
    pub(super) phases: Vec<PhaseReport>,
    /// What the API server would refuse.
    pub(super) faults: Vec<FaultReport>,
    /// What policy says of each added container.
    pub(super) containers: Vec<ContainerReport>,
    /// What the text shows of changes; as data they are in `phases[].patch`.
    #[serde(skip)]
    pub(super) changes: Vec<Change>,
}

/// What one webhook said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhaseReport {
    pub(super) phase: &'static str,
    pub(super) allowed: bool,
    pub(super) reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    pub(super) warnings: Vec<String>,
    /// RFC 6902.
    #[serde(skip_serializing_if = "<[PatchOperation]>::is_empty")]
    pub(super) patch: Patch,
    /// The AdmissionReview as the server would send it, but for the id of a decision.
    pub(super) answer: Value,
}

/// A structural fault.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FaultReport {
    pub(super) container: String,
    pub(super) path: String,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// What policy says of one container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerReport {
    pub(super) name: String,
    pub(super) allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) permit: Option<String>,
    pub(super) findings: Vec<FindingReport>,
}

/// One policy's objection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    pub(super) enforcement: &'static str,
    pub(super) constraint: &'static str,
    pub(super) message: String,
}

impl Report {
    pub(super) fn new(review: String, examination: Examination) -> Self {
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

fn faults(debug: &Debug) -> Vec<FaultReport> {
    let report = |fault: &Fault| FaultReport {
        container: fault.container.clone(),
        path: fault.path.clone(),
        message: fault.to_string(),
        remedy: fault.remedy(),
    };
    debug.faults.iter().map(report).collect()
}
