//! What is sent elsewhere, as the settings want it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use crate::cluster::{CheckpointMap, kubeconfigs};
use crate::config::{ForwardSettings, KeyPlace, Serving, SettingError, Settings};
use crate::forward::apart::{Named, apart};
use crate::forward::checkpoints::{Destination, NoteFile, NotePost, Place, follow};
use crate::forward::target::Url;
use crate::forward::traces::{self, Collector};
use crate::forward::{Credentials, Forwarding, Prepared, Tally, Target, label};
use crate::gate::trace::Tracer;
use crate::server::metrics::Metrics;
use crate::store::{AnyLedger, Location, own};

/// How long targets may take, when the server stops, to get the last entries.
const LAST_ENTRIES: Duration = Duration::from_secs(5);
/// The same for the last checkpoint.
const LAST_CHECKPOINT: Duration = Duration::from_secs(2);

impl Tally for Metrics {
    fn lag(&self, target: &str, entries: u64) {
        self.forward_lag(target, entries);
    }

    fn failed(&self, target: &str) {
        self.forward_failed(target);
    }

    fn forwarded(&self, target: &str, entries: u64) {
        self.forwarded(target, entries);
    }

    fn checkpoint_failed(&self, target: &str) {
        self.checkpoint_failed(target);
    }
}

impl Place for CheckpointMap {
    type Error = String;

    async fn put(&mut self, note: Arc<str>) -> Result<(), String> {
        Self::put(self, &note).await
    }
}

/// Everything that can be sent, and nothing sent yet.
pub(super) struct Plan {
    entries: Prepared,
    checkpoints: Vec<(String, AnyPlace)>,
}

enum AnyPlace {
    File(NoteFile),
    Post(NotePost),
    Map(CheckpointMap),
}

/// What is being sent; it ends with this value.
pub(super) struct Sending {
    entries: Forwarding<AnyLedger>,
    checkpoints: JoinSet<()>,
}

/// Reads the settings and tries what can be tried.
pub(super) async fn prepare(settings: &Settings) -> anyhow::Result<Plan> {
    let ForwardSettings { entries_to, checkpoints_to, ca, token, .. } = settings.forward.clone();
    let credentials = Credentials { ca, token };
    let targets = targets(&entries_to)?;
    if !targets.is_empty() && settings.ledger == "memory" {
        let why = "a ledger in memory keeps nothing that could be sent later".to_owned();
        return Err(SettingError::Value { name: "forward", why }.into());
    }
    let destinations = checkpoints_to.iter().map(|text| text.parse());
    let destinations: Vec<Destination> =
        destinations.collect::<Result<_, _>>().map_err(|error| wrong("checkpoint-to", &error))?;
    // A file is written as soon as it is tried: half a line at its end is cut off.
    spare(settings, &files(&targets, &destinations))?;
    let entries = Prepared::new(targets, &credentials, &settings.writer)
        .map_err(|(target, trouble)| anyhow::Error::new(trouble).context(target.to_string()))
        .context("`--forward`")?;
    let mut checkpoints = Vec::new();
    for (position, destination) in destinations.into_iter().enumerate() {
        let label = label(destination.kind(), position);
        let shown = destination.to_string();
        let place = place(destination, settings, &credentials).await;
        checkpoints.push((label, place.context(shown).context("`--checkpoint-to`")?));
    }
    Ok(Plan { entries, checkpoints })
}

/// Whoever is told of each review, and what sends it; nobody where no collector is named.
pub(super) fn traces(settings: &Settings) -> anyhow::Result<Option<(Arc<dyn Tracer>, Collector)>> {
    let ForwardSettings { traces_to, ca, .. } = settings.forward.clone();
    let Some(endpoint) = traces_to else { return Ok(None) };
    if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
        return Err(wrong("otlp-endpoint", &"want http://HOST:PORT or https://HOST:PORT").into());
    }
    let endpoint: Url = endpoint.parse().map_err(|error| wrong("otlp-endpoint", &error))?;
    let credentials = Credentials { ca, token: None };
    let (spans, collector) = traces::collector(&endpoint, &credentials, &settings.writer)
        .context("`--otlp-endpoint`")?;
    Ok(Some((Arc::new(spans), collector)))
}

/// The targets of entries as a record may name them.
pub(super) fn entries_to(settings: &Settings) -> String {
    let targets = settings.forward.entries_to.iter();
    let shown = targets.filter_map(|text| Some(text.parse::<Target>().ok()?.to_string()));
    shown.collect::<Vec<_>>().join(" ")
}

/// The same of traces.
pub(super) fn traces_to(settings: &Settings) -> String {
    let endpoint = settings.forward.traces_to.as_ref();
    endpoint.and_then(|text| Some(text.parse::<Url>().ok()?.to_string())).unwrap_or_default()
}

/// The same of checkpoints.
pub(super) fn checkpoints_to(settings: &Settings) -> String {
    let places = settings.forward.checkpoints_to.iter();
    let shown = places.filter_map(|text| Some(text.parse::<Destination>().ok()?.to_string()));
    shown.collect::<Vec<_>>().join(" ")
}

/// The URL may hold a secret: what is said about it is its parser's to say.
fn wrong(name: &'static str, error: &impl ToString) -> SettingError {
    SettingError::Value { name, why: error.to_string() }
}

