//! Layer 5, settings: flags, environment, file, default, parsed once into types.
//!
//! Every setting has one name. `deadline` is the flag `--deadline`, the variable `POSTERN_DEADLINE`
//! and the key `deadline` of the settings file; the first of them that is given wins. The
//! environment is read nowhere else, but for what every program of Kubernetes and PostgreSQL reads.

mod cluster;
mod error;
mod forward;
mod given;
mod named;
mod tls;
mod value;
mod variables;

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde_saphyr::{Error as YamlError, MessageFormatter, UserMessageFormatter};

use crate::policy::rule::Enforcement;

pub use cluster::ClusterSettings;
pub use error::SettingError;
pub use forward::ForwardSettings;
pub use given::Given;
pub use tls::{Serving, TlsSecret, TlsSettings};
use value::{
    Address, Count, Deadline, DrainDelay, KeepBytes, KeepFor, KeepRecords, Name, Strictness, Writer,
};
pub use value::{KeyPlace, LogFormat, LogLevel, SecretName, ServerName, TlsVersion};
pub use variables::unknown_variables;

/// Everything the server is told, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `--listen`
    pub listen: SocketAddr,
    /// `--health-listen`
    pub health_listen: SocketAddr,
    /// What is shown to the API server, and asked of it.
    pub tls: TlsSettings,
    /// `--policies`, at least one unless `cluster` has policies.
    pub policies: Vec<PathBuf>,
    /// What is asked of the cluster; `None`: nothing.
    pub cluster: Option<ClusterSettings>,
    /// `--ledger`; the store reads it.
    pub ledger: String,
    /// `--ledger-key`
    pub ledger_key: Option<KeyPlace>,
    /// `--checkpoint-interval`
    pub checkpoint_interval: Duration,
    /// `--keep-for`
    pub keep_for: Option<SignedDuration>,
    /// `--keep-records`
    pub keep_records: Option<u64>,
    /// `--keep-bytes`
    pub keep_bytes: Option<u64>,
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
    /// `--config`
    pub file: Option<PathBuf>,
    /// `--metrics-exemplars`
    pub metrics_exemplars: bool,
    /// What is sent elsewhere.
    pub forward: ForwardSettings,
    /// `--danger-allow-on-ledger-failure`
    pub danger_allow_on_ledger_failure: bool,
}

