//! How far a long command is, for whoever waits at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two pictures.
const PAUSE: Duration = Duration::from_millis(200);
/// Of the bar, in characters.
const WIDTH: usize = 30;

/// A line on standard error that is drawn again and again; nothing where that is no terminal.
pub(super) struct Progress {
    what: String,
    total: u64,
    drawn: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(what: &str, total: u64) -> Self {
        let is_shown = io::stderr().is_terminal();
        Self { what: what.to_owned(), total: total.max(1), drawn: None, is_shown }
    }

    pub(super) fn at(&mut self, done: u64) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE);
        if !self.is_shown || !is_due {
            return;
        }
        self.drawn = Some(Instant::now());
        let Self { what, total, .. } = self;
        let parts = done.min(*total).saturating_mul(WIDTH as u64) / *total;
        let full = usize::try_from(parts).unwrap_or_default().min(WIDTH);
        let (full, empty) = ("#".repeat(full), ".".repeat(WIDTH - full));
        // Nobody may be left to read it.
        drop(write!(io::stderr(), "\r{what} [{full}{empty}] {done} of {total} "));
    }

    pub(super) fn end(self) {
        if self.is_shown && self.drawn.is_some() {
            drop(write!(io::stderr(), "\r\u{1b}[K"));
        }
    }
}
