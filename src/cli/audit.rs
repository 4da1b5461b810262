//! `postern audit`: what the ledger holds, and whether it can be believed.

mod detail;
mod events;
mod export;
mod filter;
mod hold;
mod keys;
mod list;
mod moment;
mod offline;
mod person;
mod progress;
mod prove;
mod replay;
mod show;
mod stats;
mod table;
mod verify;

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use clap::Subcommand;

use self::export::Export;
use super::{Misuse, Outcome};
use crate::ledger::event::What;
use crate::ledger::json::printable;
use crate::ledger::{Entry, LedgerError};
use crate::policy::text::{Quoted, is_plain};
use crate::store::{AnyLedger, Location, LocationError, Stored};

/// Where `postern serve --dev` keeps its ledger.
const DEV_LEDGER: &str = ".postern/postern.db";
/// Candidates that are named where the beginning of an id fits several.
const CANDIDATES: usize = 10;

const EXAMPLES: &str = "\
Examples:
  postern audit list --since 24h --answer refused
  postern audit list --image '*netshoot*' -o json | jq .requester.username
  postern audit show 019ab3f2-1c4d
  postern audit export --format csv --since 7d --output week.csv --manifest week.json

Whoever reads the ledger is recorded in it.";

/// Read the ledger: who put which debug container where, and why that was allowed or refused
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(Box<list::List>),
    Show(show::Show),
    /// Count decisions by day, user, namespace, image and answer
    Stats(stats::Stats),
    Replay(replay::Replay),
    Verify(verify::Verify),
    Prove(prove::Prove),
    Checkpoint(keys::Newest),
    RotateKey(keys::Rotate),
    Hold(hold::Hold),
    Release(hold::Release),
    /// Write decisions in a format that other programs read
    Export(Box<Export>),
}

#[derive(Debug, clap::Args)]
struct Source {
    /// The ledger: `sqlite:PATH` or `postgres://…` [default: sqlite:.postern/postern.db, if that file exists]
    #[arg(long, value_name = "URL", env = "POSTERN_LEDGER", hide_env_values = true)]
    ledger: Option<String>,
}

/// Runs the command.
///
/// # Errors
///
/// The ledger cannot be read, or the output cannot be written. [`Misuse`] where no ledger is given.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match &args.command {
            Command::List(list) => list.run().await,
            Command::Show(show) => show.run().await,
            Command::Stats(stats) => stats.run().await,
            Command::Replay(replay) => replay.run().await,
            Command::Verify(verify) => verify.run().await,
            Command::Prove(prove) => prove.run().await,
            Command::Checkpoint(newest) => newest.run().await,
            Command::RotateKey(rotate) => rotate.run().await,
            Command::Hold(hold) => hold.run().await,
            Command::Release(release) => release.run().await,
            Command::Export(export) => export.run().await,
        }
    });
    match result {
        // A reader that went away has what it wanted.
        Err(error) if is_broken_pipe(&error) => Ok(Outcome::Done),
        result => result,
    }
}

impl Source {
    fn location(&self) -> Result<Location, Misuse> {
        match self.ledger.as_deref() {
            Some(url) => url.parse().map_err(|error| {
                let why = match error {
                    // One in a server's memory is read by nobody else.
                    LocationError::Unknown(given) => {
                        let given = Quoted(&given);
                        format!("one that can be is `sqlite:PATH` or `postgres://…`, not {given}")
                    }
                    other => other.to_string(),
                };
                Misuse(format!("`--ledger` cannot be read: {why}"))
            }),
            None if Path::new(DEV_LEDGER).exists() => Ok(Location::Sqlite(DEV_LEDGER.into())),
            None => Err(Misuse(format!(
                "no ledger is given and there is no `{DEV_LEDGER}` here; give `--ledger \
                 sqlite:PATH` or set POSTERN_LEDGER"
            ))),
        }
    }

    async fn open(&self) -> anyhow::Result<AnyLedger> {
        Ok(AnyLedger::open_read_only(&self.location()?).await?)
    }

    /// Opens it for a person to read, which is an event. It is recorded before anything is shown:
    /// whoever closes the output early has read all the same.
    async fn open_for_reading(&self, command: String) -> anyhow::Result<AnyLedger> {
        let ledger = self.open().await?;
        let read = What::Read { by: person::caller(), command };
        person::leave(&self.location()?, &ledger, read).await;
        Ok(ledger)
    }
}

/// The text as stored. Whoever tampered with it cannot make a terminal do anything either.
fn write_json(out: &mut dyn Write, stored: &Stored) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", printable(&stored.json))?)
}

fn write_yaml(out: &mut dyn Write, stored: &Stored) -> anyhow::Result<()> {
    let entry: Entry = stored.entry()?;
    let yaml = serde_saphyr::to_string(&entry).context("a record cannot be written as YAML")?;
    if yaml.chars().all(|character| character == '\n' || is_plain(character)) {
        Ok(write!(out, "---\n{yaml}")?)
    } else {
        // YAML's plain style has no escapes; its flow style is JSON, which has.
        Ok(writeln!(out, "---\n{}", printable(&stored.json))?)
    }
}

/// What is there and cannot be read, which hides nothing else. The last of it is not told yet.
#[derive(Default)]
struct Unreadable(Option<anyhow::Error>);

impl Unreadable {
    fn add(&mut self, error: anyhow::Error) {
        self.tell();
        self.0 = Some(error);
    }

    /// # Errors
    ///
    /// It is another one.
    fn pass_by(&mut self, written: anyhow::Result<()>) -> anyhow::Result<()> {
        match written {
            Err(error) if error.is::<LedgerError>() => {
                self.add(error);
                Ok(())
            }
            written => written,
        }
    }

    fn tell(&mut self) {
        if let Some(error) = self.0.take() {
            note(&format!("{error:#}"));
        }
    }

    /// # Errors
    ///
    /// Something could not be read.
    fn fail(self) -> anyhow::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// A line for the person, beside the data.
fn note(line: &str) {
    // Nobody may be left to read it.
    drop(writeln!(io::stderr(), "{line}"));
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == ErrorKind::BrokenPipe)
}
