//! How a watch is doing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::client::Pulse;

/// How one watch is doing. Shared by whoever runs it and whoever asks about it.
#[derive(Debug)]
pub struct Health {
    what: &'static str,
    pulse: Pulse,
    synced: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    text: String,
}

impl Health {
    pub(super) fn new(what: &'static str, pulse: Pulse) -> Self {
        Self { what, pulse, synced: AtomicBool::new(false), trouble: Mutex::new(None) }
    }

    /// What is watched, in one word.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// How long ago the API server was last heard on it; `None`: never.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.pulse.last().map(|last| last.elapsed())
    }

    /// For readiness: what is remarkable although it works, or why it does not.
    ///
    /// # Errors
    ///
    /// Nothing has been read yet, or nothing was heard for longer than `limit`.
    pub fn state(&self, limit: Duration) -> Result<Option<String>, String> {
        let what = self.what;
        let trouble = self.trouble().map(|text| format!(": {text}"));
        let why = trouble.clone().unwrap_or_default();
        match self.age().filter(|_| self.synced.load(Ordering::Relaxed)) {
            None => Err(format!("the {what} have not been read yet{why}")),
            Some(age) if age > limit => Err(format!(
                "nothing was heard of the {what} for {}s, the limit is {}s{why}",
                age.as_secs(),
                limit.as_secs()
            )),
            Some(age) => Ok(trouble.map(|why| {
                format!("the {what} are those of {}s ago, and stay in force{why}", age.as_secs())
            })),
        }
    }

    /// What keeps it from working now.
    fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = self.pulse.last();
        // A watch that is taken up again says nothing of itself as long as nothing changes.
        trouble
            .as_ref()
            .filter(|trouble| heard.is_none_or(|heard| heard <= trouble.since))
            .map(|trouble| trouble.text.clone())
    }

    /// Everything that there is has been read.
    pub(super) fn synced(&self) {
        if !self.synced.swap(true, Ordering::Relaxed) {
            info!("Watching the {} of the cluster", self.what);
        }
    }

    /// It failed, which is said once for each way of failing.
    pub(super) fn failed(&self, text: String) {
        let since = Instant::now();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref().is_none_or(|before| before.text != text) {
            warn!("The {} of the cluster cannot be watched: {text}", self.what);
        }
        *trouble = Some(Trouble { since, text });
    }

    /// Looks whether it works again; says so once.
    pub(super) fn is_well(&self) -> bool {
        if self.trouble().is_some() {
            return false;
        }
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.take().is_some() {
            info!("The {} of the cluster are watched again", self.what);
        }
        true
    }
}

#[cfg(test)]
mod tests;
