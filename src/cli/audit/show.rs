//! `postern audit show`

use std::io::{self, Write};

use uuid::Uuid;

use super::{CANDIDATES, Source, Unreadable, detail, note, write_json, write_yaml};
use crate::cli::{Format, Outcome};
use crate::ledger::Entry;
use crate::ledger::id_prefix::IdPrefix;
use crate::store::{AnyLedger, Stored};

/// Show one decision: who, what, where, when and why, and what became of it
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The decision's id, or its first 8 or more digits
    #[arg(value_name = "ID")]
    id: IdPrefix,
    #[command(flatten)]
    source: Source,
    /// Text to read, or the record, the one that takes it back, and what was observed
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl Show {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let ledger = self.source.open_for_reading(format!("audit show {}", self.id)).await?;
        let found = ledger.find(self.id, CANDIDATES).await?;
        let outcome = match found.as_slice() {
            [] => {
                note("there is no such decision in this ledger");
                Outcome::No
            }
            [stored] => {
                self.print(&ledger, stored).await?;
                Outcome::Done
            }
            several => {
                note("several decisions begin so; give more of the id:");
                for stored in several {
                    note(&format!("  {} at {}", stored.id, stored.time));
                }
                Outcome::No
            }
        };
        ledger.close().await;
        Ok(outcome)
    }

    async fn print(&self, ledger: &AnyLedger, stored: &Stored) -> anyhow::Result<()> {
        let amended_by = ledger.amendment(stored.id).await?;
        let observed = ledger.observations(stored.id).await?;
        let mut unreadable = Unreadable::default();
        let text = match self.output {
            Format::Text => Some(text(stored, amended_by, &observed, &mut unreadable)?),
            Format::Json | Format::Yaml => None,
        };
        let amendment = match amended_by.filter(|_| text.is_none()) {
            Some(id) => ledger.find(IdPrefix { first: id, last: id }, 1).await?,
            None => Vec::new(),
        };
        let mut out = io::stdout().lock();
        let write = match self.output {
            Format::Yaml => write_yaml,
            _ => write_json,
        };
        match text {
            Some(text) => out.write_all(text.as_bytes())?,
            None => {
                let all = std::iter::once(stored).chain(&amendment).chain(&observed);
                all.into_iter().try_for_each(|stored| write(&mut out, stored))?;
            }
        }
        out.flush()?;
        unreadable.fail()
    }
}

/// What cannot be read of what became of it hides nothing of the rest.
fn text(
    stored: &Stored,
    amended_by: Option<Uuid>,
    observed: &[Stored],
    unreadable: &mut Unreadable,
) -> anyhow::Result<String> {
    match stored.entry()? {
        Entry::Decision(record) => {
            let mut events = Vec::new();
            for stored in observed {
                match stored.entry() {
                    Ok(Entry::Event(event)) => events.push(*event),
                    Ok(Entry::Decision(_)) => {}
                    Err(error) => unreadable.add(error.into()),
                }
            }
            Ok(detail::render(&record, amended_by, &events))
        }
        Entry::Event(event) => Ok(detail::render_event(&event)),
    }
}
