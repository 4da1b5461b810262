//! The webhook configurations: whom the API server is told to trust.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::WATCH;
use super::write::{self, Unwritten};
use crate::cluster::Task;
use crate::cluster::client::{self, ConnectError, Pulse};
use crate::cluster::health::Health;
use crate::cluster::watch::{self as watching, Keep};

/// How often they are looked at although nothing was heard of them.
const LOOK: Duration = Duration::from_secs(30);

/// Both of them.
#[derive(Debug)]
pub(super) struct Configurations {
    name: String,
    kinds: [(&'static str, Api<DynamicObject>, ApiResource); 2],
    settled: Option<Settled>,
}

/// Since when they carry a bundle.
#[derive(Debug)]
struct Settled {
    bundle: Vec<u8>,
    since: Instant,
    /// `None`: since then they may have been changed.
    looked: Option<Instant>,
    remark: Option<String>,
}

/// How they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// For how long all that there are have carried the bundle.
    pub(super) settled: Duration,
    /// Whether something had to be written.
    pub(super) written: bool,
    /// What is remarkable.
    pub(super) remark: Option<String>,
}

impl Configurations {
    pub(super) fn new(client: &Client, name: &str) -> Self {
        let kinds = kinds()
            .map(|(kind, resource)| (kind, Api::all_with(client.clone(), &resource), resource));
        Self { name: name.to_owned(), kinds, settled: None }
    }

    /// Tasks that stir whoever keeps them when somebody has changed one.
    pub(super) fn watch(
        &mut self,
        config: &Config,
        stirred: &Arc<Notify>,
    ) -> Result<Vec<Task>, ConnectError> {
        let mut tasks: Vec<Task> = Vec::new();
        for (kind, _, resource) in &self.kinds {
            let pulse = Pulse::default();
            let listening = client::listening_client(config, &pulse)?;
            let what = match *kind {
                "mutating" => "mutating webhook configuration",
                _ => "validating webhook configuration",
            };
            let health = Arc::new(Health::new(what, pulse));
            let settings =
                watching::settings(WATCH).fields(&format!("metadata.name={}", self.name));
            let resource = resource.clone();
            let events = move || {
                let api = Api::<DynamicObject>::all_with(listening.clone(), &resource);
                watcher(api, settings.clone())
            };
            let stir = Stir(Arc::clone(stirred));
            tasks.push(Box::pin(watching::follow(events, stir, health)));
        }
        Ok(tasks)
    }

    /// They may have been changed.
    pub(super) fn look_again(&mut self) {
        if let Some(settled) = &mut self.settled {
            settled.looked = None;
        }
    }

    /// Has all of them carry this bundle.
    pub(super) async fn keep(&mut self, bundle: &[u8]) -> Result<State, String> {
        if let Some(settled) = &self.settled
            && settled.bundle == bundle
            && settled.looked.is_some_and(|looked| looked.elapsed() < LOOK)
        {
            let (settled, remark) = (settled.since.elapsed(), settled.remark.clone());
            return Ok(State { settled, written: false, remark });
        }
        let (mut written, mut missing) = (false, Vec::new());
        let kept = self.settled.take();
        for (kind, api, _) in &self.kinds {
            match keep_one(api, &self.name, bundle).await {
                Ok(Kept::AsItWas) => {}
                Ok(Kept::Written) => written = true,
                Ok(Kept::Missing) => missing.push(*kind),
                Err(why) => {
                    let name = &self.name;
                    return Err(format!(
                        "the {kind} webhook configuration `{name}` cannot be kept: {why}"
                    ));
                }
            }
        }
        let name = &self.name;
        let remark = (!missing.is_empty()).then(|| {
            format!("there is no {} webhook configuration `{name}`", missing.join(", no "))
        });
        let now = Instant::now();
        let since = match kept {
            Some(before) if before.bundle == bundle && !written => before.since,
            // Nobody calls us by what is not there.
            _ if missing.len() == self.kinds.len() => now - Duration::from_secs(3600),
            _ => now,
        };
        let settled = since.elapsed();
        self.settled = Some(Settled {
            bundle: bundle.to_vec(),
            since,
            looked: Some(now),
            remark: remark.clone(),
        });
        Ok(State { settled, written, remark })
    }
}

/// Both kinds that there are.
pub(super) fn kinds() -> [(&'static str, ApiResource); 2] {
    [
        ("mutating", ApiResource::erase::<MutatingWebhookConfiguration>(&())),
        ("validating", ApiResource::erase::<ValidatingWebhookConfiguration>(&())),
    ]
}

enum Kept {
    AsItWas,
    Written,
    Missing,
}

async fn keep_one(api: &Api<DynamicObject>, name: &str, bundle: &[u8]) -> Result<Kept, String> {
    let Some(object) = write::read(api, name).await? else { return Ok(Kept::Missing) };
    let bundle = json!(ByteString(bundle.to_vec()));
    let webhooks = object.data.get("webhooks").and_then(Value::as_array);
    let wrong: Vec<Value> = webhooks
        .into_iter()
        .flatten()
        .filter(|webhook| webhook.pointer("/clientConfig/caBundle") != Some(&bundle))
        .map(|webhook| json!({"name": webhook["name"], "clientConfig": {"caBundle": bundle}}))
        .collect();
    if wrong.is_empty() {
        return Ok(Kept::AsItWas);
    }
    let version = object.metadata.resource_version.unwrap_or_default();
    match write::change_named(api, name, &version, json!({"webhooks": wrong})).await {
        Ok(_) => Ok(Kept::Written),
        Err(Unwritten::Outrun) => Err("somebody else is changing it".to_owned()),
        Err(Unwritten::Refused(why)) => Err(why),
    }
}

/// Says that something has changed.
struct Stir(Arc<Notify>);

impl Keep for Stir {
    type Object = DynamicObject;

    fn begin(&mut self) {}
    fn initial(&mut self, _object: DynamicObject) {}
    fn complete(&mut self) {}
    fn put(&mut self, _object: DynamicObject) {}
    fn remove(&mut self, _object: &DynamicObject) {}

    fn publish(&mut self) {
        self.0.notify_one();
    }
}
