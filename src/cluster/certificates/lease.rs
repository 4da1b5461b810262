//! A Lease, so that one server at a time does what one must do.
//!
//! No two clocks are compared: a holder is gone when its Lease has not changed for as long as a
//! Lease lasts, by the clock of whoever waits for it. Who takes it over does so in the version that
//! was seen last, so of two that try one succeeds.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::Patch;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::write::{self, Unwritten};

/// How long a holder that says nothing counts.
const LASTS: Duration = Duration::from_secs(15);
/// How often it says something, and how often others look.
const RENEW: Duration = Duration::from_secs(5);

/// The Lease, and what was last seen of it.
#[derive(Debug)]
pub(super) struct Lease {
    api: Api<Object>,
    name: String,
    me: String,
    /// The version, and when it was first seen.
    seen: Option<(String, Instant)>,
    /// When it was last ours.
    held: Option<Instant>,
    asked: Option<Instant>,
}

impl Lease {
    pub(super) fn new(client: Client, namespace: &str, name: &str, me: String) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name: name.to_owned(), me, seen: None, held: None, asked: None }
    }

    /// Whether it is ours, taking or renewing it if it is time for that.
    pub(super) async fn hold(&mut self) -> Result<bool, String> {
        if self.asked.is_some_and(|asked| asked.elapsed() < RENEW) {
            return Ok(self.is_held());
        }
        // Counted from before it was asked for: others count from when they see it.
        let before = Instant::now();
        let outcome = self.ask().await;
        let name = &self.name;
        match outcome {
            Ok(ours) => {
                self.asked = Some(before);
                self.held = ours.then_some(before);
                Ok(ours)
            }
            Err(_) if self.is_held() => Ok(true),
            Err(why) => Err(format!("the Lease `{name}` cannot be held: {why}")),
        }
    }

    /// Gives it back, so that nobody waits until it counts as forsaken.
    pub(super) async fn give_back(&mut self) -> Result<(), String> {
        if !self.is_held() {
            return Ok(());
        }
        self.held = None;
        let Some(lease) = write::read(&self.api, &self.name).await? else { return Ok(()) };
        if lease.spec.unwrap_or_default().holder_identity.as_ref() != Some(&self.me) {
            return Ok(());
        }
        let version = lease.metadata.resource_version.unwrap_or_default();
        match self.change(&version, json!({"holderIdentity": null})).await {
            // Whoever changed it meanwhile has it.
            Ok(_) | Err(Unwritten::Outrun) => Ok(()),
            Err(Unwritten::Refused(why)) => Err(why),
        }
    }

    fn is_held(&self) -> bool {
        self.held.is_some_and(|held| held.elapsed() < LASTS)
    }

    async fn ask(&mut self) -> Result<bool, String> {
        let written = match write::read(&self.api, &self.name).await? {
            None => self.create().await,
            Some(lease) => {
                let spec = lease.spec.unwrap_or_default();
                let version = lease.metadata.resource_version.unwrap_or_default();
                let holder = spec.holder_identity.unwrap_or_default();
                let transitions = spec.lease_transitions.unwrap_or_default();
                if holder == self.me {
                    self.change(&version, json!({})).await
                } else if holder.is_empty() || self.is_forsaken(&version) {
                    let taken = json!({
                        "holderIdentity": self.me,
                        "acquireTime": now(),
                        "leaseTransitions": transitions.saturating_add(1),
                    });
                    self.change(&version, taken).await
                } else {
                    return Ok(false);
                }
            }
        };
        match written {
            Ok(_) => Ok(true),
            Err(Unwritten::Outrun) => Ok(false),
            Err(Unwritten::Refused(why)) => Err(why),
        }
    }

    /// Whether this version has been there for too long.
    fn is_forsaken(&mut self, version: &str) -> bool {
        match &self.seen {
            Some((seen, since)) if seen == version => since.elapsed() > LASTS,
            _ => {
                self.seen = Some((version.to_owned(), Instant::now()));
                false
            }
        }
    }

    async fn create(&self) -> Result<Object, Unwritten> {
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name},
            "spec": {
                "holderIdentity": self.me,
                "acquireTime": now(),
                "renewTime": now(),
                "leaseDurationSeconds": LASTS.as_secs(),
                "leaseTransitions": 0,
            },
        });
        write::create(&self.api, &self.name, &self.me, &object).await
    }

    async fn change(&self, version: &str, mut spec: Value) -> Result<Object, Unwritten> {
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("renewTime".to_owned(), json!(now()));
            spec.insert("leaseDurationSeconds".to_owned(), json!(LASTS.as_secs()));
        }
        write::change(&self.api, &self.name, version, json!({"spec": spec}), Patch::Merge).await
    }
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{Asked, api_server, refusal};

    fn held_by(holder: &str, version: &str) -> (u16, Value) {
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "l", "resourceVersion": version},
            // A clock that is years behind, or ahead, is nothing to go by.
            "spec": {"holderIdentity": holder, "renewTime": "2001-01-01T00:00:00.000000Z",
                     "leaseDurationSeconds": -7, "leaseTransitions": 2147483647},
        });
        (200, object)
    }

    fn writes(asked: &Asked) -> Vec<Value> {
        let asked = asked.lock().unwrap();
        let patches = asked.iter().filter(|(line, _)| line.starts_with("PATCH "));
        patches.map(|(_, body)| body.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_is_gone_once_its_lease_has_not_changed_for_long_enough() {
        let (client, asked) = api_server(|_| async { held_by("other", "7") });
        let mut lease = Lease::new(client, "ns", "l", "me".to_owned());
        for _ in 0..3 {
            assert_eq!(lease.hold().await, Ok(false));
            tokio::time::advance(RENEW).await;
        }
        assert!(writes(&asked).is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(lease.hold().await, Ok(true));
        let written = writes(&asked);
        assert_eq!(written[0]["metadata"]["resourceVersion"], "7");
        assert_eq!(written[0]["spec"]["holderIdentity"], "me");
        // Held without asking again, and not for ever without being able to.
        let before = asked.lock().unwrap().len();
        assert_eq!(lease.hold().await, Ok(true));
        assert_eq!(asked.lock().unwrap().len(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_changes_is_never_taken() {
        let (client, asked) =
            api_server(|number| async move { held_by("other", &number.to_string()) });
        let mut lease = Lease::new(client, "ns", "l", "me".to_owned());
        for _ in 0..10 {
            assert_eq!(lease.hold().await, Ok(false));
            tokio::time::advance(RENEW).await;
        }
        assert!(writes(&asked).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_given_back_and_nothing_else() {
        let (client, asked) = api_server(|number| async move {
            match number {
                1..=4 => held_by("me", "8"),
                _ => held_by("other", "9"),
            }
        });
        let mut lease = Lease::new(client.clone(), "ns", "l", "me".to_owned());
        assert_eq!(lease.give_back().await, Ok(()));
        assert!(asked.lock().unwrap().is_empty(), "it was never held");

        assert_eq!(lease.hold().await, Ok(true));
        assert_eq!(lease.give_back().await, Ok(()));
        let written = writes(&asked).pop().unwrap();
        assert_eq!(written["metadata"]["resourceVersion"], "8");
        // Said, and not merely left out.
        assert_eq!(written["spec"].get("holderIdentity"), Some(&Value::Null));

        // Taken over by another without this one having noticed.
        lease.held = Some(Instant::now());
        let before = writes(&asked).len();
        assert_eq!(lease.give_back().await, Ok(()));
        assert_eq!(writes(&asked).len(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_outrun_or_cut_off_does_not_hold_it() {
        let (client, _) = api_server(|number| async move {
            match number {
                1 => held_by("", "7"),
                2 => refusal(409, "Conflict", "too late"),
                3 => held_by("me", "8"),
                4 => held_by("me", "9"),
                _ => refusal(503, "ServiceUnavailable", "gone"),
            }
        });
        let mut lease = Lease::new(client, "ns", "l", "me".to_owned());
        assert_eq!(lease.hold().await, Ok(false));
        tokio::time::advance(RENEW).await;
        assert_eq!(lease.hold().await, Ok(true));
        tokio::time::advance(RENEW).await;
        assert_eq!(lease.hold().await, Ok(true), "it lasts a while");
        tokio::time::advance(LASTS).await;
        let why = lease.hold().await.unwrap_err();
        assert_eq!(why, "the Lease `l` cannot be held: gone");
    }
}
