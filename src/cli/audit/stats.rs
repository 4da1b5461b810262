//! `postern audit stats`

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Source;
use super::filter::{Filter, spelled};
use crate::cli::{Form, Outcome, print};
use crate::ledger::Query;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::port::Journal;
use crate::ledger::stats::{Count, Coverage, Tally};
use crate::policy::text::Plain;
use crate::store::AnyLedger;

/// Rows of each table.
const ROWS: usize = 10;

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
        let mut coverage = Vec::new();
        for writer in ledger.writers().await? {
            let signed = ledger.signed(&writer).await?;
            let mut times: Vec<_> = signed
                .iter()
                .filter_map(|signed| Some(Checkpoint::unverified(&signed.note).ok()?.time))
                .filter(|time| query.since.is_none_or(|since| *time >= since))
                .filter(|time| query.until.is_none_or(|until| *time < until))
                .collect();
            // Silence that lasts is the one that matters.
            if !times.is_empty() && !has_stopped(ledger, &writer).await? {
                times.push(query.until.unwrap_or_else(Timestamp::now));
            }
            coverage.extend(Coverage::new(&writer, &times, self.silence.as_secs()));
        }
        Ok(coverage)
    }
}

/// Whether the writer's last entry is that it stopped.
async fn has_stopped(ledger: &AnyLedger, writer: &str) -> anyhow::Result<bool> {
    let last = ledger.last_sequence(writer).await?;
    let stopped = ledger.last_event(writer, "Stopped").await?;
    let entry = stopped.and_then(|stopped| stopped.entry().ok());
    Ok(entry.is_some_and(|entry| entry.sequence() == last))
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
    for Coverage { writer, from, to, silent, percent } in coverage {
        let writer = Plain(writer);
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
