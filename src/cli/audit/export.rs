//! `postern audit export`: a part of the ledger in a format that others read.

use std::fs::{self, File, OpenOptions};
use std::future::pending;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::filter::{self, Filter};
use super::progress::Progress;
use super::{Source, is_broken_pipe, note, person};
use crate::cli::{Misuse, Outcome};
use crate::ledger::event::What;
use crate::ledger::export::manifest::{Manifest, Tally};
use crate::ledger::export::{Format, Item};
use crate::ledger::json::printable;
use crate::ledger::{LedgerError, Query};
use crate::store::own::spare;
use crate::store::{AnyLedger, Stored};

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

const EXAMPLES: &str = "\
Examples:
  postern audit export --format csv --since 7d --output week.csv --manifest week.json
  postern audit export --format ocsf --answer refused | curl --data-binary @- https://siem.example

What each format carries is in docs/audit-export.md. Whoever exports is recorded in the ledger.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filter: Filter,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    format: Word,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a second file, by which the first can later be shown to be whole and unchanged
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// A format, as it is asked for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Word {
    /// The records as stored, a line each
    Jsonl,
    /// A table, a row each
    Csv,
    /// API Activity of OCSF 1.8
    Ocsf,
    /// The Elastic Common Schema, 8.17
    Ecs,
    /// CloudEvents 1.0
    Cloudevents,
}

impl From<Word> for Format {
    fn from(word: Word) -> Self {
        match word {
            Word::Jsonl => Self::Jsonl,
            Word::Csv => Self::Csv,
            Word::Ocsf => Self::Ocsf,
            Word::Ecs => Self::Ecs,
            Word::Cloudevents => Self::CloudEvents,
        }
    }
}

impl Export {
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let output = self.output.as_deref().map(followed).transpose()?;
        let manifest_to = self.manifest.as_deref().map(followed).transpose()?;
        if output.is_some() && output == manifest_to {
            let why = "`--output` and `--manifest` are one file; want two".to_owned();
            return Err(Misuse(why).into());
        }
        let location = self.source.location()?;
        for path in [&output, &manifest_to].into_iter().flatten() {
            spare(&location, None, path).map_err(|owned| Misuse(owned.to_string()))?;
        }
        let query = self.filter.query(Timestamp::now())?;
        let ledger = self.source.open().await?;
        let mut tally = Tally::new(self.format.into(), &query);
        let mut signals = Signals::listen(output.as_deref())?;
        let mut sink = Sink::open(output.as_deref())?;
        // An export whose manifest cannot be written is not begun.
        if let Some(path) = manifest_to.as_deref().filter(|path| !is_stream(path)) {
            drop(Sink::open(Some(path))?);
        }
        let written = tokio::select! {
            written = write(&ledger, &query, &mut tally, &mut sink) => written,
            () = signals.came() => Err(anyhow!("interrupted; nothing was exported")),
        };
        let written = written.and_then(|()| sink.close());
        let by = person::caller();
        let manifest = tally.manifest(by.clone(), ledger.latest_checkpoints().await?);
        // A pipe that was closed early has carried a part away.
        if written.as_ref().map_or_else(is_broken_pipe, |()| true) {
            let Manifest { count: records, ref sha256, .. } = manifest;
            let command = self.spelled(&query);
            let exported = What::Exported { by, command, records, sha256: sha256.clone() };
            person::leave(&location, &ledger, exported).await;
        }
        ledger.close().await;
        written?;
        if let Some(path) = &manifest_to {
            let text = serde_json::to_string_pretty(&manifest).context("cannot write the JSON")?;
            let mut sink = Sink::open(Some(path))?;
            sink.write(&format!("{text}\n"))?;
            sink.close()?;
        }
        match manifest.count {
            0 => note("no decision matches"),
            1 => note("exported 1 decision"),
            count => note(&format!("exported {count} decisions")),
        }
        Ok(Outcome::Done)
    }

    fn spelled(&self, query: &Query) -> String {
        let format = self.format.to_possible_value();
        let format = format.as_ref().map_or("", |value| value.get_name());
        format!("audit export --format {format}{}", filter::spelled(query))
    }
}

/// Everything that matches, a page in memory at a time.
async fn write(
    ledger: &AnyLedger,
    query: &Query,
    tally: &mut Tally,
    sink: &mut Sink,
) -> anyhow::Result<()> {
    let head = tally.format().head()?;
    sink.write(&head)?;
    tally.add_text(&head);
    let mut progress = Progress::counting("decisions");
    let mut pages = ledger.pages(query.clone(), None);
    while let Some(page) = pages.next().await? {
        let hashes = ledger.chain_hashes(&page).await?;
        for stored in &page {
            add(stored, hashes.get(&stored.id).copied(), tally, sink)?;
        }
        progress.at(tally.count());
    }
    Ok(())
}

