//! What was found, as data, for `-o json`, `-o yaml` and the text.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::doctor::survey::Survey;
use crate::doctor::{Diagnosis, Evidence, Severity, tells_of_the_door};

/// Everything that was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Whether the door was looked at, and nothing counts that is as bad as `fail_on`.
    pub(super) guarded: bool,
    /// Whether anything tells of the door at all; if not, no finding can be meant.
    #[serde(skip)]
    pub(super) told: bool,
    pub(super) fail_on: &'static str,
    /// What the API server calls itself.
    pub(super) server: String,
    /// The pod that was tried on, `namespace/name`.
    pub(super) tried_on: Option<String>,
    pub(super) tried_as: String,
    /// How many there are of each severity, without those that are accepted.
    pub(super) summary: BTreeMap<&'static str, usize>,
    /// The worst first.
    pub(super) findings: Vec<FindingReport>,
}

/// One finding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingReport {
    pub(super) code: &'static str,
    pub(super) severity: &'static str,
    /// Known and meant; it does not count.
    pub(super) accepted: bool,
    pub(super) what: String,
    pub(super) evidence: Vec<EvidenceReport>,
    pub(super) remedy: String,
}

/// What was read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvidenceReport {
    pub(super) object: String,
    pub(super) field: String,
    pub(super) value: String,
}

impl Report {
    pub(super) fn new(
        survey: &Survey,
        found: Vec<Diagnosis>,
        fail_on: Severity,
        is_accepted: impl Fn(&Diagnosis) -> bool,
    ) -> Self {
        let told = tells_of_the_door(survey, &found);
        let mut guarded = told;
        let mut summary: BTreeMap<_, _> = Severity::ALL.map(|it| (it.as_str(), 0)).into();
        let mut findings = Vec::new();
        for diagnosis in found {
            let accepted = is_accepted(&diagnosis);
            if !accepted {
                *summary.entry(diagnosis.severity.as_str()).or_default() += 1;
                guarded &= diagnosis.severity < fail_on;
            }
            findings.push(FindingReport::new(diagnosis, accepted));
        }
        let pod = survey.trial.pod.as_ref();
        Self {
            guarded,
            told,
            fail_on: fail_on.as_str(),
            server: survey.version.as_ref().map(|it| it.text.clone()).unwrap_or_default(),
            tried_on: pod.map(|(namespace, pod)| format!("{namespace}/{pod}")),
            tried_as: survey.trial.requester.clone(),
            summary,
            findings,
        }
    }
}

impl FindingReport {
    fn new(diagnosis: Diagnosis, accepted: bool) -> Self {
        let Diagnosis { code, severity, what, evidence, remedy } = diagnosis;
        let evidence = evidence
            .into_iter()
            .map(|Evidence { object, field, value }| EvidenceReport { object, field, value });
        Self {
            code: code.as_str(),
            severity: severity.as_str(),
            accepted,
            what,
            evidence: evidence.collect(),
            remedy,
        }
    }
}
