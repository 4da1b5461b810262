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
            for place in &self.0 {
                match place.get_or_init(|| Mutex::new(start())).try_lock() {
                    Ok(free) => return free,
                    // The test that had it failed; what it left is cleared away like any other's.
                    Err(TryLockError::Poisoned(left)) => return left.into_inner(),
                    Err(TryLockError::WouldBlock) => {}
                }
            }
            sleep(Duration::from_millis(20));
        }
    }
}
