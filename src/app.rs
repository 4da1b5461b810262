//! Layer 6, builds every part from the settings and runs until told to stop.
//!
//! Everything that can be wrong is found before an address is taken: whoever sees the port open
//! may use it.

mod aftermath;
mod certificates;
mod chronicle;
mod cluster;
mod forward;
mod heir;
mod levels;
mod policies;
mod publish;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::Router;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::cluster::{AnyCluster, Connected};
use crate::config::{self, LogFormat, Logs, Settings};
use crate::gate::trace::Tracer;
use crate::gate::{Gate, GateSettings};
use crate::ledger::Ledger;
use crate::policy::rule::Enforcement;
use crate::server::listener::{Bound, Stop};
use crate::server::metrics::Metrics;
use crate::server::probes::{self, Check};
use crate::server::tls::{self, Certificates};
use crate::server::tokens::{self, Tokens};
use crate::server::webhook::{self, Draining, Limits};
use crate::store::AnyLedger;
use crate::telemetry::{self, Format, Levels, Lines};
use crate::watch::Watch;

use chronicle::Chronicle;
use cluster::Watched;
use forward::Sending;
use policies::PolicyFolders;
use publish::Publisher;

/// How long the ledger may take to write down what it still holds.
const CLOSE: Duration = Duration::from_secs(5);

/// Where the server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The webhook, with its real port.
    pub webhook: SocketAddr,
    /// Probes and metrics, with their real port.
    pub health: SocketAddr,
}

/// Runs the server until a signal tells it to stop. `listening` is called once it can be reached.
///
/// # Errors
///
/// What kept it from starting (a [`crate::config::SettingError`] among them), what ended it, or that a second
/// signal came before it was done.
pub async fn run(settings: Settings, listening: impl FnOnce(Addresses)) -> anyhow::Result<()> {
    let (levels, lines) = start_logs(&settings.logs)?;
    config::unknown_variables().iter().for_each(|why| warn!("{why}"));
    // Whoever asks for the process's provider gets this one; there is no other in the program.
    drop(tls::provider().install_default());
    let mut signals = Signals::catch()?;
    let _levels = levels::follow(settings.logs.clone(), levels)?;
    let running = tokio::select! {
        running = start(&settings) => running?,
        () = signals.next() => return Err(anyhow!("stopped by a signal while starting")),
    };
    lines.drain();
    listening(running.addresses);
    running.until_stopped(&mut signals, settings.drain_delay).await
}

async fn start(settings: &Settings) -> anyhow::Result<Running> {
    Parts::prepare(settings).await?.listen(settings).await
}

fn start_logs(logs: &Logs) -> anyhow::Result<(Levels, Lines)> {
    let Logs { format, level, colour, file: _ } = *logs;
    let format = match format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text { colour },
    };
    telemetry::start(format, level.as_str()).context("cannot start logging")
}

/// Everything that is needed before an address is taken.
struct Parts {
    metrics: Arc<Metrics>,
    certificates: Arc<Certificates>,
    tokens: Option<Arc<Tokens>>,
    policies: Arc<PolicyFolders>,
    watched: Watched,
    gate: Arc<Gate<AnyLedger, AnyCluster>>,
    chronicle: Chronicle,
    sending: Sending,
    tracer: Option<Arc<dyn Tracer>>,
    /// What runs beside the servers; it ends with this value.
    beside: JoinSet<()>,
}

