//! `postern audit verify`

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::filter::in_order;
use super::moment::Moment;
use super::progress::Progress;
use super::{Source, note, offline};
use crate::cli::{Form, Misuse, Outcome, print};
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::{VerifyingKey, rotated_to};
use crate::ledger::port::Journal;
use crate::ledger::verify::{Adopted, Report, StoredCheckpoint, Verifier};
use crate::policy::text::Plain;
use crate::store::{AnyLedger, Links, Location, PAGE, keys};

const EXAMPLES: &str = "\
Examples:
  postern audit verify --key auditor/postern.pub
  postern audit verify --key auditor/postern.pub --checkpoint kept/october.txt
  postern audit verify --proof proof.json --key auditor/postern.pub";

/// Prove that nothing in the ledger was changed, removed or added afterwards
///
/// Checks each record's hash against the record before, what filters look at against the record,
/// and the records together against what was signed about them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    #[command(flatten)]
    source: Source,
    /// The public key that is trusted: a file, or the key itself; may be given again
    /// [default: the one beside the ledger, which proves less]
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A checkpoint that was kept elsewhere; finds a ledger that was cut short or written anew
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Only what this writer wrote
    #[arg(long, value_name = "NAME")]
    writer: Option<String>,
    /// Begin at the last checkpoint before this time: `24h` ago, or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// End at the first checkpoint after this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Check a proof that `postern audit prove` made, without the ledger
    #[arg(long, value_name = "FILE", conflicts_with_all = ["checkpoint", "writer", "since", "until"])]
    proof: Option<PathBuf>,
    /// Check an exported file against the manifest that was written with it, without the ledger
    #[arg(long, value_name = "FILE", requires = "export", conflicts_with = "proof")]
    manifest: Option<PathBuf>,
    /// The exported file
    #[arg(value_name = "EXPORT", requires = "manifest")]
    export: Option<PathBuf>,
    /// Text to read, or an object
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

/// How many places are shown at which a server went on from what nobody had signed.
const MAX_ADOPTED: usize = 5;

/// From where to where one chain is looked at.
struct Range {
    from: u64,
    to: u64,
}

