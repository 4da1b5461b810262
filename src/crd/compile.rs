//! The one parser of policies: from the shape to what the core judges by.
//!
//! Every problem of a policy is found in one pass, and a policy with a problem becomes nothing at
//! all. The defaults that depend on the effect are put in here.

mod broken;
mod capability;
mod constraints;
mod contradiction;
mod expressions;
mod hardening;
mod schedule;
mod selector;
mod words;

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::policy::rule::{self, Policy, PolicyId};
use crate::policy::text::is_plain;

use super::debug_policy::{DebugPolicy, DebugPolicySpec, Effect, Enforcement, Messages};
use super::problem::{Fault, Findings, Place, Problems};
pub(super) use broken::broken;
use constraints::Limiting;
use hardening::Changing;

const MAX_DESCRIPTION_CHARS: usize = 1024;
const MAX_CONTACT_CHARS: usize = 100;

impl TryFrom<&DebugPolicy> for Policy {
    type Error = Problems;

    /// Checks and compiles a policy, from wherever it came.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    fn try_from(policy: &DebugPolicy) -> Result<Self, Problems> {
        let mut findings = Findings::default();
        let policy = compile(policy, &mut findings);
        findings.or_else(policy)
    }
}

/// A policy that says nothing but what it can do.
pub(super) fn blank(effect: Effect) -> Policy {
    let spec = DebugPolicySpec {
        description: None,
        effect,
        enforcement: Enforcement::default(),
        priority: 0,
        match_: None,
        authorize: None,
        expires: None,
        containers: None,
        limits: None,
        justification: None,
        defaults: None,
        set: None,
        messages: None,
    };
    compile(&DebugPolicy::new("", spec), &mut Findings::default())
}

/// What can be made of a policy; it is to be judged by only if nothing was found.
fn compile(policy: &DebugPolicy, findings: &mut Findings) -> Policy {
    let DebugPolicy { metadata, spec, status: _ } = policy;
    let DebugPolicySpec {
        description,
        effect,
        enforcement,
        priority,
        match_,
        authorize,
        expires,
        containers,
        limits,
        justification,
        defaults,
        set: set_given,
        messages,
    } = spec;
    let at = Place::top("spec");
    let name = name(metadata.name.as_deref().unwrap_or_default(), findings);
    if let Some(text) = description {
        let fits = text.chars().count() <= MAX_DESCRIPTION_CHARS;
        findings.check(fits, &at.key("description"), || Fault::TooLong(MAX_DESCRIPTION_CHARS));
    }
    let expires = schedule::expires(expires.as_ref(), *effect, &at.key("expires"), findings);
    let selector = selector::compile(match_.as_ref(), &at.key("match"), findings);
    let limiting = Limiting { containers, limits, justification };
    let constraints = limiting.compile(*effect, &at, findings);
    let changing = Changing { defaults, set: set_given };
    let (defaults, set) = changing.compile(*effect, &at, findings);
    contradiction::check(&constraints, &set, &at, findings);
    let contact = contact(messages.as_ref(), &at.key("messages"), findings);
    Policy {
        id: Arc::new(PolicyId {
            name,
            uid: metadata.uid.clone(),
            generation: metadata.generation,
            hash: hash(spec),
        }),
        effect: (*effect).into(),
        enforcement: (*enforcement).into(),
        priority: *priority,
        selector,
        authorize: authorize.is_some(),
        expires,
        constraints,
        defaults,
        remove: hardening::removed(set_given.as_ref()),
        set,
        contact,
        broken: None,
    }
}

impl From<Effect> for rule::Effect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Permit => Self::Permit,
            Effect::Require => Self::Require,
        }
    }
}

impl From<Enforcement> for rule::Enforcement {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Enforce => Self::Enforce,
            Enforcement::Warn => Self::Warn,
            Enforcement::Audit => Self::Audit,
        }
    }
}

fn name(name: &str, findings: &mut Findings) -> String {
    let metadata = Place::top("metadata");
    findings.check(words::is_dns_subdomain(name), &metadata.key("name"), || {
        Fault::PolicyName(name.to_owned())
    });
    name.to_owned()
}

fn contact(messages: Option<&Messages>, at: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let Messages { contact } = messages?;
    let text = contact.as_ref()?;
    let place = at.key("contact");
    findings.check(!text.trim().is_empty(), &place, || Fault::Empty);
    let fits = text.chars().count() <= MAX_CONTACT_CHARS;
    findings.check(fits, &place, || Fault::TooLong(MAX_CONTACT_CHARS));
    findings.check(text.chars().all(is_plain), &place, || Fault::NotPlain);
    Some(text.clone())
}

/// SHA-256 of the spec as compact JSON with sorted keys, lower-case hex.
///
/// What the resource definition fills in (`enforcement`, `priority`, `justification.env`) is in it
/// and what may be left out is not, so a policy has one hash in a file and in a cluster.
fn hash(spec: &DebugPolicySpec) -> String {
    // The shape has only string keys and finite numbers, so this cannot fail; a value that could
    // not be written would hash as null, and the hash decides nothing.
    digest(serde_json::to_value(spec).unwrap_or_default())
}

/// The hash of any spec, whether it has the right shape or not.
pub(super) fn digest(mut value: Value) -> String {
    value.sort_all_objects();
    let digest = Sha256::digest(value.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
