//! Whether what was opened is still what is there.

use super::{AnyLedger, Location, sqlite};
use crate::ledger::LedgerError;

impl AnyLedger {
    /// Whether another file has the place by now of the one that was opened to be read, as when a
    /// copy was put back: what is read here is then the one that is gone.
    ///
    /// # Errors
    ///
    /// No file is there.
    pub fn is_replaced(&self) -> Result<bool, LedgerError> {
        let Self::Stored(ledger) = self else { return Ok(false) };
        match (&ledger.location, ledger.file) {
            (Location::Sqlite(path), Some(file)) => {
                sqlite::is_replaced(path, file).map_err(|error| error.while_doing("read"))
            }
            _ => Ok(false),
        }
    }
}