impl Verify {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        if let Some(proof) = &self.proof {
            return offline::check_proof(proof, &self.key, self.output);
        }
        if let (Some(manifest), Some(export)) = (&self.manifest, &self.export) {
            return offline::check_export((manifest, export), &self.key, self.output);
        }
        let location = self.source.location()?;
        let trusted = self.trusted(&location)?;
        let ledger = AnyLedger::open_read_only(&location).await?;
        let kept = self.kept()?;
        for (checkpoint, note) in &kept {
            trust(&ledger, &trusted, checkpoint, note).await?;
        }
        let mut reports = Vec::new();
        let writers = self.writers(&ledger, &kept).await?;
        if writers.is_empty() {
            note("there is nothing in it: no server has written here, or everything was removed");
            return Ok(Outcome::No);
        }
        for writer in writers {
            reports.push(self.verify(&ledger, &writer, &trusted, &kept).await?);
        }
        let asks_for_a_part = self.since.is_some() || self.until.is_some();
        let misfits = if asks_for_a_part { Vec::new() } else { ledger.misfits().await? };
        ledger.close().await;
        print(&match self.output {
            Form::Text => text(&reports, &misfits, !trusted.is_empty())?,
            Form::Json => format!("{}\n", as_json(&reports, &misfits, !trusted.is_empty())),
        })?;
        if asks_for_a_part && reports.iter().all(|report| report.last == 0) {
            note("no record lies in that time, so nothing was proved");
            return Ok(Outcome::No);
        }
        let is_good = misfits.is_empty() && reports.iter().all(is_good);
        Ok(if is_good { Outcome::Done } else { Outcome::No })
    }

    /// Those that have records here, and those of which a checkpoint was kept.
    async fn writers(
        &self,
        ledger: &AnyLedger,
        kept: &[(Checkpoint, String)],
    ) -> anyhow::Result<Vec<String>> {
        // A writer whose records are all gone may still have signed about them.
        let mut writers = ledger.writers().await?;
        writers.extend(ledger.signers().await?);
        writers.extend(kept.iter().map(|(checkpoint, _)| checkpoint.writer.clone()));
        writers.sort_unstable();
        writers.dedup();
        if let Some(wanted) = &self.writer {
            writers.retain(|writer| writer == wanted);
            if writers.is_empty() {
                return Err(Misuse(format!("nobody wrote here as `{}`", Plain(wanted))).into());
            }
        }
        Ok(writers)
    }

    async fn verify(
        &self,
        ledger: &AnyLedger,
        writer: &str,
        trusted: &[VerifyingKey],
        kept: &[(Checkpoint, String)],
    ) -> anyhow::Result<Report> {
        let mut checkpoints = ledger.signed(writer).await?;
        let trusted = followed(trusted, &ledger.rotations(writer).await?);
        let Range { from, to } = self.range(&checkpoints, &trusted)?;
        checkpoints.retain(|stored| (from..=to).contains(&stored.size));
        for (checkpoint, text) in kept.iter().filter(|(it, _)| it.writer == writer) {
            if (from..=to).contains(&checkpoint.size) {
                let (size, note) = (checkpoint.size, text.clone());
                checkpoints.push(StoredCheckpoint { size, note, frontier: Vec::new() });
            }
        }
        checkpoints.sort_by_key(|stored| stored.size);
        let mut verifier = Verifier::new(writer, &trusted, &checkpoints, from);
        if to < u64::MAX {
            let first = ledger.links(writer, 0, 1).await?;
            if first.iter().next().transpose()?.is_some_and(|first| first.sequence > to) {
                // All of that part is gone. Whether it may be, only the whole tells.
                let writer = writer.to_owned();
                return Ok(Report { writer, unexplained: to, ..Report::default() });
            }
            verifier = verifier.of_a_part();
        }
        // What was cut off may have been before `from` already.
        let last = ledger.last_sequence(writer).await?.min(to);
        let mut progress = Progress::new(writer, last.saturating_sub(from));
        let mut page = ledger.links(writer, from, PAGE).await?;
        while !page.is_empty() {
            let end = page.end();
            // The next page is on its way while this one is looked at.
            let next = ledger.links(writer, end, PAGE);
            let (next, is_good) = tokio::join!(next, look(&mut verifier, &page, to));
            if !is_good? || end >= to {
                break;
            }
            page = next?;
            progress.at(end - from);
        }
        Ok(verifier.finish())
    }

    /// By checkpoints that are trusted: another one may stand for anything.
    fn range(
        &self,
        checkpoints: &[StoredCheckpoint],
        trusted: &[VerifyingKey],
    ) -> anyhow::Result<Range> {
        let now = Timestamp::now();
        let since = self.since.as_ref().map(|it| it.seen_from(now)).transpose()?;
        let until = self.until.as_ref().map(|it| it.seen_from(now)).transpose()?;
        in_order(since, until)?;
        let times: Vec<_> = checkpoints
            .iter()
            .filter_map(|stored| {
                let told = match trusted {
                    [] => Checkpoint::unverified(&stored.note),
                    trusted => Checkpoint::verify(&stored.note, trusted),
                };
                told.ok().filter(|told| told.size == stored.size).map(|told| (told.size, told.time))
            })
            .collect();
        let from = since.and_then(|since| times.iter().rfind(|(_, time)| *time <= since));
        let to = until.and_then(|until| times.iter().find(|(_, time)| *time >= until));
        let first = from.map_or(0, |(size, _)| *size);
        Ok(Range { from: first, to: to.map_or(u64::MAX, |(size, _)| *size).max(first) })
    }

    fn trusted(&self, location: &Location) -> anyhow::Result<Vec<VerifyingKey>> {
        if !self.key.is_empty() {
            return trusted_keys(&self.key);
        }
        if let Location::Sqlite(path) = location {
            let beside = keys::public_beside(&keys::beside_ledger(path));
            if beside.exists() {
                note(
                    "the key beside the ledger is trusted: whoever could change the ledger could \
                     change the key too; give --key",
                );
                return Ok(keys::public_keys(&beside)?);
            }
        }
        note("no key is given: signatures are not checked, only that everything fits together");
        Ok(Vec::new())
    }

    fn kept(&self) -> anyhow::Result<Vec<(Checkpoint, String)>> {
        let mut kept = Vec::new();
        for path in &self.checkpoint {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("`{}` cannot be read", path.display()))?;
            let text = text.replace("\r\n", "\n");
            for text in notes(&text) {
                let checkpoint = Checkpoint::unverified(&text)
                    .with_context(|| format!("`{}` is not a checkpoint", path.display()))?;
                kept.push((checkpoint, text));
            }
        }
        Ok(kept)
    }
}

