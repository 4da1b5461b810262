//! A Lease, so that one server at a time does what one must do.
//!
//! No two clocks are compared: a holder is gone when its Lease has not changed for as long as a
//! Lease lasts, by the clock of whoever waits for it. Who takes it over does so in the version that
//! was seen last, so of two that try one succeeds.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::write::{self, Unwritten};

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
        write::change(&self.api, &self.name, version, json!({"spec": spec})).await
    }
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}
