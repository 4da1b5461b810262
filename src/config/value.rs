//! One type for each shape of a setting, with its one parser, for flags and file alike.

mod tls;

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::policy::rule::Enforcement;
use crate::policy::text::is_plain;

pub(super) use tls::{ClientName, Lifetime, ObjectName};
pub use tls::{KeyPlace, SecretName, ServerName, TlsVersion};

/// The longest timeout that the API server grants a webhook.
const MAX_DEADLINE: Duration = Duration::from_secs(30);
const MIN_DEADLINE: Duration = Duration::from_millis(10);
const MAX_DRAIN_DELAY: Duration = Duration::from_secs(600);
/// Below, an ordinary pause between two watches would count as silence.
const MIN_STALE_LIMIT: Duration = Duration::from_secs(3);
const MAX_STALE_LIMIT: Duration = Duration::from_hours(24);
/// Whoever loses a right keeps it for as long as an answer is kept.
const MAX_TTL: Duration = Duration::from_mins(5);
const MIN_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
const MAX_CHECKPOINT_INTERVAL: Duration = Duration::from_hours(24);
const MIN_KEEP: SignedDuration = SignedDuration::from_hours(1);
const MIN_KEPT: u64 = 1000;
const MIN_KEPT_BYTES: u64 = 1_000_000;
const MAX_SPAN: Duration = Duration::from_hours(24);
const MAX_IN_FLIGHT: usize = 65_536;
const MAX_NAME_BYTES: usize = 253;
const MAX_WRITER_BYTES: usize = 63;

/// The shape that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("want {0}")]
pub struct Wanted(&'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(pub(super) SocketAddr);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline(pub(super) Duration);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DrainDelay(pub(super) Duration);

/// How old what was last heard of the cluster may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StaleLimit(pub(super) Duration);

/// How long an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ttl(pub(super) Duration);

/// How often a checkpoint is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CheckpointInterval(pub(super) Duration);

/// How old records may become; in the ledger's own terms, not those of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeepFor(pub(super) SignedDuration);

/// How many records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeepRecords(pub(super) u64);

/// How many bytes of records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeepBytes(pub(super) u64);

/// How often, or for how long; zero: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strictness(pub(super) Enforcement);

/// A word that goes into records and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

/// What the ledger calls a writer: it becomes part of a file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writer(pub(super) String);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

/// Which log lines are written, the fewest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "the words are those of every log")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// As settings spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for Address {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        text.parse().map(Self).map_err(|_| Wanted("ADDRESS:PORT, as in 0.0.0.0:8443 or [::]:8443"))
    }
}

impl FromStr for Deadline {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        duration(text)
            .filter(|deadline| (MIN_DEADLINE..=MAX_DEADLINE).contains(deadline))
            .map(Self)
            .ok_or(Wanted("a duration from 10ms to 30s, as in 1s or 500ms"))
    }
}

impl FromStr for DrainDelay {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        duration(text)
            .filter(|delay| *delay <= MAX_DRAIN_DELAY)
            .map(Self)
            .ok_or(Wanted("a duration from 0s to 10m, as in 5s"))
    }
}

impl FromStr for StaleLimit {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        duration(text)
            .filter(|limit| (MIN_STALE_LIMIT..=MAX_STALE_LIMIT).contains(limit))
            .map(Self)
            .ok_or(Wanted("a duration from 3s to 24h, as in 5m"))
    }
}

impl FromStr for Ttl {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        duration(text)
            .filter(|ttl| *ttl <= MAX_TTL)
            .map(Self)
            .ok_or(Wanted("a duration from 0s to 5m, as in 10s"))
    }
}

impl FromStr for KeepFor {
    type Err = Wanted;

    /// Days are not a duration to everybody: `90d` is ninety times 24 hours.
    fn from_str(text: &str) -> Result<Self, Wanted> {
        with_days(text)
            .filter(|age| *age >= MIN_KEEP)
            .map(Self)
            .ok_or(Wanted("a duration of at least 1h, as in 400d or 24h"))
    }
}