/// What nobody who is trusted has signed proves nothing, neither for the ledger nor against it.
async fn trust(
    ledger: &AnyLedger,
    trusted: &[VerifyingKey],
    checkpoint: &Checkpoint,
    note: &str,
) -> anyhow::Result<()> {
    let Checkpoint { writer, size, .. } = checkpoint;
    let trusted = followed(trusted, &ledger.rotations(writer).await?);
    if trusted.is_empty() {
        return Ok(());
    }
    Checkpoint::verify(note, &trusted).map(drop).with_context(|| {
        let writer = Plain(writer);
        format!("the kept checkpoint of `{writer}` about {size} records is not to be believed")
    })
}

/// Pushes a page as far as `to`, a few at a time: between them whoever fetches the next page has
/// its turn.
async fn look(verifier: &mut Verifier<'_>, page: &Links, to: u64) -> Result<bool, LedgerError> {
    for run in page.runs() {
        for link in run {
            let link = link?;
            if link.sequence <= to && !verifier.push(&link) {
                return Ok(false);
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(true)
}

/// Keys as such, or files with some.
pub(super) fn trusted_keys(texts: &[String]) -> anyhow::Result<Vec<VerifyingKey>> {
    let keys: Result<Vec<_>, _> = texts.iter().map(|text| trusted_key(text)).collect();
    Ok(keys?.concat())
}

fn trusted_key(text: &str) -> anyhow::Result<Vec<VerifyingKey>> {
    match text.parse() {
        Ok(key) => Ok(vec![key]),
        Err(_) => Ok(keys::public_keys(Path::new(text)).context("`--key`")?),
    }
}

/// These keys, and those that they hand over to.
pub(super) fn followed(trusted: &[VerifyingKey], rotations: &[String]) -> Vec<VerifyingKey> {
    let mut trusted = trusted.to_vec();
    for note in rotations {
        trusted.extend(rotated_to(note, &trusted).ok().filter(|key| !trusted.contains(key)));
    }
    trusted
}

/// The notes of a file: one, or several after each other with an empty line between.
fn notes(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\n\n\u{2014} ") {
        let end = rest.get(at + 2..).map(|below| {
            let signatures =
                below.split_inclusive('\n').take_while(|it| it.starts_with('\u{2014}'));
            at + 2 + signatures.map(str::len).sum::<usize>()
        });
        let Some((whole, after)) = end.and_then(|end| rest.split_at_checked(end)) else { break };
        notes.push(format!("{}\n", whole.trim()));
        rest = after;
    }
    if notes.is_empty() { vec![text.to_owned()] } else { notes }
}

fn text(
    reports: &[Report],
    misfits: &[String],
    asks_for_signatures: bool,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    if reports.is_empty() {
        text.push_str("the ledger is empty\n");
    }
    for report in reports {
        let writer = Plain(&report.writer);
        match &report.fault {
            None if report.last == 0 => writeln!(text, "{writer}: no record is there")?,
            None => writeln!(text, "{writer}: good, records {} to {}", report.first, report.last)?,
            Some(fault) => writeln!(text, "{writer}: WRONG: {fault}")?,
        }
        if report.fault.is_some() {
            let good = match report.last {
                0 => "no record before it".to_owned(),
                last => format!("up to record {last}"),
            };
            writeln!(text, "  good       {good}")?;
        }
        if let Some(before) = before(report) {
            writeln!(text, "  before     records up to {before}")?;
        }
        unsigned_finds(&mut text, report)?;
        if report.confirmed < report.last {
            let first = report.confirmed + 1;
            let line =
                format!("records {first} to {} by no checkpoint that is trusted", report.last);
            writeln!(text, "  unsigned   {line}")?;
        }
        let signed = match (&report.newest, asks_for_signatures) {
            (None, _) => "by no checkpoint".to_owned(),
            (Some(newest), true) => {
                format!(
                    "{} checkpoints, the last of {} at {}",
                    report.checkpoints, newest.size, newest.time
                )
            }
            (Some(newest), false) => format!(
                "{} checkpoints whose signatures were not checked, the last of {} at {}",
                report.checkpoints, newest.size, newest.time
            ),
        };
        writeln!(text, "  confirmed  {signed}")?;
        if asks_for_signatures && report.untrusted > 0 {
            let count = report.untrusted;
            writeln!(text, "  unknown    {count} of them were signed by another key")?;
        }
    }
    for misfit in misfits {
        writeln!(text, "the database: WRONG, a search may pass records by: {misfit}")?;
    }
    Ok(text)
}

/// What lies there without anybody's word for it, or had none when a server went on from it.
fn unsigned_finds(text: &mut String, report: &Report) -> fmt::Result {
    if let Some((first, last)) = report.leftover {
        writeln!(
            text,
            "  leftover   records {first} to {last}, for which nothing speaks any more"
        )?;
    }
    for Adopted { entries, said_by } in report.adopted.iter().take(MAX_ADOPTED) {
        writeln!(
            text,
            "  adopted    {entries} before record {said_by}, which no checkpoint spoke for then"
        )?;
    }
    if let Some(more @ 1..) = report.adopted.len().checked_sub(MAX_ADOPTED) {
        writeln!(text, "  adopted    and so in {more} more places")?;
    }
    Ok(())
}

/// That all of a part is gone is no good news, whatever the whole may say about it.
fn is_good(report: &Report) -> bool {
    report.fault.is_none() && (report.last > 0 || report.unexplained == 0)
}

/// What is to be said of the records before the first that was looked at.
fn before(report: &Report) -> Option<String> {
    let Report { first, dropped, skipped, unexplained, .. } = *report;
    Some(match (dropped, skipped, unexplained) {
        (0, 0, 0) => return None,
        (.., gone) if gone > dropped.max(skipped) => {
            format!("{gone} are not here, and nothing that was looked at says why; look at all")
        }
        (dropped, ..) if dropped >= first && first > 0 => format!("{dropped} are being dropped"),
        (dropped @ 1.., ..) => format!("{dropped} are not here"),
        (_, skipped, _) => format!("{skipped} were not looked at"),
    })
}

fn as_json(reports: &[Report], misfits: &[String], asks_for_signatures: bool) -> Value {
    let writer = |report: &Report| {
        let newest = report.newest.as_ref();
        json!({
            "writer": report.writer,
            "good": is_good(report),
            "first": report.first,
            "last": report.last,
            "confirmed": report.confirmed,
            "dropped": report.dropped,
            "skipped": report.skipped,
            "unexplained": report.unexplained,
            "leftover": report.leftover.map(|(first, last)| json!({"first": first, "last": last})),
            "adopted": report.adopted.iter().map(|Adopted { entries, said_by }| json!({
                "entries": entries, "saidBy": said_by,
            })).collect::<Vec<_>>(),
            "checkpoints": report.checkpoints,
            "untrustedCheckpoints": report.untrusted,
            "newestCheckpoint": newest.map(|newest| json!({
                "size": newest.size, "time": newest.time, "chain": newest.chain.to_string(),
            })),
            "fault": report.fault.as_ref().map(|fault| json!({
                "sequence": fault.sequence, "message": fault.to_string(),
            })),
        })
    };
    json!({
        "good": misfits.is_empty() && reports.iter().all(is_good),
        "database": misfits,
        "signaturesChecked": asks_for_signatures,
        "writers": reports.iter().map(writer).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::notes;

    #[test]
    fn a_file_may_hold_many_notes() {
        let note = |name: &str| format!("{name}\n1\n\n\u{2014} k AA==\n\u{2014} l AA==\n");
        let file = format!("{}\n{}{}", note("a"), note("b"), note("c"));
        assert_eq!(notes(&file), [note("a"), note("b"), note("c")]);
        assert_eq!(notes(&note("a")), [note("a")]);
        assert_eq!(notes("nothing"), ["nothing"]);
    }
}
