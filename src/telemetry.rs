//! Layer 5, logs.
//!
//! Everything goes to standard error. Metrics are in [`crate::server::metrics`], beside what counts.
//! No line holds a body, a variable or a command of anybody's container.

use std::io;
use std::panic::PanicHookInfo;

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::policy::text::Plain;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object a line.
    Json,
    /// For people, with colours or without.
    Text {
        /// Whether the reader's terminal shows them.
        colour: bool,
    },
}

/// Starts logging, panics included: a panic's own report would be no JSON and may quote a request.
///
/// `level` is of this program's own lines: `error` to `trace`. Of its libraries only warnings are
/// logged, for at lower levels some log what is sent; of kube's watches not even those, because it
/// warns at every attempt, and whoever watches says it once.
///
/// # Errors
///
/// Logging was started before.
pub fn start(format: Format, level: &str) -> Result<(), TryInitError> {
    let filter = EnvFilter::new(format!("warn,kube_runtime=error,postern={level}"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Json => lines.json().flatten_event(true).finish().try_init()?,
        Format::Text { colour } => {
            lines.with_ansi(colour).with_target(false).finish().try_init()?
        }
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    error!(place, "A fault inside: {}", Plain(message));
}
