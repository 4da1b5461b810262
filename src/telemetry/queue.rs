//! Lines on their way out. Whoever logs waits for nobody who reads: a pipe that is full would stop
//! one request after the other, and with them the probes and the way out.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What comes within a moment goes out together: to wake the thread for each line, and to have it
/// write that alone, cost a request a quarter more CPU than to write it there and then.
const MOMENT: Duration = Duration::from_millis(1);

/// Takes whole lines; a thread of its own writes them.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Bytes that may wait.
    limit: usize,
    come: Condvar,
    gone: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines for which there was no place, and of which nobody was told yet.
    dropped: u64,
    is_busy: bool,
}

impl Queue {
    /// Begins to write. Of lines that were dropped `tell` is told how many, once others go out.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        limit: usize,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (come, gone) = (Condvar::new(), Condvar::new());
        let queue = Self(Arc::new(Shared { waiting: Mutex::default(), limit, come, gone }));
        let lines = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || lines.write_to(out, tell))?;
        Ok(queue)
    }

    /// Waits until everything is written, for so long at most.
    pub(super) fn drain(&self, patience: Duration) {
        let is_left = |waiting: &mut Waiting| waiting.is_busy || !waiting.lines.is_empty();
        // What is left then, nobody reads.
        drop(self.0.gone.wait_timeout_while(self.waiting(), patience, is_left));
    }

    fn write_to(&self, mut out: impl Write, tell: impl Fn(u64)) {
        loop {
            // There is nobody else to tell of what cannot be written.
            drop(out.write_all(&self.next()));
            let dropped = self.dropped();
            if dropped > 0 {
                tell(dropped);
            }
            self.waiting().is_busy = false;
            self.0.gone.notify_all();
        }
    }

    fn next(&self) -> Vec<u8> {
        let nothing = |waiting: &mut Waiting| waiting.lines.is_empty();
        drop(self.0.come.wait_while(self.waiting(), nothing));
        thread::sleep(MOMENT);
        let mut waiting = self.waiting();
        waiting.is_busy = true;
        mem::take(&mut waiting.lines)
    }

    /// How many nobody was told of, if there is a place for that now.
    fn dropped(&self) -> u64 {
        let mut waiting = self.waiting();
        let is_free = waiting.lines.len() <= self.0.limit / 2;
        if is_free { mem::take(&mut waiting.dropped) } else { 0 }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Queue {
    /// Takes all of it or drops all of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        let is_first = waiting.lines.is_empty();
        if waiting.lines.len() + line.len() > self.0.limit {
            waiting.dropped += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        drop(waiting);
        if is_first {
            self.0.come.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use super::Queue;

    /// Takes nothing before the other end is gone.
    struct Stalled {
        until: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(self.until.recv().is_err());
            self.taken.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_it_misses_is_counted() {
        let (reads, until) = channel::<()>();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (told, tells) = channel();
        let out = Stalled { until, taken: Arc::clone(&taken) };
        let mut queue = Queue::start(out, 12, move |lines| told.send(lines).unwrap()).unwrap();
        queue.write_all(b"first\n").unwrap();
        // It is being written.
        while !queue.waiting().is_busy {
            std::thread::yield_now();
        }
        for line in ["one..\n", "two..\n", "three\n", "four.\n"] {
            queue.write_all(line.as_bytes()).unwrap();
        }
        let before = Instant::now();
        queue.drain(Duration::from_millis(50));
        assert!(before.elapsed() >= Duration::from_millis(50));
        assert_eq!(*taken.lock().unwrap(), b"");

        drop(reads);
        queue.drain(Duration::from_secs(30));
        assert_eq!(*taken.lock().unwrap(), b"first\none..\ntwo..\n");
        assert_eq!(tells.try_iter().collect::<Vec<_>>(), [2]);
        queue.write_all(b"five.\n").unwrap();
        queue.drain(Duration::from_secs(30));
        assert!(taken.lock().unwrap().ends_with(b"two..\nfive.\n"));
        assert_eq!(tells.try_iter().count(), 0);
    }
}
