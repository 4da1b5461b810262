//! What has to be asked of others before a request can be judged: rights of the API server, rates
//! of the ledger. Asked only where a policy that speaks to the request wants to know.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout_at;

use super::{Arrival, Gate};
use crate::admission::decode::{AddedJson, Debug, Review, Subject, User};
use crate::expression::scene::Sent;
use crate::ledger::Ledger;
use crate::policy::circumstances::Right;
use crate::policy::request::{DebugRequest, Fact};
use crate::policy::set::PolicySet;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How many users can be between being counted and being written down at the same time.
const TURNS: usize = 64;
/// The part of a deadline that is left for judging and writing down.
const REST: u32 = 4;

/// What only a cluster can tell.
pub trait Cluster: Send + Sync + 'static {
    /// Whether the requester has the verb `use` on `debugpolicies/<policy>` in a namespace.
    fn may_use(
        &self,
        user: &User,
        policy: &str,
        namespace: &str,
    ) -> impl Future<Output = Right> + Send;

    /// The labels of a namespace, as they were last seen.
    fn namespace_labels(&self, namespace: &str) -> Fact<BTreeMap<String, String>>;
}

/// There is no cluster to ask: nothing is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCluster;

impl Cluster for NoCluster {
    async fn may_use(&self, _user: &User, _policy: &str, _namespace: &str) -> Right {
        Right::Unknown
    }

    fn namespace_labels(&self, _namespace: &str) -> Fact<BTreeMap<String, String>> {
        Fact::Unknown
    }
}

/// One user after the other, where their number counts: who is counted is written down, or refused,
/// before the same user is counted again.
#[derive(Debug)]
pub(super) struct Turns {
    hasher: RandomState,
    places: [Mutex<()>; TURNS],
}

impl Default for Turns {
    fn default() -> Self {
        Self { hasher: RandomState::new(), places: std::array::from_fn(|_| Mutex::new(())) }
    }
}

impl Turns {
    fn place(&self, user: &str) -> Option<&Mutex<()>> {
        let place = self.hasher.hash_one(user) % self.places.len() as u64;
        self.places.get(usize::try_from(place).ok()?)
    }
}

impl<L: Ledger, C: Cluster> Gate<L, C> {
    /// Fills in the circumstances of a request. What cannot be told in time stays unknown.
    ///
    /// The turn that comes back is to be kept until the decision is written down.
    pub(super) async fn look_up(
        &self,
        policies: Option<&PolicySet>,
        review: &mut Review,
        body: &[u8],
        arrival: Arrival,
    ) -> Option<MutexGuard<'_, ()>> {
        let Review { subject: Subject::Debug(debug), user, namespace, .. } = review else {
            return None;
        };
        let policies = policies.filter(|_| needs_judging(debug))?;
        bring_documents(policies, debug, body);
        let request = &mut debug.request;
        request.circumstances.now = Fact::Known(arrival.time);
        if policies.asks_for_namespaces() {
            request.circumstances.namespace_labels = self.cluster.namespace_labels(namespace);
        }
        if policies.asks_for_rights() {
            self.look_up_rights(policies, request, user, arrival).await;
        }
        if policies.asks_for_rates() {
            return self.look_up_rate(policies, request, arrival).await;
        }
        None
    }

    async fn look_up_rights(
        &self,
        policies: &PolicySet,
        request: &mut DebugRequest,
        user: &User,
        arrival: Arrival,
    ) {
        let until = latest(arrival);
        let speaking = policies.speaking_to(request);
        let names = speaking.iter().filter(|policy| policy.authorize).map(|policy| &policy.id.name);
        let rights = names.map(async |name| {
            let asked = self.cluster.may_use(user, name, &request.namespace);
            (name.clone(), timeout_at(until, asked).await.unwrap_or(Right::Unknown))
        });
        request.circumstances.rights = join_all(rights).await.into_iter().collect();
    }

    async fn look_up_rate(
        &self,
        policies: &PolicySet,
        request: &mut DebugRequest,
        arrival: Arrival,
    ) -> Option<MutexGuard<'_, ()>> {
        let speaking = policies.speaking_to(request);
        if speaking.iter().all(|policy| policy.constraints.per_user_per_hour.is_none()) {
            return None;
        }
        let until = latest(arrival);
        let user = &request.requester.username;
        let turn = timeout_at(until, self.turns.place(user)?.lock()).await.ok()?;
        let since = arrival.time.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
        let counted = timeout_at(until, self.ledger.added_since(user, since)).await;
        match counted {
            Ok(Ok(number)) => request.circumstances.added_last_hour = Fact::Known(number),
            Ok(Err(error)) => tracing::error!("The ledger could not be asked for a rate: {error}"),
            Err(_late) => tracing::warn!("The ledger did not tell a rate in time"),
        }
        Some(turn)
    }
}

/// Brings along what the policies' expressions read of the review in `body`.
pub fn bring_documents(policies: &PolicySet, debug: &mut Debug, body: &[u8]) {
    let Some(wanted) = policies.asks_for_documents() else { return };
    let named = |added: &AddedJson| {
        let name = added.json.get("name").and_then(Value::as_str).unwrap_or_default();
        (name.to_owned(), added.json.clone())
    };
    let containers = debug.added.iter().filter(|_| wanted.container).map(named).collect();
    debug.request.documents = Sent::read(body, &debug.places, wanted, containers);
}

fn needs_judging(debug: &Debug) -> bool {
    debug.faults.is_empty() && !debug.request.injections.is_empty()
}

fn latest(arrival: Arrival) -> tokio::time::Instant {
    let Arrival { started, deadline, .. } = arrival;
    let whole: Duration = deadline.saturating_duration_since(started);
    let rest = whole / REST;
    let until: Instant = deadline.checked_sub(rest).unwrap_or(deadline);
    tokio::time::Instant::from_std(until)
}

#[cfg(test)]
mod tests;
