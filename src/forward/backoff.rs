//! How long to wait before trying again, and how often to complain meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tracing::{info, warn};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// Pauses that grow: each is twice the last, less up to a half by chance, so that servers that lost
/// the same receiver do not come back to it as one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Every `RandomState` has keys of its own: chance enough for a pause.
        let chance = RandomState::new().hash_one(()) % 1000;
        let less = longest / 2 * u32::try_from(chance).unwrap_or(0) / 1000;
        longest.saturating_sub(less)
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Says a failure once, and once that it is over.
#[derive(Debug)]
pub(super) struct Complaint {
    /// What goes wrong: `entries for http-2 (https://siem:443)`.
    what: String,
    said: Option<String>,
}

impl Complaint {
    pub(super) fn about(what: String) -> Self {
        Self { what, said: None }
    }

    /// It does not work, for this reason.
    pub(super) fn failed(&mut self, why: &str) {
        if self.said.as_deref() != Some(why) {
            warn!("Cannot send {}, tried again until it works: {why}", self.what);
            self.said = Some(why.to_owned());
        }
    }

    /// It works.
    pub(super) fn over(&mut self) {
        if self.said.take().is_some() {
            info!("Sending {} again", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FIRST, LONGEST};

    #[test]
    fn pauses_grow_up_to_a_limit_and_start_again() {
        let mut backoff = Backoff::default();
        let mut longest = FIRST;
        for _ in 0..40 {
            let pause = backoff.next();
            assert!((longest / 2..=longest).contains(&pause), "{pause:?} of {longest:?}");
            longest = (longest * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn two_pauses_are_not_the_same() {
        let pauses: std::collections::BTreeSet<_> =
            (0..50).map(|_| Backoff { failures: 20 }.next()).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
