//! The webhook configurations: whom the API server is told to trust.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::Patch;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::WATCH;
use crate::cluster::Task;
use crate::cluster::client::{self, ConnectError, Pulse};
use crate::cluster::health::Health;
use crate::cluster::watch::{self as watching, Keep};
use crate::cluster::write::{self, Unwritten};

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
    /// `None`: for ever, because there are none.
    since: Option<Instant>,
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

    /// Has all of them carry this bundle. `names` are what the certificate is for.
    pub(super) async fn keep(&mut self, bundle: &[u8], names: &[String]) -> Result<State, String> {
        if let Some(settled) = &self.settled
            && settled.bundle == bundle
            && settled.looked.is_some_and(|looked| looked.elapsed() < LOOK)
        {
            return Ok(settled.state(false));
        }
        let before = self.settled.take();
        let (mut written, mut missing, mut remarks) = (false, Vec::new(), Vec::new());
        for (kind, api, _) in &self.kinds {
            let name = &self.name;
            let wrong =
                |why| format!("the {kind} webhook configuration `{name}` cannot be kept: {why}");
            match keep_one(api, name, bundle).await.map_err(wrong)? {
                Kept::Missing => missing.push(*kind),
                Kept::There { changed, hosts } => {
                    written |= changed;
                    let strange = hosts.into_iter().filter(|host| !covers(names, host));
                    remarks.extend(strange.map(|host| {
                        format!("the {kind} webhook calls `{host}`, which it is not for")
                    }));
                }
            }
        }
        if !missing.is_empty() {
            let (kinds, name) = (missing.join(", no "), &self.name);
            remarks.push(format!("there is no {kinds} webhook configuration `{name}`"));
        }
        let now = Instant::now();
        let since = match before {
            Some(before) if before.bundle == bundle && !written => before.since,
            // Nobody calls us by what is not there.
            _ if missing.len() == self.kinds.len() => None,
            _ => Some(now),
        };
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        let settled = Settled { bundle: bundle.to_vec(), since, looked: Some(now), remark };
        let state = settled.state(written);
        self.settled = Some(settled);
        Ok(state)
    }
}

impl Settled {
    fn state(&self, written: bool) -> State {
        let settled = self.since.map_or(Duration::MAX, |since| since.elapsed());
        State { settled, written, remark: self.remark.clone() }
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
    Missing,
    There { changed: bool, hosts: Vec<String> },
}

async fn keep_one(api: &Api<DynamicObject>, name: &str, bundle: &[u8]) -> Result<Kept, String> {
    let Some(object) = write::read(api, name).await? else { return Ok(Kept::Missing) };
    let bundle = json!(ByteString(bundle.to_vec()));
    let webhooks = object.data.get("webhooks").and_then(Value::as_array);
    let webhooks = || webhooks.into_iter().flatten();
    let hosts = webhooks().map(called_host).collect();
    let wrong: Vec<Value> = webhooks()
        .filter(|webhook| webhook.pointer("/clientConfig/caBundle") != Some(&bundle))
        .map(|webhook| json!({"name": webhook["name"], "clientConfig": {"caBundle": bundle}}))
        .collect();
    if wrong.is_empty() {
        return Ok(Kept::There { changed: false, hosts });
    }
    let version = object.metadata.resource_version.unwrap_or_default();
    let fields = json!({"webhooks": wrong});
    match write::change(api, name, &version, fields, Patch::Strategic).await {
        Ok(_) => Ok(Kept::There { changed: true, hosts }),
        Err(Unwritten::Outrun) => Err("somebody else is changing it".to_owned()),
        Err(Unwritten::Refused(why)) => Err(why),
    }
}

/// The name or address that a certificate must be for.
pub(super) fn called_host(webhook: &Value) -> String {
    let text = |pointer: &str| webhook.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match text("/clientConfig/url") {
        "" => {
            let (name, namespace) =
                (text("/clientConfig/service/name"), text("/clientConfig/service/namespace"));
            format!("{name}.{namespace}.svc")
        }
        url => host(url).to_owned(),
    }
}

/// `example.com` of `https://example.com:8443/validate`.
fn host(url: &str) -> &str {
    let authority = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn covers(names: &[String], host: &str) -> bool {
    names.iter().any(|name| match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => match (name.parse::<IpAddr>(), host.parse::<IpAddr>()) {
            (Ok(name), Ok(host)) => name == host,
            _ => name.eq_ignore_ascii_case(host),
        },
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_called_by_the_name_of_its_service_or_the_host_of_its_url() {
        let of = |client: Value| called_host(&json!({"name": "x", "clientConfig": client}));
        let service = json!({"service": {"name": "postern", "namespace": "security"}});
        assert_eq!(of(service), "postern.security.svc");
        for (url, host) in [
            ("https://127.0.0.1:8443/mutate", "127.0.0.1"),
            ("https://[::1]:8443/mutate", "::1"),
            ("https://webhooks.example.com/x:y", "webhooks.example.com"),
        ] {
            assert_eq!(of(json!({"url": url})), host);
        }
    }

    #[test]
    fn names_cover_hosts_as_in_a_certificate() {
        let names = ["*.b.svc", "a.svc", "::1"].map(str::to_owned);
        for (host, covered) in [
            ("x.b.svc", true),
            ("x.y.b.svc", false),
            ("b.svc", false),
            ("A.svc", true),
            ("0:0::1", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(covers(&names, host), covered, "{host}");
        }
    }
}
