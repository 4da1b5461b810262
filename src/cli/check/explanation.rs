//! `--explain`: what each policy has to do with a request.

use serde::Serialize;

use super::Asked;
use super::examine::Examination;
use crate::admission::decode::Subject;
use crate::gate::Phase;
use crate::policy::evaluate::Defaults;
use crate::policy::explain::{Account, Mismatch, Opinion, Role, Standing, explain};
use crate::policy::rule::{Effect, Enforcement};
use crate::policy::text::{Line, Quoted};

/// What one policy has to do with a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicyReport {
    policy: String,
    effect: &'static str,
    enforcement: &'static str,
    /// Whether it speaks to the request.
    matches: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<MismatchReport>,
    /// What it says of each container, if it does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<OpinionReport>,
}

/// The first part of its `match` that says no.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MismatchReport {
    part: &'static str,
    /// What was there instead; `null` where it is not known.
    seen: Option<Vec<String>>,
}

/// What one policy says of one container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OpinionReport {
    name: String,
    role: &'static str,
    objections: Vec<ObjectionReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectionReport {
    constraint: &'static str,
    message: String,
}

/// Explains what the webhook that was asked last has said; `None` where policy was not asked.
pub(super) fn explained(asked: &Asked, examination: &Examination) -> Option<Vec<PolicyReport>> {
    let judgement = &examination.steps.last()?.judgement;
    let Subject::Debug(debug) = &judgement.review.subject else { return None };
    judgement.verdict.as_ref()?;
    let defaults = match judgement.phase {
        Phase::Mutate => Defaults::Applied,
        Phase::Validate => Defaults::Ignored,
    };
    let names: Vec<_> = debug.request.injections.iter().map(|it| it.name.as_str()).collect();
    let accounts = explain(&asked.policies, &debug.request, defaults);
    Some(accounts.iter().map(|account| PolicyReport::new(account, &names)).collect())
}

impl PolicyReport {
    fn new(account: &Account, names: &[&str]) -> Self {
        let Account { policy, standing } = account;
        let (mismatch, opinions) = match standing {
            Standing::Silent(mismatch) => (Some(mismatch), &[][..]),
            Standing::Speaks(opinions) => (None, opinions.as_slice()),
        };
        let opinions = names.iter().zip(opinions);
        Self {
            policy: policy.id.name.clone(),
            effect: policy.effect.as_str(),
            enforcement: policy.enforcement.as_str(),
            matches: mismatch.is_none(),
            mismatch: mismatch
                .map(|Mismatch { part, seen }| MismatchReport { part, seen: seen.clone() }),
            containers: opinions.map(|(name, opinion)| OpinionReport::new(name, opinion)).collect(),
        }
    }
}

impl OpinionReport {
    fn new(name: &str, opinion: &Opinion) -> Self {
        let Opinion { objections, role } = opinion;
        let objections = objections.iter().map(|objection| ObjectionReport {
            constraint: objection.constraint(),
            message: objection.to_string(),
        });
        let role = match role {
            Role::Permits => "permits",
            Role::Refuses => "refuses",
            Role::Nearest => "nearest",
            Role::Bystander => "bystander",
        };
        Self { name: name.to_owned(), role, objections: objections.collect() }
    }
}

/// The explanation for people.
pub(super) fn render(explanation: Option<&[PolicyReport]>) -> String {
    explanation.into_iter().flatten().map(policy).collect()
}

fn policy(report: &PolicyReport) -> String {
    let PolicyReport { policy, effect, enforcement, mismatch, containers, .. } = report;
    let head = format!("  {} ({effect}, {enforcement})", Line(policy));
    if let Some(MismatchReport { part, seen }) = mismatch {
        let seen = match seen.as_deref() {
            None => "not known".to_owned(),
            Some([]) => "seen: nothing".to_owned(),
            Some(seen) => {
                let seen = seen.iter().map(|seen| Quoted(seen).to_string());
                format!("seen: {}", seen.collect::<Vec<_>>().join(", "))
            }
        };
        return format!("{head}: does not match, by {part} ({seen})\n");
    }
    let competes =
        *effect == Effect::Permit.as_str() && *enforcement == Enforcement::Enforce.as_str();
    let opinions = containers.iter().map(|it| opinion(it, competes));
    format!("{head}\n{}", opinions.collect::<String>())
}

fn opinion(report: &OpinionReport, competes: bool) -> String {
    let OpinionReport { name, role, objections } = report;
    let count = match objections.len() {
        1 => "1 objection".to_owned(),
        count => format!("{count} objections"),
    };
    let said = match (*role, objections.is_empty()) {
        ("permits", _) => "permits it".to_owned(),
        ("refuses", _) => format!("refuses it, {count}"),
        ("nearest", _) => format!("the Permit that came nearest, {count}"),
        (_, true) if competes => "could permit it as well".to_owned(),
        (_, true) => "is content".to_owned(),
        (_, false) => count,
    };
    let objections = objections
        .iter()
        .map(|ObjectionReport { constraint, message }| format!("      {constraint}: {message}\n"));
    format!("    container \"{}\": {said}\n{}", Line(name), objections.collect::<String>())
}
