//! Every setting, as flag, variable and key of the file.

use std::path::PathBuf;

use serde::Deserialize;

use super::value::{
    Address, CheckpointInterval, ClientName, Count, Deadline, DrainDelay, KeepBytes, KeepFor,
    KeepRecords, KeyPlace, Lifetime, LogFormat, LogLevel, Name, ObjectName, SecretName, ServerName,
    Span, StaleLimit, Strictness, TlsVersion, Ttl, Writer,
};

/// Settings as given in one place; what is not given there is left to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Given {
    /// Where the API server finds the webhook; port 0 takes a free one [default: 0.0.0.0:8443]
    #[arg(long, env = "POSTERN_LISTEN", value_name = "ADDRESS:PORT", hide_env_values = true)]
    pub(super) listen: Option<Address>,

    /// Where /livez, /readyz and /metrics are, without TLS [default: 0.0.0.0:9090]
    #[arg(
        long,
        env = "POSTERN_HEALTH_LISTEN",
        value_name = "ADDRESS:PORT",
        hide_env_values = true
    )]
    pub(super) health_listen: Option<Address>,

    /// The certificate shown to the API server, and what stands between it and its authority (PEM)
    #[arg(long, env = "POSTERN_TLS_CERT", value_name = "FILE", hide_env_values = true)]
    pub(super) tls_cert: Option<PathBuf>,

    /// Its private key (PEM)
    #[arg(long, env = "POSTERN_TLS_KEY", value_name = "FILE", hide_env_values = true)]
    pub(super) tls_key: Option<PathBuf>,

    /// Instead of both: make certificate and authority, keep them in this Secret, replace them in
    /// time, and tell the API server (`caBundle`) whom to trust
    #[arg(
        long,
        env = "POSTERN_TLS_SECRET",
        value_name = "[NAMESPACE/]NAME",
        hide_env_values = true
    )]
    pub(super) tls_secret: Option<SecretName>,

    /// Names and addresses by which the API server calls, divided by `,`: a certificate made here is
    /// for them [default: postern.NAMESPACE.svc], one that is brought is looked at for them
    #[arg(
        long,
        env = "POSTERN_TLS_NAMES",
        value_name = "DNS|IP",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(super) tls_names: Vec<ServerName>,

    /// The mutating and the validating webhook configuration whose `caBundle` is kept right
    /// [default: postern]
    #[arg(
        long,
        env = "POSTERN_WEBHOOK_CONFIGURATIONS",
        value_name = "NAME",
        hide_env_values = true
    )]
    pub(super) webhook_configurations: Option<ObjectName>,

    /// How long a certificate made here lives; it is replaced when a third is left [default: 90d]
    #[arg(long, env = "POSTERN_TLS_LIFETIME", value_name = "DURATION", hide_env_values = true)]
    pub(super) tls_lifetime: Option<Lifetime>,

    /// How long an authority made here lives; replaced likewise [default: 365d]
    #[arg(long, env = "POSTERN_TLS_CA_LIFETIME", value_name = "DURATION", hide_env_values = true)]
    pub(super) tls_ca_lifetime: Option<Lifetime>,

    /// The oldest TLS that is spoken [default: 1.2]
    #[arg(long, env = "POSTERN_TLS_MIN_VERSION", value_name = "1.2|1.3", hide_env_values = true)]
    pub(super) tls_min_version: Option<TlsVersion>,

    /// Let in only clients with a certificate from these authorities (PEM)
    #[arg(long, env = "POSTERN_CLIENT_CA", value_name = "FILE", hide_env_values = true)]
    pub(super) client_ca: Option<PathBuf>,

    /// Of those only clients with one of these names, divided by `,`: the common name or an
    /// alternative one
    #[arg(
        long,
        env = "POSTERN_CLIENT_NAMES",
        value_name = "NAME",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(super) client_names: Vec<ClientName>,

    /// Answer only requests with a bearer token of this file, which holds one a line
    #[arg(long, env = "POSTERN_TOKEN_FILE", value_name = "FILE", hide_env_values = true)]
    pub(super) token_file: Option<PathBuf>,

    /// A folder of DebugPolicies; several are read as one. In the variable they are divided by `:`
    #[arg(
        long,
        env = "POSTERN_POLICIES",
        value_name = "DIR",
        value_delimiter = ':',
        hide_env_values = true
    )]
    pub(super) policies: Vec<PathBuf>,

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
    pub(super) cluster_policies: Option<bool>,

    /// How to reach the cluster [default: as a pod of it, else KUBECONFIG]
    #[arg(long, env = "POSTERN_KUBECONFIG", value_name = "FILE", hide_env_values = true)]
    pub(super) kubeconfig: Option<PathBuf>,

    /// Not ready any more once nothing was heard of the cluster for this long [default: 5m]
    #[arg(
        long,
        env = "POSTERN_CLUSTER_STALE_LIMIT",
        value_name = "DURATION",
        hide_env_values = true
    )]
    pub(super) cluster_stale_limit: Option<StaleLimit>,

    /// How long a right that `authorize` asked for counts as given [default: 10s]
    #[arg(long, env = "POSTERN_ACCESS_ALLOW_TTL", value_name = "DURATION", hide_env_values = true)]
    pub(super) access_allow_ttl: Option<Ttl>,

    /// How long one that was not given counts as not given [default: 2s]
    #[arg(long, env = "POSTERN_ACCESS_DENY_TTL", value_name = "DURATION", hide_env_values = true)]
    pub(super) access_deny_ttl: Option<Ttl>,

    /// Say on the pod who was let in or refused, as Events [default: true where there is a cluster]
    #[arg(long, env = "POSTERN_POD_EVENTS", value_name = "true|false", hide_env_values = true)]
    pub(super) pod_events: Option<bool>,

    /// How long it is recorded what became of an allowed container; 0s: not at all [default: 24h]
    #[arg(long, env = "POSTERN_FOLLOW_LIMIT", value_name = "DURATION", hide_env_values = true)]
    pub(super) follow_limit: Option<Span>,

    /// How often all pods are searched for debug containers that nothing allowed; 0s: never
    /// [default: 10m]
    #[arg(long, env = "POSTERN_SCAN_INTERVAL", value_name = "DURATION", hide_env_values = true)]
    pub(super) scan_interval: Option<Span>,

    /// Where decisions are kept: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`; `memory` forgets
    /// them, and is for measuring only [default: sqlite:postern.db]
    #[arg(long, env = "POSTERN_LEDGER", value_name = "URL", hide_env_values = true)]
    pub(super) ledger: Option<String>,

    /// The key that signs the ledger's checkpoints (PEM), made where there is none: a file, or
    /// `secret:NAME` or `secret:NAMESPACE/NAME` of the cluster [default: beside a SQLite ledger]
    #[arg(long, env = "POSTERN_LEDGER_KEY", value_name = "PLACE", hide_env_values = true)]
    pub(super) ledger_key: Option<KeyPlace>,

    /// How often a checkpoint is signed, also when nothing happened [default: 1m]
    #[arg(
        long,
        env = "POSTERN_CHECKPOINT_INTERVAL",
        value_name = "DURATION",
        hide_env_values = true
    )]
    pub(super) checkpoint_interval: Option<CheckpointInterval>,

    /// Drop what this server wrote into the ledger longer ago than this [default: keep all]
    #[arg(long, env = "POSTERN_KEEP_FOR", value_name = "DURATION", hide_env_values = true)]
    pub(super) keep_for: Option<KeepFor>,

    /// Drop all but so many of the newest records of this server [default: keep all]
    #[arg(long, env = "POSTERN_KEEP_RECORDS", value_name = "NUMBER", hide_env_values = true)]
    pub(super) keep_records: Option<KeepRecords>,

    /// Drop the oldest records of this server beyond so many bytes of text, as in 20Gi; in a
    /// database they take some 1.7 times as much [default: keep all]
    #[arg(long, env = "POSTERN_KEEP_BYTES", value_name = "SIZE", hide_env_values = true)]
    pub(super) keep_bytes: Option<KeepBytes>,

    /// Where every entry of the ledger is sent too: `stdout:`, `file:PATH`, `https://…`,
    /// `syslog+tls://HOST:PORT`. In the variable several are divided by spaces
    #[arg(long, env = "POSTERN_FORWARD", value_name = "URL", hide_env_values = true)]
    pub(super) forward: Vec<String>,

    /// Trust these authorities (PEM) where something is sent, instead of the system's
    #[arg(long, env = "POSTERN_FORWARD_CA", value_name = "FILE", hide_env_values = true)]
    pub(super) forward_ca: Option<PathBuf>,

    /// A file with the token that receivers over HTTP are shown
    #[arg(long, env = "POSTERN_FORWARD_TOKEN", value_name = "FILE", hide_env_values = true)]
    pub(super) forward_token: Option<PathBuf>,

    /// Where signed checkpoints are sent: `file:PATH`, `https://…`, `configmap:NAMESPACE/NAME`.
    /// In the variable several are divided by spaces
    #[arg(long, env = "POSTERN_CHECKPOINT_TO", value_name = "URL", hide_env_values = true)]
    pub(super) checkpoint_to: Vec<String>,

    /// The collector that is told of each review over HTTP, as in `http://collector:4318`
    /// [default: none]
    #[arg(long, env = "POSTERN_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    pub(super) otlp_endpoint: Option<String>,

    /// The strictest level of the whole server, for a staged roll-out [default: Enforce]
    #[arg(
        long,
        env = "POSTERN_ENFORCEMENT",
        value_name = "Enforce|Warn|Audit",
        hide_env_values = true
    )]
    pub(super) enforcement: Option<Strictness>,

    /// Every answer is given within this time; keep it below the webhook's timeout [default: 1s]
    #[arg(long, env = "POSTERN_DEADLINE", value_name = "DURATION", hide_env_values = true)]
    pub(super) deadline: Option<Deadline>,

    /// How long requests are taken after a signal to stop, with readiness already off [default: 5s]
    #[arg(long, env = "POSTERN_DRAIN_DELAY", value_name = "DURATION", hide_env_values = true)]
    pub(super) drain_delay: Option<DrainDelay>,

    /// How many reviews are judged at once; more are refused with that reason [default: 256]
    #[arg(long, env = "POSTERN_MAX_IN_FLIGHT", value_name = "NUMBER", hide_env_values = true)]
    pub(super) max_in_flight: Option<Count>,

    /// What records call this cluster [default: default]
    #[arg(long, env = "POSTERN_CLUSTER_NAME", value_name = "NAME", hide_env_values = true)]
    pub(super) cluster_name: Option<Name>,

    /// What records call this server; no two of one ledger may share it [default: the host's name]
    #[arg(long, env = "POSTERN_WRITER", value_name = "NAME", hide_env_values = true)]
    pub(super) writer: Option<Writer>,

    /// How log lines look [default: json]
    #[arg(long, env = "POSTERN_LOG_FORMAT", value_name = "json|text", hide_env_values = true)]
    pub(super) log_format: Option<LogFormat>,

    /// Which log lines are written [default: info]
    #[arg(
        long,
        env = "POSTERN_LOG_LEVEL",
        value_name = "error|warn|info|debug|trace",
        hide_env_values = true
    )]
    pub(super) log_level: Option<LogLevel>,

    /// Name a decision on each bucket of the metric of durations [default: false]
    #[arg(
        long,
        env = "POSTERN_METRICS_EXEMPLARS",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_env_values = true
    )]
    pub(super) metrics_exemplars: Option<bool>,

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
    pub(super) danger_allow_on_ledger_failure: Option<bool>,
}

