//! Brings one target what it does not have yet.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::warn;

use super::backoff::{Backoff, Complaint};
use super::dial::Dialer;
use super::file::Lines;
use super::http::Poster;
use super::stdout::Printer;
use super::syslog::Teller;
use super::target::Target;
use super::{Credentials, Tally, Trouble};
use crate::ledger::{Journal, Kept};

/// Entries in one batch, at most.
const BATCH: usize = 64;
/// Bytes in one batch, unless a single entry has more.
const BATCH_BYTES: usize = 1024 * 1024;
const NDJSON: &str = "application/x-ndjson";

/// One target's task.
pub(super) struct Courier<J> {
    pub(super) journal: J,
    pub(super) writer: String,
    /// What the target's cursor is called in the store.
    pub(super) cursor: String,
    pub(super) carrier: Carrier,
    pub(super) label: String,
    pub(super) shown: String,
    pub(super) tally: Arc<dyn Tally>,
    /// The end of the sequence, as far as is known.
    pub(super) newest: watch::Receiver<u64>,
    /// The cursor, once it has been read.
    pub(super) at: watch::Sender<Option<u64>>,
}

/// What the target has, which the store may not know yet.
#[derive(Debug, Default)]
struct Delivered {
    through: u64,
    /// Most entries that are tried at once.
    most: usize,
}

impl<J: Journal> Courier<J> {
    /// Brings everything, for ever.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut complaint = Complaint::about(format!("entries to {} ({})", self.label, self.shown));
        let mut delivered = Delivered { through: 0, most: BATCH };
        loop {
            // Before reading: what is written from here on is seen as a change.
            self.newest.borrow_and_update();
            match self.step(&mut delivered).await {
                Ok(took) => {
                    backoff.reset();
                    complaint.over();
                    if !took && self.newest.changed().await.is_err() {
                        return;
                    }
                }
                // There is nothing to wait for before it gets fewer entries.
                Err(Trouble::TooLarge) => self.tally.failed(&self.label),
                Err(trouble) => {
                    self.tally.failed(&self.label);
                    complaint.failed(&trouble.to_string());
                    sleep(backoff.next()).await;
                }
            }
        }
    }

    /// One batch; whether there was one.
    async fn step(&mut self, delivered: &mut Delivered) -> Result<bool, Trouble> {
        let noted = self.noted(delivered).await?;
        if noted < delivered.through {
            let (cursor, through) = (self.cursor.as_str(), delivered.through);
            let moved = self.journal.advance(cursor, &self.writer, through).await;
            moved.map_err(Trouble::Ledger)?;
            self.at.send_replace(Some(through));
        }
        let after = delivered.through;
        let entries = self.journal.entries_after(&self.writer, after, delivered.most).await;
        let entries = cut(entries.map_err(Trouble::Ledger)?);
        let Some(first) = entries.first() else { return Ok(false) };
        let (first, bytes) = (first.sequence, first.json.len() + 1);
        let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
        let number = entries.len();
        let taken = match self.carrier.carry(entries).await {
            Err(Trouble::TooLarge) if number == 1 => {
                return Err(Trouble::EntryTooLarge { sequence: first, bytes });
            }
            Err(Trouble::TooLarge) => {
                delivered.most = number / 2;
                return Err(Trouble::TooLarge);
            }
            carried => carried?,
        };
        let Some(last) = sequences.into_iter().take(taken).next_back() else { return Ok(false) };
        if first > after + 1 {
            warn!(
                "{} ({}) never got entries {} to {}: the ledger dropped them before",
                self.label,
                self.shown,
                after + 1,
                first - 1
            );
        }
        self.tally.forwarded(&self.label, taken as u64);
        *delivered = Delivered { through: last, most: (delivered.most + 1).min(BATCH) };
        Ok(true)
    }

    /// The cursor as the store has it; the first time it is read.
    async fn noted(&self, delivered: &mut Delivered) -> Result<u64, Trouble> {
        let known = *self.at.borrow();
        if let Some(at) = known {
            return Ok(at);
        }
        let cursors = self.journal.cursors(&self.cursor).await.map_err(Trouble::Ledger)?;
        let at = cursors.get(&self.writer).copied().unwrap_or(0);
        let at = if self.is_beyond_the_end(at).await? { 0 } else { at };
        delivered.through = at;
        self.at.send_replace(Some(at));
        Ok(at)
    }

    /// Whether the target is said to have what nobody has written. Then nobody knows what it has,
    /// and twice is better than never.
    async fn is_beyond_the_end(&self, at: u64) -> Result<bool, Trouble> {
        let Some(before) = at.checked_sub(1) else { return Ok(false) };
        let there = self.journal.entries_after(&self.writer, before, 1).await;
        let is_beyond = there.map_err(Trouble::Ledger)?.is_empty();
        if is_beyond {
            warn!(
                "{} ({}) is noted to have entries up to {at}, which is beyond the last: somebody \
                 moved its cursor, or entries were lost; all are sent again",
                self.label, self.shown
            );
        }
        Ok(is_beyond)
    }
}

