//! What the server itself writes into its ledger: its beginning, its end, and changes of what it
//! judges by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::heir::Heir;
use crate::cluster::SigningSecret;
use crate::config::{KeyPlace, SecretName, SettingError, Settings};
use crate::gate::Policies;
use crate::ledger::event::{Event, SettingChange, What};
use crate::ledger::keyring::Keys;
use crate::ledger::note::{Note, VerifyingKey};
use crate::ledger::{self, Entry, Journal};
use crate::policy::rule::{Policy, PolicyId};
use crate::policy::set::PolicySet;
use crate::server::metrics::Metrics;
use crate::store::keys;
use crate::store::{
    AnyLedger, Gauge, Keep, Location, LocationError, Signing, Undelivered, Writing,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long after a failure the next attempt is.
const RETRY: Duration = Duration::from_secs(1);
/// Most policies that one record names.
const MAX_NAMED: usize = 256;

impl Gauge for Metrics {
    fn wrote(&self, sequence: u64, took: Duration) {
        self.ledger_written(sequence, took);
    }

    fn failed(&self) {
        self.ledger_write_failed();
    }
}

/// A ledger, and what is to be written of this server.
#[derive(Debug, Clone)]
pub(super) struct Chronicle {
    pub(super) ledger: AnyLedger,
    cluster: String,
    /// Who looks after what gone servers wrote; `None`: nothing is dropped, or there are no others.
    pub(super) heir: Option<Heir>,
}

impl Chronicle {
    /// Opens the ledger and writes that this server begins.
    pub(super) async fn open(settings: &Settings, metrics: &Arc<Metrics>) -> anyhow::Result<Self> {
        // The text may hold a password: what is said about it is the store's to say.
        let wrong =
            |error: LocationError| SettingError::Value { name: "ledger", why: error.to_string() };
        let location: Location = settings.ledger.parse().map_err(wrong)?;
        let keys = signing_keys(settings, &location).await?;
        let rotations = keys.as_ref().map(|keys| keys.rotations.clone()).unwrap_or_default();
        let signing = keys.map(|keys| Signing {
            key: Arc::new(keys.current),
            trusted: keys.known,
            cluster: settings.cluster_name.clone(),
            every: settings.checkpoint_interval,
        });
        let key = signing.as_ref().map(|signing| signing.key.public());
        let trusted = signing.as_ref().map(|it| it.trusted.clone()).unwrap_or_default();
        if let Some(signing) = &signing {
            metrics.checkpoint_interval(signing.every);
        }
        let keep = Keep {
            age: settings.keep_for,
            entries: settings.keep_records,
            bytes: settings.keep_bytes,
        };
        let gauge: Option<Arc<dyn Gauge>> = Some(Arc::clone(metrics) as _);
        let undelivered = if settings.danger_allow_on_ledger_failure {
            Undelivered::Stands
        } else {
            Undelivered::TakenBack
        };
        let writer = settings.writer.clone();
        let writing = Writing { writer, signing, keep, undelivered, gauge };
        let ledger = AnyLedger::open(&location, writing.clone()).await.context("`--ledger`")?;
        let heir = Heir::of(&ledger, &location, writing, &rotations);
        let this = Self { ledger, cluster: settings.cluster_name.clone(), heir };
        this.begin(settings, &location, (key, &trusted), rotations).await.context("`--ledger`")?;
        Ok(this)
    }

    async fn begin(
        &self,
        settings: &Settings,
        location: &Location,
        (key, trusted): (Option<VerifyingKey>, &[VerifyingKey]),
        rotations: Vec<String>,
    ) -> Result<(), ledger::LedgerError> {
        let signed = self.ledger.attested(&settings.writer, trusted).await?;
        let last = self.ledger.last_sequence(&settings.writer).await?;
        let unsigned = last.saturating_sub(signed);
        if unsigned > 0 {
            warn!(unsigned, "{unsigned} records are found that no checkpoint speaks for");
        }
        if let Some(key) = key {
            for note in unwritten(&self.ledger, &settings.writer, key, rotations).await? {
                self.write(What::KeyRotated { note }).await?;
            }
        }
        let now = named(settings, location);
        if let Some(What::Started { settings: before, .. }) =
            self.last_start(&settings.writer).await?
        {
            let changed = changes(&before, &now);
            if !changed.is_empty() {
                self.write(What::SettingsChanged { changed }).await?;
            }
        }
        self.write(What::Started { version: VERSION.to_owned(), settings: now, unsigned }).await
    }

    async fn last_start(&self, writer: &str) -> Result<Option<What>, ledger::LedgerError> {
        let stored = self.ledger.last_event(writer, "Started").await?;
        // One that cannot be read is for `verify` to find.
        let entry = stored.and_then(|stored| stored.entry().ok());
        Ok(match entry {
            Some(Entry::Event(event)) => Some(event.what),
            _ => None,
        })
    }

    async fn write(&self, what: What) -> Result<(), ledger::LedgerError> {
        self.ledger.append_event(Event::now(&self.cluster, what)).await
    }

    /// Writes down which policies are in force whenever they change, for ever.
    pub(super) async fn follow(self, policies: Policies, changed: Arc<Notify>) {
        let mut known: Option<BTreeMap<String, PolicyId>> = None;
        loop {
            let ids = policies.load().as_deref().map(ids);
            if let Some(ids) = ids.filter(|ids| Some(ids) != known.as_ref()) {
                let what = policies_changed(known.as_ref().unwrap_or(&BTreeMap::new()), &ids);
                if let Err(error) = self.write(what).await {
                    // Tried again: what is not written down did happen.
                    warn!("The change of policies is not written: {error}");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                known = Some(ids);
            }
            changed.notified().await;
        }
    }

    /// Tells when each checkpoint was signed, for ever.
    pub(super) async fn measure(self, metrics: Arc<Metrics>) {
        let Some(mut checkpoints) = self.ledger.checkpoints() else { return };
        while checkpoints.changed().await.is_ok() {
            checkpoints.mark_unchanged();
            metrics.checkpoint_signed(Timestamp::now());
        }
    }

    /// Writes that this server ends as it was told to.
    pub(super) async fn stopped(&self) {
        if let Err(error) = self.write(What::Stopped {}).await {
            warn!("That the server stops is not written: {error}");
        }
    }
}

/// The notes that lead from the key of a writer's last checkpoint to this one.
pub(super) async fn unwritten(
    ledger: &AnyLedger,
    writer: &str,
    key: VerifyingKey,
    rotations: Vec<String>,
) -> Result<Vec<String>, ledger::LedgerError> {
    let Some(checkpoint) = ledger.newest_signed(writer).await? else {
        return Ok(Vec::new());
    };
    let signer = |note: &str| Note::parse(note).ok().and_then(|note| note.signer());
    let last = signer(&checkpoint.note);
    if last == Some(key.id()) {
        return Ok(Vec::new());
    }
    if let Some(first) = rotations.iter().position(|note| signer(note) == last) {
        return Ok(rotations.into_iter().skip(first).collect());
    }
    error!(
        writer,
        "The ledger was signed by another key so far, which did not hand over to this one: \
         verification by the old key will end here"
    );
    Ok(Vec::new())
}

async fn signing_keys(settings: &Settings, location: &Location) -> anyhow::Result<Option<Keys>> {
    let place = match (&settings.ledger_key, location) {
        (_, Location::Memory) => return Ok(None),
        (Some(place), _) => place.clone(),
        (None, Location::Sqlite(path)) => KeyPlace::File(keys::beside_ledger(path)),
        (None, Location::Postgres(_)) => {
            return Err(SettingError::Missing {
                name: "ledger-key",
                wanted: "want a file, or `secret:NAME` of the cluster, for the key that signs \
                         checkpoints (POSTERN_LEDGER_KEY); it is made where there is none",
            }
            .into());
        }
    };
    let keys = match &place {
        KeyPlace::File(path) => keys::load_or_make(path).map_err(anyhow::Error::new),
        KeyPlace::Secret(name) => key_in_secret(settings, name).await,
    };
    let keys = keys.context("`--ledger-key`")?;
    let public = keys.current.public();
    if keys.is_new {
        info!(
            key = %public,
            "Made the key that signs the ledger; keep the public one elsewhere: {public}"
        );
    }
    Ok(Some(keys))
}

async fn key_in_secret(settings: &Settings, secret: &SecretName) -> anyhow::Result<Keys> {
    let SecretName { namespace, name } = secret;
    let kubeconfig = settings.cluster.as_ref().and_then(|cluster| cluster.kubeconfig.as_deref());
    let secret = SigningSecret::connect(kubeconfig, namespace.as_deref(), name, &settings.writer);
    secret.await?.load_or_make().await.map_err(anyhow::Error::msg)
}

fn named(settings: &Settings, location: &Location) -> BTreeMap<String, String> {
    let own = settings.named().into_iter().map(|(name, value)| (name.to_owned(), value));
    // Their URLs may hold what is nobody's business; the module that reads them can say them.
    let sent = [
        ("forward", super::forward::entries_to(settings)),
        ("checkpoint-to", super::forward::checkpoints_to(settings)),
        ("otlp-endpoint", super::forward::traces_to(settings)),
    ];
    let sent = sent.into_iter().filter(|(_, targets)| !targets.is_empty());
    let sent = sent.map(|(name, targets)| (name.to_owned(), targets));
    own.chain(sent).chain([("ledger".to_owned(), location.to_string())]).collect()
}

fn changes(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<SettingChange> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let change = |name: &String| SettingChange {
        name: name.clone(),
        before: before.get(name).cloned(),
        now: now.get(name).cloned(),
    };
    names.into_iter().map(change).filter(|change| change.before != change.now).collect()
}

fn ids(set: &PolicySet) -> BTreeMap<String, PolicyId> {
    let id = |policy: &Arc<Policy>| (policy.id.name.clone(), PolicyId::clone(&policy.id));
    set.policies().iter().map(id).collect()
}

fn policies_changed(before: &BTreeMap<String, PolicyId>, now: &BTreeMap<String, PolicyId>) -> What {
    let mut hash = Sha256::new();
    for id in now.values() {
        hash.update(&id.hash);
    }
    let hash = ledger::chain::Hash(hash.finalize().into());
    let added = now.iter().filter(|(name, id)| before.get(*name) != Some(id));
    let removed = before.keys().filter(|name| !now.contains_key(*name));
    What::PoliciesChanged {
        hash: hash.to_string(),
        total: now.len(),
        added: added.take(MAX_NAMED).map(|(_, id)| policy(id)).collect(),
        removed: removed.take(MAX_NAMED).cloned().collect(),
    }
}

fn policy(id: &PolicyId) -> ledger::Policy {
    let PolicyId { name, uid, generation, hash } = id.clone();
    ledger::Policy { name, uid, generation, hash }
}