impl Given {
    /// These settings, and `lower` for those that are not given.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            listen: self.listen.or(lower.listen),
            health_listen: self.health_listen.or(lower.health_listen),
            tls_cert: self.tls_cert.or(lower.tls_cert),
            tls_key: self.tls_key.or(lower.tls_key),
            tls_secret: self.tls_secret.or(lower.tls_secret),
            tls_names: either(self.tls_names, lower.tls_names),
            webhook_configurations: self.webhook_configurations.or(lower.webhook_configurations),
            tls_lifetime: self.tls_lifetime.or(lower.tls_lifetime),
            tls_ca_lifetime: self.tls_ca_lifetime.or(lower.tls_ca_lifetime),
            tls_min_version: self.tls_min_version.or(lower.tls_min_version),
            client_ca: self.client_ca.or(lower.client_ca),
            client_names: either(self.client_names, lower.client_names),
            token_file: self.token_file.or(lower.token_file),
            policies: either(self.policies, lower.policies),
            forward: either(self.forward, lower.forward),
            forward_ca: self.forward_ca.or(lower.forward_ca),
            forward_token: self.forward_token.or(lower.forward_token),
            otlp_endpoint: self.otlp_endpoint.or(lower.otlp_endpoint),
            checkpoint_to: either(self.checkpoint_to, lower.checkpoint_to),
            cluster_policies: self.cluster_policies.or(lower.cluster_policies),
            kubeconfig: self.kubeconfig.or(lower.kubeconfig),
            cluster_stale_limit: self.cluster_stale_limit.or(lower.cluster_stale_limit),
            access_allow_ttl: self.access_allow_ttl.or(lower.access_allow_ttl),
            access_deny_ttl: self.access_deny_ttl.or(lower.access_deny_ttl),
            pod_events: self.pod_events.or(lower.pod_events),
            follow_limit: self.follow_limit.or(lower.follow_limit),
            scan_interval: self.scan_interval.or(lower.scan_interval),
            ledger: self.ledger.or(lower.ledger),
            ledger_key: self.ledger_key.or(lower.ledger_key),
            checkpoint_interval: self.checkpoint_interval.or(lower.checkpoint_interval),
            keep_for: self.keep_for.or(lower.keep_for),
            keep_records: self.keep_records.or(lower.keep_records),
            keep_bytes: self.keep_bytes.or(lower.keep_bytes),
            enforcement: self.enforcement.or(lower.enforcement),
            deadline: self.deadline.or(lower.deadline),
            drain_delay: self.drain_delay.or(lower.drain_delay),
            max_in_flight: self.max_in_flight.or(lower.max_in_flight),
            cluster_name: self.cluster_name.or(lower.cluster_name),
            writer: self.writer.or(lower.writer),
            log_format: self.log_format.or(lower.log_format),
            log_level: self.log_level.or(lower.log_level),
            metrics_exemplars: self.metrics_exemplars.or(lower.metrics_exemplars),
            danger_allow_on_ledger_failure: self
                .danger_allow_on_ledger_failure
                .or(lower.danger_allow_on_ledger_failure),
        }
    }
}

/// A list is given in one place.
fn either<T>(upper: Vec<T>, lower: Vec<T>) -> Vec<T> {
    if upper.is_empty() { lower } else { upper }
}
