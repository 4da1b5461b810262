//! How far a long command is, for whoever waits at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two pictures.
const PAUSE: Duration = Duration::from_millis(200);
/// Of the bar, in characters.
const WIDTH: usize = 30;

/// A line on standard error that is drawn again and again, and gone with this value; nothing where
/// that is no terminal.
pub(super) struct Progress {
    what: String,
    /// Nothing where it is not known.
    total: Option<u64>,
    drawn: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(what: &str, total: u64) -> Self {
        let total = Some(total.max(1));
        Self { what: what.to_owned(), total, drawn: None, is_shown: io::stderr().is_terminal() }
    }

    /// For what is counted while it is printed: beside records on the same screen it would be in
    /// the way.
    pub(super) fn counting(what: &str) -> Self {
        let is_shown = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Self { what: what.to_owned(), total: None, drawn: None, is_shown }
    }

    /// For what tells nothing until it is done.
    pub(super) fn waiting(what: &str) -> Self {
        let mut this = Self::new(what, 1);
        if this.is_shown {
            this.drawn = Some(Instant::now());
            drop(write!(io::stderr(), "\r{what} … "));
        }
        this
    }

    pub(super) fn at(&mut self, done: u64) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE);
        if !self.is_shown || !is_due {
            return;
        }
        self.drawn = Some(Instant::now());
        let what = &self.what;
        let line = match self.total {
            None => format!("{done} {what} so far"),
            Some(total) => {
                let parts = done.min(total).saturating_mul(WIDTH as u64) / total;
                let full = usize::try_from(parts).unwrap_or_default().min(WIDTH);
                let (full, empty) = ("#".repeat(full), ".".repeat(WIDTH - full));
                format!("{what} [{full}{empty}] {done} of {total}")
            }
        };
        // Nobody may be left to read it.
        drop(write!(io::stderr(), "\r{line} "));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            drop(write!(io::stderr(), "\r\u{1b}[K"));
        }
    }
}
