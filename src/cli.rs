//! Layer 7, the command line.
//!
//! Data goes to standard output, everything else to standard error.

pub mod audit;
pub mod certs;
pub mod check;
pub mod completion;
pub mod crds;
pub mod doctor;
pub mod man;
pub mod manifests;
mod plugin;
pub mod ready;
pub mod schema;
pub mod serve;
pub mod test;
pub mod words;

use std::env;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{FromArgMatches, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::config::SettingError;
use crate::ledger::json::printable;
use crate::policy::text::{Lines, is_plain};

/// Everything was done.
const DONE: u8 = 0;
/// The answer is no.
const NO: u8 = 1;
/// It failed.
const FAILED: u8 = 2;
/// It was called wrongly.
const MISUSE: u8 = 64;

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   the answer is no: refused, invalid, not found
  2   it failed
  64  called wrongly";

/// Admission webhook that governs ephemeral debug containers in Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "postern", version, after_help = EXIT_CODES, subcommand_required = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Check(Box<check::Args>),
    Test(test::Args),
    Audit(Box<audit::Args>),
    Certs(certs::Args),
    Crds(crds::Args),
    Doctor(Box<doctor::Args>),
    Manifests(manifests::Args),
    Ready(ready::Args),
    Schema(schema::Args),
    Completion(completion::Args),
    Man(man::Args),
    #[command(name = words::NAME, hide = true)]
    Words(words::Args),
}

impl Command {
    fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Serve(args) => serve::run(*args),
            Self::Check(args) => check::run(&args),
            Self::Test(args) => test::run(&args),
            Self::Audit(args) => audit::run(&args),
            Self::Certs(args) => certs::run(&args),
            Self::Crds(args) => crds::run(&args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Manifests(args) => manifests::run(&args),
            Self::Ready(args) => ready::run(&args),
            Self::Schema(args) => schema::run(&args),
            Self::Completion(args) => completion::run(&args),
            Self::Man(args) => man::run(&args),
            Self::Words(args) => words::run(&args),
        }
    }
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for was done, or the answer is yes.
    Done,
    /// The answer is no.
    No,
}

/// How something is printed: for people, or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

/// The same, where people write such documents themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Yaml,
}

impl Format {
    fn render(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => text(),
            Self::Json => as_json(value)?,
            Self::Yaml => as_yaml(value)?,
        })
    }
}

/// The command was called wrongly; exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// What was asked about is not there; exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Absent(pub String);

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that went away has what it wanted.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { MISUSE } else { DONE });
        }
    };
    match cli.command.run() {
        Ok(Outcome::Done) => ExitCode::from(DONE),
        Ok(Outcome::No) => ExitCode::from(NO),
        Err(error) => {
            drop(writeln!(io::stderr(), "postern: {}", Lines(&sentence(&error))));
            let setting = error.downcast_ref::<SettingError>();
            ExitCode::from(
                if setting.is_some_and(SettingError::is_misuse) || error.is::<Misuse>() {
                    MISUSE
                } else if error.is::<Absent>() {
                    NO
                } else {
                    FAILED
                },
            )
        }
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let mut arguments = env::args_os().peekable();
    let mut command = plugin::command(arguments.peek().map(AsRef::as_ref));
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.map_err(|error| with_variable(error, &command))?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Names the variable that a wrong value came from, where the flag was not given.
fn with_variable(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(argument) = argument(command, flag) else { return error };
    let is_given = env::args_os().any(|word| {
        let word = word.to_string_lossy();
        let long = argument.get_long().and_then(|long| word.strip_prefix("--")?.strip_prefix(long));
        let short =
            argument.get_short().and_then(|short| word.strip_prefix('-')?.strip_prefix(short));
        long.is_some_and(|rest| rest.is_empty() || rest.starts_with('=')) || short.is_some()
    });
    let variable = argument.get_env().filter(|name| !is_given && env::var_os(name).is_some());
    if let Some(variable) = variable {
        let flag = format!("{flag} ({})", variable.to_string_lossy());
        error.insert(ContextKind::InvalidArg, ContextValue::String(flag));
    }
    error
}

/// The flag that a variable stands for as well, as errors spell it.
fn argument<'a>(command: &'a clap::Command, flag: &str) -> Option<&'a clap::Arg> {
    let long = flag.split(' ').next().and_then(|name| name.strip_prefix("--"));
    let is_it = |it: &&clap::Arg| it.get_env().is_some() && it.get_long() == long;
    let below = || command.get_subcommands().find_map(|command| argument(command, flag));
    command.get_arguments().find(is_it).or_else(below)
}

/// An error and its causes on one line. Many an error already says its cause.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |sentence, cause| {
        let cause = cause.to_string();
        match sentence.as_str() {
            "" => cause,
            said if said.contains(&cause) => sentence,
            said => format!("{said}: {cause}"),
        }
    })
}

/// A user or a group to ask as. An empty one would be asked for as nobody, or as whoever asks.
fn somebody(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("want a name, as in `alice`") } else { Ok(text.to_owned()) }
}

/// JSON on one line. What others wrote cannot make a terminal do anything.
pub(crate) fn as_json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(format!("{}\n", printable(&serde_json::to_string(value)?)))
}

/// YAML, or JSON where YAML's plain style would show what a terminal acts on: it has no escapes.
pub(crate) fn as_yaml(value: &impl Serialize) -> anyhow::Result<String> {
    let yaml = serde_saphyr::to_string(value)?;
    let is_harmless = yaml.chars().all(|character| character == '\n' || is_plain(character));
    if is_harmless { Ok(yaml) } else { Ok(as_json(value)?) }
}

/// Writes to standard output. A reader that went away has what it wanted.
///
/// # Errors
///
/// The output cannot be written for another reason.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
