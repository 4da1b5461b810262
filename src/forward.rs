//! Layer 5, what the ledger holds, sent elsewhere as it is written.
//!
//! ```text
//!                    ┌─ courier ─ file
//! journal ─ newest ──┼─ courier ─ http
//!   └─ cursors ──────┴─ courier ─ syslog
//! ```
//!
//! Each target has a task of its own and a cursor in the store, which moves only after the target
//! has what it was given. So whatever ends the process, the next one goes on from there: nothing is
//! left out, and what was just being sent may be sent twice. Nobody who answers reviews waits for
//! any of this.

pub mod apart;
mod backoff;
pub mod checkpoints;
mod courier;
mod dial;
mod file;
mod http;
mod stdout;
mod syslog;
pub mod target;
pub mod traces;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::ledger::{Journal, LedgerError};

pub use self::target::{Target, TargetError};

use self::courier::{Carrier, Courier};

/// How often it is asked whether something was written.
const POLL: Duration = Duration::from_secs(1);
/// How long a receiver may take for one batch.
const WAIT: Duration = Duration::from_secs(30);

/// How receivers are known, and how they know who is sending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// PEM: trust these authorities instead of the system's.
    pub ca: Option<PathBuf>,
    /// A file with the token that is shown to HTTP receivers.
    pub token: Option<PathBuf>,
}

/// What is counted of targets. They are called by their kind and place: `file-1`, `http-2`.
pub trait Tally: Send + Sync + 'static {
    /// So many entries wait for a target.
    fn lag(&self, target: &str, entries: u64);

    /// A target was given something and did not take it.
    fn failed(&self, target: &str);

    /// A target took so many entries.
    fn forwarded(&self, target: &str, entries: u64);

    /// A place for checkpoints did not take one.
    fn checkpoint_failed(&self, target: &str);
}

/// Why a target did not take something. Nothing of it ends the program once it runs: all of it is
/// tried again. No message repeats a URL or a token.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence is the documentation")]
pub enum Trouble {
    #[error("cannot {what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("no answer within {} s", WAIT.as_secs())]
    Late,
    #[error("the answer is HTTP {0}")]
    Status(u16),
    #[error("the answer is HTTP 413: it is too large")]
    TooLarge,
    #[error(
        "the answer is HTTP 413: entry {sequence} alone, with {bytes} bytes, is too large; no entry is \
         skipped, so the receiver has to take more"
    )]
    EntryTooLarge { sequence: u64, bytes: usize },
    #[error("the answer is not HTTP: {0}")]
    Http(String),
    #[error("the connection broke before there was an answer: {0}")]
    Broken(String),
    #[error("the connection was closed before there was an answer")]
    Closed,
    #[error("the host is not a name that a certificate could have")]
    NotAName,
    #[error("no authority can be used: {0}")]
    Authorities(String),
    #[error("the token in `{}` cannot be read: {source}", path.display())]
    Token { path: PathBuf, source: io::Error },
    #[error("`{}` holds no token", .0.display())]
    NotAToken(PathBuf),
    #[error("a token is sent over https only, or to this machine")]
    TokenInTheClear,
    #[error("{0}")]
    Ledger(LedgerError),
    #[error("the task that writes is gone")]
    Gone,
}

impl Trouble {
    fn while_(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    fn token(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Token { path: path.to_owned(), source }
    }

    fn http(error: &hyper::Error) -> Self {
        let source = std::error::Error::source(error);
        if let Some(broken) = source.and_then(|source| source.downcast_ref::<io::Error>()) {
            return match broken.kind() {
                io::ErrorKind::UnexpectedEof => Self::Closed,
                _ => Self::Broken(broken.to_string()),
            };
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::Closed;
        }
        Self::Http(source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}")))
    }
}

/// Targets that can be used, as far as can be told before anything is sent.
pub struct Prepared {
    targets: Vec<(Target, Carrier)>,
    writer: String,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.targets.iter().map(|(target, _)| target)).finish()
    }
}

impl Prepared {
    /// Prepares to send the entries of this writer.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or authorities or token cannot be used: the target and why.
    /// Whether a receiver is there is not asked.
    pub fn new(
        targets: Vec<Target>,
        credentials: &Credentials,
        writer: &str,
    ) -> Result<Self, (Target, Trouble)> {
        let with_carrier = |target: Target| match Carrier::new(&target, credentials, writer) {
            Ok(carrier) => Ok((target, carrier)),
            Err(trouble) => Err((target, trouble)),
        };
        let targets = targets.into_iter().map(with_carrier).collect::<Result<_, _>>()?;
        Ok(Self { targets, writer: writer.to_owned() })
    }

