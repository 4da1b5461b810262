//! `postern audit stats`

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::filter::{Filter, spelled};
use super::verify::{followed, trusted};
use super::{Source, Unreadable};
use crate::cli::{Form, Outcome, as_json, print};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::VerifyingKey;
use crate::ledger::port::Journal;
use crate::ledger::stats::{Count, Coverage, Presence, Tally, Window};
use crate::ledger::verify::StoredCheckpoint;
use crate::ledger::{Entry, Query};
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
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = silence)]
    silence: SignedDuration,
    /// The public key that is trusted: a file, or the key itself; may be given again. Checkpoints
    /// that it did not sign do not count [default: the one beside the ledger, which proves less]
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Tables to read, or an object
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

fn silence(text: &str) -> Result<SignedDuration, &'static str> {
    let silence = text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
    silence.ok_or("want a duration, as in `90s` or `5m`")
}

impl Stats {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let query = self.filter.query(Timestamp::now())?;
        let trusted = trusted(&self.key, &self.source.location()?)?;
        let ledger =
            self.source.open_for_reading(format!("audit stats{}", spelled(&query))).await?;
        let mut unreadable = Unreadable::default();
        let tally = count(&ledger, query.clone(), &mut unreadable).await?;
        let coverage = self.coverage(&ledger, &query, &trusted).await?;
        ledger.close().await;
        let is_signed = !trusted.is_empty();
        print(&match self.output {
            Form::Text => text(&tally, &coverage, is_signed)?,
            Form::Json => as_json(&json!({
                "decisions": tally, "coverage": coverage, "signaturesChecked": is_signed,
            }))?,
        })?;
        unreadable.fail()?;
        Ok(Outcome::Done)
    }

    async fn coverage(
        &self,
        ledger: &AnyLedger,
        query: &Query,
        trusted: &[VerifyingKey],
    ) -> anyhow::Result<Vec<Coverage>> {
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
            let asked = (window, until.is_some());
            if let Some(presence) = presence(ledger, &writer, asked, trusted).await? {
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
    (window, is_over): (Window, bool),
    trusted: &[VerifyingKey],
) -> anyhow::Result<Option<Presence>> {
    let trusted = followed(trusted, &ledger.rotations(writer).await?);
    let stored = ledger.signed(writer).await?;
    let is_trusted = |told: &&Told<'_>| told.is_trusted(&trusted);
    let signed: Vec<_> = stored.iter().filter_map(|stored| Told::new(writer, stored)).collect();
    let first = ledger.entries_after(writer, 0, 1).await?;
    let first = first.first().and_then(|kept| serde_json::from_str::<Entry>(&kept.json).ok());
    let began = signed.iter().find(is_trusted).map(|told| told.time);
    let Some(began) = began.into_iter().chain(first.map(|entry| entry.time())).min() else {
        return Ok(None);
    };
    // Each costs a little, so only those that are asked about are looked at.
    let is_within = |time| window.since.is_none_or(|since| since <= time) && time < window.until;
    let within: Vec<_> = signed.iter().filter(|told| is_within(told.time)).collect();
    let times: Vec<_> = within.iter().filter(|it| is_trusted(it)).map(|told| told.time).collect();
    let untrusted = (within.len() - times.len()) as u64;
    // A server signs when it has stopped.
    let mut newest = signed.iter().rev().filter(|told| !is_over || told.time < window.until);
    let attested = newest.find(is_trusted).map_or(0, |told| told.size);
    let last = if is_over { attested } else { ledger.last_sequence(writer).await? };
    let stopped = ledger.stopped(writer, last).await?;
    let stopped = stopped.filter(|event| trusted.is_empty() || event.sequence <= attested);
    let stopped = stopped.map(|event| event.time);
    Ok(Some(Presence { began, signed: times, stopped, untrusted }))
}

/// What a checkpoint says, and the note that it is from.
struct Told<'a> {
    size: u64,
    time: Timestamp,
    note: &'a str,
}

