//! A review and the policies give a judgement: pure, and the same for the server and for `check`.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::suggest::remedy;
use crate::admission::decode::{Debug, Review, Subject};
use crate::admission::message::{self, Remedy};
use crate::admission::patch::patch;
use crate::admission::respond::{Notes, Response};
use crate::policy::evaluate::{Defaults, evaluate};
use crate::policy::rule::Enforcement;
use crate::policy::set::PolicySet;
use crate::policy::text::Plain;
use crate::policy::verdict::Verdict;

/// Which webhook was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `POST /mutate`: refuses structural faults and puts in what a Permit fills in.
    Mutate,
    /// `POST /validate`: judges what will be stored.
    Validate,
}

/// Why an answer is what it is, in one word; the label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Every added container is permitted.
    Permitted,
    /// The mutating phase had nothing to refuse; the validating phase decides.
    Passed,
    /// Nothing was added.
    NothingAdded,
    /// A resource that Postern does not judge.
    NotJudged,
    /// Policy says no, and the answer was no.
    Policy,
    /// Policy says no, but the server's enforcement only warns or notes.
    NotEnforced,
    /// The API server would refuse it too.
    Structural,
    /// The review's object could not be read.
    Malformed,
    /// No policies have been loaded yet.
    NotReady,
    /// The decision could not be written down.
    Ledger,
    /// It was not answered in time.
    Deadline,
    /// Too many requests at once.
    Overload,
    /// A fault of Postern's own.
    Panic,
}

impl Reason {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Permitted,
        Self::Passed,
        Self::NothingAdded,
        Self::NotJudged,
        Self::Policy,
        Self::NotEnforced,
        Self::Structural,
        Self::Malformed,
        Self::NotReady,
        Self::Ledger,
        Self::Deadline,
        Self::Overload,
        Self::Panic,
    ];

    /// Whether the answer is yes. Every reason is named, so that a new one has to choose.
    #[must_use]
    pub fn allows(self) -> bool {
        match self {
            Self::Permitted
            | Self::Passed
            | Self::NothingAdded
            | Self::NotJudged
            | Self::NotEnforced => true,
            Self::Policy
            | Self::Structural
            | Self::Malformed
            | Self::NotReady
            | Self::Ledger
            | Self::Deadline
            | Self::Overload
            | Self::Panic => false,
        }
    }

    /// Whether a phase can give it: what policy says of a container is the validating one's to say.
    #[must_use]
    pub fn is_of(self, phase: Phase) -> bool {
        match self {
            Self::Permitted | Self::Policy | Self::NotEnforced => phase == Phase::Validate,
            Self::Passed => phase == Phase::Mutate,
            Self::NothingAdded
            | Self::NotJudged
            | Self::Structural
            | Self::Malformed
            | Self::NotReady
            | Self::Ledger
            | Self::Deadline
            | Self::Overload
            | Self::Panic => true,
        }
    }

    /// As metrics and logs spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Passed => "passed",
            Self::NothingAdded => "nothing_added",
            Self::NotJudged => "not_judged",
            Self::Policy => "policy",
            Self::NotEnforced => "not_enforced",
            Self::Structural => "structural",
            Self::Malformed => "malformed",
            Self::NotReady => "not_ready",
            Self::Ledger => "ledger",
            Self::Deadline => "deadline",
            Self::Overload => "overload",
            Self::Panic => "panic",
        }
    }

    /// For the user, where there is nothing more to say than this.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Permitted | Self::Passed | Self::NothingAdded => "permitted",
            Self::NotJudged => "this resource is not judged by Postern",
            Self::Policy | Self::NotEnforced => "refused by policy",
            Self::Structural => "Kubernetes does not accept this",
            Self::Malformed => "the review cannot be read, so it is refused",
            Self::NotReady => "Postern has not loaded its policies yet; try again in a moment",
            Self::Ledger => {
                "Postern cannot write its ledger, and nothing is allowed unrecorded; tell your \
                 cluster's administrators"
            }
            Self::Deadline => {
                "Postern could not decide this and write it into its ledger in time, so it is \
                 refused; try again"
            }
            Self::Overload => {
                "Postern is judging as many requests as it can, so this one is refused; try again"
            }
            Self::Panic => {
                "Postern failed on this request, so it is refused; tell your cluster's \
                 administrators"
            }
        }
    }
}

