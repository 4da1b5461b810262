//! Asks for certificates to be replaced now, and waits until they are.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::inspect::Inspector;
use super::secret::{Holding, REPLACE, REPLACE_AUTHORITY};
use super::{Custody, CustodyOptions, WATCH, custody};
use crate::certificate::custody::{Inventory, Leaf, Wanted};
use crate::certificate::facts::fingerprint;
use crate::certificate::issue::HEAD_START;
use crate::certificate::read::{Certificate, Validity};
use crate::cluster::client::{self, ConnectError};
use crate::cluster::write;

/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(500);
/// How long giving the Lease back may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// A holder that is gone is waited for first, then API servers to hear of a new authority.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is to be replaced.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Where the cluster is.
    pub kubeconfig: Option<PathBuf>,
    /// Where the Secret is, if not where whoever asks is.
    pub namespace: Option<String>,
    /// The Secret.
    pub name: String,
    /// The configurations that must know of it.
    pub webhook_configurations: String,
    /// The authority too.
    pub authority: bool,
}

/// Why nothing was replaced, or not all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// What was to be replaced is not there, or nobody calls it.
    #[error("{0}")]
    Absent(String),
    /// What went wrong, or what is still to be done.
    #[error("{0}")]
    Failed(String),
}

/// What there is after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Until when the new certificate is valid.
    pub until: Timestamp,
    /// Until when its authority is.
    pub authority_until: Timestamp,
    /// How many authorities are trusted now.
    pub trusted: usize,
}

struct Standing {
    leaf: Leaf,
    issuer: Certificate,
    trusted: usize,
    bundle: Vec<u8>,
}

/// Has them replaced: by the server that holds the Lease, else by this one, with the same code.
/// `say` hears of each step.
///
/// # Errors
///
/// Why nothing was replaced, or what is still to be done.
pub async fn rotate(rotation: &Rotation, say: impl Fn(&str)) -> Result<Rotated, RotateError> {
    let Rotation { kubeconfig, namespace, name, webhook_configurations, authority } = rotation;
    let inspector =
        Inspector::new(kubeconfig.as_deref()).await.map_err(|error| unreached(&error))?;
    let namespace = namespace.clone().unwrap_or_else(|| inspector.namespace().to_owned());
    let config = client::config(kubeconfig.as_deref(), WATCH).await;
    let client = config.and_then(|config| client::client(&config));
    let api = api(client.map_err(|error| unreached(&error))?, &namespace);

    let absent = |what: String| RotateError::Absent(format!("there is no {what}"));
    let before = standing(&api, name).await?;
    let before = before.ok_or_else(|| absent(format!("Secret {namespace}/{name}")))?;
    if inspector.calls(webhook_configurations).await?.is_empty() {
        return Err(absent(format!("webhook configuration `{webhook_configurations}`")));
    }
    ask(&api, name, &before, *authority).await?;
    say("asked; a server that holds the Lease does it within seconds, else this command in 20");
    // Beside the servers: it acts only if none of them holds the Lease.
    let options = CustodyOptions {
        kubeconfig: kubeconfig.clone(),
        namespace: Some(namespace.clone()),
        name: name.clone(),
        webhook_configurations: webhook_configurations.clone(),
        wanted: wanted(&before),
        replica: "certs-rotate".to_owned(),
    };
    let Custody { tasks, trouble, leave, pair: _ } =
        custody(options, |_| {}).await.map_err(|error| unreached(&error))?;
    let mut beside = JoinSet::new();
    tasks.into_iter().for_each(|task| drop(beside.spawn(task)));

    let end = Instant::now() + PATIENCE;
    let mut said = String::new();
    let outcome = async {
        loop {
            let step = match standing(&api, name).await {
                Ok(None) => format!("waiting for Secret {namespace}/{name}"),
                Ok(Some(now)) => match missing(&before, &now, *authority) {
                    Some(step) => step.to_owned(),
                    None => match unaware(&inspector, webhook_configurations, &now.bundle).await? {
                        Some(step) => step,
                        None => return Ok(now.rotated()),
                    },
                },
                Err(why) => why,
            };
            if said != step {
                say(&step);
                said.clone_from(&step);
            }
            if Instant::now() > end {
                let why = trouble.borrow().clone().map(|why| format!(": {why}"));
                let why = why.unwrap_or_default();
                return Err(format!("not done after {PATIENCE:?}: {said}{why}").into());
            }
            sleep(LOOK).await;
        }
    }
    .await;
    // The servers need not wait for this command once it has ended, however it has.
    drop(timeout(GOODBYE, leave.say()).await);
    outcome
}

