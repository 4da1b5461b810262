//! What gone servers wrote. A pod's name goes with the pod, and what was written under it has to be
//! dropped in time like everything else.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::chronicle::unwritten;
use crate::ledger::event::What;
use crate::ledger::{Journal, LedgerError};
use crate::store::{AnyLedger, Keep, Location, Preface, Writing};

/// How often it is looked for what is old: days are kept, so hours do not matter.
const PACE: Duration = Duration::from_hours(1);

/// Does for gone writers of the ledger what each server does for itself.
#[derive(Debug, Clone)]
pub(super) struct Heir {
    ledger: AnyLedger,
    location: Location,
    /// As this server writes.
    writing: Writing,
    /// The notes in which earlier keys handed over to the one that signs.
    rotations: Vec<String>,
}

impl Heir {
    /// `None`: nothing is dropped, or nobody wrote before.
    pub(super) fn of(
        ledger: &AnyLedger,
        location: &Location,
        writing: Writing,
        rotations: &[String],
    ) -> Option<Self> {
        let lasts = *location != Location::Memory;
        (lasts && writing.keep != Keep::default()).then(|| Self {
            ledger: ledger.clone(),
            location: location.clone(),
            writing,
            rotations: rotations.to_vec(),
        })
    }

    /// For ever.
    pub(super) async fn run(self) {
        loop {
            if let Err(error) = self.look().await {
                warn!("What servers wrote that are gone cannot be looked at: {error}");
            }
            sleep(PACE).await;
        }
    }

    async fn look(&self) -> Result<(), LedgerError> {
        for writer in self.ledger.writers().await? {
            if writer == self.writing.writer {
                continue;
            }
            match self.inherit(&writer).await {
                Ok(true) => info!(writer, "Dropped old records of {writer}, which is gone"),
                Ok(false) => {}
                Err(error) => warn!(writer, "Old records of {writer} are not dropped: {error}"),
            }
        }
        Ok(())
    }

    async fn inherit(&self, writer: &str) -> Result<bool, LedgerError> {
        let preface = self.preface(writer).await?;
        let writing = Writing { writer: writer.to_owned(), gauge: None, ..self.writing.clone() };
        AnyLedger::inherit(&self.location, writing, preface).await
    }

    /// What has to be said before this server signs in another's name: which records it has not
    /// written and nobody has signed, and how its key came to that.
    async fn preface(&self, writer: &str) -> Result<Preface, LedgerError> {
        let last = self.ledger.last_sequence(writer).await?;
        let trusted = self.writing.signing.as_ref().map_or(&[][..], |signing| &signing.trusted);
        let signed = self.ledger.attested(writer, trusted).await?;
        let unsigned = (signed < last).then(|| What::Foreign { from: signed + 1, to: last });
        let mut events: Vec<_> = unsigned.into_iter().collect();
        if let Some(signing) = &self.writing.signing {
            let (key, rotations) = (signing.key.public(), self.rotations.clone());
            let notes = unwritten(&self.ledger, writer, key, rotations).await?;
            events.extend(notes.into_iter().map(|note| What::KeyRotated { note }));
        }
        let stopped = self.ledger.stopped(writer, last).await?;
        let stopped = stopped.filter(|event| event.sequence <= signed);
        Ok(Preface { events, stopped })
    }
}
