//! Layer 4, the conveyor: decode → look up → judge → record → respond.

mod evidence;
pub mod judge;
pub mod lookup;
mod record;
mod suggest;
pub mod tell;
pub mod trace;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use jiff::Timestamp;
use uuid::Uuid;

use crate::admission::decode::{self, Review};
use crate::admission::message;
use crate::admission::respond::{Notes, Response, respond};
use crate::ledger::{Ledger, LedgerError};
use crate::policy::rule::Enforcement;
use crate::policy::set::PolicySet;

pub use crate::admission::decode::NotAReview;
pub use judge::{Judgement, Phase, Reason, judge, policy_names};
pub use lookup::{Cluster, NoCluster};
pub use tell::{Audience, Decisions};
pub use trace::Steps;

/// What the gate is told by the settings.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// Name of the cluster, for the record.
    pub cluster: String,
    /// The strictest level of the whole server.
    pub enforcement: Enforcement,
    /// An allow that cannot be recorded, or not in time, stays an allow. Weakens the gate.
    pub danger_allow_on_ledger_failure: bool,
}

/// The policies in force; `None` until the first set is published. Shared with whoever loads them.
pub type Policies = Arc<ArcSwapOption<PolicySet>>;

/// Judges reviews and answers them.
#[derive(Debug)]
pub struct Gate<L, C = NoCluster> {
    policies: Policies,
    ledger: L,
    cluster: C,
    turns: lookup::Turns,
    settings: GateSettings,
    audience: Audience,
}

/// When a review came, and until when it must be answered.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// By the wall clock, for the record.
    pub time: Timestamp,
    /// By the monotonic clock, for the timings.
    pub started: Instant,
    /// The answer is due.
    pub deadline: Instant,
}

/// What goes back, and what it was about.
#[derive(Debug)]
pub struct Answer {
    /// The AdmissionReview, as JSON.
    pub body: Vec<u8>,
    /// For logs and metrics.
    pub summary: Summary,
    /// For logs; nothing where nothing was judged.
    pub judgement: Option<Judgement>,
    /// When each step was done; nothing where none was begun.
    pub steps: Option<Steps>,
}

/// One answered review in a few words without high cardinality, for logs and metrics.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Which webhook.
    pub phase: Phase,
    /// What the API server was told.
    pub allowed: bool,
    /// Why, in one word.
    pub reason: Reason,
    /// A server-side dry run.
    pub dry_run: bool,
    /// The decision's id, if one was written down.
    pub decision: Option<Uuid>,
    /// How many fields were changed.
    pub changes: usize,
}

impl Summary {
    /// Whether something was let in of which there is no record, or none yet.
    #[must_use]
    pub fn is_unrecorded(&self) -> bool {
        let lets_in = matches!(self.reason, Reason::Permitted | Reason::NotEnforced);
        lets_in && self.allowed && self.decision.is_none() && !self.dry_run
    }
}

impl<L: Ledger> Gate<L> {
    /// A gate over these policies and this ledger, and no cluster.
    pub fn new(policies: Policies, ledger: L, settings: GateSettings) -> Self {
        Self::in_cluster(policies, ledger, NoCluster, settings)
    }
}

impl<L: Ledger, C: Cluster> Gate<L, C> {
    /// A gate that asks this cluster what only a cluster can tell.
    pub fn in_cluster(policies: Policies, ledger: L, cluster: C, settings: GateSettings) -> Self {
        let (turns, audience) = (lookup::Turns::default(), Audience::default());
        Self { policies, ledger, cluster, turns, settings, audience }
    }

