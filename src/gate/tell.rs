//! Tells others what was decided, once it is on record, without ever waiting for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::ledger::Record;

/// How many decisions may wait for one listener. Whoever is further behind misses some.
const WAITING: usize = 256;

/// Whoever wants to hear of decisions.
#[derive(Debug, Clone, Default)]
pub struct Audience(Vec<Seat>);

#[derive(Debug, Clone)]
struct Seat {
    sender: Sender<Arc<Record>>,
    missed: Arc<AtomicU64>,
}

/// The decisions that one listener hears of.
#[derive(Debug)]
pub struct Decisions {
    receiver: Receiver<Arc<Record>>,
    missed: Arc<AtomicU64>,
}

impl Audience {
    /// One listener more.
    pub fn seat(&mut self) -> Decisions {
        let (sender, receiver) = mpsc::channel(WAITING);
        let missed = Arc::<AtomicU64>::default();
        self.0.push(Seat { sender, missed: Arc::clone(&missed) });
        Decisions { receiver, missed }
    }

    /// What is to be told if this record is written; nothing where nobody listens.
    pub(crate) fn news(&self, record: &Record) -> Option<Arc<Record>> {
        (!self.0.is_empty()).then(|| Arc::new(record.clone()))
    }

    pub(crate) fn tell(&self, news: &Arc<Record>) {
        for Seat { sender, missed } in &self.0 {
            if sender.try_send(Arc::clone(news)).is_err() {
                missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Decisions {
    /// The next one; nothing once there will be none.
    pub async fn next(&mut self) -> Option<Arc<Record>> {
        self.receiver.recv().await
    }

    /// How many there was no room for since the last time this was asked.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}
