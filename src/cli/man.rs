//! `postern man FOLDER`

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use super::{Cli, Outcome};

const EXAMPLES: &str = "\
Examples:
  postern man ~/.local/share/man/man1 && man postern-audit-list";

/// Write the manual pages, one for each command, into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Made if it is not there
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Args { folder } = args;
    let cannot = || format!("cannot write manual pages into `{}`", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    // A page that says of `help` what `help` says of itself helps nobody.
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder).with_context(cannot)?;
    Ok(Outcome::Done)
}