fn add(
    stored: &Stored,
    hash: Option<crate::ledger::chain::Hash>,
    tally: &mut Tally,
    sink: &mut Sink,
) -> anyhow::Result<()> {
    let cannot = || format!("record {} cannot be exported", stored.id);
    let entry = stored.entry().map_err(|error| match error {
        LedgerError::Corrupt { source, .. } => anyhow::Error::from_boxed(source),
        other => other.into(),
    });
    let entry = entry.with_context(cannot)?;
    let item = Item::new(&entry, &stored.json, hash).with_context(cannot)?;
    if let Some(text) = tally.format().text(&item).with_context(cannot)? {
        sink.write(&text)?;
        tally.add(&item, &text);
    }
    Ok(())
}

/// The signals by which a program is told to end. A file that is not whole must not be left behind;
/// what goes to a stream is there already, and a signal ends it as any other program.
struct Signals(Option<[Signal; 2]>);

impl Signals {
    fn listen(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(_) = path.filter(|path| !is_stream(path)) else { return Ok(Self(None)) };
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self(Some([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?])))
    }

    async fn came(&mut self) {
        let Some([interrupt, terminate]) = &mut self.0 else { return pending().await };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Where a symbolic link leads, and what it leads to, whether it is there or not: a file takes the
/// place of a file, not of a link to one.
fn followed(path: &Path) -> anyhow::Result<PathBuf> {
    let mut followed = path.to_owned();
    if is_stream(path) {
        // What `/dev/stdout` leads to may have no name.
        return Ok(followed);
    }
    for _ in 0..MAX_LINKS {
        let Ok(to) = fs::read_link(&followed) else { return Ok(followed) };
        followed = followed.parent().unwrap_or(Path::new("")).join(to);
    }
    bail!("cannot write `{}`: its links lead nowhere", path.display())
}

/// A pipe or a device, which is written to where it is.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| !it.is_file())
}

/// Where an export goes. A file has its name only once it is whole.
enum Sink {
    Terminal,
    Stream(BufWriter<Box<dyn Write>>),
    File { writer: BufWriter<File>, beside: PathBuf, path: PathBuf, is_whole: bool },
}

impl Sink {
    fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            let out = io::stdout();
            let is_terminal = out.is_terminal();
            let stream = || Self::Stream(BufWriter::new(Box::new(out)));
            return Ok(if is_terminal { Self::Terminal } else { stream() });
        };
        let cannot = || format!("cannot write `{}`", path.display());
        if is_stream(path) {
            let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
            return Ok(Self::Stream(BufWriter::new(Box::new(file))));
        }
        let beside = path.with_added_extension("new");
        // People's names are in it.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let file = file.map_err(|error| match error.kind() {
            // Whose it is cannot be told, so it is not taken away.
            ErrorKind::AlreadyExists => anyhow!(
                "`{}` is in the way: an export is writing it, or was killed while it did; remove \
                 it if none is",
                beside.display()
            ),
            _ => error.into(),
        });
        let writer = BufWriter::new(file.with_context(cannot)?);
        Ok(Self::File { writer, beside, path: path.to_owned(), is_whole: false })
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        match self {
            // A record that was tampered with may hold what a terminal obeys.
            Self::Terminal => {
                let mut out = io::stdout().lock();
                for line in text.lines() {
                    writeln!(out, "{}", printable(line))?;
                }
            }
            Self::Stream(stream) => stream.write_all(text.as_bytes())?,
            Self::File { writer, path, .. } => writer
                .write_all(text.as_bytes())
                .with_context(|| format!("cannot write `{}`", path.display()))?,
        }
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Terminal => Ok(()),
            Self::Stream(stream) => Ok(stream.flush()?),
            Self::File { writer, beside, path, is_whole } => {
                writer
                    .flush()
                    .and_then(|()| writer.get_ref().sync_all())
                    .and_then(|()| fs::rename(&*beside, &*path))
                    .with_context(|| format!("cannot write `{}`", path.display()))?;
                *is_whole = true;
                Ok(())
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Once it has its name, that of before may be another's.
        if let Self::File { beside, is_whole: false, .. } = self {
            drop(fs::remove_file(beside));
        }
    }
}