/// A review with everything that was decided about it.
#[derive(Debug)]
pub struct Judgement {
    /// Which webhook was asked.
    pub phase: Phase,
    /// What was asked.
    pub review: Review,
    /// What policy says; `None` where policy was not asked.
    pub verdict: Option<Verdict>,
    /// Why the answer is what it is.
    pub reason: Reason,
    /// The server's strictest level.
    pub enforcement: Enforcement,
    /// Where policy refused: what can be done about it.
    pub remedy: Remedy,
}

/// Judges one review. `policies` is `None` until the first set has been loaded.
#[must_use]
pub fn judge(
    policies: Option<&PolicySet>,
    phase: Phase,
    review: Review,
    enforcement: Enforcement,
) -> Judgement {
    let (reason, verdict) = match &review.subject {
        Subject::NotJudged(_) => (Reason::NotJudged, None),
        Subject::Malformed(_) => (Reason::Malformed, None),
        Subject::Debug(debug) => match policies {
            _ if !debug.faults.is_empty() => (Reason::Structural, None),
            _ if debug.request.injections.is_empty() => (Reason::NothingAdded, None),
            None => (Reason::NotReady, None),
            Some(policies) => {
                let verdict = evaluate(policies, &debug.request, defaults(phase, enforcement));
                (reason(phase, enforcement, &verdict), Some(verdict))
            }
        },
    };
    let remedy = match (reason, &review.subject, policies, &verdict) {
        (Reason::Policy, Subject::Debug(debug), Some(policies), Some(verdict)) => {
            remedy(policies, debug, verdict)
        }
        _ => Remedy::None,
    };
    Judgement { phase, review, verdict, reason, enforcement, remedy }
}

/// Below Enforce nothing is changed, so the validating phase asks what Enforce would have made of
/// the container: that is what an administrator wants to know during a roll-out.
fn defaults(phase: Phase, enforcement: Enforcement) -> Defaults {
    match (phase, enforcement) {
        (Phase::Validate, Enforcement::Enforce) => Defaults::Ignored,
        (Phase::Mutate, _) | (_, Enforcement::Warn | Enforcement::Audit) => Defaults::Applied,
    }
}

fn reason(phase: Phase, enforcement: Enforcement, verdict: &Verdict) -> Reason {
    match (phase, enforcement) {
        (Phase::Mutate, _) => Reason::Passed,
        (Phase::Validate, _) if verdict.allows() => Reason::Permitted,
        (Phase::Validate, Enforcement::Enforce) => Reason::Policy,
        (Phase::Validate, Enforcement::Warn | Enforcement::Audit) => Reason::NotEnforced,
    }
}