impl Parts {
    async fn prepare(settings: &Settings) -> anyhow::Result<Self> {
        warn_of_dangers(settings);
        let metrics = Arc::new(Metrics::new().with_exemplars(settings.metrics_exemplars));
        let mut beside = JoinSet::new();

        // Each watch begins before its files are read, so that no change falls in between.
        let served = certificates::prepare(settings, &metrics).await?;
        let certificates::Prepared { certificates, leave, mut tasks } = served;
        let tokens = certificates::tokens(settings)?;
        let tokens = tokens.map(|(tokens, task)| {
            tasks.push(task);
            tokens
        });
        tasks.into_iter().for_each(|task| drop(beside.spawn(task)));

        let connected =
            cluster::prepare(settings, &metrics).await.context("cannot use the cluster")?;
        let watched = Watched::new(connected.as_ref(), settings, leave);
        let source = connected.as_ref().and_then(|connected| connected.policies.as_ref());
        let publisher = Arc::new(Publisher::new(Arc::clone(&metrics), source));

        let folders = settings.policies.clone();
        let watch = Watch::new(&folders);
        let folders = PolicyFolders::new(folders, Arc::clone(&publisher), Arc::clone(&metrics));
        let policies = Arc::new(folders);
        policies.load().context("cannot load the policies")?;
        beside.spawn(Arc::clone(&policies).keep_fresh(watch));

        let sending = forward::prepare(settings).await?;
        let tracer = forward::traces(settings)?.map(|(tracer, collector)| {
            beside.spawn(collector.run());
            tracer
        });
        let chronicle = Chronicle::open(settings, &metrics).await?;
        let ledger = chronicle.ledger.clone();
        let sending = sending.start(&ledger, &metrics);
        beside.spawn(chronicle.clone().follow(publisher.published(), publisher.changed()));
        beside.spawn(chronicle.clone().measure(Arc::clone(&metrics)));
        if let Some(heir) = chronicle.heir.clone() {
            beside.spawn(heir.run());
        }
        let (in_force, asked) = (publisher.published(), watched.for_gate());
        let (audience, after) = aftermath::prepare(connected.as_ref(), settings, &ledger, &metrics);
        let gate = Gate::in_cluster(in_force, ledger, asked, gate_settings(settings));
        let gate = Arc::new(gate.telling(audience));
        after.into_iter().for_each(|task| drop(beside.spawn(task)));
        if let Some(connected) = connected {
            run_cluster(connected, publisher, &mut beside);
            beside.spawn(watched.clone().measure(Arc::clone(&metrics)));
        }
        Ok(Self {
            metrics,
            certificates,
            tokens,
            policies,
            watched,
            gate,
            chronicle,
            sending,
            tracer,
            beside,
        })
    }

    async fn listen(self, settings: &Settings) -> anyhow::Result<Running> {
        let webhook = Bound::bind(settings.listen).await.context("`--listen`")?;
        let health = Bound::bind(settings.health_listen).await.context("`--health-listen`")?;
        let addresses = Addresses { webhook: webhook.address(), health: health.address() };

        let Self {
            metrics,
            certificates,
            tokens,
            policies,
            watched,
            gate,
            chronicle,
            sending,
            tracer,
            beside,
        } = self;
        let draining = Draining::default();
        let limits = Limits { deadline: settings.deadline, max_in_flight: settings.max_in_flight };
        let (counted, drains) = (Arc::clone(&metrics), Arc::clone(&draining));
        let reviews = webhook::traced(Arc::clone(&gate), limits, counted, drains, tracer);
        let reviews = match &tokens {
            Some(tokens) => tokens::guard(reviews, Arc::clone(tokens), Arc::clone(&metrics)),
            None => reviews,
        };
        let danger = settings.danger_allow_on_ledger_failure;
        let ready = Readiness { certificates, tokens, policies, watched, gate, draining, danger };
        let probes = probes_router(Arc::clone(&metrics), &ready);

        let stop_webhook = Stop::default();
        let stop = stop_webhook.clone();
        let certificates = Arc::clone(&ready.certificates);
        let webhook =
            tokio::spawn(
                async move { webhook.serve_tls(reviews, &certificates, metrics, stop).await },
            );
        let health = tokio::spawn(health.serve_plain(probes, Stop::default()));

        let Addresses { webhook: at, health: health_at } = addresses;
        info!(address = %at, health = %health_at, "Listening on https://{at}, http://{health_at}");
        Ok(Running {
            addresses,
            webhook,
            health,
            stop_webhook,
            ready,
            chronicle,
            sending,
            _beside: beside,
        })
    }
}

fn run_cluster(connected: Connected, publisher: Arc<Publisher>, beside: &mut JoinSet<()>) {
    let Connected { kubernetes: _, policies, watches: _, aftermath: _, tasks } = connected;
    for task in tasks {
        beside.spawn(task);
    }
    if let Some(source) = policies {
        beside.spawn(publisher.follow(source));
    }
}

