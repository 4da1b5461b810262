//! `postern audit stats`

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Source;
use super::filter::{Filter, spelled};
use crate::cli::{Form, Outcome, print};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::event::What;
use crate::ledger::port::{Journal, Kept};
use crate::ledger::stats::{Count, Coverage, Presence, Tally, Window};
use crate::ledger::{Entry, Query};
use crate::policy::text::Plain;
use crate::store::AnyLedger;

/// Rows of each table.
const ROWS: usize = 10;
/// Entries that are looked at together from the end of a chain.
const AT_ONCE: u16 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Stats {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filter: Filter,
    /// A writer without a checkpoint for longer than this was not there
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    silence: SignedDuration,
    /// Tables to read, or an object
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

impl Stats {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let query = self.filter.query(Timestamp::now())?;
        let ledger =
            self.source.open_for_reading(format!("audit stats{}", spelled(&query))).await?;
        let tally = count(&ledger, query.clone()).await?;
        let coverage = self.coverage(&ledger, &query).await?;
        ledger.close().await;
        print(&match self.output {
            Form::Text => text(&tally, &coverage)?,
            Form::Json => format!("{}\n", json!({"decisions": tally, "coverage": coverage})),
        })?;
        Ok(Outcome::Done)
    }

    async fn coverage(&self, ledger: &AnyLedger, query: &Query) -> anyhow::Result<Vec<Coverage>> {
        let now = Timestamp::now();
        // What has not come yet is no silence.
        let until = query.until.filter(|until| *until < now);
        let window = Window { since: query.since, until: until.unwrap_or(now) };
        // A writer whose records are all gone may still have signed about them.
        let mut writers = ledger.writers().await?;
        writers.extend(ledger.signers().await?);
        writers.sort_unstable();
        writers.dedup();
        let mut coverage = Vec::new();
        for writer in writers {
            if let Some(presence) = presence(ledger, &writer, until).await? {
                let limit = self.silence.as_secs();
                coverage.extend(Coverage::new(&writer, &presence, window, limit));
            }
        }
        Ok(coverage)
    }
}

/// When a writer was there, as far as is known of it until then, or now.
async fn presence(
    ledger: &AnyLedger,
    writer: &str,
    until: Option<Timestamp>,
) -> anyhow::Result<Option<Presence>> {
    let signed = ledger.signed(writer).await?;
    let time = |note: &str| Some(Checkpoint::unverified(note).ok()?.time);
    let signed: Vec<_> =
        signed.iter().filter_map(|signed| Some((signed.size, time(&signed.note)?))).collect();
    let first = ledger.entries_after(writer, 0, 1).await?;
    let first = first.first().and_then(entry).map(|entry| entry.time());
    let times = || signed.iter().map(|(_, time)| *time);
    let Some(began) = times().chain(first).min() else { return Ok(None) };
    // A server signs when it has stopped.
    let last = match until {
        Some(until) => signed.iter().rfind(|(_, time)| *time < until).map_or(0, |(size, _)| *size),
        None => ledger.last_sequence(writer).await?,
    };
    let stopped = stopped(ledger, writer, last).await?;
    Ok(Some(Presence { began, signed: times().collect(), stopped }))
}

/// When a writer stopped, if it is that with which its entries up to this one end. What people left
/// in the meantime is taken up after it.
async fn stopped(
    ledger: &AnyLedger,
    writer: &str,
    mut last: u64,
) -> anyhow::Result<Option<Timestamp>> {
    while last > 0 {
        let after = last.saturating_sub(AT_ONCE.into());
        let entries = ledger.entries_after(writer, after, AT_ONCE.into()).await?;
        let entries = entries.iter().filter(|kept| kept.sequence <= last).map(entry);
        let mut entries = entries.rev().peekable();
        if entries.peek().is_none() {
            return Ok(None);
        }
        match entries.find(|entry| !is_left_by_a_person(entry.as_ref())) {
            Some(Some(Entry::Event(event))) if event.what == What::Stopped {} => {
                return Ok(Some(event.time));
            }
            Some(_) => return Ok(None),
            None => last = after,
        }
    }
    Ok(None)
}

fn is_left_by_a_person(entry: Option<&Entry>) -> bool {
    matches!(entry, Some(Entry::Event(event)) if event.what.person().is_some())
}

fn entry(kept: &Kept) -> Option<Entry> {
    serde_json::from_str(&kept.json).ok()
}

async fn count(ledger: &AnyLedger, query: Query) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut pages = ledger.pages(query, None);
    while let Some(page) = pages.next().await? {
        for stored in &page {
            tally.add(&stored.record()?);
        }
    }
    Ok(tally)
}

fn text(tally: &Tally, coverage: &[Coverage]) -> Result<String, fmt::Error> {
    let Tally { decisions, allowed, refused, differing, undelivered, .. } = tally;
    let mut text = format!("{decisions} decisions: {allowed} allowed, {refused} refused\n");
    if *differing > 0 {
        writeln!(text, "{differing} were answered otherwise than policy says")?;
    }
    if *undelivered > 0 {
        writeln!(text, "{undelivered} of the refusals say that an answer came too late")?;
    }
    let days = tally.days.iter().rev().take(ROWS).collect();
    table(&mut text, "day", days)?;
    table(&mut text, "user", most(&tally.users))?;
    table(&mut text, "namespace", most(&tally.namespaces))?;
    table(&mut text, "image", most(&tally.images))?;
    for Coverage { writer, from, to, stopped, silent, percent } in coverage {
        let writer = Plain(writer);
        if let Some(stopped) = stopped.filter(|stopped| stopped < from && from == to) {
            writeln!(text, "\n{writer} had stopped before, at {stopped:.0}")?;
            continue;
        }
        writeln!(text, "\n{writer} was there {percent} % of the time from {from:.0} to {to:.0}")?;
        for pause in silent.iter().take(ROWS) {
            writeln!(text, "  not from {:.0} to {:.0}", pause.from, pause.to)?;
        }
    }
    Ok(text)
}

fn most(counts: &BTreeMap<String, Count>) -> Vec<(&String, &Count)> {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(count.allowed + count.refused));
    counts.truncate(ROWS);
    counts
}

fn table(text: &mut String, what: &str, rows: Vec<(&String, &Count)>) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{:>9} {:>9}  {what}", "allowed", "refused")?;
    for (key, Count { allowed, refused }) in rows {
        writeln!(text, "{allowed:>9} {refused:>9}  {}", Plain(key))?;
    }
    Ok(())
}