/// As many of them as fit in one batch, the first in any case.
fn cut(mut entries: Vec<Kept>) -> Vec<Kept> {
    let mut bytes = 0;
    let fit = entries.iter().take_while(|entry| {
        let is_first = bytes == 0;
        bytes += entry.json.len() + 1;
        is_first || bytes <= BATCH_BYTES
    });
    let fit = fit.count();
    entries.truncate(fit);
    entries
}

/// How entries get to a target.
pub(super) enum Carrier {
    Stdout(Arc<Mutex<Printer>>),
    File(Arc<Mutex<Lines>>),
    Http(Poster),
    Syslog(Teller),
}

impl Carrier {
    pub(super) fn new(
        target: &Target,
        credentials: &Credentials,
        writer: &str,
    ) -> Result<Self, Trouble> {
        let Credentials { ca, token } = credentials;
        match target {
            Target::Stdout => Ok(Self::Stdout(Arc::new(Mutex::new(Printer::new())))),
            Target::File(file) => {
                let mut lines = Lines::new(file.clone());
                lines.check().map_err(Trouble::while_("open it"))?;
                Ok(Self::File(Arc::new(Mutex::new(lines))))
            }
            Target::Http(url) => {
                let dialer = Dialer::new(url.endpoint.clone(), ca.clone());
                let poster = Poster::new(url.clone(), dialer, token.clone());
                poster.check()?;
                Ok(Self::Http(poster))
            }
            Target::Syslog(endpoint) => {
                let dialer = Dialer::new(endpoint.clone(), ca.clone());
                let teller = Teller::new(dialer, writer.to_owned());
                teller.check()?;
                Ok(Self::Syslog(teller))
            }
        }
    }

    /// Gives the target these entries; it has so many of them, from the first, once this is `Ok`.
    async fn carry(&mut self, entries: Vec<Kept>) -> Result<usize, Trouble> {
        let all = entries.len();
        match self {
            Self::Stdout(printer) => {
                let printer = Arc::clone(printer);
                let print = move || {
                    let mut printer = printer.lock().unwrap_or_else(PoisonError::into_inner);
                    printer.print(&lines(&entries))
                };
                blocking(print).await.map(|()| all)
            }
            Self::File(file) => {
                let file = Arc::clone(file);
                let append = move || {
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    file.append(entries.iter().map(|entry| entry.json.as_str()))
                };
                blocking(append).await
            }
            Self::Http(poster) => poster.post(NDJSON, lines(&entries)).await.map(|()| all),
            Self::Syslog(teller) => teller.tell(&entries).await.map(|()| all),
        }
    }
}

/// Work that may wait for a disk or a reader, off the threads that answer.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Trouble> {
    let done = spawn_blocking(work).await.map_err(|_| Trouble::Gone)?;
    done.map_err(Trouble::while_("write"))
}

fn lines(entries: &[Kept]) -> Vec<u8> {
    entries.iter().flat_map(|entry| [entry.json.as_bytes(), b"\n"]).flatten().copied().collect()
}
