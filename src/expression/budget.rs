//! What an evaluation may spend. Every step, every byte made and every byte looked at is paid
//! for before it is spent.

use core::time::Duration;
use std::time::Instant;

use super::Trouble;

/// Steps of one evaluation: some milliseconds of work.
const MAX_STEPS: usize = 200_000;
/// Bytes made in one evaluation, whether or not they are still needed.
const MAX_BYTES: usize = 4 << 20;
/// The clock is read once in so many steps.
const CLOCK_EVERY: usize = 1024;
/// Bytes of text that are looked at in one step.
const BYTES_PER_STEP: usize = 16;
/// The time of one evaluation where the caller sets none.
pub(super) const DEFAULT_TIME: Duration = Duration::from_millis(100);

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    until_clock: usize,
    bytes: usize,
    allowed: Duration,
    /// Set when the clock is first read, which short expressions never do.
    deadline: Option<Instant>,
}

impl Budget {
    pub(super) fn new(allowed: Duration, deadline: Option<Instant>) -> Self {
        Self { steps: MAX_STEPS, until_clock: CLOCK_EVERY, bytes: MAX_BYTES, allowed, deadline }
    }

    /// Pays for `count` steps.
    pub(super) fn steps(&mut self, count: usize) -> Result<(), Trouble> {
        match self.steps.checked_sub(count) {
            Some(left) => self.steps = left,
            None => return Err(Trouble::TooManySteps),
        }
        match self.until_clock.checked_sub(count) {
            Some(left) => {
                self.until_clock = left;
                Ok(())
            }
            None => self.clock(),
        }
    }

    /// Pays for looking at text or bytes of this length.
    pub(super) fn look(&mut self, length: usize) -> Result<(), Trouble> {
        self.steps(length / BYTES_PER_STEP)
    }

    /// Pays for making something of this many bytes.
    pub(super) fn make(&mut self, bytes: usize) -> Result<(), Trouble> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => return Err(Trouble::TooMuchMemory),
        }
        self.look(bytes)
    }

    /// Pays for making a list of this many items.
    pub(super) fn make_list(&mut self, items: usize) -> Result<(), Trouble> {
        self.make(items.saturating_mul(size_of::<super::value::Value<'_>>()))
    }

    #[cold]
    fn clock(&mut self) -> Result<(), Trouble> {
        self.until_clock = CLOCK_EVERY;
        let now = Instant::now();
        let own = now.checked_add(self.allowed);
        let deadline = match (self.deadline, own) {
            (Some(deadline), _) => deadline,
            (None, Some(own)) => *self.deadline.insert(own),
            (None, None) => return Ok(()),
        };
        if now >= deadline { Err(Trouble::TooLate) } else { Ok(()) }
    }
}