impl Judgement {
    /// Whether the API server is told yes.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.reason.allows()
    }

    /// Whether it belongs in the ledger: a refusal, or a yes that lets something in. A pass of the
    /// mutating phase is neither, and a dry run leaves no trace.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        let lets_in = matches!(self.reason, Reason::Permitted | Reason::NotEnforced);
        !self.review.dry_run && (lets_in || !self.allows())
    }

    /// How many fields are changed.
    #[must_use]
    pub fn changes(&self) -> usize {
        if !self.patches() {
            return 0;
        }
        let rulings = self.verdict.iter().flat_map(|verdict| &verdict.rulings);
        let allowed = rulings.filter(|ruling| ruling.allows());
        allowed.map(|ruling| ruling.changes.len() + ruling.removals.len()).sum()
    }

    /// What the API server is to be told, if the decision can be written down under this id.
    #[must_use]
    pub fn response(&self, decision: Option<Uuid>) -> (Response, Notes) {
        let response = if !self.allows() {
            Response::Refuse { message: self.message(decision) }
        } else if self.patches() {
            Response::Allow { patch: self.patch() }
        } else {
            Response::Allow { patch: json_patch::Patch::default() }
        };
        (response, self.notes(decision))
    }

    fn patches(&self) -> bool {
        self.phase == Phase::Mutate && self.enforcement == Enforcement::Enforce
    }

    fn patch(&self) -> json_patch::Patch {
        match (self.debug(), &self.verdict) {
            (Some(debug), Some(verdict)) => patch(debug, verdict),
            _ => json_patch::Patch::default(),
        }
    }

    pub(super) fn debug(&self) -> Option<&Debug> {
        match &self.review.subject {
            Subject::Debug(debug) => Some(debug),
            Subject::NotJudged(_) | Subject::Malformed(_) => None,
        }
    }

    fn message(&self, decision: Option<Uuid>) -> String {
        match (&self.review.subject, &self.verdict) {
            (Subject::Malformed(why), _) => message::plain(&format!("refused: {why}"), decision),
            (Subject::Debug(debug), None) if !debug.faults.is_empty() => {
                message::structural(&debug.faults, decision)
            }
            (Subject::Debug(_), Some(verdict)) => message::refusal(verdict, &self.remedy, decision),
            _ => message::plain(self.reason.sentence(), decision),
        }
    }

    fn notes(&self, decision: Option<Uuid>) -> Notes {
        Notes { warnings: self.warnings(), audit_annotations: self.annotations(decision) }
    }

    /// Objections that are not enforced are told once, by the phase that judges; changes by the
    /// phase that makes them.
    fn warnings(&self) -> Vec<String> {
        if let Subject::NotJudged(resource) = &self.review.subject {
            let text = format!("Postern does not judge {}; it passed unjudged", Plain(resource));
            return vec![message::warning(&text)];
        }
        let rulings = self.verdict.iter().flat_map(|verdict| &verdict.rulings);
        match self.phase {
            Phase::Mutate if self.patches() => rulings
                .filter(|ruling| ruling.allows())
                .flat_map(|ruling| {
                    let changed =
                        ruling.changes.iter().filter_map(|c| message::change_warning(ruling, c));
                    let taken =
                        ruling.removals.iter().map(|it| message::removal_warning(ruling, it));
                    changed.chain(taken)
                })
                .collect(),
            Phase::Mutate => Vec::new(),
            Phase::Validate => rulings
                .flat_map(|ruling| ruling.findings.iter().map(move |finding| (ruling, finding)))
                .filter(|(_, finding)| self.warns_of(finding.enforcement()))
                .map(|(ruling, finding)| message::objection_warning(ruling, finding))
                .collect(),
        }
    }

    /// The server's level caps the policy's; what is enforced is in the refusal already.
    fn warns_of(&self, enforcement: Enforcement) -> bool {
        enforcement.min(self.enforcement) == Enforcement::Warn
    }

    /// For the API server's audit log. Keys may not hold a `/`.
    fn annotations(&self, decision: Option<Uuid>) -> BTreeMap<&'static str, String> {
        let mut annotations = BTreeMap::new();
        if let Some(id) = decision {
            annotations.insert("decision", id.to_string());
        }
        if let (Phase::Validate, Some(verdict)) = (self.phase, &self.verdict) {
            let word = if verdict.allows() { "allowed" } else { "refused" };
            annotations.insert("verdict", word.to_owned());
            annotations.insert("policies", policy_names(verdict));
        }
        annotations
    }
}

/// The policies that decided, in order, each once.
#[must_use]
pub fn policy_names(verdict: &Verdict) -> String {
    let mut names: Vec<&str> = Vec::new();
    for ruling in &verdict.rulings {
        let objecting = ruling.findings.iter().filter_map(|finding| finding.policy.as_ref());
        for policy in ruling.permit.iter().chain(objecting) {
            if !names.contains(&policy.id.name.as_str()) {
                names.push(&policy.id.name);
            }
        }
    }
    names.join(",")
}
