//! Layer 5, settings: flags, environment, file, default, parsed once into types.
//!
//! Every setting has one name. `deadline` is the flag `--deadline`, the variable `POSTERN_DEADLINE`
//! and the key `deadline` of the settings file; the first of them that is given wins. The
//! environment is read nowhere else.

mod error;
mod settings;
mod value;

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::policy::rule::Enforcement;

pub use error::SettingError;
pub use settings::{ClusterSettings, ForwardSettings, Logs, Settings};
use value::{Address, Count, Deadline, DrainDelay, Name, StaleLimit, Strictness, Ttl, Writer};
pub use value::{LogFormat, LogLevel};

/// Settings as given in one place; what is not given there is left to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Given {
    /// Where the API server finds the webhook; port 0 takes a free one [default: 0.0.0.0:8443]
    #[arg(long, env = "POSTERN_LISTEN", value_name = "ADDRESS:PORT", hide_env_values = true)]
    listen: Option<Address>,

    /// Where /livez, /readyz and /metrics are, without TLS [default: 0.0.0.0:9090]
    #[arg(
        long,
        env = "POSTERN_HEALTH_LISTEN",
        value_name = "ADDRESS:PORT",
        hide_env_values = true
    )]
    health_listen: Option<Address>,

    /// The certificate shown to the API server, and what stands between it and its authority (PEM)
    #[arg(long, env = "POSTERN_TLS_CERT", value_name = "FILE", hide_env_values = true)]
    tls_cert: Option<PathBuf>,

    /// Its private key (PEM)
    #[arg(long, env = "POSTERN_TLS_KEY", value_name = "FILE", hide_env_values = true)]
    tls_key: Option<PathBuf>,

    /// Let in only clients with a certificate from these authorities (PEM)
    #[arg(long, env = "POSTERN_CLIENT_CA", value_name = "FILE", hide_env_values = true)]
    client_ca: Option<PathBuf>,

    /// A folder of DebugPolicies; several are read as one. In the variable they are divided by `:`
    #[arg(
        long,
        env = "POSTERN_POLICIES",
        value_name = "DIR",
        value_delimiter = ':',
        hide_env_values = true
    )]
    policies: Vec<PathBuf>,

    /// Take DebugPolicies from the cluster too; `--policies` may then be left out
    #[arg(
        long,
        env = "POSTERN_CLUSTER_POLICIES",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_env_values = true
    )]
    cluster_policies: Option<bool>,

    /// How to reach the cluster [default: as a pod of it, else KUBECONFIG]
    #[arg(long, env = "POSTERN_KUBECONFIG", value_name = "FILE", hide_env_values = true)]
    kubeconfig: Option<PathBuf>,

    /// Not ready any more once nothing was heard of the cluster for this long [default: 5m]
    #[arg(
        long,
        env = "POSTERN_CLUSTER_STALE_LIMIT",
        value_name = "DURATION",
        hide_env_values = true
    )]
    cluster_stale_limit: Option<StaleLimit>,

    /// How long a right that `authorize` asked for counts as given [default: 10s]
    #[arg(long, env = "POSTERN_ACCESS_ALLOW_TTL", value_name = "DURATION", hide_env_values = true)]
    access_allow_ttl: Option<Ttl>,

    /// How long one that was not given counts as not given [default: 2s]
    #[arg(long, env = "POSTERN_ACCESS_DENY_TTL", value_name = "DURATION", hide_env_values = true)]
    access_deny_ttl: Option<Ttl>,

    /// Where decisions are kept; `memory` forgets them, and is for measuring only
    /// [default: sqlite:postern.db]
    #[arg(long, env = "POSTERN_LEDGER", value_name = "sqlite:PATH|memory", hide_env_values = true)]
    ledger: Option<Name>,

    /// Where every entry of the ledger is sent too: `stdout:`, `file:PATH`, `https://…`,
    /// `syslog+tls://HOST:PORT`. In the variable several are divided by spaces
    #[arg(long, env = "POSTERN_FORWARD", value_name = "URL", hide_env_values = true)]
    forward: Vec<String>,

    /// Trust these authorities (PEM) where something is sent, instead of the system's
    #[arg(long, env = "POSTERN_FORWARD_CA", value_name = "FILE", hide_env_values = true)]
    forward_ca: Option<PathBuf>,

    /// A file with the token that receivers over HTTP are shown
    #[arg(long, env = "POSTERN_FORWARD_TOKEN", value_name = "FILE", hide_env_values = true)]
    forward_token: Option<PathBuf>,

    /// Where signed checkpoints are sent: `file:PATH`, `https://…`, `configmap:NAMESPACE/NAME`.
    /// In the variable several are divided by spaces
    #[arg(long, env = "POSTERN_CHECKPOINT_TO", value_name = "URL", hide_env_values = true)]
    checkpoint_to: Vec<String>,

    /// The strictest level of the whole server, for a staged roll-out [default: Enforce]
    #[arg(
        long,
        env = "POSTERN_ENFORCEMENT",
        value_name = "Enforce|Warn|Audit",
        hide_env_values = true
    )]
    enforcement: Option<Strictness>,

    /// Every answer is given within this time; keep it below the webhook's timeout [default: 1s]
    #[arg(long, env = "POSTERN_DEADLINE", value_name = "DURATION", hide_env_values = true)]
    deadline: Option<Deadline>,

    /// How long requests are taken after a signal to stop, with readiness already off [default: 5s]
    #[arg(long, env = "POSTERN_DRAIN_DELAY", value_name = "DURATION", hide_env_values = true)]
    drain_delay: Option<DrainDelay>,

    /// How many reviews are judged at once; more are refused with that reason [default: 256]
    #[arg(long, env = "POSTERN_MAX_IN_FLIGHT", value_name = "NUMBER", hide_env_values = true)]
    max_in_flight: Option<Count>,

    /// What records call this cluster [default: default]
    #[arg(long, env = "POSTERN_CLUSTER_NAME", value_name = "NAME", hide_env_values = true)]
    cluster_name: Option<Name>,

    /// What records call this server; no two of one ledger may share it [default: the host's name]
    #[arg(long, env = "POSTERN_WRITER", value_name = "NAME", hide_env_values = true)]
    writer: Option<Writer>,

    /// How log lines look [default: json]
    #[arg(long, env = "POSTERN_LOG_FORMAT", value_name = "json|text", hide_env_values = true)]
    log_format: Option<LogFormat>,

    /// Which log lines are written [default: info]
    #[arg(
        long,
        env = "POSTERN_LOG_LEVEL",
        value_name = "error|warn|info|debug|trace",
        hide_env_values = true
    )]
    log_level: Option<LogLevel>,

    /// Weakens the gate: what policy allows is allowed even if it cannot be written down
    #[arg(
        long,
        env = "POSTERN_DANGER_ALLOW_ON_LEDGER_FAILURE",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_env_values = true
    )]
    danger_allow_on_ledger_failure: Option<bool>,
}