/// How and what to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// `--log-format`
    pub format: LogFormat,
    /// `--log-level`
    pub level: LogLevel,
    /// Whether a terminal that shows colours reads it.
    pub colour: bool,
    /// The settings file that may change the level later; `None`: nothing does.
    pub file: Option<PathBuf>,
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
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(&text, options)
            .map_err(|error| SettingError::File { path: path.to_owned(), why: why(&text, &error) })
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
            ledger: Some(ledger.to_owned()),
            drain_delay: Some(DrainDelay(Duration::ZERO)),
            cluster_name: Some(Name("dev".to_owned())),
            log_format: Some(LogFormat::Text),
            ..Self::default()
        }
    }

    /// Whether it is said where the certificate comes from.
    #[must_use]
    pub fn names_a_certificate(&self) -> bool {
        self.names_a_file() || self.tls_secret.is_some()
    }

    /// The log level, where one is given.
    #[must_use]
    pub fn log_level(&self) -> Option<LogLevel> {
        self.log_level
    }

    /// Puts in the defaults.
    ///
    /// # Errors
    ///
    /// A setting without a default is missing.
    pub fn settings(self) -> Result<Settings, SettingError> {
        let missing = |name, wanted| SettingError::Missing { name, wanted };
        let everywhere = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let cluster = self.cluster()?;
        let forward = self.forward()?;
        let tls = self.tls()?;
        self.nothing_of_memory()?;
        if self.policies.is_empty() && !cluster.as_ref().is_some_and(|cluster| cluster.policies) {
            let wanted = "want a folder of DebugPolicies (POSTERN_POLICIES), or --cluster-policies";
            return Err(missing("policies", wanted));
        }
        Ok(Settings {
            listen: self.listen.map_or_else(|| everywhere(WEBHOOK_PORT), |Address(it)| it),
            health_listen: self
                .health_listen
                .map_or_else(|| everywhere(HEALTH_PORT), |Address(it)| it),
            tls,
            policies: self.policies,
            cluster,
            ledger: self.ledger.unwrap_or_else(|| "sqlite:postern.db".to_owned()),
            ledger_key: self.ledger_key,
            checkpoint_interval: self.checkpoint_interval.map_or(Duration::from_mins(1), |it| it.0),
            keep_for: self.keep_for.map(|KeepFor(age)| age),
            keep_records: self.keep_records.map(|KeepRecords(number)| number),
            keep_bytes: self.keep_bytes.map(|KeepBytes(bytes)| bytes),
            enforcement: self.enforcement.map_or(Enforcement::Enforce, |Strictness(it)| it),
            deadline: self.deadline.map_or(Duration::from_secs(1), |Deadline(it)| it),
            drain_delay: self.drain_delay.map_or(Duration::from_secs(5), |DrainDelay(it)| it),
            max_in_flight: self.max_in_flight.map_or(256, |Count(it)| it),
            cluster_name: self.cluster_name.map_or_else(|| "default".to_owned(), |Name(it)| it),
            writer: self.writer.map_or_else(host_name, |Writer(it)| it),
            logs: Logs {
                format: self.log_format.unwrap_or(LogFormat::Json),
                level: self.log_level.unwrap_or_default(),
                colour: colour(),
                file: None,
            },
            file: None,
            metrics_exemplars: self.metrics_exemplars.unwrap_or(false),
            forward,
            danger_allow_on_ledger_failure: self.danger_allow_on_ledger_failure.unwrap_or(false),
        })
    }

    /// What would be ignored is refused: whoever sets it believes that something is kept.
    fn nothing_of_memory(&self) -> Result<(), SettingError> {
        let given = [
            ("ledger-key", self.ledger_key.is_some()),
            ("checkpoint-interval", self.checkpoint_interval.is_some()),
            ("checkpoint-to", !self.checkpoint_to.is_empty()),
            ("keep-for", self.keep_for.is_some()),
            ("keep-records", self.keep_records.is_some()),
            ("keep-bytes", self.keep_bytes.is_some()),
        ];
        let given = given.into_iter().find(|(_, given)| *given);
        match given.filter(|_| self.ledger.as_deref() == Some("memory")) {
            Some((name, _)) => {
                let why = "needs a ledger that lasts, and does nothing with `--ledger memory`";
                Err(SettingError::Value { name, why: why.to_owned() })
            }
            None => Ok(()),
        }
    }
}

/// What is wrong with a settings file, by line and name. Its values are never shown: URLs hold
/// passwords and tokens.
fn why(text: &str, error: &YamlError) -> String {
    let line = error.location().map(|location| location.line());
    let shown = line.and_then(|line| text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?));
    let name = shown.and_then(|shown| Some(shown.split_once(':')?.0)).filter(|it| is_name(it));
    let (name, why) = match error.without_snippet() {
        YamlError::SerdeUnknownField { field, .. } if is_name(field) => {
            (None, format!("there is no setting `{field}`; `postern serve --help` lists them"))
        }
        YamlError::SerdeUnknownField { .. } => {
            (None, "this is no setting; `postern serve --help` lists them".to_owned())
        }
        YamlError::Unexpected { expected: "sequence start", .. } => {
            (name, "want a list, as in `[a, b]`".to_owned())
        }
        YamlError::Unexpected { expected: "mapping start", .. } => {
            (None, "want settings as in `deadline: 1s`, one a line".to_owned())
        }
        YamlError::Unexpected { expected: "string scalar", .. } => {
            (name, "want one word, not a list".to_owned())
        }
        YamlError::InvalidScalar { ty: "boolean", .. } => (name, "want true or false".to_owned()),
        other => (name, UserMessageFormatter.format_message(other).into_owned()),
    };
    let name = name.map(|name| format!("`{name}`: ")).unwrap_or_default();
    match line {
        Some(line) => format!("line {line}: {name}{why}"),
        None => why,
    }
}

/// Whether it can be a setting's name, and so no value that went astray.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=40).contains(&text.len()) && text.chars().all(fits)
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