    /// Begins to send.
    pub fn start<J: Journal>(self, journal: &J, tally: &Arc<dyn Tally>) -> Forwarding<J> {
        let Self { targets, writer } = self;
        let (newest, known) = watch::channel(0);
        let newest = Arc::new(newest);
        let mut tasks = JoinSet::new();
        let mut reached = Vec::new();
        for (position, (target, carrier)) in targets.into_iter().enumerate() {
            let label = label(target.kind(), position);
            let (at, seen) = watch::channel(None);
            reached.push(Reached { label: label.clone(), at: seen });
            let courier = Courier {
                journal: journal.clone(),
                writer: writer.clone(),
                cursor: target.cursor(),
                carrier,
                label,
                shown: target.to_string(),
                tally: Arc::clone(tally),
                newest: known.clone(),
                at,
            };
            tasks.spawn(courier.run());
        }
        let look = (!reached.is_empty()).then(|| Look { journal: journal.clone(), writer, newest });
        if let Some(look) = look.clone() {
            tasks.spawn(look.run(reached.clone(), Arc::clone(tally)));
        }
        Forwarding { look, reached, tasks }
    }
}

/// `http-2` for the second.
#[must_use]
pub fn label(kind: &str, position: usize) -> String {
    format!("{kind}-{}", position + 1)
}

/// How far a target is.
#[derive(Debug, Clone)]
struct Reached {
    label: String,
    /// The cursor; nothing before it has been read.
    at: watch::Receiver<Option<u64>>,
}

/// What is being sent. It ends with this value.
#[derive(Debug)]
pub struct Forwarding<J> {
    look: Option<Look<J>>,
    reached: Vec<Reached>,
    tasks: JoinSet<()>,
}

impl<J: Journal> Forwarding<J> {
    /// Lets targets catch up with what has been written until now, for so long at most, and stops.
    /// What they do not have then, they get after the next start.
    pub async fn finish(&mut self, patience: Duration) {
        if let Some(look) = &self.look {
            let caught_up = async {
                let Ok(newest) = look.again().await else { return };
                for reached in &mut self.reached {
                    // A courier that is gone will not catch up.
                    drop(reached.at.wait_for(|at| at.is_some_and(|at| at >= newest)).await);
                }
            };
            if timeout(patience, caught_up).await.is_err() {
                warn!("Not every target has every entry; the rest is sent after the next start");
            }
        }
        self.tasks.shutdown().await;
    }
}

/// Finds out where the writer's sequence ends.
#[derive(Debug, Clone)]
struct Look<J> {
    journal: J,
    writer: String,
    newest: Arc<watch::Sender<u64>>,
}

impl<J: Journal> Look<J> {
    /// Looks, and says how far behind each target is, for ever.
    async fn run(self, reached: Vec<Reached>, tally: Arc<dyn Tally>) {
        loop {
            // Couriers read the same store and say what is wrong with it.
            if let Ok(newest) = self.again().await {
                for Reached { label, at } in &reached {
                    if let Some(at) = *at.borrow() {
                        tally.lag(label, newest.saturating_sub(at));
                    }
                }
            }
            sleep(POLL).await;
        }
    }

    async fn again(&self) -> Result<u64, LedgerError> {
        let known = *self.newest.borrow();
        let newest = newest_after(&self.journal, &self.writer, known).await?;
        self.newest.send_if_modified(|known| {
            let is_newer = newest > *known;
            *known = newest.max(*known);
            is_newer
        });
        Ok(newest)
    }
}

/// The end of a writer's sequence, which is not before `known`. Most times one question tells;
/// otherwise the steps double until they overshoot, then halve.
async fn newest_after<J: Journal>(
    journal: &J,
    writer: &str,
    known: u64,
) -> Result<u64, LedgerError> {
    let mut newest = known;
    let mut step = 1_u64;
    let mut overshot = false;
    loop {
        let ahead = newest.saturating_add(step - 1);
        match journal.entries_after(writer, ahead, 1).await?.first() {
            Some(next) => newest = next.sequence,
            None if step == 1 => return Ok(newest),
            None => overshot = true,
        }
        step = if overshot { (step / 2).max(1) } else { step.saturating_mul(2) };
    }
}

#[cfg(test)]
mod tests;