/// The files that are written.
fn files(targets: &[Target], destinations: &[Destination]) -> Vec<Named> {
    let entries = targets.iter().filter_map(|target| match target {
        Target::File(file) => Some(Named { keep: file.keep, ..Named::new("forward", &file.path) }),
        Target::Stdout | Target::Http(_) | Target::Syslog(_) => None,
    });
    let checkpoints = destinations.iter().filter_map(|destination| match destination {
        Destination::File(path) => Some(Named::new("checkpoint-to", path)),
        Destination::Http(_) | Destination::ConfigMap { .. } => None,
    });
    entries.chain(checkpoints).collect()
}

/// The files that are read, and lost once something else is written there.
fn files_read(settings: &Settings) -> Vec<Named> {
    let (certificate, key) = match &settings.tls.serving {
        Serving::Files { certificate, key, .. } => (Some(certificate), Some(key)),
        Serving::Secret(_) => (None, None),
    };
    let read = [
        ("forward-token", settings.forward.token.as_ref()),
        ("forward-ca", settings.forward.ca.as_ref()),
        ("token-file", settings.tls.token_file.as_ref()),
        ("client-ca", settings.tls.client_ca.as_ref()),
        ("tls-cert", certificate),
        ("tls-key", key),
        ("config", settings.file.as_ref()),
    ];
    let read = read.into_iter().filter_map(|(name, path)| Some(Named::new(name, path?)));
    let cluster = settings.cluster.as_ref();
    let kubeconfigs = kubeconfigs(cluster.and_then(|cluster| cluster.kubeconfig.as_deref()));
    let kubeconfigs = kubeconfigs.iter().map(|path| Named::new("kubeconfig", path));
    let policies = settings.policies.iter().map(|path| Named::new("policies", path));
    let ledger = Location::files_read(&settings.ledger);
    let ledger = ledger.iter().map(|path| Named::new("ledger", path));
    read.chain(kubeconfigs).chain(policies).chain(ledger).collect()
}

/// What is wrong with a ledger's own place is told where it is opened.
fn spare(settings: &Settings, files: &[Named]) -> Result<(), SettingError> {
    let location = settings.ledger.parse().unwrap_or(Location::Memory);
    let key = match &settings.ledger_key {
        Some(KeyPlace::File(path)) => Some(path.as_path()),
        Some(KeyPlace::Secret(_)) | None => None,
    };
    for file in files {
        own::spare(&location, key, &file.path).map_err(|owned| wrong(file.setting, &owned))?;
    }
    apart(files, &files_read(settings)).map_err(|shared| wrong(shared.setting, &shared))
}

fn targets(texts: &[String]) -> Result<Vec<Target>, SettingError> {
    let mut targets: Vec<Target> = Vec::new();
    for text in texts {
        let target: Target = text.parse().map_err(|error| wrong("forward", &error))?;
        if targets.iter().any(|other| other.cursor() == target.cursor()) {
            let why = format!("{target} is given twice");
            return Err(SettingError::Value { name: "forward", why });
        }
        targets.push(target);
    }
    Ok(targets)
}

async fn place(
    destination: Destination,
    settings: &Settings,
    credentials: &Credentials,
) -> anyhow::Result<AnyPlace> {
    match destination {
        Destination::File(path) => Ok(AnyPlace::File(NoteFile::new(path)?)),
        Destination::Http(url) => Ok(AnyPlace::Post(NotePost::new(url, credentials)?)),
        Destination::ConfigMap { namespace, name } => {
            let cluster = settings.cluster.as_ref();
            let kubeconfig = cluster.and_then(|cluster| cluster.kubeconfig.as_deref());
            let writer = &settings.writer;
            let map = CheckpointMap::connect(kubeconfig, &namespace, &name, writer).await?;
            Ok(AnyPlace::Map(map))
        }
    }
}

impl Plan {
    /// Begins to send.
    pub(super) fn start(self, ledger: &AnyLedger, metrics: &Arc<Metrics>) -> Sending {
        let Self { entries, checkpoints: places } = self;
        let tally: Arc<dyn Tally> = Arc::clone(metrics) as _;
        let entries = entries.start(ledger, &tally);
        let mut checkpoints = JoinSet::new();
        let Some(notes) = ledger.checkpoints() else { return Sending { entries, checkpoints } };
        for (label, place) in places {
            metrics.checkpoint_target(&label);
            let (notes, tally) = (notes.clone(), Arc::clone(&tally));
            match place {
                AnyPlace::File(place) => checkpoints.spawn(follow(place, label, notes, tally)),
                AnyPlace::Post(place) => checkpoints.spawn(follow(place, label, notes, tally)),
                AnyPlace::Map(place) => checkpoints.spawn(follow(place, label, notes, tally)),
            };
        }
        Sending { entries, checkpoints }
    }
}

impl Sending {
    /// While the ledger is still open.
    pub(super) async fn finish_entries(&mut self) {
        self.entries.finish(LAST_ENTRIES).await;
    }

    /// Once the ledger is closed and makes no more of them.
    pub(super) async fn finish_checkpoints(&mut self) {
        let last = async { while self.checkpoints.join_next().await.is_some() {} };
        if timeout(LAST_CHECKPOINT, last).await.is_err() {
            warn!("The last checkpoint is not everywhere where it should be");
        }
    }
}