fn warn_of_dangers(settings: &Settings) {
    if settings.danger_allow_on_ledger_failure {
        warn!(
            "DANGER: with `--danger-allow-on-ledger-failure` debug containers are allowed \
             even if no record of them can be written"
        );
    }
    if settings.enforcement != Enforcement::Enforce {
        let level = settings.enforcement.as_str();
        warn!(
            "Enforcement is `{level}`: what policy refuses is let through, structural faults not"
        );
    }
}

fn gate_settings(settings: &Settings) -> GateSettings {
    GateSettings {
        cluster: settings.cluster_name.clone(),
        enforcement: settings.enforcement,
        danger_allow_on_ledger_failure: settings.danger_allow_on_ledger_failure,
    }
}

/// What `/readyz` asks.
#[derive(Clone)]
struct Readiness {
    certificates: Arc<Certificates>,
    tokens: Option<Arc<Tokens>>,
    policies: Arc<PolicyFolders>,
    watched: Watched,
    gate: Arc<Gate<AnyLedger, AnyCluster>>,
    draining: Draining,
    danger: bool,
}

impl Readiness {
    fn checks(&self) -> Vec<Check> {
        let running = if self.draining.load(Ordering::Relaxed) {
            Err("the server is stopping".to_owned())
        } else {
            Ok(None)
        };
        let danger = || "DANGER: what it cannot write is allowed all the same".to_owned();
        let ledger = if self.gate.ledger().is_writable() {
            Ok(self.danger.then(danger))
        } else {
            Err("the last decision could not be written".to_owned())
        };
        let mut checks = vec![
            Check { name: "running", state: running },
            self.certificates.check(Timestamp::now()),
            self.policies.check(),
            Check { name: "ledger", state: ledger },
        ];
        checks.extend(self.tokens.as_ref().map(|tokens| tokens.check()));
        checks.extend(self.watched.check());
        checks
    }
}

fn probes_router(metrics: Arc<Metrics>, ready: &Readiness) -> Router {
    let ready = ready.clone();
    probes::router(metrics, move || ready.checks())
}

/// A server that can be reached.
struct Running {
    addresses: Addresses,
    webhook: JoinHandle<io::Result<()>>,
    health: JoinHandle<io::Result<()>>,
    stop_webhook: Stop,
    ready: Readiness,
    chronicle: Chronicle,
    sending: Sending,
    _beside: JoinSet<()>,
}

impl Running {
    async fn until_stopped(
        mut self,
        signals: &mut Signals,
        drain_delay: Duration,
    ) -> anyhow::Result<()> {
        tokio::select! {
            () = signals.next() => {}
            ended = &mut self.webhook => return Err(ended_by_itself("webhook", ended)),
            ended = &mut self.health => return Err(ended_by_itself("health", ended)),
        }
        self.ready.draining.store(true, Ordering::Relaxed);
        info!(?drain_delay, "Stopping: no longer ready, still answering");
        tokio::select! {
            drained = self.drain(drain_delay) => drained?,
            () = signals.next() => return Err(anyhow!("stopped by a second signal")),
        }
        info!("Stopped");
        Ok(())
    }

    /// Whoever routes requests to this server needs a moment to notice that it is no longer ready.
    async fn drain(&mut self, delay: Duration) -> anyhow::Result<()> {
        sleep(delay).await;
        self.stop_webhook.drain().await;
        (&mut self.webhook).await?.context("the webhook's socket failed")?;
        self.ready.watched.say_farewell().await;
        timeout(CLOSE, self.chronicle.stopped()).await.context("closing the ledger")?;
        self.sending.finish_entries().await;
        timeout(CLOSE, self.chronicle.ledger.close()).await.context("closing the ledger")?;
        self.sending.finish_checkpoints().await;
        self.health.abort();
        Ok(())
    }
}

fn ended_by_itself(
    which: &str,
    ended: Result<io::Result<()>, tokio::task::JoinError>,
) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow!("the {which} server ended by itself"),
        Ok(Err(error)) => anyhow!(error).context(format!("the {which} server's socket failed")),
        Err(error) => anyhow!(error).context(format!("the {which} server failed")),
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
