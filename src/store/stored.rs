//! Entries as they come out of the store, not read yet.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::{Cursor, Entry, LedgerError, Record};

/// A record as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// When the decision was made.
    pub time: Timestamp,
    /// The text, exactly as written.
    pub json: String,
}

impl Stored {
    /// Reads the text.
    ///
    /// # Errors
    ///
    /// It is not a record that this version can read.
    pub fn record(&self) -> Result<Record, LedgerError> {
        serde_json::from_str(&self.json).map_err(|source| LedgerError::Corrupt {
            id: self.id.to_string(),
            source: Box::new(source),
        })
    }

    /// Reads the text, whatever it is.
    ///
    /// # Errors
    ///
    /// It is nothing that this version can read.
    pub fn entry(&self) -> Result<Entry, LedgerError> {
        serde_json::from_str(&self.json).map_err(|source| LedgerError::Corrupt {
            id: self.id.to_string(),
            source: Box::new(source),
        })
    }

    /// Its place in the listing.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { time: self.time, id: self.id }
    }
}
