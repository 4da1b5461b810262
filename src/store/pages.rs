//! Listings that are too long for memory, a page at a time.

use super::{AnyLedger, Stored};
use crate::ledger::{LedgerError, Query};

/// Entries read at once.
const PAGE: usize = 500;

/// What is left of a listing, newest first.
#[derive(Debug)]
pub struct Pages<'a> {
    ledger: &'a AnyLedger,
    query: Query,
    of_events: bool,
    /// How many are still wanted.
    left: usize,
}

impl AnyLedger {
    /// The decisions that a query finds; its own limit does not count, `limit` does.
    #[must_use]
    pub fn pages(&self, query: Query, limit: Option<usize>) -> Pages<'_> {
        let left = limit.unwrap_or(usize::MAX);
        Pages { ledger: self, query, of_events: false, left }
    }

    /// The same of events.
    #[must_use]
    pub fn pages_of_events(&self, query: Query, limit: Option<usize>) -> Pages<'_> {
        Pages { of_events: true, ..self.pages(query, limit) }
    }
}

impl Pages<'_> {
    /// The next page; nothing after the last.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn next(&mut self) -> Result<Option<Vec<Stored>>, LedgerError> {
        self.query.limit = self.left.min(PAGE);
        if self.query.limit == 0 {
            return Ok(None);
        }
        let page = if self.of_events {
            self.ledger.list_events(&self.query).await?
        } else {
            self.ledger.list_stored(&self.query).await?
        };
        let is_last = page.len() < self.query.limit;
        self.left = if is_last { 0 } else { self.left - page.len() };
        self.query.before = page.last().map(Stored::cursor);
        Ok((!page.is_empty()).then_some(page))
    }
}
