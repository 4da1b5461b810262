//! Rights, asked of the API server by SubjectAccessReview.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use moka::Expiry;
use moka::future::Cache;
use tokio::time::timeout;
use tracing::{info, warn};

use super::watch::plain;
use crate::admission::decode::User;
use crate::crd::debug_policy::DebugPolicy;
use crate::policy::circumstances::Right;
use crate::policy::request::Requester;

const VERB: &str = "use";
/// Most answers that are kept: a bound on memory, not on users.
const ANSWERS: u64 = 10_000;

/// How long answers are kept, and how long one may take.
#[derive(Debug, Clone, Copy)]
pub struct AccessLimits {
    /// Of a right that is given.
    pub allow_ttl: Duration,
    /// Of one that is not.
    pub deny_ttl: Duration,
    /// After this, it is not known.
    pub answer: Duration,
}

/// Counts what was asked of the API server.
pub trait AccessTally: std::fmt::Debug + Send + Sync {
    /// `granted`, `denied` or `failed`, and how long that took; `late` where nobody waited for it.
    fn asked(&self, result: &'static str, took: Duration);
}

/// Asks for rights. Equal questions at the same time are asked once; an error is no answer, and is
/// kept by nobody.
#[derive(Debug)]
pub(super) struct Access {
    reviews: Api<SubjectAccessReview>,
    answers: Cache<Question, bool>,
    limit: Duration,
    tally: Option<Arc<dyn AccessTally>>,
    trouble: Mutex<Option<String>>,
}

/// Everything that an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    user: User,
    policy: String,
    namespace: String,
}

impl Access {
    pub(super) fn new(client: Client, limits: AccessLimits) -> Self {
        let AccessLimits { allow_ttl, deny_ttl, answer } = limits;
        let ttl = Ttl { allow: allow_ttl, deny: deny_ttl };
        let answers = Cache::builder().max_capacity(ANSWERS).expire_after(ttl).build();
        let reviews = Api::all(client);
        Self { reviews, answers, limit: answer, tally: None, trouble: Mutex::new(None) }
    }

    /// The same, counted.
    pub(super) fn counted_by(self, tally: Arc<dyn AccessTally>) -> Self {
        Self { tally: Some(tally), ..self }
    }

    pub(super) async fn may_use(&self, user: &User, policy: &str, namespace: &str) -> Right {
        let question = Question::new(user, policy, namespace);
        let review = question.review();
        let asked = self.answers.try_get_with(question, self.ask(&review));
        match timeout(self.limit, asked).await {
            Ok(Ok(true)) => Right::Granted,
            Ok(Ok(false)) => Right::Denied,
            // Said by whoever asked; this one may only have waited for them.
            Ok(Err(_told)) => Right::Unknown,
            Err(_late) => {
                self.count("late", self.limit);
                self.troubled(format!("no answer within {:?}", self.limit));
                Right::Unknown
            }
        }
    }

    /// What keeps rights from being told, for readiness.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, review: &SubjectAccessReview) -> Result<bool, Unanswered> {
        let begun = Instant::now();
        let answer = self.create(review).await;
        let result = match answer {
            Ok(true) => "granted",
            Ok(false) => "denied",
            Err(Unanswered) => "failed",
        };
        self.count(result, begun.elapsed());
        answer
    }

    fn count(&self, result: &'static str, took: Duration) {
        if let Some(tally) = &self.tally {
            tally.asked(result, took);
        }
    }

    async fn create(&self, review: &SubjectAccessReview) -> Result<bool, Unanswered> {
        match self.reviews.create(&PostParams::default(), review).await {
            Ok(answer) => {
                let allowed = answer.status.map(|status| {
                    // No authorizer that allows and denies at once is to be believed.
                    status.allowed && !status.denied.unwrap_or(false)
                });
                self.answered();
                allowed.ok_or(Unanswered)
            }
            Err(error) => {
                self.troubled(plain(&error));
                Err(Unanswered)
            }
        }
    }

    /// Said once for each way of failing: a user who tries again and again fills no log.
    fn troubled(&self, why: String) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref() != Some(&why) {
            warn!("Rights cannot be asked of the API server, so they are not given: {why}");
            *trouble = Some(why);
        }
    }

    fn answered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.take().is_some() {
            info!("The API server tells rights again");
        }
    }
}

/// There was no answer; why is in the log.
#[derive(Debug, Clone, Copy)]
struct Unanswered;

impl Question {
    fn new(user: &User, policy: &str, namespace: &str) -> Self {
        let (policy, namespace) = (policy.to_owned(), namespace.to_owned());
        Self { user: user.clone(), policy, namespace }
    }

    fn review(&self) -> SubjectAccessReview {
        let Self { user: User { requester, uid, extra }, policy, namespace } = self.clone();
        let Requester { username, groups } = Arc::unwrap_or_clone(requester);
        let kind = &();
        let attributes = ResourceAttributes {
            verb: Some(VERB.to_owned()),
            group: Some(DebugPolicy::group(kind).into_owned()),
            version: Some(DebugPolicy::version(kind).into_owned()),
            resource: Some(DebugPolicy::plural(kind).into_owned()),
            name: Some(policy),
            namespace: Some(namespace),
            ..ResourceAttributes::default()
        };
        SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(username),
                uid: Some(uid),
                groups: Some(groups),
                extra: Some(extra),
                resource_attributes: Some(attributes),
                non_resource_attributes: None,
            },
            ..SubjectAccessReview::default()
        }
    }
}

/// Lets an answer go after a time that depends on it.
#[derive(Debug, Clone, Copy)]
struct Ttl {
    allow: Duration,
    deny: Duration,
}

impl Expiry<Question, bool> for Ttl {
    fn expire_after_create(&self, _: &Question, allowed: &bool, _: Instant) -> Option<Duration> {
        Some(if *allowed { self.allow } else { self.deny })
    }
}

#[cfg(test)]
mod tests;