impl From<String> for RotateError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

fn unreached(error: &ConnectError) -> RotateError {
    RotateError::Failed(error.to_string())
}

fn api(client: Client, namespace: &str) -> Api<Secret> {
    Api::namespaced(client, namespace)
}

/// `None`: it is not there.
async fn standing(api: &Api<Secret>, name: &str) -> Result<Option<Standing>, String> {
    let Some(secret) = write::read(api, name).await? else { return Ok(None) };
    let Holding { contents, foreign, .. } = Holding::of(&secret);
    if foreign {
        return Err(format!(
            "Secret `{name}` was filled by somebody else, who must replace what is in it"
        ));
    }
    let Inventory { leaf, authorities, issuer } = Inventory::of(&contents, Timestamp::now());
    let trusted = authorities.len();
    let (leaf, issuer, bundle) = (leaf?, issuer?, contents.authorities);
    Ok(Some(Standing { leaf, issuer, trusted, bundle }))
}

async fn ask(
    api: &Api<Secret>,
    name: &str,
    before: &Standing,
    authority: bool,
) -> Result<(), String> {
    let (key, replaced) = if authority {
        (REPLACE_AUTHORITY, &before.issuer.der)
    } else {
        (REPLACE, &before.leaf.certificate.der)
    };
    let fields = json!({"metadata": {"annotations": {key: fingerprint(replaced)}}});
    let params = kube::api::PatchParams::default();
    let patch = kube::api::Patch::Merge(fields);
    let asked = api.patch(name, &params, &patch).await;
    asked.map(drop).map_err(|error| crate::cluster::watch::reason(&error))
}

/// As they were wanted when the present ones were made.
fn wanted(before: &Standing) -> Wanted {
    let Standing { leaf, issuer, .. } = before;
    Wanted {
        names: leaf.names.clone(),
        lifetime: lifetime(leaf.certificate.validity),
        authority_lifetime: lifetime(issuer.validity),
    }
}

/// Without the head start.
fn lifetime(valid: Validity) -> SignedDuration {
    let whole = valid.from.duration_until(valid.until);
    if whole > HEAD_START * 11 { whole - HEAD_START } else { whole * 10 / 11 }
}

fn missing(before: &Standing, now: &Standing, authority: bool) -> Option<&'static str> {
    if authority && now.issuer == before.issuer {
        return Some("waiting for a new authority");
    }
    if now.leaf.certificate == before.leaf.certificate || now.leaf.signer != now.issuer.der {
        return Some("waiting for a new serving certificate");
    }
    None
}

async fn unaware(
    inspector: &Inspector,
    name: &str,
    bundle: &[u8],
) -> Result<Option<String>, String> {
    let calls = inspector.calls(name).await?;
    let waiting = calls.into_iter().find(|call| call.bundle != bundle);
    Ok(waiting.map(|call| format!("waiting for the caBundle of {}", call.webhook)))
}

impl Standing {
    fn rotated(&self) -> Rotated {
        Rotated {
            until: self.leaf.certificate.validity.until,
            authority_until: self.issuer.validity.until,
            trusted: self.trusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::issue::span;

    #[test]
    fn what_is_replaced_lives_as_long_as_what_was() {
        for seconds in [15, 120, 3600, 36_000, 36_001, 90 * 86_400] {
            let wanted = SignedDuration::from_secs(seconds);
            let valid = span(Timestamp::UNIX_EPOCH, wanted);
            assert!((lifetime(valid) - wanted).abs() < SignedDuration::from_secs(1), "{seconds}");
        }
    }
}