impl<'a> Told<'a> {
    /// Nothing of one that is about something else than it stands for.
    fn new(writer: &str, stored: &'a StoredCheckpoint) -> Option<Self> {
        let told = Checkpoint::unverified(&stored.note).ok()?;
        let is_it = (told.writer.as_str(), told.size) == (writer, stored.size);
        is_it.then_some(Self { size: told.size, time: told.time, note: &stored.note })
    }

    fn is_trusted(&self, trusted: &[VerifyingKey]) -> bool {
        trusted.is_empty() || Checkpoint::verify(self.note, trusted).is_ok()
    }
}

async fn count(
    ledger: &AnyLedger,
    query: Query,
    unreadable: &mut Unreadable,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut pages = ledger.pages(query, None);
    while let Some(page) = pages.next().await? {
        for stored in &page {
            match stored.record() {
                Ok(record) => tally.add(&record),
                Err(error) => unreadable.add(error.into()),
            }
        }
    }
    Ok(tally)
}

fn text(tally: &Tally, coverage: &[Coverage], is_signed: bool) -> Result<String, fmt::Error> {
    let Tally { decisions, allowed, refused, differing, undelivered, .. } = tally;
    let mut text = format!("{decisions} decisions: {allowed} allowed, {refused} refused\n");
    if *differing > 0 {
        writeln!(text, "{differing} were answered otherwise than policy says")?;
    }
    if *undelivered > 0 {
        writeln!(
            text,
            "{undelivered} of the refusals take back what was recorded: an answer came too late, or \
             the ledger seemed not to be written"
        )?;
    }
    table(&mut text, "day", tally.days.iter().rev().collect())?;
    table(&mut text, "user", most(&tally.users))?;
    table(&mut text, "namespace", most(&tally.namespaces))?;
    table(&mut text, "image", most(&tally.images))?;
    coverage.iter().try_for_each(|coverage| covered(&mut text, coverage))?;
    if !is_signed && !coverage.is_empty() {
        text.push_str(
            "\nno signature was checked: whoever can write here can make a server look present\n",
        );
    }
    Ok(text)
}

fn covered(text: &mut String, coverage: &Coverage) -> fmt::Result {
    let Coverage { writer, from, to, stopped, silent, percent, untrusted_checkpoints } = coverage;
    let writer = Plain(writer);
    match stopped.filter(|stopped| stopped < from && from == to) {
        Some(stopped) => writeln!(text, "\n{writer} had stopped before, at {stopped:.0}")?,
        None => writeln!(
            text,
            "\n{writer} was there {percent} % of the time from {from:.0} to {to:.0}"
        )?,
    }
    for pause in silent.iter().take(ROWS) {
        writeln!(text, "  not from {:.0} to {:.0}", pause.from, pause.to)?;
    }
    if let Some(more @ 1..) = silent.len().checked_sub(ROWS) {
        let times = if more == 1 { "time" } else { "times" };
        writeln!(text, "  nor {more} {times} more; `-o json` has all")?;
    }
    if *untrusted_checkpoints > 0 {
        let (checkpoints, what) = if *untrusted_checkpoints == 1 {
            ("checkpoint does", "it")
        } else {
            ("checkpoints do", "them")
        };
        writeln!(
            text,
            "  {untrusted_checkpoints} {checkpoints} not count: no trusted key signed {what}"
        )?;
    }
    Ok(())
}

fn most(counts: &BTreeMap<String, Count>) -> Vec<(&String, &Count)> {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(count.allowed + count.refused));
    counts
}

/// The first of these, and how many are left out.
fn table(text: &mut String, what: &str, rows: Vec<(&String, &Count)>) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{:>9} {:>9}  {what}", "allowed", "refused")?;
    let more = rows.len().saturating_sub(ROWS);
    for (key, Count { allowed, refused }) in rows.into_iter().take(ROWS) {
        writeln!(text, "{allowed:>9} {refused:>9}  {}", Plain(key))?;
    }
    if more > 0 {
        writeln!(text, "{:>19}  and {more} more; `-o json` has all", "")?;
    }
    Ok(())
}
