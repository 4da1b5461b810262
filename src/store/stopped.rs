//! Whether a writer has stopped.

use super::AnyLedger;
use crate::ledger::event::What;
use crate::ledger::{Entry, Event, Journal, LedgerError};

/// Entries that are looked at together from the end of a chain.
const AT_ONCE: u16 = 100;

impl AnyLedger {
    /// That a writer stopped, if it is the last that it said itself among its entries up to this
    /// one. What comes after it, people left, or a server wrote that looks after what is gone.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn stopped(&self, writer: &str, mut last: u64) -> Result<Option<Event>, LedgerError> {
        while last > 0 {
            let after = last.saturating_sub(AT_ONCE.into());
            let entries = self.entries_after(writer, after, AT_ONCE.into()).await?;
            let mut entries = entries.iter().rev().filter(|kept| kept.sequence <= last).peekable();
            if entries.peek().is_none() {
                return Ok(None);
            }
            let mut entries = entries.map(|kept| serde_json::from_str(&kept.json).ok());
            match entries.find(|entry| !is_said_by_another(entry.as_ref())) {
                Some(Some(Entry::Event(event))) if event.what == What::Stopped {} => {
                    return Ok(Some(*event));
                }
                Some(_) => return Ok(None),
                None => last = after,
            }
        }
        Ok(None)
    }
}

/// Of these only people are not servers; but a server that lives says first that it began.
fn is_said_by_another(entry: Option<&Entry>) -> bool {
    let Some(Entry::Event(event)) = entry else { return false };
    event.what.person().is_some()
        || matches!(
            event.what,
            What::Dropped { .. } | What::Foreign { .. } | What::KeyRotated { .. }
        )
}