    /// The same gate, which tells of every decision that is on record.
    #[must_use]
    pub fn telling(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Answers one review. Every fault inside becomes a refusal with the review's uid.
    ///
    /// # Errors
    ///
    /// There is nobody to answer: the body is not a review, or has no uid.
    pub async fn answer(
        &self,
        phase: Phase,
        body: &[u8],
        arrival: Arrival,
    ) -> Result<Answer, NotAReview> {
        match AssertUnwindSafe(self.convey(phase, body, arrival)).catch_unwind().await {
            Ok(answer) => answer,
            Err(_panic) => refuse_unjudged(phase, body, Reason::Panic),
        }
    }

    /// Refuses a review without judging it, because too many are being judged already.
    ///
    /// # Errors
    ///
    /// As for [`Gate::answer`].
    pub fn refuse_overload(&self, phase: Phase, body: &[u8]) -> Result<Answer, NotAReview> {
        refuse_unjudged(phase, body, Reason::Overload)
    }

    /// The ledger, for readiness.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Whether a set of policies has been published, for readiness.
    pub fn has_policies(&self) -> bool {
        self.policies.load().is_some()
    }

    async fn convey(
        &self,
        phase: Phase,
        body: &[u8],
        arrival: Arrival,
    ) -> Result<Answer, NotAReview> {
        let mut steps = Steps::new(Instant::now());
        let mut review = decode::decode(body)?;
        steps.decoded = Instant::now();
        let policies = self.policies.load_full();
        let _turn = self.look_up(policies.as_deref(), &mut review, body, arrival).await;
        steps.looked_up = Instant::now();
        let judgement = judge(policies.as_deref(), phase, review, self.settings.enforcement);
        let decision = judgement.is_decision().then(Uuid::now_v7);
        let (response, notes) = judgement.response(decision);
        steps.judged = Instant::now();
        let unrecorded = match decision {
            Some(id) => self.record(id, &judgement, &response, arrival).await,
            None => None,
        };
        steps.recorded = Instant::now();
        let Some(why) = unrecorded else {
            let reason = judgement.reason;
            return Ok(finish(judgement, reason, decision, (&response, &notes), steps));
        };
        // There is no record of this name, so nobody is told one.
        let (response, notes) = judgement.response(None);
        let (response, reason) = self.without_record(&judgement, response, why);
        Ok(finish(judgement, reason, None, (&response, &notes), steps))
    }

    /// Writes the decision down before it is told. Returns why it could not be.
    async fn record(
        &self,
        id: Uuid,
        judgement: &Judgement,
        response: &Response,
        arrival: Arrival,
    ) -> Option<Reason> {
        let record = record::record(id, judgement, response, arrival, &self.settings);
        let news = self.audience.news(&record);
        let deadline = tokio::time::Instant::from_std(arrival.deadline);
        match tokio::time::timeout_at(deadline, self.ledger.append(record)).await {
            Ok(Ok(())) => {
                news.iter().for_each(|news| self.audience.tell(news));
                None
            }
            Ok(Err(error)) => {
                log_unrecorded(id, &error);
                Some(Reason::Ledger)
            }
            Err(_late) => {
                tracing::error!(decision = %id, "Decision {id} was not written down in time");
                Some(Reason::Deadline)
            }
        }
    }

    /// What cannot be written is not allowed.
    fn without_record(
        &self,
        judgement: &Judgement,
        response: Response,
        why: Reason,
    ) -> (Response, Reason) {
        let allowed = matches!(response, Response::Allow { .. });
        if !allowed || self.settings.danger_allow_on_ledger_failure {
            return (response, judgement.reason);
        }
        (Response::Refuse { message: message::plain(why.sentence(), None) }, why)
    }
}

fn log_unrecorded(id: Uuid, error: &LedgerError) {
    tracing::error!(decision = %id, "Decision {id} could not be written down: {error}");
}

fn finish(
    judgement: Judgement,
    reason: Reason,
    decision: Option<Uuid>,
    answer: (&Response, &Notes),
    steps: Steps,
) -> Answer {
    let (response, notes) = answer;
    let Review { version, uid, dry_run, .. } = &judgement.review;
    Answer {
        body: respond(*version, uid, response, notes),
        summary: Summary {
            phase: judgement.phase,
            allowed: matches!(response, Response::Allow { .. }),
            reason,
            dry_run: *dry_run,
            decision,
            changes: judgement.changes(),
        },
        judgement: Some(judgement),
        steps: Some(steps),
    }
}

fn refuse_unjudged(phase: Phase, body: &[u8], reason: Reason) -> Result<Answer, NotAReview> {
    // Whatever went wrong may go wrong again on the same body: read as little of it as will do.
    let review = decode::salvage(body, reason.sentence())?;
    let response = Response::Refuse { message: message::plain(reason.sentence(), None) };
    Ok(Answer {
        body: respond(review.version, &review.uid, &response, &Notes::default()),
        summary: Summary {
            phase,
            allowed: false,
            reason,
            dry_run: review.dry_run,
            decision: None,
            changes: 0,
        },
        judgement: None,
        steps: None,
    })
}

#[cfg(test)]
mod tests;
