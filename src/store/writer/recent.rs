//! How many are likely to come along within a moment.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{BATCH, Waiting};

/// How long a batch waits for others; up to twice as long, since the runtime counts milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);

/// After so long without a batch, the last ones say nothing about who comes next.
const FORGOTTEN: Duration = Duration::from_millis(5);

/// Sizes of the latest batches.
#[derive(Debug, Default)]
pub(super) struct Recent {
    sizes: [usize; 3],
    /// When the last of them was written.
    written: Option<Instant>,
}

impl Recent {
    /// A sync costs as much for many as for one: those who are likely to come within a moment come
    /// along.
    pub(super) async fn wait_for_others(
        &mut self,
        entries: &mut mpsc::Receiver<Waiting>,
        batch: &mut Vec<Waiting>,
    ) {
        let wanted = self.worth_waiting_for().min(BATCH);
        let others = async {
            while batch.len() < wanted
                && let Some(waiting) = entries.recv().await
            {
                batch.push(waiting);
            }
        };
        // Whoever has come goes without those who do not, and nobody waits for them again.
        if timeout(PATIENCE, others).await.is_err() {
            self.sizes = [0; 3];
        }
        while batch.len() < BATCH
            && let Ok(waiting) = entries.try_recv()
        {
            batch.push(waiting);
        }
    }

    /// How many a batch should have before it is written.
    ///
    /// Clients that ask again as soon as they are answered come in step with the batches. Three
    /// quarters of what a batch had lately are worth waiting for: the others are judged while these
    /// are written. Otherwise most are in one batch and few in the next, and while the large one is
    /// written there is nothing else to do; measured, that is a twentieth of what 25 clients get
    /// done. Whoever always comes alone waits for nobody.
    fn worth_waiting_for(&self) -> usize {
        if self.written.is_none_or(|written| written.elapsed() >= FORGOTTEN) {
            return 1;
        }
        (self.sizes.iter().sum::<usize>() / 4).max(1)
    }

    /// A batch of this size was written; nothing is none.
    pub(super) fn wrote(&mut self, size: usize) {
        if size == 0 {
            return;
        }
        self.sizes.rotate_left(1);
        if let Some(last) = self.sizes.last_mut() {
            *last = size;
        }
        self.written = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sizes: &[usize]) -> Recent {
        let mut recent = Recent::default();
        sizes.iter().for_each(|size| recent.wrote(*size));
        recent
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_alone_waits_for_nobody() {
        for sizes in [&[][..], &[1], &[1, 1, 1], &[25, 1, 1, 1], &[2, 2, 2], &[1, 1, 1, 0]] {
            assert_eq!(after(sizes).worth_waiting_for(), 1, "{sizes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_wait_for_most_of_as_many() {
        for (sizes, expected) in [(&[25][..], 6), (&[8, 8, 8, 0], 6), (&[1, 25, 12, 13], 12)] {
            assert_eq!(after(sizes).worth_waiting_for(), expected, "{sizes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_a_while_ago_counts_no_more() {
        let recent = after(&[25, 25, 25]);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(recent.worth_waiting_for(), 1);
    }
}
