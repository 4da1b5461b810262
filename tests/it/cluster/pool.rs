//! What takes seconds to start and bears one test at a time: a few of it, so that a test finds one
//! free while another waits for its servers.

use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::sleep;
use std::time::Duration;

/// How many are started, where tests want them at once.
const SIZE: usize = 2;

pub(crate) struct Pool<T>([OnceLock<Mutex<T>>; SIZE]);

impl<T> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; SIZE])
    }

    /// One that nobody uses, started if there is none yet.
    pub(crate) fn take(&self, start: impl Fn() -> T) -> MutexGuard<'_, T> {
        loop {
            let mut made = self.0.iter().filter_map(OnceLock::get);
            if let Some(free) = made.find_map(|place| free(place, &start)) {
                return free;
            }
            if let Some(place) = self.0.iter().find(|place| place.get().is_none()) {
                // Whoever comes while it is started waits for that, and then for its turn.
                place.get_or_init(|| Mutex::new(start()));
            } else {
                sleep(Duration::from_millis(20));
            }
        }
    }
}

fn free<'a, T>(place: &'a Mutex<T>, start: &impl Fn() -> T) -> Option<MutexGuard<'a, T>> {
    match place.try_lock() {
        Ok(free) => Some(free),
        Err(TryLockError::Poisoned(left)) => {
            // The test that had it failed, and may have left it without its API server: the next
            // one must not fail for that.
            let mut left = left.into_inner();
            *left = start();
            place.clear_poison();
            Some(left)
        }
        Err(TryLockError::WouldBlock) => None,
    }
}
