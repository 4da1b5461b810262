//! Layer 5, logs.
//!
//! Everything goes to standard error, and nobody waits for whoever reads it. Metrics are in [`crate::server::metrics`], beside what counts.
//! No line holds a body, a variable or a command of anybody's container.

mod queue;

use std::io;
use std::panic::PanicHookInfo;
use std::time::Duration;

use tracing::error;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::policy::text::Plain;

use self::queue::Queue;

/// So many bytes of lines wait for a reader: some thousand decisions.
const WAITING: usize = 4 * 1024 * 1024;
/// How long a reader may take for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

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

/// Changes which lines are written while the program runs.
#[derive(Debug, Clone)]
pub struct Levels(Handle<EnvFilter, Registry>);

impl Levels {
    /// Lines of this level and above are written from now on.
    ///
    /// # Errors
    ///
    /// Logging has ended.
    pub fn set(&self, level: &str) -> Result<(), reload::Error> {
        self.0.reload(filter(level))
    }
}

/// Lines that are on their way. Whatever ends the program, this ends last: it waits until they are
/// written, unless nobody reads them.
#[derive(Debug)]
pub struct Lines(Queue);

impl Lines {
    /// Waits until what was logged before is written, unless nobody reads it.
    pub fn drain(&self) {
        self.0.drain(LAST_LINES);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.drain();
    }
}

/// Starts logging, panics included: a panic's own report would be no JSON and may quote a request.
///
/// `level` is of this program's own lines: `error` to `trace`. Of its libraries only warnings are
/// logged, for at lower levels some log what is sent.
///
/// # Errors
///
/// Logging was started before, or there can be no thread that writes.
pub fn start(format: Format, level: &str) -> io::Result<(Levels, Lines)> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let queue = Queue::start(io::stderr(), WAITING, tell_dropped)?;
    let writer = queue.clone();
    let lines = fmt::layer().with_writer(move || writer.clone());
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        Format::Text { colour } => {
            registry.with(lines.with_ansi(colour).with_target(false)).try_init()
        }
    }
    .map_err(io::Error::other)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok((Levels(handle), Lines(queue)))
}

/// Those through which the API server is asked: each attempt is an error, and whoever asks says it
/// once.
const SILENT: &str = "kube_runtime=error,kube_client::client::builder=off,\
                      rustls_platform_verifier=off";

fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("warn,{SILENT},postern={level}"))
}

fn tell_dropped(lines: u64) {
    error!(lines, "Log lines were dropped: nobody read standard error");
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    error!(place, "A fault inside: {}", Plain(message));
}
