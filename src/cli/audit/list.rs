//! `postern audit list`

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::filter::{Filter, spelled};
use super::{Source, Unreadable, note, table, write_json, write_yaml};
use crate::cli::{Format, Outcome};
use crate::ledger::{Cursor, Entry, Query};
use crate::store::{AnyLedger, Stored, may_pass};

/// Rows of a table that nobody asked to be longer.
const SHOWN: usize = 50;
/// Between two looks with `--watch`.
const LOOK: Duration = Duration::from_secs(1);
/// Entries that are in memory at once of what came between two looks.
const PAGE: usize = 500;
/// Another server's clock may be late, and its records with it.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// List decisions, newest first
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filter: Filter,
    /// Instead of decisions, what happened around them: starts and stops, changes of policies and
    /// settings, readers, what became of containers. Of the filters, times count
    #[arg(long, conflicts_with_all = ["user", "group", "namespace", "pod", "image", "policy",
        "constraint", "answer", "differs", "privileged", "reason"])]
    events: bool,
    /// Go on with what is written from now on, oldest first, until interrupted
    #[arg(long, short, conflicts_with_all = ["until", "limit"])]
    watch: bool,
    /// At most so many [default: 50 as text, otherwise all]
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<NonZeroUsize>,
    /// A table, a JSON record a line, or a YAML document each
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

fn limit(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "want a number of at least 1")
}

