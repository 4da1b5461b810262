//! What writers left that are gone.

use super::{AnyLedger, Location, Writing, postgres};
use crate::ledger::LedgerError;
use crate::ledger::event::What;

impl AnyLedger {
    /// Drops what need not be kept any longer of a writer that is gone, as if by itself, once
    /// `preface` is written; whether there was anything. Of one that is not gone, and in a ledger that
    /// has one writer alone, nothing.
    ///
    /// # Errors
    ///
    /// The store failed; what is left is dropped the next time.
    pub async fn inherit(
        location: &Location,
        writing: Writing,
        preface: Vec<What>,
    ) -> Result<bool, LedgerError> {
        let Location::Postgres(server) = location else { return Ok(false) };
        let inherited = postgres::inherit(server, writing, preface).await;
        inherited.map_err(|error| error.while_doing("write"))
    }
}
