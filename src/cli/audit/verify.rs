//! `postern audit verify`

mod kept;
mod report;

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;

use self::report::{Told, is_good};
use super::filter::in_order;
use super::moment::Moment;
use super::progress::Progress;
use super::{Source, note, offline};
use crate::cli::{Form, Misuse, Outcome, as_json, print};
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::{VerifyingKey, rotated_to};
use crate::ledger::port::Journal;
use crate::ledger::verify::{Report, StoredCheckpoint, Verifier};
use crate::policy::text::Plain;
use crate::store::{AnyLedger, Links, Location, PAGE, keys};

/// How often a chain is looked at of which a server drops something meanwhile.
const ATTEMPTS: usize = 5;

const EXAMPLES: &str = "\
Examples:
  postern audit verify --key auditor/postern.pub
  postern audit verify --key auditor/postern.pub --checkpoint kept/october.txt
  postern audit verify --proof proof.json --key auditor/postern.pub";

/// Prove that nothing in the ledger was changed, removed or added afterwards
///
/// Checks each record's hash against the record before, what searches go by against the records,
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
    /// A checkpoint that was kept elsewhere; finds a ledger that was cut short or written anew.
    /// What is looked at reaches to it, whatever time is asked for
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
    #[arg(long, value_name = "FILE", requires = "export",
        conflicts_with_all = ["proof", "checkpoint", "writer", "since", "until"])]
    manifest: Option<PathBuf>,
    /// The exported file
    #[arg(value_name = "EXPORT", requires = "manifest")]
    export: Option<PathBuf>,
    /// Text to read, or an object
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

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
        let trusted = trusted(&self.key, &location)?;
        let ledger = AnyLedger::open_read_only(&location).await?;
        let kept = kept::read(&self.checkpoint)?;
        for (checkpoint, note) in &kept {
            kept::trust(&ledger, &trusted, checkpoint, note).await?;
        }
        let mut reports = Vec::new();
        let writers = self.writers(&ledger, &kept).await?;
        for writer in writers {
            reports.push(self.verify(&ledger, &writer, &trusted, &kept).await?);
        }
        let misfits = match self.asks_for_a_part() {
            true => Vec::new(),
            false => misfits(&ledger, &reports).await?,
        };
        ledger.close().await;
        let nothing = self.nothing(&reports);
        let is_good = nothing.is_none() && misfits.is_empty() && reports.iter().all(is_good);
        let told = Told { reports: &reports, misfits: &misfits, is_signed: !trusted.is_empty() };
        print(&match self.output {
            Form::Text => told.text()?,
            Form::Json => as_json(&told.as_json(is_good))?,
        })?;
        if let Some(why) = nothing {
            note(why);
        }
        Ok(if is_good { Outcome::Done } else { Outcome::No })
    }

    /// Why there was nothing to prove anything about.
    fn nothing(&self, reports: &[Report]) -> Option<&'static str> {
        if reports.is_empty() {
            Some("there is nothing in it: no server has written here, or everything was removed")
        } else if self.asks_for_a_part() && reports.iter().all(|report| report.last == 0) {
            Some("no record lies in that time, so nothing was proved")
        } else {
            None
        }
    }

    fn asks_for_a_part(&self) -> bool {
        self.since.is_some() || self.until.is_some()
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

    /// A server may drop old records while they are looked at: what lacks then is not missing, and
    /// is looked at anew.
    async fn verify(
        &self,
        ledger: &AnyLedger,
        writer: &str,
        trusted: &[VerifyingKey],
        kept: &[(Checkpoint, String)],
    ) -> anyhow::Result<Report> {
        let mut before = first(ledger, writer).await?;
        for _ in 1..ATTEMPTS {
            let report = self.look_through(ledger, writer, trusted, kept).await?;
            let now = first(ledger, writer).await?;
            if report.fault.is_none() || now == before {
                return Ok(report);
            }
            before = now;
        }
        self.look_through(ledger, writer, trusted, kept).await
    }

    async fn look_through(
        &self,
        ledger: &AnyLedger,
        writer: &str,
        trusted: &[VerifyingKey],
        kept: &[(Checkpoint, String)],
    ) -> anyhow::Result<Report> {
        let mut checkpoints = ledger.signed(writer).await?;
        let kept: Vec<_> = kept.iter().filter(|(it, _)| it.writer == writer).collect();
        let sizes: Vec<_> = kept.iter().map(|(checkpoint, _)| checkpoint.size).collect();
        let trusted = followed(trusted, &ledger.rotations(writer).await?);
        let Range { from, to } = self.range(&checkpoints, &trusted, &sizes)?;
        checkpoints.retain(|stored| (from..=to).contains(&stored.size));
        checkpoints.extend(kept.into_iter().map(|(checkpoint, note)| StoredCheckpoint {
            size: checkpoint.size,
            note: note.clone(),
            frontier: Vec::new(),
        }));
        checkpoints.sort_by_key(|stored| stored.size);
        let mut verifier = Verifier::new(writer, &trusted, &checkpoints, from);
        if to < u64::MAX {
            if first(ledger, writer).await?.is_some_and(|first| first > to) {
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
        let mut report = verifier.finish();
        // Where nothing is there, that much is missing, and said to be.
        let gone = report.first.saturating_sub(1);
        report.not_compared = sizes.into_iter().filter(|size| *size < gone).collect();
        Ok(report)
    }

    /// From checkpoint to checkpoint, those of these sizes among them. Another than a trusted one
    /// may stand for anything.
    fn range(
        &self,
        checkpoints: &[StoredCheckpoint],
        trusted: &[VerifyingKey],
        kept: &[u64],
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
        let (mut from, mut to) = part(&times, since, until);
        // What was kept is compared, or it would say nothing.
        if let Some(first) = kept.iter().min().filter(|first| **first < from) {
            from = times.iter().rfind(|(size, _)| size <= first).map_or(0, |(size, _)| *size);
        }
        to = kept.iter().copied().fold(to, u64::max);
        Ok(Range { from, to: to.max(from) })
    }
}

/// The number of the first record that is there.
async fn first(ledger: &AnyLedger, writer: &str) -> anyhow::Result<Option<u64>> {
    let links = ledger.links(writer, 0, 1).await?;
    Ok(links.iter().next().transpose()?.map(|first| first.sequence))
}

/// From the last checkpoint before a time to the first after another. Where a clock was set back,
/// what was signed on both sides of it is in the part.
fn part(
    times: &[(u64, Timestamp)],
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> (u64, u64) {
    let from = since.and_then(|since| times.iter().take_while(|it| it.1 <= since).last());
    let to = until.and_then(|until| {
        let before = times.iter().rposition(|(_, time)| *time < until);
        times.get(before.map_or(0, |before| before + 1))
    });
    (from.map_or(0, |(size, _)| *size), to.map_or(u64::MAX, |(size, _)| *size))
}

/// What is wrong with the database itself, which takes as long as it takes to read all of it twice.
async fn misfits(ledger: &AnyLedger, reports: &[Report]) -> Result<Vec<String>, LedgerError> {
    let progress = Progress::waiting("the database itself");
    let mut found = ledger.misfits().await?;
    drop(progress);
    // Where a record is not what was written, nobody knows what it should be found by.
    for Report { writer, last, .. } in reports.iter().filter(|report| report.fault.is_none()) {
        let mut progress = Progress::new(&format!("the index of {}", Plain(writer)), *last);
        found.extend(ledger.unsearchable(writer, |through| progress.at(through)).await?);
    }
    Ok(found)
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

/// The keys that are given, or else the one beside the ledger; none where there is none.
pub(super) fn trusted(given: &[String], location: &Location) -> anyhow::Result<Vec<VerifyingKey>> {
    if !given.is_empty() {
        return trusted_keys(given);
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
    note("no key is given, so no signature is checked; give --key");
    Ok(Vec::new())
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::part;

    #[test]
    fn a_part_has_all_of_its_time_though_a_clock_was_set_back() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let signed = |times: &[i64]| -> Vec<_> {
            (1_u64..).zip(times).map(|(size, time)| (size * 10, at(*time).unwrap())).collect()
        };
        let straight = signed(&[100, 200, 300, 400]);
        assert_eq!(part(&straight, at(200), at(300)), (20, 30));
        assert_eq!(part(&straight, at(50), at(90)), (0, 10));
        assert_eq!(part(&straight, at(500), at(600)), (40, u64::MAX));
        assert_eq!(part(&straight, None, None), (0, u64::MAX));
        // The second was signed ahead of time.
        let back = signed(&[100, 900, 300, 400]);
        assert_eq!(part(&back, at(350), None), (10, u64::MAX), "of 350 to 900 is in the second");
        assert_eq!(part(&back, None, at(350)), (0, 40), "before 350 is the third too");
    }
}