impl FromStr for KeepRecords {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        text.parse()
            .ok()
            .filter(|number| *number >= MIN_KEPT)
            .map(Self)
            .ok_or(Wanted("a number of at least 1000"))
    }
}

impl FromStr for KeepBytes {
    type Err = Wanted;

    /// As Kubernetes writes sizes: `20Gi`, `500M`, or so many bytes.
    fn from_str(text: &str) -> Result<Self, Wanted> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
        let unit = match unit {
            "" => Some(1_u64),
            "M" => Some(1_000_000),
            "G" => Some(1_000_000_000),
            "T" => Some(1_000_000_000_000),
            "Mi" => Some(1 << 20),
            "Gi" => Some(1 << 30),
            "Ti" => Some(1 << 40),
            _ => None,
        };
        let bytes = number.parse::<u64>().ok().zip(unit);
        bytes
            .and_then(|(number, unit)| number.checked_mul(unit))
            .filter(|bytes| *bytes >= MIN_KEPT_BYTES)
            .map(Self)
            .ok_or(Wanted(
                "a whole number of bytes, or of M, G, T, Mi, Gi or Ti: at least 1M, as in 20Gi",
            ))
    }
}

impl FromStr for CheckpointInterval {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        duration(text)
            .filter(|every| (MIN_CHECKPOINT_INTERVAL..=MAX_CHECKPOINT_INTERVAL).contains(every))
            .map(Self)
            .ok_or(Wanted("a duration from 1s to 24h, as in 1m"))
    }
}

impl FromStr for Span {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        duration(text)
            .filter(|span| span.is_zero() || (Duration::from_secs(1)..=MAX_SPAN).contains(span))
            .map(Self)
            .ok_or(Wanted("0s, or a duration from 1s to 24h, as in 10m"))
    }
}

/// Days are 24 hours each.
fn with_days(text: &str) -> Option<SignedDuration> {
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<i32>().ok());
    match days {
        Some(days) => SignedDuration::from_hours(24).checked_mul(days),
        None => text.parse().ok(),
    }
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok()?.try_into().ok()
}

impl FromStr for Count {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        text.parse()
            .ok()
            .filter(|count| (1..=MAX_IN_FLIGHT).contains(count))
            .map(Self)
            .ok_or(Wanted("a number from 1 to 65536"))
    }
}

impl FromStr for Strictness {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        [Enforcement::Enforce, Enforcement::Warn, Enforcement::Audit]
            .into_iter()
            .find(|level| level.as_str() == text)
            .map(Self)
            .ok_or(Wanted("Enforce, Warn or Audit"))
    }
}

impl FromStr for Name {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        let fits = !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.chars().all(is_plain);
        fits.then(|| Self(text.to_owned()))
            .ok_or(Wanted("1 to 253 bytes of text without control characters"))
    }
}

impl FromStr for Writer {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        let fits = (1..=MAX_WRITER_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        fits.then(|| Self(text.to_owned()))
            .ok_or(Wanted("1 to 63 letters, digits, `.`, `_` and `-`"))
    }
}

impl FromStr for LogFormat {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(Wanted("json or text")),
        }
    }
}

impl FromStr for LogLevel {
    type Err = Wanted;

    fn from_str(text: &str) -> Result<Self, Wanted> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(Wanted("error, warn, info, debug or trace"))
    }
}

/// In the file every setting is read from the same text as on the command line; `256` and `"256"`
/// are one, and a name that looks like a number stays as it is.
fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = Wanted>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

macro_rules! read_from_text {
    ($($type:ty),+) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }
    )+};
}

read_from_text!(
    Address,
    CheckpointInterval,
    ClientName,
    Deadline,
    DrainDelay,
    KeyPlace,
    KeepBytes,
    KeepFor,
    KeepRecords,
    StaleLimit,
    Ttl,
    Span,
    Count,
    Strictness,
    Name,
    Writer,
    LogFormat,
    LogLevel,
    Lifetime,
    ObjectName,
    SecretName,
    ServerName,
    TlsVersion
);
