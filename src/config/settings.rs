//! Settings, complete: what the rest of the program sees of them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::value::{LogFormat, LogLevel};
use crate::policy::rule::Enforcement;

/// Everything the server is told, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `--listen`
    pub listen: SocketAddr,
    /// `--health-listen`
    pub health_listen: SocketAddr,
    /// `--tls-cert`
    pub tls_cert: PathBuf,
    /// `--tls-key`
    pub tls_key: PathBuf,
    /// `--client-ca`
    pub client_ca: Option<PathBuf>,
    /// `--policies`, at least one unless `cluster` has policies.
    pub policies: Vec<PathBuf>,
    /// What is asked of the cluster; `None`: nothing.
    pub cluster: Option<ClusterSettings>,
    /// `--ledger`; the store reads it.
    pub ledger: String,
    /// `--enforcement`
    pub enforcement: Enforcement,
    /// `--deadline`
    pub deadline: Duration,
    /// `--drain-delay`
    pub drain_delay: Duration,
    /// `--max-in-flight`
    pub max_in_flight: usize,
    /// `--cluster-name`
    pub cluster_name: String,
    /// `--writer`
    pub writer: String,
    /// How and what to log.
    pub logs: Logs,
    /// What is sent elsewhere.
    pub forward: ForwardSettings,
    /// `--danger-allow-on-ledger-failure`
    pub danger_allow_on_ledger_failure: bool,
}

/// What is asked of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `--cluster-policies`; without, only labels of namespaces and rights are asked.
    pub policies: bool,
    /// `--kubeconfig`
    pub kubeconfig: Option<PathBuf>,
    /// `--cluster-stale-limit`
    pub stale_limit: Duration,
    /// `--access-allow-ttl`
    pub allow_ttl: Duration,
    /// `--access-deny-ttl`
    pub deny_ttl: Duration,
}

/// What is sent elsewhere, and how. URLs may hold secrets: what is said about them is the
/// forwarder's to say, which reads them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ForwardSettings {
    /// `--forward`
    pub entries_to: Vec<String>,
    /// `--checkpoint-to`
    pub checkpoints_to: Vec<String>,
    /// `--forward-ca`
    pub ca: Option<PathBuf>,
    /// `--forward-token`
    pub token: Option<PathBuf>,
}

impl fmt::Debug for ForwardSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries_to, checkpoints_to, ca, token } = self;
        f.debug_struct("ForwardSettings")
            .field("entries_to", &entries_to.len())
            .field("checkpoints_to", &checkpoints_to.len())
            .field("ca", ca)
            .field("token", token)
            .finish()
    }
}

/// How and what to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logs {
    /// `--log-format`
    pub format: LogFormat,
    /// `--log-level`
    pub level: LogLevel,
    /// Whether a terminal that shows colours reads it.
    pub colour: bool,
}
