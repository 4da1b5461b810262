use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex as SyncMutex;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::expression::scene::RULE_VARIABLES;
use crate::expression::{Program, Wanted};
use crate::gate::{GateSettings, Phase, Reason};
use crate::ledger::{LedgerError, Outcome, Query, Record};
use crate::policy::expression::{Condition, ContainerRule, Expression};
use crate::policy::rule::{Effect, Enforcement, LabelOperator, LabelRequirement, Policy};
use crate::policy::testing::permit;

/// Takes its time over everything, and counts what it was allowed to keep.
#[derive(Debug, Default)]
struct Slow(SyncMutex<Vec<Record>>);

impl Ledger for Slow {
    async fn append(&self, record: Record) -> Result<(), LedgerError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.0.lock().unwrap().push(record);
        Ok(())
    }

    async fn list(&self, _: &Query) -> Result<Vec<Record>, LedgerError> {
        Ok(Vec::new())
    }

    async fn get(&self, _: Uuid) -> Result<Option<Record>, LedgerError> {
        Ok(None)
    }

    async fn added_since(&self, user: &str, _: Timestamp) -> Result<usize, LedgerError> {
        if user == "unlucky" {
            return Err(LedgerError::Behind);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        let records = self.0.lock().unwrap();
        let own = records.iter().filter(|record| record.requester.username == user);
        Ok(own.filter(|record| record.answer == Outcome::Allowed).count())
    }

    fn is_writable(&self) -> bool {
        true
    }
}

/// Rights by policy and namespace, labels by namespace; who is not in it is not answered.
#[derive(Debug, Default)]
struct Fake {
    rights: HashMap<(&'static str, &'static str), Right>,
    labels: HashMap<&'static str, (&'static str, &'static str)>,
    asked: SyncMutex<Vec<(String, String, User)>>,
}

impl Cluster for Fake {
    async fn may_use(&self, user: &User, policy: &str, namespace: &str) -> Right {
        let asked = (policy.to_owned(), namespace.to_owned(), user.clone());
        self.asked.lock().unwrap().push(asked);
        match self.rights.get(&(policy, namespace)) {
            Some(right) => *right,
            None => std::future::pending().await,
        }
    }

    fn namespace_labels(&self, namespace: &str) -> Fact<BTreeMap<String, String>> {
        let labels = self.labels.get(namespace);
        labels.map_or(Fact::Unknown, |(key, value)| {
            Fact::Known([((*key).to_owned(), (*value).to_owned())].into())
        })
    }
}

fn gate(policies: Vec<Policy>, cluster: Fake) -> Gate<Slow, Fake> {
    let policies = Arc::new(ArcSwapOption::from_pointee(PolicySet::new(policies)));
    let settings = GateSettings {
        cluster: "test".to_owned(),
        enforcement: Enforcement::Enforce,
        danger_allow_on_ledger_failure: false,
    };
    Gate::in_cluster(policies, Slow::default(), cluster, settings)
}

async fn asks(gate: &Gate<Slow, Fake>, user: &str, namespace: &str) -> (bool, Reason, String) {
    let pod = |list: Value| {
        json!({"metadata": {"name": "api"},
            "spec": {"containers": [{"name": "app"}], "ephemeralContainers": list}})
    };
    let added = json!([{"name": "debugger", "image": "busybox"}]);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": "", "kind": "Pod"},
            "resource": {"group": "", "resource": "pods"}, "subResource": "ephemeralcontainers",
            "name": "api", "namespace": namespace, "operation": "UPDATE",
            "userInfo": {"username": user, "uid": "7", "groups": ["dev"], "extra": {"k": ["v"]}},
            "object": pod(added), "oldObject": pod(json!([])),
        }
    });
    let arrival = Arrival {
        time: Timestamp::now(),
        started: Instant::now(),
        deadline: Instant::now() + Duration::from_millis(500),
    };
    let body = review.to_string();
    let answer = gate.answer(Phase::Validate, body.as_bytes(), arrival).await.unwrap();
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    let message = said["response"]["status"]["message"].as_str().unwrap_or_default();
    (answer.summary.allowed, answer.summary.reason, message.to_owned())
}

fn authorized(name: &str) -> Policy {
    Policy { authorize: true, ..permit(name) }
}