impl Given {
    /// Reads a settings file: YAML whose keys are the names of the flags.
    ///
    /// # Errors
    ///
    /// It cannot be read, has a key that is no setting, or a value of another shape.
    pub fn from_file(path: &Path) -> Result<Self, SettingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingError::Unreadable { path: path.to_owned(), source })?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(&text)
            .map_err(|error| SettingError::File { path: path.to_owned(), why: error.to_string() })
    }

    /// These settings, and `lower` for those that are not given.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            listen: self.listen.or(lower.listen),
            health_listen: self.health_listen.or(lower.health_listen),
            tls_cert: self.tls_cert.or(lower.tls_cert),
            tls_key: self.tls_key.or(lower.tls_key),
            client_ca: self.client_ca.or(lower.client_ca),
            policies: either(self.policies, lower.policies),
            cluster_policies: self.cluster_policies.or(lower.cluster_policies),
            kubeconfig: self.kubeconfig.or(lower.kubeconfig),
            cluster_stale_limit: self.cluster_stale_limit.or(lower.cluster_stale_limit),
            access_allow_ttl: self.access_allow_ttl.or(lower.access_allow_ttl),
            access_deny_ttl: self.access_deny_ttl.or(lower.access_deny_ttl),
            ledger: self.ledger.or(lower.ledger),
            forward: either(self.forward, lower.forward),
            forward_ca: self.forward_ca.or(lower.forward_ca),
            forward_token: self.forward_token.or(lower.forward_token),
            checkpoint_to: either(self.checkpoint_to, lower.checkpoint_to),
            enforcement: self.enforcement.or(lower.enforcement),
            deadline: self.deadline.or(lower.deadline),
            drain_delay: self.drain_delay.or(lower.drain_delay),
            max_in_flight: self.max_in_flight.or(lower.max_in_flight),
            cluster_name: self.cluster_name.or(lower.cluster_name),
            writer: self.writer.or(lower.writer),
            log_format: self.log_format.or(lower.log_format),
            log_level: self.log_level.or(lower.log_level),
            danger_allow_on_ledger_failure: self
                .danger_allow_on_ledger_failure
                .or(lower.danger_allow_on_ledger_failure),
        }
    }

    /// What `--dev` gives: everything on this machine, for nobody else.
    #[must_use]
    pub fn dev(pair: Option<(PathBuf, PathBuf)>, policies: PathBuf, ledger: &str) -> Self {
        let (tls_cert, tls_key) = pair.unzip();
        let loopback = |port| Some(Address(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        Self {
            listen: loopback(WEBHOOK_PORT),
            health_listen: loopback(HEALTH_PORT),
            tls_cert,
            tls_key,
            policies: vec![policies],
            ledger: Some(Name(ledger.to_owned())),
            drain_delay: Some(DrainDelay(Duration::ZERO)),
            cluster_name: Some(Name("dev".to_owned())),
            log_format: Some(LogFormat::Text),
            ..Self::default()
        }
    }

    /// A kubeconfig says that there is a cluster, even if its policies are not wanted.
    fn cluster(&self) -> Option<ClusterSettings> {
        let policies = self.cluster_policies.unwrap_or(false);
        (policies || self.kubeconfig.is_some()).then(|| ClusterSettings {
            policies,
            kubeconfig: self.kubeconfig.clone(),
            stale_limit: self.cluster_stale_limit.map_or(Duration::from_mins(5), |it| it.0),
            allow_ttl: self.access_allow_ttl.map_or(Duration::from_secs(10), |it| it.0),
            deny_ttl: self.access_deny_ttl.map_or(Duration::from_secs(2), |it| it.0),
        })
    }

    /// Whether a certificate or a key is given.
    #[must_use]
    pub fn names_a_certificate(&self) -> bool {
        self.tls_cert.is_some() || self.tls_key.is_some()
    }

    /// Puts in the defaults.
    ///
    /// # Errors
    ///
    /// A setting without a default is missing.
    pub fn settings(self) -> Result<Settings, SettingError> {
        let missing = |name, wanted| SettingError::Missing { name, wanted };
        let everywhere = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let cluster = self.cluster();
        if self.policies.is_empty() && !cluster.as_ref().is_some_and(|cluster| cluster.policies) {
            let wanted = "want a folder of DebugPolicies (POSTERN_POLICIES), or --cluster-policies";
            return Err(missing("policies", wanted));
        }
        Ok(Settings {
            listen: self.listen.map_or_else(|| everywhere(WEBHOOK_PORT), |Address(it)| it),
            health_listen: self
                .health_listen
                .map_or_else(|| everywhere(HEALTH_PORT), |Address(it)| it),
            tls_cert: self.tls_cert.ok_or_else(|| {
                missing(
                    "tls-cert",
                    "want a PEM file (POSTERN_TLS_CERT); `postern certs issue` makes one",
                )
            })?,
            tls_key: self.tls_key.ok_or_else(|| {
                missing(
                    "tls-key",
                    "want a PEM file (POSTERN_TLS_KEY); `postern certs issue` makes one",
                )
            })?,
            client_ca: self.client_ca,
            policies: self.policies,
            cluster,
            ledger: self.ledger.map_or_else(|| "sqlite:postern.db".to_owned(), |Name(it)| it),
            forward: ForwardSettings {
                entries_to: divided(&self.forward),
                checkpoints_to: divided(&self.checkpoint_to),
                ca: self.forward_ca,
                token: self.forward_token,
            },
            enforcement: self.enforcement.map_or(Enforcement::Enforce, |Strictness(it)| it),
            deadline: self.deadline.map_or(Duration::from_secs(1), |Deadline(it)| it),
            drain_delay: self.drain_delay.map_or(Duration::from_secs(5), |DrainDelay(it)| it),
            max_in_flight: self.max_in_flight.map_or(256, |Count(it)| it),
            cluster_name: self.cluster_name.map_or_else(|| "default".to_owned(), |Name(it)| it),
            writer: self.writer.map_or_else(host_name, |Writer(it)| it),
            logs: Logs {
                format: self.log_format.unwrap_or(LogFormat::Json),
                level: self.log_level.unwrap_or(LogLevel::Info),
                colour: colour(),
            },
            danger_allow_on_ledger_failure: self.danger_allow_on_ledger_failure.unwrap_or(false),
        })
    }
}

/// A list is given in one place.
fn either<T>(upper: Vec<T>, lower: Vec<T>) -> Vec<T> {
    if upper.is_empty() { lower } else { upper }
}

/// No URL has a space in it.
fn divided(texts: &[String]) -> Vec<String> {
    texts.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
}

const WEBHOOK_PORT: u16 = 8443;
const HEALTH_PORT: u16 = 9090;

/// <https://no-color.org>: any value but an empty one.
fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && io::stderr().is_terminal()
}

/// In a pod this is the pod's name.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .and_then(|name| name.trim().parse::<Writer>().ok())
        .map_or_else(|| "postern".to_owned(), |Writer(name)| name)
}

#[cfg(test)]
mod tests;