impl List {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let query = self.filter.query(Timestamp::now())?;
        let events = if self.events { " --events" } else { "" };
        let command = format!("audit list{events}{}", spelled(&query));
        let ledger = self.source.open_for_reading(command).await?;
        if self.watch {
            return self.watch(ledger, query).await;
        }
        let listed = match self.output {
            Format::Text => self.table(&ledger, query).await?,
            Format::Json => self.stream(&ledger, query, write_json).await?,
            Format::Yaml => self.stream(&ledger, query, write_yaml).await?,
        };
        if listed == 0 {
            note(if self.events { "no event matches" } else { "no decision matches" });
        }
        ledger.close().await;
        Ok(Outcome::Done)
    }

    async fn page(&self, ledger: &AnyLedger, query: &Query) -> anyhow::Result<Vec<Stored>> {
        Ok(match self.events {
            true => ledger.list_events(query).await?,
            false => ledger.list_stored(query).await?,
        })
    }

    fn limit(&self) -> Option<usize> {
        self.limit.map(NonZeroUsize::get)
    }

    /// The newest as a table; how many it has.
    async fn table(&self, ledger: &AnyLedger, mut query: Query) -> anyhow::Result<usize> {
        let shown = self.limit().unwrap_or(SHOWN);
        query.limit = shown.saturating_add(1);
        let stored = self.page(ledger, &query).await?;
        let mut unreadable = Unreadable::default();
        let rows = stored.get(..shown).unwrap_or(&stored);
        print_table(ledger, rows, &mut unreadable).await?;
        if stored.len() > shown {
            note(&format!("newest {shown} of more; use --limit"));
        }
        unreadable.fail()?;
        Ok(stored.len())
    }

    /// Every one that matches, a page in memory at a time; how many there were.
    async fn stream(
        &self,
        ledger: &AnyLedger,
        query: Query,
        write: impl Fn(&mut dyn Write, &Stored) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let mut out = BufWriter::new(io::stdout());
        let (mut listed, mut unreadable) = (0, Unreadable::default());
        let mut pages = match self.events {
            true => ledger.pages_of_events(query, self.limit()),
            false => ledger.pages(query, self.limit()),
        };
        while let Some(page) = pages.next().await? {
            for stored in &page {
                unreadable.pass_by(write(&mut out, stored))?;
            }
            listed += page.len();
        }
        out.flush()?;
        unreadable.fail()?;
        Ok(listed)
    }

    /// What comes from now on, for ever.
    async fn watch(&self, ledger: AnyLedger, mut query: Query) -> anyhow::Result<Outcome> {
        let asked = query.since.unwrap_or(Timestamp::MIN);
        let mut seen = query.since.unwrap_or_else(Timestamp::now);
        let mut shown = BTreeSet::new();
        let mut ledger = Some(ledger);
        let mut outage = Outage::default();
        loop {
            let from = seen.checked_sub(LATE).unwrap_or(seen).max(asked);
            // What is older is not read again, and need not be remembered.
            shown = shown.split_off(&Cursor { time: from, id: Uuid::nil() });
            query.since = Some(from);
            if let Err(error) = self.look_anew(&mut ledger, &query, &mut shown).await {
                outage.began(error)?;
            } else if outage.is_over() {
                // A clock that is ahead hides nothing that others write.
                let newest = shown.last().map_or(seen, |last| last.time.min(Timestamp::now()));
                seen = seen.max(newest);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// In a ledger that is opened anew after an error, and where a file was put in its place: it is
    /// another then, and what was opened would be read for ever.
    async fn look_anew(
        &self,
        ledger: &mut Option<AnyLedger>,
        query: &Query,
        shown: &mut BTreeSet<Cursor>,
    ) -> anyhow::Result<()> {
        let opened = match ledger.take() {
            Some(opened) if !opened.is_replaced()? => opened,
            Some(_) => {
                note("the ledger was replaced by another file; what is there now is read");
                self.source.open().await?
            }
            None => self.source.open().await?,
        };
        self.look(&opened, query, shown).await?;
        *ledger = Some(opened);
        Ok(())
    }

    /// Whatever matches and was not shown, oldest first. A ledger is listed from its end, so where
    /// pages begin is found first, and the pages are shown the other way round.
    async fn look(
        &self,
        ledger: &AnyLedger,
        query: &Query,
        shown: &mut BTreeSet<Cursor>,
    ) -> anyhow::Result<()> {
        let mut begins = vec![None];
        let mut query = Query { limit: PAGE, ..query.clone() };
        let mut page = self.page(ledger, &query).await?;
        while page.len() == PAGE {
            query.before = page.last().map(Stored::cursor);
            begins.push(query.before);
            page = self.page(ledger, &query).await?;
        }
        // What has come between two pages meanwhile is shown with them.
        query.limit = usize::MAX;
        while let Some(begin) = begins.pop() {
            page.retain(|stored| shown.insert(stored.cursor()));
            page.reverse();
            self.write_all(ledger, &page).await?;
            let Some(before) = begins.last() else { break };
            (query.since, query.before) = (begin.map(|begin| begin.time), *before);
            page = self.page(ledger, &query).await?;
        }
        Ok(())
    }

    /// What cannot be read is told, and more comes all the same.
    async fn write_all(&self, ledger: &AnyLedger, stored: &[Stored]) -> anyhow::Result<()> {
        let mut unreadable = Unreadable::default();
        let mut out = io::stdout();
        match self.output {
            Format::Text => print_table(ledger, stored, &mut unreadable).await?,
            Format::Json => stored.iter().try_for_each(|it| write_json(&mut out, it))?,
            Format::Yaml => {
                stored.iter().try_for_each(|it| unreadable.pass_by(write_yaml(&mut out, it)))?
            }
        }
        unreadable.tell();
        Ok(out.flush()?)
    }
}

/// A time in which the ledger cannot be read.
#[derive(Default)]
struct Outage {
    is_told: bool,
    /// When all is written that servers could not write meanwhile.
    settled: Timestamp,
}

impl Outage {
    /// # Errors
    ///
    /// It does not pass by itself.
    fn began(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        if !error.downcast_ref().is_some_and(may_pass) {
            return Err(error);
        }
        if !self.is_told {
            note(&format!("{error}; it is tried again until it works"));
        }
        let settled = Timestamp::now().checked_add(LATE).unwrap_or(Timestamp::MAX);
        *self = Self { is_told: true, settled };
        Ok(())
    }

    /// Whether there is none, and nothing older than what was shown comes any more.
    fn is_over(&mut self) -> bool {
        if self.is_told {
            note("the ledger can be read again");
            self.is_told = false;
        }
        Timestamp::now() >= self.settled
    }
}

async fn print_table(
    ledger: &AnyLedger,
    stored: &[Stored],
    unreadable: &mut Unreadable,
) -> anyhow::Result<()> {
    let amended = ledger.amended(stored).await?;
    let (mut records, mut events) = (Vec::new(), Vec::new());
    for stored in stored {
        match stored.entry() {
            Ok(Entry::Decision(record)) => records.push(*record),
            Ok(Entry::Event(event)) => events.push(*event),
            Err(error) => unreadable.add(error.into()),
        }
    }
    let mut out = io::stdout().lock();
    if !records.is_empty() {
        out.write_all(table::render(&records, &amended).as_bytes())?;
    }
    if !events.is_empty() {
        out.write_all(table::render_events(&events).as_bytes())?;
    }
    Ok(out.flush()?)
}