#[tokio::test]
async fn a_right_is_asked_of_the_cluster_with_all_that_is_known_of_who_asks() {
    let rights =
        [(("developers", "payments"), Right::Granted), (("developers", "other"), Right::Denied)];
    let gate =
        gate(vec![authorized("developers")], Fake { rights: rights.into(), ..Fake::default() });
    assert!(asks(&gate, "ana", "payments").await.0);
    let (allowed, _, message) = asks(&gate, "ana", "other").await;
    assert!(!allowed);
    let needed = "you need the verb `use` on debugpolicies/developers in namespace `other`";
    assert!(message.contains(needed), "{message}");
    let asked = gate.cluster.asked.lock().unwrap();
    let (policy, namespace, user) = &asked[0];
    assert_eq!((policy.as_str(), namespace.as_str()), ("developers", "payments"));
    assert_eq!((user.requester.username.as_str(), user.uid.as_str()), ("ana", "7"));
    assert_eq!(
        (user.requester.groups.as_slice(), &user.extra["k"][..]),
        (&["dev".into()][..], &["v".into()][..])
    );
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_no_yes_and_leaves_time_to_write_it_down() {
    let gate = gate(vec![authorized("developers")], Fake::default());
    let (allowed, reason, message) = asks(&gate, "ana", "payments").await;
    assert!(!allowed);
    assert_eq!(reason, Reason::Policy, "a decision, not a late answer");
    assert!(message.contains("cannot be told now; try again"), "{message}");
    assert_eq!(gate.ledger.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_is_asked_where_no_policy_wants_to_know() {
    let mut elsewhere = authorized("elsewhere");
    elsewhere.selector.namespaces = Some(vec![crate::policy::rule::NamePattern::new("other")]);
    let gate = gate(vec![elsewhere, permit("developers")], Fake::default());
    assert!(asks(&gate, "ana", "payments").await.0);
    assert!(gate.cluster.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn labels_of_namespaces_come_from_the_cluster() {
    let operator = LabelOperator::In(vec!["app".to_owned()]);
    let mut tier = permit("tier");
    tier.selector.namespace_labels = vec![LabelRequirement { key: "tier".to_owned(), operator }];
    let labels = [("payments", ("tier", "app")), ("db", ("tier", "db"))];
    let gate = gate(vec![tier], Fake { labels: labels.into(), ..Fake::default() });
    assert!(asks(&gate, "ana", "payments").await.0);
    assert!(!asks(&gate, "ana", "db").await.0);
    assert!(!asks(&gate, "ana", "unheard-of").await.0);
}

#[tokio::test]
async fn many_requests_at_once_get_no_more_than_the_rate() {
    let mut rated = permit("rated");
    rated.constraints.per_user_per_hour = Some(3);
    let gate = gate(vec![rated], Fake::default());
    let requests = (0..10).map(|_| asks(&gate, "ana", "payments"));
    let allowed = join_all(requests).await.iter().filter(|(allowed, ..)| *allowed).count();
    assert_eq!(allowed, 3);
    assert!(asks(&gate, "bob", "payments").await.0, "each user has a rate of their own");
    let (allowed, _, message) = asks(&gate, "ana", "payments").await;
    assert!(!allowed && message.contains("more than 3"), "{message}");
    let (allowed, _, message) = asks(&gate, "unlucky", "payments").await;
    assert!(!allowed && message.contains("cannot be told now"), "{message}");
}

/// Of all policies none selects namespaces; a condition alone asks about one.
#[tokio::test]
async fn a_namespace_is_looked_up_for_an_expression_too() {
    let policies = || {
        let condition = Condition {
            name: "prod".to_owned(),
            expression: program("namespaceObject.metadata.?labels.env.orValue('') == 'prod'"),
        };
        let never = ContainerRule {
            name: "never".to_owned(),
            expression: program("false"),
            message: None,
            message_expression: None,
        };
        let mut strict = permit("strict");
        strict.effect = Effect::Require;
        strict.selector.conditions = vec![condition];
        strict.constraints.rules = vec![never];
        vec![permit("all"), strict]
    };
    let labels = [("payments", ("env", "prod")), ("labs", ("env", "test"))];
    let gate = gate(policies(), Fake { labels: labels.into(), ..Fake::default() });
    assert!(asks(&gate, "ana", "labs").await.0);
    let (allowed, _, message) = asks(&gate, "ana", "payments").await;
    assert!(!allowed && message.contains("never"), "{message}");
    let (allowed, _, message) = asks(&gate, "ana", "nowhere").await;
    assert!(!allowed && message.contains("'namespaceObject' is not known"), "{message}");
}

fn program(source: &str) -> Arc<dyn Expression> {
    Arc::new(Program::compile(source, Wanted::Bool, &RULE_VARIABLES).unwrap())
}
