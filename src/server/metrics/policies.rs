//! The policies that are judged by.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use sha2::{Digest, Sha256};

use super::Metrics;
use crate::policy::rule::{Effect, Enforcement};
use crate::policy::set::PolicySet;

#[derive(Debug, Default)]
pub(super) struct Policies {
    in_force: Family<PolicyLabels, Gauge>,
    loaded: Gauge,
    reload_failures: Counter,
    broken: Gauge,
    fingerprint: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    effect: &'static str,
    enforcement: &'static str,
}

impl Policies {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("policies", "Policies in force", self.in_force.clone());
        registry.register_with_unit(
            "policies_loaded_timestamp",
            "When the policies in force were loaded",
            Unit::Seconds,
            self.loaded.clone(),
        );
        registry.register(
            "policies_reload_failures",
            "Changed policies that could not be loaded; the old ones stayed in force",
            self.reload_failures.clone(),
        );
        registry.register(
            "policies_broken",
            "Policies of the cluster that only object, because they are wrong",
            self.broken.clone(),
        );
        registry.register(
            "policies_fingerprint",
            "A number made of all policies in force: servers that judge alike show the same",
            self.fingerprint.clone(),
        );
    }
}

impl Metrics {
    /// These policies are in force from now on.
    pub fn policies_loaded(&self, set: &PolicySet, now: Timestamp) {
        for effect in [Effect::Permit, Effect::Require] {
            for enforcement in [Enforcement::Audit, Enforcement::Warn, Enforcement::Enforce] {
                let number = set
                    .policies()
                    .iter()
                    .filter(|policy| policy.effect == effect && policy.enforcement == enforcement)
                    .count();
                let labels =
                    PolicyLabels { effect: effect.as_str(), enforcement: enforcement.as_str() };
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                self.policies.in_force.get_or_create(&labels).set(number);
            }
        }
        let broken = set.policies().iter().filter(|policy| policy.broken.is_some()).count();
        self.policies.broken.set(i64::try_from(broken).unwrap_or(i64::MAX));
        self.policies.fingerprint.set(fingerprint(set));
        self.policies.loaded.set(now.as_second());
    }

    /// Changed policies could not be loaded.
    pub fn policies_reload_failed(&self) {
        self.policies.reload_failures.inc();
    }
}

/// 48 bits: a number that everybody who reads metrics as floating point still tells apart.
fn fingerprint(set: &PolicySet) -> i64 {
    let policies = set.policies().iter().map(|policy| (&policy.id.name, &policy.id.hash));
    let mut hash = Sha256::new();
    for (name, of_spec) in policies.collect::<BTreeMap<_, _>>() {
        for part in [name.as_bytes(), b"\0", of_spec.as_bytes(), b"\0"] {
            hash.update(part);
        }
    }
    hash.finalize().iter().take(6).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}
